//! What the process of an isolated plugin gives up before a byte of the plugin runs, and again once it is loaded.
//!
//! A plugin computes. It needs memory, the descriptor that its frames come over, and standard error; so everything else
//! is taken away, by each means that the kernel has. No means is trusted to be there: what a kernel lacks is said in
//! [`Applied::missing`] and the rest still holds. docs/security.md says what follows from it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(all(test, target_os = "linux"))]
mod tests;

/// What the child may keep.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Bytes of memory beyond what the process has when it is confined. Beyond it an allocation fails.
    pub(crate) memory: u64,
    /// The descriptors that stay open, standard error among them. No other can be open once the plugin is loaded.
    pub(crate) keep: Vec<i32>,
    /// Files that the dynamic loader must read: the plugin's own. Not needed for one that is loaded from a descriptor.
    pub(crate) readable: Vec<PathBuf>,
    /// The process that must still be our parent. `None`: not compared.
    pub(crate) parent: Option<u32>,
}

/// What is in force, for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    /// Names of what holds, in the order in which it was applied.
    pub(crate) holds: Vec<String>,
    /// What does not, with the reason.
    pub(crate) missing: Vec<String>,
}

impl Applied {
    #[cfg(target_os = "linux")]
    fn note(&mut self, what: impl Into<String>, result: Result<(), String>) {
        let what = what.into();
        match result {
            Ok(()) => self.holds.push(what),
            Err(why) => self.missing.push(format!("{what}: {why}")),
        }
    }

    /// Adds what a later step applied.
    pub(crate) fn merge(&mut self, later: Self) {
        self.holds.extend(later.holds);
        self.missing.extend(later.missing);
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.holds.join(", "))?;
        if !self.missing.is_empty() {
            write!(f, "; not in force: {}", self.missing.join("; "))?;
        }
        Ok(())
    }
}

/// Confines this process, which is about to load a plugin: even the constructors of the library find nothing but the
/// system's libraries to read. The process must have one thread, since most of this holds for the calling thread and
/// those that it starts. Not to be undone.
///
/// The parent's death ends the process, and the parent is the *thread* that started it: start it on one that stays.
///
/// # Errors
/// What every Linux can do could not be done, or the parent is gone: the process must end.
#[cfg(target_os = "linux")]
pub(crate) fn before_load(limits: &Limits) -> Result<Applied, String> {
    let mut applied = Applied::default();
    process::alone()?;
    process::detach()?;
    process::close_others(&limits.keep)?;
    applied.note("descriptors closed", Ok(()));
    process::no_new_privileges()?;
    applied.note("no new privileges", Ok(()));
    applied.note("no capabilities", process::drop_capabilities());
    // After the capabilities: the kernel forgets this wish when a process changes its credentials.
    process::die_with_parent(limits.parent)?;
    applied.note("dies with its parent", Ok(()));
    process::limit(limits)?;
    applied.note("resource limits", Ok(()));
    match landlock::read_only_libraries(&limits.readable) {
        Ok(abi) => applied.note(format!("landlock {abi}"), Ok(())),
        Err(why) => applied.note("landlock", Err(why)),
    }
    applied.note("system calls of loading", seccomp::install(&calls::ever()));
    Ok(applied)
}

/// Takes away what only loading needed, after [`before_load`]: from here on no file is opened, no descriptor made, no
/// code mapped.
///
/// # Errors
/// As [`before_load`].
#[cfg(target_os = "linux")]
pub(crate) fn after_load() -> Result<Applied, String> {
    let mut applied = Applied::default();
    process::no_new_descriptors()?;
    applied.note("no new descriptors", Ok(()));
    applied.note("system calls of serving", seccomp::install(&calls::once_loaded()));
    Ok(applied)
}

/// There are processes here, and nothing yet that confines them.
#[cfg(not(target_os = "linux"))]
pub(crate) fn before_load(_limits: &Limits) -> Result<Applied, String> {
    Ok(Applied { holds: Vec::new(), missing: vec!["everything: this system is not Linux".to_owned()] })
}

/// See [`before_load`].
#[cfg(not(target_os = "linux"))]
pub(crate) fn after_load() -> Result<Applied, String> {
    Ok(Applied::default())
}
