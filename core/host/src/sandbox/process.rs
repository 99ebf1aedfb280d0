//! Limits and attributes of the process: what needs no filter.

use std::ffi::c_ulong;
use std::io::Error;

use nix::libc;

use super::Limits;

/// Address space beyond the memory that may be used. Runtimes reserve what they never touch: an arena of glibc takes
/// 64 MiB, Go's page tables 600 MiB.
const RESERVED: u64 = 2 << 30;

/// Descriptors that the dynamic loader may have open beside those that are kept.
const LOADING: u64 = 16;

/// The stack of the main thread, where it was not less before.
const STACK: u64 = 8 << 20;

/// Turns the C convention into a clause.
pub(super) fn done(what: &str, result: libc::c_long) -> Result<(), String> {
    if result < 0 { Err(format!("{what}: {}", Error::last_os_error())) } else { Ok(()) }
}

fn prctl(what: &str, option: libc::c_int, value: c_ulong) -> Result<(), String> {
    // SAFETY: the options used here take numbers.
    let result = unsafe { libc::prctl(option, value, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) };
    done(what, result.into())
}

/// Landlock and capabilities are of threads.
pub(super) fn alone() -> Result<(), String> {
    // Without /proc there is no telling, and no reason to end.
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Ok(()) };
    match threads.count() {
        0 | 1 => Ok(()),
        more => Err(format!("it cannot be confined: {more} threads run in it")),
    }
}

/// Away from the terminal, whose Ctrl-C is for the parent, and from any folder.
pub(super) fn detach() -> Result<(), String> {
    // SAFETY: takes nothing. It fails only for the leader of a group, which has been detached already.
    unsafe { libc::setsid() };
    // SAFETY: takes a number.
    unsafe { libc::umask(0o077) };
    // SAFETY: a C string of static storage.
    done("chdir", unsafe { libc::chdir(c"/".as_ptr()) }.into())
}

/// Closes every descriptor that is not named.
pub(super) fn close_others(keep: &[i32]) -> Result<(), String> {
    let mut keep: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
    keep.sort_unstable();
    let mut first = 0;
    for fd in keep {
        if first < fd {
            close_range(first, fd - 1)?;
        }
        first = first.max(fd + 1);
    }
    close_range(first, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<(), String> {
    // SAFETY: the caller's contract is that nothing here owns a descriptor outside of its list.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == 0 {
        return Ok(());
    }
    // Before Linux 5.9, or under a filter that does not know it.
    let open = limit_of(libc::RLIMIT_NOFILE)?.rlim_max.min(1 << 20);
    for fd in first..=last.min(u32::try_from(open).unwrap_or(u32::MAX)) {
        // SAFETY: as above; closing what is not open is an error that says so.
        unsafe { libc::close(i32::try_from(fd).unwrap_or(-1)) };
    }
    Ok(())
}

pub(super) fn no_new_privileges() -> Result<(), String> {
    prctl("PR_SET_NO_NEW_PRIVS", libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// A process of root is no longer more than its owner's right to root's files, which Landlock takes.
pub(super) fn drop_capabilities() -> Result<(), String> {
    // The kernel's `__user_cap_header_struct`, version 3, for the calling thread; and its data, two of them.
    let header: [u32; 2] = [0x2008_0522, 0];
    let none = [[0_u32; 3]; 2];
    // SAFETY: both structures have the layout of that version, and the kernel reads them alone.
    done("capset", unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) })
}

pub(super) fn die_with_parent(parent: Option<u32>) -> Result<(), String> {
    prctl("PR_SET_PDEATHSIG", libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong)?;
    // It may have died between the start of this process and that call.
    if parent.is_some_and(|parent| std::os::unix::process::parent_id() != parent) {
        return Err("the process that started it is gone".to_owned());
    }
    Ok(())
}

/// The resource limits while the library is loaded, none of which can be raised again.
pub(super) fn limit(limits: &Limits) -> Result<(), String> {
    let (space, data) = used();
    set(libc::RLIMIT_DATA, data.saturating_add(limits.memory))?;
    set(libc::RLIMIT_AS, space.saturating_add(limits.memory).saturating_add(RESERVED))?;
    set(libc::RLIMIT_STACK, limit_of(libc::RLIMIT_STACK)?.rlim_cur.min(STACK))?;
    // A pipe is no file: standard error still takes the message of a panic.
    set(libc::RLIMIT_FSIZE, 0)?;
    set(libc::RLIMIT_CORE, 0)?;
    set(libc::RLIMIT_MEMLOCK, 0)?;
    set(libc::RLIMIT_MSGQUEUE, 0)?;
    let above =
        limits.keep.iter().filter_map(|fd| u64::try_from(*fd).ok()).max().map_or(0, |highest| highest + 1);
    set(libc::RLIMIT_NOFILE, above + LOADING)
}

/// Leaves no number for another descriptor, where those that are kept are the lowest ones.
pub(super) fn no_new_descriptors() -> Result<(), String> {
    set(libc::RLIMIT_NOFILE, limit_of(libc::RLIMIT_NOFILE)?.rlim_cur.saturating_sub(LOADING))
}

/// Bytes of address space and of private writable memory now; 0 where /proc is not there.
fn used() -> (u64, u64) {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = statm.split_ascii_whitespace().map(|count| count.parse::<u64>().unwrap_or(0));
    // SAFETY: takes a number.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    (pages.next().unwrap_or(0) * page, pages.nth(4).unwrap_or(0) * page)
}

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

fn limit_of(resource: Resource) -> Result<libc::rlimit, String> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel fills in the structure.
    done("getrlimit", unsafe { libc::getrlimit(resource, &raw mut limit) }.into())?;
    Ok(limit)
}

/// Lowers both the soft and the hard limit.
fn set(resource: Resource, to: u64) -> Result<(), String> {
    let to = to.min(limit_of(resource)?.rlim_max);
    let limit = libc::rlimit { rlim_cur: to, rlim_max: to };
    // SAFETY: the kernel reads the structure.
    done(&format!("setrlimit {resource}"), unsafe { libc::setrlimit(resource, &raw const limit) }.into())
}
