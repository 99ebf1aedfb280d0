//! What the end of the watchdog's ladder asks of the operating system, and no safe wrapper in our dependencies offers:
//! the priority of one thread, and an end of the process that waits for nobody.

use nix::libc;

/// Lets one thread of this process run only when nothing else wants to (SCHED_IDLE; where the C library has no such
/// call, nice 19). `thread` is the kernel's number of it. Answers whether it was done. Linux alone has a priority for one
/// thread of a process.
#[cfg(target_os = "linux")]
pub fn demote(thread: i32) -> bool {
    set_policy(thread, libc::SCHED_IDLE) || set_nice(thread, 19)
}

/// Undoes [`demote`]. Answers whether it was done: without CAP_SYS_NICE or a high enough RLIMIT_NICE the kernel refuses.
#[cfg(target_os = "linux")]
pub fn raise(thread: i32) -> bool {
    set_policy(thread, libc::SCHED_OTHER) && set_nice(thread, 0)
}

#[cfg(target_os = "linux")]
fn set_policy(thread: i32, policy: libc::c_int) -> bool {
    // SAFETY: an all-zero `sched_param` is a valid one, and 0 is the only priority of these policies.
    let param: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel reads `param`, which outlives the call, and checks the number; a thread of another process
    // could only be meant if ours had ended and its number were in use again, and then the kernel asks for the right to.
    unsafe { libc::sched_setscheduler(thread, policy, &raw const param) == 0 }
}

#[cfg(target_os = "linux")]
fn set_nice(thread: i32, nice: libc::c_int) -> bool {
    let Ok(thread) = libc::id_t::try_from(thread) else { return false };
    // SAFETY: takes numbers only. On Linux PRIO_PROCESS with a thread's number means that thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, thread, nice) == 0 }
}

/// There is no priority for one thread here.
#[cfg(not(target_os = "linux"))]
pub fn demote(_thread: i32) -> bool {
    false
}

/// There is no priority for one thread here.
#[cfg(not(target_os = "linux"))]
pub fn raise(_thread: i32) -> bool {
    false
}

/// Ends the process without running anything more of it: no exit handlers, no destructors of libraries. A thread that is
/// stuck in a plugin may hold the heap's lock, or be in the very library that an exit handler would take down.
pub fn exit_at_once(code: i32) -> ! {
    // SAFETY: takes a number, does not return, and runs no code of this process.
    unsafe { libc::_exit(code) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn policy_of(thread: i32) -> Option<String> {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?;
        // Field 41, after the name in parentheses, which is field 2.
        stat.rsplit_once(") ")?.1.split(' ').nth(38).map(str::to_owned)
    }

    #[test]
    fn one_thread_is_demoted_and_its_neighbour_is_not() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            tell.send(nix::unistd::gettid().as_raw()).unwrap();
            ended.recv().ok();
        });
        let thread = told.recv().unwrap();
        let me = nix::unistd::gettid().as_raw();
        assert_eq!((policy_of(thread).as_deref(), policy_of(me).as_deref()), (Some("0"), Some("0")));
        assert!(demote(thread));
        assert_eq!((policy_of(thread).as_deref(), policy_of(me).as_deref()), (Some("5"), Some("0")));
        let expected = if raise(thread) { "0" } else { "5" };
        assert_eq!(policy_of(thread).as_deref(), Some(expected));
        drop(end);
        other.join().unwrap();
        assert!(!demote(i32::MAX), "there is no such thread");
    }
}
