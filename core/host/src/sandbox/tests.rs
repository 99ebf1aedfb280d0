//! Each thing that a confined process must not do is tried for real, in a forked child, and beside it in one that is not
//! confined, where it must succeed: else the attempt proves nothing.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::ffi::{CString, c_void};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::sync::LazyLock;

use libloading::os::unix::Library;
use nix::libc;

use super::seccomp::When;
use super::{Applied, Limits, after_load, before_load, calls};

const MIB: u64 = 1 << 20;
/// What the children are given.
const MEMORY: u64 = 48 * MIB;
/// A child that could not be confined at all.
const NOT_CONFINED: i32 = 200;

/// How far a child is confined before the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Free,
    Loading,
    Serving,
}

/// How a child ended: by itself with 0 or an errno, or by a signal.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Exit(i32),
    Signal(i32),
}

/// What the attempts are made on.
struct Ground {
    dir: tempfile::TempDir,
    file: CString,
    library: PathBuf,
    other_library: CString,
    /// A socket that no process had to make.
    socket: OwnedFd,
    /// Of the process that the children are to leave alone.
    pid: i32,
}

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "content").unwrap();
        let library = compiled(dir.path(), "plugin");
        let other = compiled(dir.path(), "other");
        // SAFETY: takes numbers; the descriptor is new.
        let socket = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)) };
        Self {
            file: c(&dir.path().join("file")),
            other_library: c(&other),
            library,
            socket,
            pid: i32::try_from(std::process::id()).unwrap(),
            dir,
        }
    }

    fn path(&self, name: &str) -> CString {
        c(&self.dir.path().join(name))
    }
}

fn c(path: &Path) -> CString {
    CString::new(path.to_str().unwrap()).unwrap()
}

fn compiled(dir: &Path, name: &str) -> PathBuf {
    static LIBRARY: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        let (source, library) = (dir.path().join("a.c"), dir.path().join("a.so"));
        std::fs::write(&source, "int answer(void); int answer(void) { return 42; }").unwrap();
        let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
        assert!(status.unwrap().success());
        std::fs::read(library).unwrap()
    });
    let library = dir.join(format!("{name}.so"));
    std::fs::write(&library, &*LIBRARY).unwrap();
    library
}

/// Runs `attempt` in a forked child.
fn child(stage: Stage, ground: &Ground, nobody: bool, attempt: &dyn Fn(&Ground) -> i32) -> Got {
    // SAFETY: the child has the one thread that called; it uses the heap, whose locks glibc makes usable in it, and ends
    // by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let confined = confined(stage, ground, nobody, None);
        end(confined, ground, attempt);
    }
    wait(pid)
}

fn wait(pid: i32) -> Got {
    let mut status = 0;
    // SAFETY: our child, and a number that outlives the call.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    if libc::WIFSIGNALED(status) {
        Got::Signal(libc::WTERMSIG(status))
    } else {
        Got::Exit(libc::WEXITSTATUS(status))
    }
}

/// The rest of a forked child.
fn end(confined: Result<Applied, String>, ground: &Ground, attempt: &dyn Fn(&Ground) -> i32) -> ! {
    let code = match confined {
        Ok(_) => attempt(ground),
        Err(why) => {
            let why = format!("{why}\n");
            // SAFETY: bytes that outlive the call.
            unsafe { libc::write(2, why.as_ptr().cast(), why.len()) };
            NOT_CONFINED
        }
    };
    // SAFETY: does not return.
    unsafe { libc::_exit(code) }
}

/// `keep`: one more descriptor that it may keep.
fn confined(stage: Stage, ground: &Ground, nobody: bool, keep: Option<RawFd>) -> Result<Applied, String> {
    if nobody {
        // SAFETY: takes numbers.
        let result = unsafe { libc::setgid(65_534) | libc::setuid(65_534) };
        super::process::done("nobody", result.into())?;
    }
    if stage == Stage::Free {
        return Ok(Applied::default());
    }
    let keep: Vec<RawFd> = [0, 1, 2, ground.socket.as_raw_fd()].into_iter().chain(keep).collect();
    let readable = vec![ground.library.clone()];
    let mut applied = before_load(&Limits { memory: MEMORY, keep, readable, parent: None })?;
    if stage == Stage::Serving {
        applied.merge(after_load()?);
    }
    Ok(applied)
}

