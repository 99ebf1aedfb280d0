//! Is this file safe to use? Code that somebody else can change would run with this process's rights, and a vendor file
//! says where keys are sent.
//!
//! The rules are those that sshd (`StrictModes`) and sudo (`sudo_secure_path`) have for the files that decide who may do
//! what: the file and every folder above it belong to root or to the user we run as, and nobody else can write them.

mod groups;
mod owner;

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::LoadError;
use owner::Trusted;

/// No plugin is near this size.
const MAX_FILE: u64 = 512 << 20;

/// A file's content, read once, and where it really is.
pub(crate) struct Contents {
    /// Without links.
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    file: File,
}

/// Reads a file that only root and the user we run as can have written: its links are resolved first, and it and every
/// folder above it are checked. For files that are no code and are trusted as much.
///
/// # Errors
/// The clause names what is wrong, with which component of the path, whose it is, its mode, and what mends it.
pub fn read_guarded(path: &Path) -> Result<Vec<u8>, LoadError> {
    let refuse = |reason| LoadError::new(path, reason);
    let contents = Contents::read(path).map_err(refuse)?;
    contents.guarded(path).map_err(refuse)?;
    Ok(contents.bytes)
}

impl Contents {
    /// Reads the file, whoever may write it. Every error is a clause whose subject is the file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let path = path.canonicalize().map_err(|e| format!("it cannot be found: {e}"))?;
        let (file, meta) = open(&path)?;
        let bytes = bytes(&file, meta.len())?;
        Ok(Self { path, bytes, file })
    }

    /// Checks who else can write it. `asked`: the path that led here, links and all.
    ///
    /// Looked at after it was read, so that no time is between the look and the use: the bytes that we hold are all that
    /// is ever used of it.
    pub(crate) fn guarded(&self, asked: &Path) -> Result<(), String> {
        let trusted = Trusted::of(&self.path);
        let meta = self.file.metadata().map_err(|e| format!("it cannot be read: {e}"))?;
        trusted.file(&meta, &self.path)?;
        folders(&trusted, &self.path)?;
        // Only trusted users can change what is on this path, so that it leads to the file that was read.
        let there = std::fs::metadata(&self.path).map_err(|e| format!("it cannot be found: {e}"))?;
        if (there.dev(), there.ino()) != (meta.dev(), meta.ino()) {
            return Err("it was replaced while it was read".to_owned());
        }
        // Whoever can change the link decides which of several good files is used, an older one perhaps.
        match asked.parent().and_then(|folder| folder.canonicalize().ok()) {
            Some(folder) if Some(&*folder) != self.path.parent() => folders(&trusted, &folder.join("link"))
                .map_err(|why| format!("it was found by a link, and {why}")),
            _ => Ok(()),
        }
    }
}

