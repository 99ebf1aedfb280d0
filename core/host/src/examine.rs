//! What a file is, before anybody decides to load it: nothing of it runs here.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::check::Contents;
use crate::error::LoadError;
use crate::library;

/// What can be read off a file that may be a plugin.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Where it is, symbolic links resolved.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Of its content.
    pub sha256: [u8; 32],
    /// The majors of the plugin ABI whose entry symbols it names; a clause whose subject is the file when it is no
    /// shared library for this machine.
    pub majors: Result<Vec<u32>, String>,
    /// Whether only those can change it who could run code as this process anyway; else a clause that says who can.
    pub guarded: Result<(), String>,
}

/// Reads the file at `path` without running any of it.
///
/// # Errors
/// It cannot be read.
pub fn examine(path: &Path) -> Result<Examined, LoadError> {
    let contents = Contents::read(path).map_err(|why| LoadError::new(path, why))?;
    Ok(Examined {
        size: contents.bytes.len() as u64,
        sha256: Sha256::digest(&contents.bytes).into(),
        majors: library::entry_majors(&contents.bytes),
        guarded: contents.guarded(path),
        path: contents.path,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_is_no_library_and_that_all_can_write_is_still_described() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("libtext.so");
        std::fs::write(&path, "not a library").unwrap();
        let found = examine(&path).unwrap();
        assert_eq!((found.size, found.guarded), (13, Ok(())));
        assert_eq!(found.majors.unwrap_err(), "it is not a shared library");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(examine(&path).unwrap().guarded.unwrap_err().contains("writable by everyone"));
        assert!(examine(&dir.path().join("gone.so")).unwrap_err().reason().contains("cannot be found"));
    }
}
