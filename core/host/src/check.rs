//! Is this file safe to run? Code that somebody else can change would run with this process's rights.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// No plugin is near this size.
const MAX_FILE: u64 = 512 << 20;

const WORLD_WRITABLE: u32 = 0o002;
const GROUP_WRITABLE: u32 = 0o020;

/// The parts of a file's identity that change when its content does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity([i64; 6]);

impl Identity {
    fn of(meta: &Metadata) -> Self {
        Self([
            meta.dev().cast_signed(),
            meta.ino().cast_signed(),
            meta.size().cast_signed(),
            meta.mtime().wrapping_mul(1_000_000_000).wrapping_add(meta.mtime_nsec()),
            meta.ctime().wrapping_mul(1_000_000_000).wrapping_add(meta.ctime_nsec()),
            i64::from(meta.mode()),
        ])
    }
}

/// Checks the file at `path` (canonical) and its folder, and reads it. The error is a clause whose subject is the
/// file.
pub(crate) fn read(path: &Path) -> Result<(Vec<u8>, Identity), String> {
    let (file, meta) = open(path)?;
    guarded(&meta).map_err(|why| format!("it {why}"))?;
    let folder = path.parent().ok_or("it has no folder")?;
    let folder_meta = std::fs::metadata(folder).map_err(|e| format!("its folder cannot be read: {e}"))?;
    guarded(&folder_meta).map_err(|why| format!("its folder {} {why}", folder.display()))?;
    Ok((bytes(file, meta.len())?, Identity::of(&meta)))
}

/// Reads a file that is not going to be run.
pub(crate) fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let (file, meta) = open(path)?;
    bytes(file, meta.len())
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

fn bytes(file: File, len: u64) -> Result<Vec<u8>, String> {
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

/// Is the file at `path` still the one that was read? Asked after the system's loader opened it by name: what was
/// checked and hashed is then what runs. (Loading through `/proc/self/fd` would spare the question, but the loader
/// takes two files under one descriptor number for one library, and backtraces would show that name.)
pub(crate) fn unchanged(path: &Path, identity: &Identity) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| Identity::of(&meta) == *identity)
}

/// Can only those change it who could run code as us anyway?
fn guarded(meta: &Metadata) -> Result<(), String> {
    let exe = std::env::current_exe().and_then(std::fs::metadata).map(|m| m.uid()).ok();
    let trusted = [Some(0), Some(geteuid()), exe];
    writable_by_others(meta.mode(), meta.uid(), meta.gid(), &trusted).map_or(Ok(()), Err)
}

/// A clause that says how others can write it. A group is harmless when it is root's or its owner's private one
/// (the same number: where those are the custom, the umask lets the group write).
fn writable_by_others(mode: u32, uid: u32, gid: u32, trusted: &[Option<u32>]) -> Option<String> {
    let permissions = mode & 0o7777;
    if mode & WORLD_WRITABLE != 0 {
        return Some(format!("is writable by everyone (mode {permissions:04o}); chmod o-w it"));
    }
    if mode & GROUP_WRITABLE != 0 && gid != 0 && gid != uid {
        return Some(format!("is writable by the group {gid} (mode {permissions:04o}); chmod g-w it"));
    }
    if !trusted.contains(&Some(uid)) {
        return Some(format!(
            "belongs to the user {uid}, who is neither root, nor this process's user, nor its program's owner"
        ));
    }
    None
}

unsafe extern "C" {
    // POSIX: always succeeds; uid_t is a u32 on Linux and macOS.
    safe fn geteuid() -> u32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_own_us_may_write() {
        let others = |mode, uid, gid| writable_by_others(mode, uid, gid, &[Some(0), Some(1000), None]);
        assert_eq!(others(0o100_755, 0, 0), None);
        assert_eq!(others(0o100_775, 0, 0), None, "root's group");
        assert_eq!(others(0o100_775, 1000, 1000), None, "a private group");
        assert!(others(0o100_775, 1000, 20).unwrap().contains("the group 20 (mode 0775)"));
        assert!(others(0o041_777, 0, 0).unwrap().contains("everyone (mode 1777)"));
        assert!(others(0o100_757, 1000, 1000).unwrap().contains("everyone"));
        assert!(others(0o100_755, 1001, 1001).unwrap().contains("the user 1001"));
    }

    #[test]
    fn a_file_that_was_rewritten_or_replaced_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&path, "one").unwrap();
        std::fs::write(&other, "two").unwrap();
        let (bytes, identity) = read(&path).unwrap();
        assert_eq!(bytes, b"one");
        assert!(unchanged(&path, &identity));
        std::fs::rename(&other, &path).unwrap();
        assert!(!unchanged(&path, &identity), "replaced by one of the same size");
        let (_, identity) = read(&path).unwrap();
        std::fs::write(&path, "three").unwrap();
        assert!(!unchanged(&path, &identity), "rewritten");
        std::fs::remove_file(&path).unwrap();
        assert!(!unchanged(&path, &identity), "gone");
    }
}