/// What this machine's kernel lets be in force.
fn in_force(ground: &Ground, nobody: bool) -> Applied {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both are new.
    let (mut read, write) = unsafe { (File::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    // SAFETY: as in `child`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let confined = confined(Stage::Serving, ground, nobody, Some(write.as_raw_fd()));
        let text = confined
            .as_ref()
            .ok()
            .and_then(|applied| serde_json::to_string(applied).ok())
            .unwrap_or_default();
        // SAFETY: bytes that outlive the call.
        unsafe { libc::write(write.as_raw_fd(), text.as_ptr().cast(), text.len()) };
        end(confined, ground, &|_| 0);
    }
    assert_eq!(wait(pid), Got::Exit(0));
    drop(write);
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// 0, or why the call failed.
fn errno(result: impl Into<i64>) -> i32 {
    if result.into() >= 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().unwrap_or(-1) }
}

fn open(path: &CString, flags: i32) -> i32 {
    // SAFETY: a C string that outlives the call.
    errno(unsafe { libc::open(path.as_ptr(), flags, 0o600) })
}

fn map(bytes: u64, protection: i32, flags: i32) -> i32 {
    let len = usize::try_from(bytes).unwrap();
    // SAFETY: a new mapping, which replaces none.
    let at = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags | libc::MAP_ANONYMOUS, -1, 0) };
    if at == libc::MAP_FAILED { errno(-1) } else { 0 }
}

/// A pointer that is none, and a number that is out of every range.
const NONE: i64 = -1;

/// Something a plugin may try, and the first stage that must refuse it.
struct Attempt {
    what: &'static str,
    refused_from: Stage,
    run: fn(&Ground) -> i32,
}

fn attempt(what: &'static str, refused_from: Stage, run: fn(&Ground) -> i32) -> Attempt {
    Attempt { what, refused_from, run }
}

