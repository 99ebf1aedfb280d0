//! What is in the folders, without reading it: to see that something has changed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::folders::folders;
use crate::config;
use crate::routing::vendors;

/// Every file that could be a plugin or a vendor, and what changes when its content, its rights or its owner do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, [i64; 8]>);

impl Snapshot {
    /// Looks into the folders that plugins are loaded from.
    pub fn of(settings: &config::Plugins) -> Self {
        let folders = folders(&settings.dirs);
        let files = folders.iter().flat_map(|folder| {
            let libraries = tidegate_host::libraries(&folder.path).unwrap_or_default();
            libraries.into_iter().chain(vendors::files(&folder.path))
        });
        let identity = |path: PathBuf| {
            let meta = std::fs::metadata(&path).ok()?;
            let whose = i64::from(meta.uid()) << 32 | i64::from(meta.gid());
            let (device, file) = (meta.dev().cast_signed(), meta.ino().cast_signed());
            let times = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
            let [written, written_ns, changed, changed_ns] = times;
            let size = meta.size().cast_signed();
            Some((path, [device, file, size, written, written_ns, changed, changed_ns, whose]))
        };
        Self(files.filter_map(identity).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_happens_to_a_file_shows() {
        let dir = tempfile::tempdir().unwrap();
        let settings = config::Plugins { dirs: vec![dir.path().to_owned()], ..config::Plugins::default() };
        let (path, other) = (dir.path().join("a.so"), dir.path().join("b"));
        let mut before = Snapshot::of(&settings);
        assert_eq!(before, Snapshot::of(&settings));
        let mut changed = |what: &str| {
            let now = Snapshot::of(&settings);
            assert_ne!(now, before, "{what}");
            before = now;
        };
        std::fs::write(&path, "one").unwrap();
        changed("a new file");
        std::fs::write(&other, "two").unwrap();
        std::fs::rename(&other, &path).unwrap();
        changed("another of the same size in its place");
        std::fs::write(&path, "three").unwrap();
        changed("written anew");
        std::fs::write(dir.path().join("v.provider.yaml"), "").unwrap();
        changed("a vendor");
        std::fs::remove_file(&path).unwrap();
        changed("gone");
        std::fs::write(dir.path().join("notes.txt"), "").unwrap();
        assert_eq!(before, Snapshot::of(&settings), "nobody would load that");
    }
}
