//! From a path to a [`Plugin`]: every check that needs no code of the plugin first, then its entry function.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use sha2::{Digest, Sha256};
use tidegate_plugin_abi::{ABI_MAJOR, ENTRY_SYMBOL, EntryFn, PluginV1};

use crate::error::LoadError;
use crate::plugin::{Plugin, Seat};
use crate::worker::Isolation;
use crate::{check, entry, library};

/// How a plugin is loaded.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The file's content must have this hash.
    pub sha256: Option<[u8; 32]>,
    /// Where its code runs.
    pub isolation: Isolation,
}

/// Loads a plugin, for ever. Call it on the main thread, before serving: the plugin's entry function runs here.
///
/// Refused, before any of its code runs: a file or folder that others can write, one that is no whole shared library
/// for this machine, one whose hash is not the one asked for, and one that does not export our major's entry symbol.
/// Loading one file twice gives two plugins over one copy of its code.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Arc<Plugin>, LoadError> {
    let path = &path.canonicalize().map_err(|e| LoadError::new(path, format!("it cannot be found: {e}")))?;
    let refuse = |reason: String| LoadError::new(path, reason);

    let (bytes, identity) = check::read(path).map_err(refuse)?;
    let sha256: [u8; 32] = Sha256::digest(&bytes).into();
    if let Some(wanted) = options.sha256.filter(|wanted| *wanted != sha256) {
        return Err(refuse(format!("its sha256 is {}, not {} as configured", hex(&sha256), hex(&wanted))));
    }
    exports_ours(&bytes).map_err(refuse)?;
    drop(bytes);
    if options.isolation != Isolation::Inline {
        return Err(refuse("it is to run in a process of its own, which is not there yet".to_owned()));
    }

    // SAFETY: the file was checked to be a library that only trusted users can write; its constructors are as
    // trusted as the rest of it.
    let library = unsafe { Library::open(Some(path.as_path()), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|e| refuse(format!("the system's loader refuses it: {}", chain(&e))))?;
    let seat = Seat::leak(&path.file_stem().unwrap_or_default().to_string_lossy());
    // SAFETY: the contract fixes the type behind this name.
    let entry = unsafe { library.get::<EntryFn>(ENTRY_SYMBOL) }.map(|symbol| *symbol);
    // Never unloaded, refused or not: its code may have left thread-locals, threads or atexit functions behind.
    std::mem::forget(library);
    let entry = entry.map_err(|_| refuse(format!("it exports no {ENTRY_SYMBOL}")))?;
    if !check::unchanged(path, &identity) {
        return Err(refuse("it changed while it was loaded".to_owned()));
    }
    // SAFETY: the entry function of the contract, with a host that lives as long as the process.
    let descriptor = unsafe { entry::describe(entry(seat.host())) }.map_err(refuse)?;
    Ok(Plugin::new(path, Some(sha256), seat, descriptor))
}

/// A plugin that is linked in: the same checks of its descriptor.
pub fn from_static(plugin: &'static PluginV1) -> Result<Arc<Plugin>, LoadError> {
    let path = Path::new("(static)");
    // SAFETY: a reference to a descriptor; the rest is what its author vouched for by calling it `Sync`.
    let descriptor = unsafe { entry::describe(plugin) }.map_err(|reason| LoadError::new(path, reason))?;
    Ok(Plugin::new(path, None, Seat::leak(descriptor.name), descriptor))
}

/// Does the library export the entry symbol of our major?
pub(crate) fn exports_ours(file: &[u8]) -> Result<(), String> {
    let majors = library::entry_majors(file)?;
    match majors.last() {
        _ if majors.contains(&ABI_MAJOR) => Ok(()),
        Some(theirs) => Err(format!("it speaks plugin ABI v{theirs}, and this Tidegate speaks v{ABI_MAJOR}")),
        None => Err(format!("it exports no {ENTRY_SYMBOL}")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
