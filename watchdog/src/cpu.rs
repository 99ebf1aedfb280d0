//! The CPU clock of another thread.
//!
//! On Linux and Android it is the kernel's own (460 ns a read, measured). Elsewhere there is none without `unsafe`, and time
//! observed inside the poll stands in for it: a weaker promise, because a poll on a starved or blocked thread then
//! ages as fast as one that burns CPU.

/// The calling thread's number, for [`thread`]. Never 0.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn current() -> i32 {
    nix::unistd::gettid().as_raw()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn current() -> i32 {
    1
}

/// Nanoseconds of CPU that thread `tid` of this process has used; `None` when it is gone. `observed` is what stands
/// in for it where there is no such clock.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn thread(tid: i32, _observed: u64) -> Option<u64> {
    // How the kernel's ABI spells "the CPU clock of this thread" (posix-timers: CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED).
    let clock = nix::time::ClockId::from_raw((!tid << 3) | 6);
    let time = clock.now().ok()?;
    Some(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn thread(_tid: i32, observed: u64) -> Option<u64> {
    Some(observed)
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn it_is_the_other_threads_clock_and_stands_still_while_that_one_waits() {
        let (tid, tids) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        let (spun, done) = mpsc::channel();
        let other = std::thread::spawn(move || {
            let me = current();
            tid.send(me).unwrap();
            gate.recv().unwrap();
            let before = thread(me, 0).unwrap();
            while thread(me, 0).unwrap() < before + 30_000_000 {}
            spun.send(()).unwrap();
            gate.recv().ok();
        });
        let tid = tids.recv().unwrap();
        let idle = thread(tid, 0).unwrap();
        go.send(()).unwrap();
        done.recv().unwrap();
        let busy = thread(tid, 0).unwrap();
        assert!(busy >= idle + 30_000_000, "{idle} -> {busy}");
        // 50 ms in which we spin and the other waits: its clock must not follow ours.
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 50 {}
        assert!(thread(tid, 0).unwrap() < busy + 20_000_000);
        drop(go);
        other.join().unwrap();
        // A thread is joined a moment before the kernel has let it go.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while thread(tid, 0).is_some() {
            assert!(std::time::Instant::now() < until, "a thread that ended has no clock");
            std::thread::yield_now();
        }
    }
}
