//! Who owns a file or folder, and who else can write it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::groups;

const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
const STICKY: u32 = 0o1000;

/// The users whose files are as good as our own.
pub(super) struct Trusted {
    users: Vec<u32>,
}

impl Trusted {
    /// Root, and the user that we run as. For what stands beside our executable its owner too: who can replace the
    /// program need not bother with its plugins.
    pub(super) fn of(file: &Path) -> Self {
        // SAFETY: takes nothing and cannot fail.
        let ours = unsafe { nix::libc::geteuid() };
        let mut users = vec![0, ours];
        let exe = std::env::current_exe().and_then(|exe| exe.canonicalize());
        if let Ok(exe) = exe
            && exe.parent() == file.parent()
            && let Ok(meta) = std::fs::metadata(&exe)
        {
            users.push(meta.uid());
        }
        Self { users }
    }

    /// The error is a clause whose subject is the file.
    pub(super) fn file(&self, meta: &Metadata, path: &Path) -> Result<(), String> {
        self.judge(meta, path, false).map_err(|why| format!("it {why}"))
    }

    /// `own`: the file lies in this folder itself, where others must not even add files.
    pub(super) fn folder(&self, meta: &Metadata, path: &Path, own: bool) -> Result<(), String> {
        // In a sticky folder only the owner of an entry can rename or remove it, and each entry on the path is checked for
        // its owner: what everyone can do there does not reach what we read.
        let sticky = !own && meta.mode() & STICKY != 0;
        self.judge(meta, path, sticky).map_err(|why| format!("its folder {} {why}", path.display()))
    }

    fn judge(&self, meta: &Metadata, path: &Path, sticky: bool) -> Result<(), String> {
        let (mode, uid, gid) = (meta.mode(), meta.uid(), meta.gid());
        let whose = || format!("(owner {}, mode {:04o})", groups::user(uid), mode & 0o7777);
        let mend = |how: &str| format!("; the remedy: {how} {}", path.display());
        if !self.users.contains(&uid) {
            return Err(format!(
                "belongs to the user {} (mode {:04o}), who is neither root nor the user that Tidegate runs as{}",
                groups::user(uid),
                mode & 0o7777,
                mend("chown root")
            ));
        }
        if sticky {
            return Ok(());
        }
        if mode & OTHERS_WRITE != 0 {
            return Err(format!("is writable by everyone {}{}", whose(), mend("chmod go-w")));
        }
        if mode & GROUP_WRITES != 0 && (has_acl(path) || !groups::only(gid, uid, &self.users)) {
            let group = groups::group(gid);
            return Err(format!("is writable by its group {group} {}{}", whose(), mend("chmod go-w")));
        }
        Ok(())
    }
}

/// Whether more users than the mode shows have rights: the group's bits are then the most that any of them has.
#[cfg(target_os = "linux")]
fn has_acl(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;

    use nix::libc;

    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { return true };
    let name = c"system.posix_acl_access";
    // SAFETY: two C strings that outlive the call; with a length of 0 nothing is written.
    let size = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) };
    // ENODATA: it has none. ENOTSUP: its file system knows none. Anything else is not known to be harmless.
    size >= 0
        || !matches!(
            std::io::Error::last_os_error().raw_os_error(),
            Some(libc::ENODATA | libc::ENOTSUP | libc::ENOSYS)
        )
}

/// ACLs are otherwise made elsewhere; a group that may write is then one user too many.
#[cfg(not(target_os = "linux"))]
fn has_acl(_path: &Path) -> bool {
    true
}