// SAFETY of all blocks here: C strings and structures that outlive the calls, and numbers.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one reason for the whole table")]
fn attempts() -> Vec<Attempt> {
    use Stage::{Loading, Serving};
    vec![
        attempt("a socket", Loading, |_| errno(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) })),
        attempt("a socket of this machine", Loading, |_| {
            errno(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) })
        }),
        attempt("to connect", Loading, |ground| {
            let mut to: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            to.sin_family = 2;
            to.sin_port = 9_u16.to_be();
            to.sin_addr.s_addr = u32::from_be_bytes([127, 0, 0, 1]).to_be();
            let size = u32::try_from(size_of_val(&to)).unwrap();
            errno(unsafe { libc::connect(ground.socket.as_raw_fd(), (&raw const to).cast(), size) })
        }),
        attempt("a child", Loading, |_| match unsafe { libc::fork() } {
            0 => unsafe { libc::_exit(0) },
            pid => errno(pid),
        }),
        attempt("another program", Loading, |_| {
            let (program, argv) = (c"/bin/true", [c"true".as_ptr(), ptr::null()]);
            errno(unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), [ptr::null()].as_ptr()) })
        }),
        attempt("the users of this machine", Loading, |_| open(&c"/etc/passwd".to_owned(), libc::O_RDONLY)),
        attempt("the environment of the proxy", Loading, |ground| {
            open(&CString::new(format!("/proc/{}/environ", ground.pid)).unwrap(), libc::O_RDONLY)
        }),
        attempt("the memory of the proxy", Loading, |ground| {
            open(&CString::new(format!("/proc/{}/mem", ground.pid)).unwrap(), libc::O_RDONLY)
        }),
        attempt("a new file", Loading, |ground| open(&ground.path("new"), libc::O_WRONLY | libc::O_CREAT)),
        attempt("to write to a file", Loading, |ground| open(&ground.file, libc::O_WRONLY)),
        attempt("to read a file", Loading, |ground| open(&ground.file, libc::O_RDONLY)),
        attempt("to rename a file", Loading, |ground| {
            errno(unsafe { libc::rename(ground.file.as_ptr(), ground.path("renamed").as_ptr()) })
        }),
        attempt("another mode for a file", Loading, |ground| {
            errno(unsafe { libc::chmod(ground.path("plugin.so").as_ptr(), 0o600) })
        }),
        attempt("a folder", Loading, |ground| {
            errno(unsafe { libc::mkdir(ground.path("folder").as_ptr(), 0o700) })
        }),
        attempt("a signal to the proxy", Loading, |ground| errno(unsafe { libc::kill(ground.pid, 0) })),
        attempt("a signal to a thread of the proxy", Loading, |ground| {
            errno(unsafe { libc::syscall(libc::SYS_tgkill, ground.pid, ground.pid, 0) })
        }),
        attempt("more memory than it may have", Loading, |_| {
            map(2 * MEMORY, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE)
        }),
        attempt("a file that is only memory", Loading, |_| {
            errno(unsafe { libc::memfd_create(c"m".as_ptr(), 0) })
        }),
        attempt("to outlive the proxy", Loading, |_| {
            errno(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) })
        }),
        attempt("higher limits", Loading, |_| {
            let limit = libc::rlimit { rlim_cur: 3, rlim_max: 4096 };
            errno(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })
        }),
        attempt("other limits for the proxy", Loading, |ground| {
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            errno(unsafe { libc::prlimit(ground.pid, libc::RLIMIT_CORE, ptr::null(), &raw mut limit) })
        }),
        attempt("memory that is not counted", Serving, |_| {
            map(2 * MEMORY, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)
        }),
        attempt("to make code", Serving, |_| map(4096, libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE)),
        attempt("a library of the system", Serving, |ground| {
            library(&ground.path("../../lib/libc.so.6"), true)
        }),
        attempt("the loader's own file", Serving, |_| open(&c"/etc/ld.so.cache".to_owned(), libc::O_RDONLY)),
        attempt("the plugin's file", Serving, |ground| open(&c(&ground.library), libc::O_RDONLY)),
        attempt("to look whether a file is there", Serving, |ground| {
            errno(unsafe { libc::access(ground.file.as_ptr(), libc::F_OK) })
        }),
        attempt("another descriptor", Serving, |ground| {
            errno(unsafe { libc::dup(ground.socket.as_raw_fd()) })
        }),
    ]
}

/// Loads a library, calls it where it is ours, and keeps it.
fn library(path: &CString, of_the_system: bool) -> i32 {
    let name = if of_the_system { "libm.so.6".into() } else { path.to_string_lossy() };
    // SAFETY: libraries without constructors that do harm.
    let Ok(library) = (unsafe { Library::open(Some(name.as_ref()), libc::RTLD_NOW) }) else { return 1 };
    // SAFETY: the type of our function.
    let right = of_the_system
        || unsafe { library.get::<extern "C" fn() -> i32>(b"answer\0") }.is_ok_and(|answer| answer() == 42);
    std::mem::forget(library);
    i32::from(!right)
}

#[test]
fn what_a_plugin_must_not_do_fails_when_confined_and_works_when_not() {
    // Not for everybody, nor in every namespace of users.
    let may_be_nobody = child(Stage::Free, &Ground::new(), true, &|_| 0) == Got::Exit(0);
    let users: &[bool] = if may_be_nobody { &[false, true] } else { &[false] };
    for nobody in users {
        let applied = in_force(&Ground::new(), *nobody);
        assert!(applied.holds.len() >= 6, "{applied}");
        if !applied.missing.is_empty() {
            eprintln!("only in part: this kernel confines less: {applied}");
        }
        for Attempt { what, refused_from, run } in attempts() {
            for stage in [Stage::Free, Stage::Loading, Stage::Serving] {
                // Each on ground of its own: a free attempt leaves traces. Free, nobody may not do all of it.
                let ground = Ground::new();
                let got = child(stage, &ground, *nobody, &run);
                let refused =
                    stage != Stage::Free && (stage == Stage::Serving || refused_from == Stage::Loading);
                let told = format!("{what}, {stage:?}, as nobody: {nobody}: {got:?} with {applied}");
                if !refused {
                    assert!(*nobody || got == Got::Exit(0), "{told}");
                } else if applied.missing.is_empty() {
                    assert!(matches!(got, Got::Exit(code) if code != 0 && code != NOT_CONFINED), "{told}");
                }
            }
        }
    }
}

