//! Where plugins are looked for, and what finding one there says about it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::Isolation;

/// Where packages put plugins.
pub(super) const SYSTEM_DIR: &str = "/usr/lib/tidegate/plugins";

/// Where an administrator drops plugins of others.
pub(super) const DROP_IN_DIR: &str = "/usr/local/lib/tidegate/plugins";

/// One place to look in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Meant for plugins alone: what is none of ours there is worth a word.
    pub(super) for_plugins: bool,
    /// For what is found here, where its settings do not say.
    pub(super) isolation: Isolation,
}

/// The configured ones, then what stands beside the executable, then the drop-in folder and the packages' own.
///
/// What whoever installed Tidegate put beside it, or where packages put plugins, is as trusted as Tidegate and runs
/// inline. Everything else was dropped in, and gets a process.
pub(super) fn folders(configured: &[PathBuf]) -> Vec<Folder> {
    let beside = std::env::current_exe().ok().as_deref().and_then(Path::parent).map(Path::to_owned);
    let beside_us = |path: PathBuf| Folder { path, for_plugins: false, isolation: Isolation::Inline };
    let installed = |path: PathBuf| Folder { path, for_plugins: true, isolation: Isolation::Inline };
    let dropped = |path: PathBuf| Folder { path, for_plugins: true, isolation: Isolation::Process };
    let mut folders: Vec<Folder> = configured.iter().cloned().map(dropped).collect();
    folders.extend(beside.map(beside_us));
    folders.extend([dropped(DROP_IN_DIR.into()), installed(SYSTEM_DIR.into())]);
    // A folder that is named twice, be it by another path, is what its first name says.
    let mut seen = BTreeSet::new();
    folders.retain(|folder| seen.insert(folder.path.canonicalize().unwrap_or_else(|_| folder.path.clone())));
    folders
}

/// Whether a configured folder that is not there is worth no word: it is looked for anyway.
pub(super) fn is_built_in(path: &Path) -> bool {
    path == Path::new(SYSTEM_DIR) || path == Path::new(DROP_IN_DIR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dropped_in_gets_a_process() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let found = folders(&[real.clone(), link]);
        let isolation = |path: &Path| found.iter().find(|folder| folder.path == path).unwrap().isolation;
        assert_eq!(found.len(), 4, "one folder by two names is one: {found:?}");
        assert_eq!(isolation(&real), Isolation::Process);
        assert_eq!(isolation(Path::new(DROP_IN_DIR)), Isolation::Process);
        assert_eq!(isolation(Path::new(SYSTEM_DIR)), Isolation::Inline);
        let beside = std::env::current_exe().unwrap().parent().unwrap().to_owned();
        assert_eq!(isolation(&beside), Isolation::Inline);
        // Named in the configuration, it was dropped in.
        assert_eq!(folders(&[beside])[0].isolation, Isolation::Process);
    }
}
