//! Landlock: the only files that a library's constructors may read are those that the dynamic loader needs. Numbers
//! and layouts are those of the kernel's `linux/landlock.h`; three calls did not seem worth a dependency.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;

use super::process::done;

/// Where dynamic loaders look, those of NixOS and Guix included, and what they read before.
const LIBRARIES: [&str; 14] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/local/lib",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/ld-musl-x86_64.path",
    "/etc/ld-musl-aarch64.path",
];

const READ_FILE: u64 = 1 << 2;

/// `struct landlock_ruleset_attr`: what is refused unless a rule allows it.
#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: i32,
}

/// Refuses everything that this kernel's Landlock knows, but for reading libraries and `more`. Answers its ABI.
pub(super) fn read_only_libraries(more: &[PathBuf]) -> Result<i64, String> {
    // SAFETY: with this flag the kernel looks at nothing else, and answers a number.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) };
    done("this kernel has none", abi)?;
    let (ruleset, size) = all_of(abi);
    // SAFETY: the structure outlives the call, and `size` is not beyond it.
    let fd = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const ruleset, size, 0) };
    done("the ruleset", fd)?;
    // SAFETY: a descriptor that the kernel has just made for us.
    let rules = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).map_err(|e| e.to_string())?) };
    for path in LIBRARIES.iter().map(Path::new).chain(more.iter().map(PathBuf::as_path)) {
        allow(&rules, path)?;
    }
    // SAFETY: takes numbers.
    done("restricting", unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) })?;
    Ok(abi)
}

/// Everything that an ABI can refuse, and how much of the structure it knows.
fn all_of(abi: i64) -> (Ruleset, usize) {
    let bits = |count: u32| (1_u64 << count) - 1;
    let files = match abi {
        1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    let network = if abi < 4 { 0 } else { 2 };
    let scoped = if abi < 6 { 0 } else { 2 };
    let size = match abi {
        ..4 => 8,
        4 | 5 => 16,
        _ => 24,
    };
    (Ruleset { files: bits(files), network: bits(network), scoped: bits(scoped) }, size)
}

/// Allows to read a file, or the files of a folder; one that is not there needs no rule.
fn allow(rules: &OwnedFd, path: &Path) -> Result<(), String> {
    let Ok(name) = CString::new(path.as_os_str().as_bytes()) else { return Ok(()) };
    // SAFETY: a C string that outlives the call.
    let fd = unsafe { libc::open(name.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
    if fd < 0 {
        return Ok(());
    }
    // SAFETY: a descriptor that the kernel has just made for us.
    let parent = unsafe { OwnedFd::from_raw_fd(fd) };
    let rule = Beneath { allowed: READ_FILE, parent: parent.as_raw_fd() };
    // SAFETY: the structure outlives the call; 1 is the kind of rule that it is.
    let result =
        unsafe { libc::syscall(libc::SYS_landlock_add_rule, rules.as_raw_fd(), 1, &raw const rule, 0) };
    // Sealed memory is in no folder: the kernel takes no rule for it, and lets it be read without one.
    if result < 0 && Errno::last() == Errno::EBADFD {
        return Ok(());
    }
    done(&format!("a rule for {}", path.display()), result)
}