/// Checks every folder above `path`, which is canonical, from the root down.
fn folders(trusted: &Trusted, path: &Path) -> Result<(), String> {
    let folder = path.parent().ok_or("it has no folder")?;
    let mut above: Vec<&Path> = folder.ancestors().collect();
    above.reverse();
    for each in above {
        let cannot = |e| format!("its folder {} cannot be looked at: {e}", each.display());
        let meta = std::fs::symlink_metadata(each).map_err(cannot)?;
        trusted.folder(&meta, each, each == folder)?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<(File, Metadata), String> {
    let cannot = |e: std::io::Error| format!("it cannot be read: {e}");
    // Before the open, which a FIFO would block; and after it, of what was opened.
    let regular = |meta: Metadata| match meta.is_file() {
        true => Ok(meta),
        false => Err("it is not a regular file".to_owned()),
    };
    regular(std::fs::metadata(path).map_err(cannot)?)?;
    let file = File::open(path).map_err(cannot)?;
    let meta = regular(file.metadata().map_err(cannot)?)?;
    Ok((file, meta))
}

fn bytes(file: &File, len: u64) -> Result<Vec<u8>, String> {
    if len == 0 {
        return Err("it is empty".to_owned());
    }
    if len > MAX_FILE {
        return Err(format!("it is {len} bytes long, over {MAX_FILE}"));
    }
    let mut bytes = Vec::with_capacity(len as usize);
    file.take(len + 1).read_to_end(&mut bytes).map_err(|e| format!("it cannot be read: {e}"))?;
    match bytes.len() as u64 == len {
        true => Ok(bytes),
        false => Err("it changed while it was read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// `ROOT/above/folder/file`, none of which others can write.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().canonicalize().unwrap().join("above/folder");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("file");
        fs::write(&file, "content").unwrap();
        mode(&file, 0o644);
        for path in file.ancestors().skip(1).take(3) {
            mode(path, 0o755);
        }
        (root, file)
    }

    fn refused(file: &Path) -> String {
        read_guarded(file).unwrap_err().reason().to_owned()
    }

    #[test]
    fn a_good_file_is_read() {
        let (_root, file) = tree();
        assert_eq!(read_guarded(&file).unwrap(), b"content");
    }

    #[test]
    fn every_component_that_everyone_can_write_is_named_with_its_mode_and_what_mends_it() {
        let (_root, file) = tree();
        for path in file.ancestors().take(4) {
            let was = fs::metadata(path).unwrap().mode() & 0o7777;
            mode(path, was | 0o002);
            let said = refused(&file);
            for part in [
                "writable by everyone".to_owned(),
                format!("mode {:04o}", was | 0o002),
                format!("chmod go-w {}", path.display()),
            ] {
                assert!(said.contains(&part), "{part:?} is not in {said}");
            }
            mode(path, was);
            assert!(read_guarded(&file).is_ok());
        }
    }

    #[test]
    fn a_sticky_folder_is_fine_above_the_files_own_folder_alone() {
        let (_root, file) = tree();
        let (folder, above) = (file.parent().unwrap(), file.parent().unwrap().parent().unwrap());
        // As /tmp: others can add to it, and cannot take the place of what is ours.
        mode(above, 0o1777);
        assert!(read_guarded(&file).is_ok());
        mode(above, 0o755);
        mode(folder, 0o1777);
        assert!(refused(&file).contains("writable by everyone"));
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused_with_the_owner() {
        let (_root, file) = tree();
        for path in file.ancestors().take(3) {
            // Needs root: only root can give files away.
            if chown(path, Some(54321), None).is_err() {
                return;
            }
            let said = refused(&file);
            let mend = format!("chown root {}", path.display());
            assert!(said.contains("belongs to the user 54321") && said.contains(&mend), "{said}");
            chown(path, Some(0), None).unwrap();
            assert!(read_guarded(&file).is_ok());
        }
    }

    #[test]
    fn a_group_that_others_may_be_in_is_refused() {
        let (_root, file) = tree();
        for path in file.ancestors().take(3) {
            // Needs root: only root can give files to a group that it is not in. No group has this number.
            if chown(path, None, Some(54321)).is_err() {
                return;
            }
            mode(path, 0o775);
            let said = refused(&file);
            let mend = format!("chmod go-w {}", path.display());
            assert!(said.contains("writable by its group 54321") && said.contains(&mend), "{said}");
            mode(path, 0o755);
            assert!(read_guarded(&file).is_ok(), "that the group can read it harms nobody");
        }
    }

    #[test]
    fn links_are_resolved_first_and_their_folder_is_checked_too() {
        let (_root, file) = tree();
        let elsewhere = tempfile::tempdir().unwrap();
        mode(elsewhere.path(), 0o755);
        let link = elsewhere.path().join("link");
        symlink(&file, &link).unwrap();
        assert!(read_guarded(&link).is_ok());
        mode(elsewhere.path(), 0o777);
        let said = refused(&link);
        assert!(said.starts_with("it was found by a link, and its folder "), "{said}");
        mode(elsewhere.path(), 0o755);
        mode(file.parent().unwrap(), 0o777);
        let said = refused(&link);
        assert!(said.contains(&format!("chmod go-w {}", file.parent().unwrap().display())), "{said}");
    }

    #[test]
    fn what_is_no_file_or_is_empty_is_said() {
        let (_root, file) = tree();
        assert_eq!(refused(file.parent().unwrap()), "it is not a regular file");
        fs::write(&file, "").unwrap();
        assert_eq!(refused(&file), "it is empty");
        fs::remove_file(&file).unwrap();
        assert!(refused(&file).starts_with("it cannot be found: "));
        let fifo = file.with_file_name("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert_eq!(refused(&fifo), "it is not a regular file", "and it was not waited for a writer");
    }
}
