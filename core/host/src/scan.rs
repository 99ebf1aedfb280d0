//! Finds plugins in folders, by what they export and without running them.

use std::path::{Path, PathBuf};

use crate::checked::Found;
use crate::error::LoadError;

/// What a look into folders found.
#[derive(Debug, Default)]
pub struct Survey {
    /// Files that export an entry symbol of ours, of any major: [`crate::load()`] says whether they can be used.
    /// By folder as given, then by name.
    pub plugins: Vec<PathBuf>,
    /// Libraries by name that are none of ours, or cannot be read as such: worth a word where the folder is meant
    /// for plugins alone.
    pub skipped: Vec<Skipped>,
}

/// A file (or folder) that was passed over.
#[derive(Debug)]
pub struct Skipped {
    /// Where it is, and why it is no plugin.
    pub error: LoadError,
}

/// The files in `dirs` that export an entry symbol of ours. A folder that does not exist is empty; which of two
/// plugins with one name is used is the caller's to say.
pub fn scan(dirs: &[PathBuf]) -> Vec<PathBuf> {
    survey(dirs).plugins
}

/// As [`scan`], with what was passed over and why.
pub fn survey(dirs: &[PathBuf]) -> Survey {
    let mut found = Survey::default();
    for dir in dirs {
        match libraries(dir) {
            Ok(paths) => paths.into_iter().for_each(|path| sort_one(path, &mut found)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => skip(dir, format!("the folder cannot be read: {e}"), &mut found),
        }
    }
    found
}

/// The files of a folder whose names are those of libraries, by name.
///
/// # Errors
/// The folder cannot be read.
pub fn libraries(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "so" || extension == "dylib") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn sort_one(path: PathBuf, found: &mut Survey) {
    match Found::at(&path) {
        Found::Plugin(_) | Found::Refused(_) => found.plugins.push(path),
        Found::Other(error) => found.skipped.push(Skipped { error }),
    }
}

fn skip(path: &Path, reason: String, found: &mut Survey) {
    found.skipped.push(Skipped { error: LoadError::new(path, reason) });
}