#[test]
fn every_call_of_the_lists_is_refused() {
    let ground = Ground::new();
    if in_force(&ground, false).missing.iter().any(|why| why.starts_with("system calls")) {
        eprintln!("not tested: no filter here");
        return;
    }
    let mut tried = 0;
    for (stage, list) in [(Stage::Loading, calls::ever()), (Stage::Serving, calls::once_loaded())] {
        for refused in list.iter().filter(|refused| matches!(refused.when, When::Always)) {
            let call = refused.call;
            // SAFETY: refused before the kernel looks at the arguments, which no call would take.
            let run = |_: &Ground| errno(unsafe { libc::syscall(call, NONE, NONE, NONE, NONE, NONE, NONE) });
            assert_eq!(child(stage, &ground, false, &run), Got::Exit(refused.errno), "call {}", refused.call);
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
}

#[test]
fn calls_by_another_number_are_refused() {
    let ground = Ground::new();
    let run = |_: &Ground| {
        // SAFETY: takes nothing.
        errno(unsafe { libc::syscall(0x4000_0000 + 39) })
    };
    let expected = if cfg!(target_arch = "x86_64") { libc::EPERM } else { libc::ENOSYS };
    assert_eq!(child(Stage::Loading, &ground, false, &run), Got::Exit(expected));
}

#[test]
fn what_a_plugin_needs_works() {
    let ground = Ground::new();
    let loads = |ground: &Ground| library(&c(&ground.library), false);
    assert_eq!(child(Stage::Loading, &ground, false, &loads), Got::Exit(0));
    let system = |ground: &Ground| library(&ground.file, true);
    assert_eq!(child(Stage::Loading, &ground, false, &system), Got::Exit(0));

    let memory = |_: &Ground| {
        let kept: Vec<Vec<u8>> = (0..30).map(|n| vec![n; 1 << 20]).collect();
        i32::from(kept.iter().map(|piece| u32::from(piece[1 << 19])).sum::<u32>() != 435)
    };
    assert_eq!(child(Stage::Serving, &ground, false, &memory), Got::Exit(0));
    let thread = |_: &Ground| std::thread::spawn(|| 7).join().map_or(1, |got| i32::from(got != 7));
    assert_eq!(child(Stage::Serving, &ground, false, &thread), Got::Exit(0));
    let clock = |_: &Ground| i32::from(std::time::SystemTime::now() < std::time::UNIX_EPOCH);
    assert_eq!(child(Stage::Serving, &ground, false, &clock), Got::Exit(0));
    let random = |_: &Ground| {
        let mut bytes = [0_u8; 16];
        // SAFETY: room for as many bytes.
        errno(i64::try_from(unsafe { libc::getrandom(bytes.as_mut_ptr().cast::<c_void>(), 16, 0) }).unwrap())
    };
    assert_eq!(child(Stage::Serving, &ground, false, &random), Got::Exit(0));
    // What glibc asks for when it wants to know the size of a stack.
    let limits = |_: &Ground| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the kernel fills in the structure.
        errno(unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) })
    };
    assert_eq!(child(Stage::Serving, &ground, false, &limits), Got::Exit(0));
    let abort = |_: &Ground| std::process::abort();
    assert_eq!(child(Stage::Serving, &ground, false, &abort), Got::Signal(libc::SIGABRT));
}

#[test]
fn only_the_plugins_own_library_may_be_loaded() {
    let ground = Ground::new();
    if !in_force(&ground, false).missing.is_empty() {
        return;
    }
    let other = |ground: &Ground| library(&ground.other_library, false);
    assert_eq!(child(Stage::Free, &ground, false, &other), Got::Exit(0));
    assert_eq!(child(Stage::Loading, &ground, false, &other), Got::Exit(1));
}

