//! From a path to a [`Plugin`]: every check that needs no code of the plugin first, then its entry function.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use parking_lot::{Mutex, MutexGuard};
use tidegate_plugin_abi::{ABI_MAJOR, ENTRY_SYMBOL, EntryFn, PluginV1};

use crate::checked::{Checked, Found};
use crate::entry::{self, Descriptor};
use crate::error::LoadError;
use crate::plugin::{Plugin, Seat};
use crate::worker::{Isolation, Pool};

/// How a plugin is loaded.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The file's content must have this hash.
    pub sha256: Option<[u8; 32]>,
    /// Where its code runs.
    pub isolation: Isolation,
}

/// Loads a plugin. Its entry function runs here: call it where that may take a while.
///
/// Refused, before any of its code runs: a file or folder that others can write, one that is no whole shared library
/// for this machine, one whose hash is not the one asked for, and one that does not export our major's entry symbol.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Arc<Plugin>, LoadError> {
    Found::at(path).checked()?.load(options)
}

impl Checked {
    /// Loads it, for ever: a library is never unloaded. Content that was loaded before, under whatever name, is not
    /// loaded again; nor is content that was refused after its code had run.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&self, options: &LoadOptions) -> Result<Arc<Plugin>, LoadError> {
        let (path, sha256) = (self.path(), self.sha256());
        let refuse = |reason: String| LoadError::new(path, reason);
        if let Some(wanted) = options.sha256.filter(|wanted| wanted != sha256) {
            let reason = format!("its sha256 is {}, not {} as configured", hex(sha256), hex(wanted));
            return Err(refuse(reason));
        }
        if let Isolation::Process(options) = &options.isolation {
            let image = self.image().map_err(|e| refuse(unkept(&e)))?;
            let (pool, about) = Pool::start(path, image, options).map_err(refuse)?;
            return Ok(Plugin::remote(path, *sha256, about, pool));
        }
        let known = loaded().get(sha256).cloned();
        let outcome = match known {
            Some(outcome) => outcome,
            None => {
                let library = self.open().map_err(refuse)?;
                let outcome = enter(library, &path.file_stem().unwrap_or_default().to_string_lossy());
                loaded().entry(*sha256).or_insert(outcome).clone()
            }
        };
        let (seat, descriptor) = outcome.map_err(refuse)?;
        Ok(Plugin::new(path, Some(*sha256), seat, descriptor))
    }

    /// Gives the content to the system's loader.
    fn open(&self) -> Result<Library, String> {
        let first = self.image().map_err(|e| unkept(&e))?;
        let refused = match dlopen(first.place()) {
            Ok(library) => {
                // The loader tells libraries apart by name: this one's descriptor must never be another's.
                std::mem::forget(first);
                return Ok(library);
            }
            Err(error) => error.replace(&*first.place().to_string_lossy(), &self.path().to_string_lossy()),
        };
        drop(first);
        // Some systems map no code from memory that has no file. A private file has its content's hash in its name, and is
        // mapped by the time that it is removed.
        let second = self.private_image().ok().and_then(|image| dlopen(image.place()).ok());
        second.ok_or_else(|| format!("the system's loader refuses it: {refused}"))
    }
}

/// Loads what a descriptor of this process holds, which was checked by the parent. `path` is where it came from.
pub(crate) fn load_held(place: &Path, path: &Path) -> Result<Arc<Plugin>, String> {
    let refused = |error: String| {
        let error = error.replace(&*place.to_string_lossy(), &path.to_string_lossy());
        format!("the system's loader refuses it: {error}")
    };
    let library = dlopen(place).map_err(refused)?;
    let (seat, descriptor) = enter(library, &path.file_stem().unwrap_or_default().to_string_lossy())?;
    Ok(Plugin::new(path, None, seat, descriptor))
}

fn unkept(error: &std::io::Error) -> String {
    format!("its content cannot be kept in memory or on disk: {error}")
}

/// What became of content that the system's loader has taken: it stays for ever, as what it turned out to be.
type Outcome = Result<(&'static Seat, Descriptor), String>;

fn loaded() -> MutexGuard<'static, HashMap<[u8; 32], Outcome>> {
    static LOADED: LazyLock<Mutex<HashMap<[u8; 32], Outcome>>> = LazyLock::new(Mutex::default);
    LOADED.lock()
}

fn dlopen(place: &Path) -> Result<Library, String> {
    // SAFETY: what is opened was checked to be a library that only trusted users could write, and cannot have changed
    // since; its constructors are as trusted as the rest of it.
    unsafe { Library::open(Some(place), RTLD_NOW | RTLD_LOCAL) }.map_err(|error| chain(&error))
}

/// Calls the entry function. `stem` names the plugin until its descriptor does.
fn enter(library: Library, stem: &str) -> Outcome {
    let seat = Seat::leak(stem);
    // SAFETY: the contract fixes the type behind this name.
    let entry = unsafe { library.get::<EntryFn>(ENTRY_SYMBOL) }.map(|symbol| *symbol);
    // Never unloaded, refused or not: its code may have left thread-locals, threads or atexit functions behind.
    std::mem::forget(library);
    let entry = entry.map_err(|_| no_entry())?;
    // SAFETY: the entry function of the contract, with a host that lives as long as the process.
    Ok((seat, unsafe { entry::describe(entry(seat.host())) }?))
}

/// A plugin that is linked in: the same checks of its descriptor.
pub fn from_static(plugin: &'static PluginV1) -> Result<Arc<Plugin>, LoadError> {
    let path = Path::new("(static)");
    // SAFETY: a reference to a descriptor; the rest is what its author vouched for by calling it `Sync`.
    let descriptor = unsafe { entry::describe(plugin) }.map_err(|reason| LoadError::new(path, reason))?;
    Ok(Plugin::new(path, None, Seat::leak(descriptor.about.name), descriptor))
}

/// Do these majors of exported entry symbols have ours?
pub(crate) fn speaks_ours(majors: &[u32]) -> Result<(), String> {
    match majors.last() {
        _ if majors.contains(&ABI_MAJOR) => Ok(()),
        Some(theirs) => Err(format!("it speaks plugin ABI v{theirs}, and this Tidegate speaks v{ABI_MAJOR}")),
        None => Err(no_entry()),
    }
}

pub(crate) fn no_entry() -> String {
    format!("it exports no {ENTRY_SYMBOL}")
}

/// The bytes of a hash in lower-case hexadecimal digits.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_code_cannot_be_mapped_from_memory_a_private_file_does() {
        let dir = tempfile::tempdir().unwrap();
        let (source, file) = (dir.path().join("a.c"), dir.path().join("a.so"));
        std::fs::write(&source, "int tidegate_plugin_entry_v1(void) { return 0; }").unwrap();
        let compiled =
            std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&file, &source]).status();
        assert!(compiled.unwrap().success());
        let checked = Found::at(&file).checked().unwrap();
        let image = checked.private_image().unwrap();
        assert!(!image.place().starts_with("/proc"), "{}", image.place().display());
        let library = dlopen(image.place()).unwrap();
        drop(image);
        // SAFETY: nothing is called.
        assert!(unsafe { library.get::<EntryFn>(ENTRY_SYMBOL) }.is_ok());
    }
}