#[test]
fn descriptors_that_are_not_kept_are_closed() {
    let ground = Ground::new();
    let (low, file) = (File::open("/dev/null").unwrap(), File::open("/dev/null").unwrap());
    // SAFETY: the descriptor is open; the new one is above all others.
    let high = unsafe { OwnedFd::from_raw_fd(libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, 900)) };
    let (low, high) = (low.as_raw_fd(), high.as_raw_fd());
    // SAFETY: takes numbers.
    let open = |fd: i32| errno(unsafe { libc::fcntl(fd, libc::F_GETFD) });
    for (stage, expected) in [(Stage::Free, 0), (Stage::Loading, libc::EBADF)] {
        for fd in [low, high] {
            assert_eq!(child(stage, &ground, false, &|_| open(fd)), Got::Exit(expected), "{fd} {stage:?}");
        }
        assert_eq!(child(stage, &ground, false, &|ground| open(ground.socket.as_raw_fd())), Got::Exit(0));
    }
}

#[test]
fn a_second_thread_is_refused_and_so_is_another_parent() {
    let ground = Ground::new();
    let limits = || Limits { memory: MEMORY, keep: vec![0, 1, 2], readable: Vec::new(), parent: None };
    let threads = |_: &Ground| {
        let (_end, ended) = std::sync::mpsc::channel::<()>();
        let _other = std::thread::spawn(move || ended.recv());
        i32::from(before_load(&limits()).is_ok_and(|_| true))
    };
    assert_eq!(child(Stage::Free, &ground, false, &threads), Got::Exit(0));
    let parent = |parent: u32| {
        let limits = Limits { parent: Some(parent), ..limits() };
        move |_: &Ground| i32::from(before_load(&limits).is_err())
    };
    assert_eq!(child(Stage::Free, &ground, false, &parent(std::process::id())), Got::Exit(0));
    assert_eq!(child(Stage::Free, &ground, false, &parent(u32::MAX)), Got::Exit(1));
}

/// A child starts a child, and ends: the second one ends too, if it was confined.
#[test]
fn it_dies_with_its_parent() {
    for stage in [Stage::Loading, Stage::Free] {
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        // SAFETY: both are new.
        let (mut read, write) = unsafe { (File::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
        let note = write.as_raw_fd();
        let parent = |ground: &Ground| {
            let sleeper = |_: &Ground| {
                let pid = std::process::id().to_ne_bytes();
                // SAFETY: bytes that outlive the call.
                unsafe { libc::write(note, pid.as_ptr().cast(), pid.len()) };
                // SAFETY: takes a number: it ends in any case.
                i32::try_from(unsafe { libc::sleep(60) }).unwrap_or(1)
            };
            // SAFETY: as in `child`.
            if unsafe { libc::fork() } == 0 {
                end(confined(stage, ground, false, Some(note)), ground, &sleeper);
            }
            let mut ready = libc::pollfd { fd: ends[0], events: libc::POLLIN, revents: 0 };
            // SAFETY: one structure that outlives the call.
            i32::from(unsafe { libc::poll(&raw mut ready, 1, 20_000) } != 1)
        };
        assert_eq!(child(Stage::Free, &Ground::new(), false, &parent), Got::Exit(0));
        drop(write);
        let mut pid = [0; 4];
        read.read_exact(&mut pid).unwrap();
        // The end of the pipe is the end of the last process that held it.
        let mut end = libc::pollfd { fd: read.as_raw_fd(), events: 0, revents: 0 };
        let limit = if stage == Stage::Free { 300 } else { 20_000 };
        // SAFETY: one structure that outlives the call.
        let ended = unsafe { libc::poll(&raw mut end, 1, limit) } == 1;
        if !ended {
            // SAFETY: the process that said its number, and that still runs.
            unsafe { libc::kill(i32::from_ne_bytes(pid), libc::SIGKILL) };
        }
        assert_eq!(ended, stage == Stage::Loading, "{stage:?}");
    }
}
