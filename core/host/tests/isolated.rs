//! Plugins in processes of their own that go wrong: what fails with them, and what does not.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod common;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use common::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tempfile::TempDir;
use tidegate_host::{
    Answer, Class, Classified, Close, Dialect, End, Events, FailureIn, Framing, HeadIn, Phase, Plugin,
    PluginError, ProcessOptions, ProviderInstance, RequestIn, Stream, abi,
};

/// Anything that takes longer hangs.
const LONG: Duration = Duration::from_secs(60);

fn faulty(macros: &[&str]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("faulty.so");
    common::compile("faulty.c", macros, &path);
    (dir, path)
}

fn plugin(change: impl FnOnce(&mut ProcessOptions)) -> Arc<Plugin> {
    common::isolated(&faulty(&[]).1, change)
}

fn created(plugin: &Arc<Plugin>) -> ProviderInstance {
    plugin.provider().unwrap().create(&json!({"n": 1})).unwrap()
}

async fn classify(provider: &ProviderInstance, body: &str) -> Result<Classified, PluginError> {
    let failure = FailureIn {
        phase: Phase::Status,
        http_status: 503,
        headers: &[],
        event: b"",
        body: body.as_bytes(),
        unix_ms: 0,
        bytes_to_client: 0,
    };
    let default = Class {
        error: abi::error::OVERLOADED,
        http_status: 503,
        retryable: true,
        quota: false,
        retry_after_ms: None,
    };
    provider.classify(&failure, default).await
}

/// The message of a call that goes well.
fn well(provider: &ProviderInstance) -> String {
    wait(classify(provider, "well")).unwrap().message.unwrap()
}

/// How the worker ended at a call.
fn ended(result: Result<impl std::fmt::Debug, PluginError>) -> String {
    match result.unwrap_err() {
        PluginError::Ended { how, .. } => how,
        other => panic!("{other:?}"),
    }
}

fn open(provider: &ProviderInstance) -> Stream {
    opened(provider).unwrap()
}

/// `None`: its worker ended meanwhile.
fn opened(provider: &ProviderInstance) -> Option<Stream> {
    let head = HeadIn {
        http_status: 200,
        dialect: Dialect::OpenaiChat,
        framing: Framing::Sse,
        model: "m",
        headers: &[],
        unix_ms: 0,
        seed: 0,
    };
    match wait(provider.open(&head)) {
        Ok(stream) => Some(stream),
        Err(PluginError::Ended { .. } | PluginError::Away(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

/// Gives a stream events as the core does: together, and then one by one.
fn feed(stream: &mut Stream, data: &[&str]) -> Result<Vec<String>, PluginError> {
    stream.prefetch(data.iter().map(|data| (&b""[..], data.as_bytes(), false)), false);
    wait(std::future::poll_fn(|cx| stream.poll_prefetched(cx)));
    let mut out = Events::default();
    let mut answers = Vec::new();
    for data in data {
        assert_eq!(stream.event(b"", data.as_bytes(), false, &mut out)?, Answer::Done);
        answers.extend(out.iter().map(|(_, data)| String::from_utf8(data.to_vec()).unwrap()));
    }
    Ok(answers)
}

fn pid(plugin: &Plugin, shard: usize) -> i32 {
    until("a worker is there", || plugin.workers()[shard].pid).try_into().unwrap()
}

/// Waits until there is something.
fn until<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(value) = there() {
            return value;
        }
        assert!(Instant::now() < end, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn is_gone(pid: i32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn each_way_to_end_fails_the_call_that_it_ended_at_and_says_how() {
    let plugin = plugin(|options| {
        options.deadline = Duration::from_millis(20);
        options.memory = 64 << 20;
    });
    let provider = created(&plugin);
    for (way, how) in [
        ("crash", "was ended by signal 11"),
        ("abort", "was ended by signal 6"),
        ("exit", "ended by itself with code 3"),
        ("spin", "did not answer in time and was killed"),
        ("sleep", "did not answer in time and was killed"),
        ("eat", "needed more memory than it may have"),
        ("garble", "broke the protocol and was killed: a frame's length is none that a frame can have"),
        ("hang-up", "broke the protocol and was killed: it closed its socket"),
    ] {
        // Of two, since a call that waits longer than a second for the next worker is told so.
        let result = until("a worker", || match wait(classify(&provider, way)) {
            Err(PluginError::Away(_)) => None,
            other => Some(other),
        });
        // A worker that eats memory may be late before it has none left.
        let (said, late) = (ended(result), "did not answer in time and was killed");
        assert!(said == how || (way == "eat" && said == late), "{way}: {said}");
        let next = until("the next", || match wait(classify(&provider, "well")) {
            Err(PluginError::Away(_)) => None,
            other => Some(other),
        });
        assert_eq!(next.unwrap().message.as_deref(), Some("{\"n\":1}"), "after {way}");
    }
}

#[test]
fn a_worker_that_answers_slowly_but_is_not_late_is_left_alone() {
    let plugin = plugin(|_| {});
    let provider = created(&plugin);
    let first = pid(&plugin, 0);
    for _ in 0..20 {
        wait(classify(&provider, "chatter")).unwrap();
    }
    assert_eq!(pid(&plugin, 0), first);
}

#[test]
fn only_the_call_at_which_it_ended_fails() {
    let plugin = plugin(|options| options.deadline = Duration::from_millis(50));
    let provider = created(&plugin);
    let mut quiet = open(&provider);
    assert_eq!(feed(&mut quiet, &["a", "b"]).unwrap(), ["1 97", "2 3105"]);
    let mut busy = open(&provider);
    feed(&mut busy, &["a"]).unwrap();
    let first = pid(&plugin, 0);

    // All of it stands in line behind the call that spins.
    let mut guilty: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(classify(&provider, "spin"));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(guilty.as_mut().poll(&mut cx).is_pending());
    let mut behind: Vec<Pin<Box<dyn Future<Output = _> + Send>>> = Vec::new();
    for _ in 0..10 {
        let mut call: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(classify(&provider, "well"));
        assert!(call.as_mut().poll(&mut cx).is_pending());
        behind.push(call);
    }
    busy.prefetch([(&b""[..], &b"b"[..], false)].into_iter(), false);
    assert!(busy.poll_prefetched(&mut cx).is_pending());

    assert!(ended(wait(guilty)).contains("in time"));
    for call in behind {
        assert_eq!(wait(call).unwrap().message.as_deref(), Some("{\"n\":1}"));
    }
    let mut out = Events::default();
    assert_eq!(busy.event(b"", b"b", false, &mut out), Ok(Answer::Done));
    assert!(out.iter().eq([(&b""[..], &b"2 3105"[..])]), "it goes on where it was");
    assert_ne!(pid(&plugin, 0), first);
    assert_eq!(feed(&mut quiet, &["c"]).unwrap(), ["3 96354"], "and so does the one that was quiet");
    assert_eq!(quiet.end(&mut out), Ok(End::Done));
    assert!(out.iter().eq([(&b""[..], &b"[END]"[..])]));
    quiet.close(Close::End);
}

#[test]
fn the_stream_at_which_it_ended_fails_for_good_and_the_others_do_not() {
    let plugin = plugin(|_| {});
    let provider = created(&plugin);
    let (mut guilty, mut other) = (open(&provider), open(&provider));
    feed(&mut guilty, &["a"]).unwrap();
    feed(&mut other, &["a"]).unwrap();
    assert_eq!(ended(feed(&mut guilty, &["b", "crash", "c"])), "was ended by signal 11");
    assert_eq!(ended(feed(&mut guilty, &["d"])), "was ended by signal 11", "its state is lost");
    assert_eq!(feed(&mut other, &["b"]).unwrap(), ["2 3105"]);
    drop(guilty);
    assert_eq!(feed(&mut open(&provider), &["a"]).unwrap(), ["1 97"]);
}

#[test]
fn a_stream_with_more_input_than_is_kept_ends_with_its_worker() {
    let plugin = plugin(|options| options.replay = 1000);
    let provider = created(&plugin);
    let (mut long, mut short) = (open(&provider), open(&provider));
    let much = "x".repeat(600);
    feed(&mut long, &[&much]).unwrap();
    feed(&mut long, &[&much]).unwrap();
    feed(&mut short, &["a"]).unwrap();
    ended(wait(classify(&provider, "crash")));
    assert_eq!(
        ended(feed(&mut long, &["a"])),
        "ended, and the stream had more input than is kept to go on with"
    );
    assert_eq!(feed(&mut short, &["b"]).unwrap(), ["2 3105"]);
}

#[test]
fn a_stream_that_answers_in_another_way_the_second_time_is_lost() {
    let plugin = plugin(|_| {});
    let provider = created(&plugin);
    let (mut fickle, mut steady) = (open(&provider), open(&provider));
    feed(&mut fickle, &["a", "pid"]).unwrap();
    feed(&mut steady, &["a"]).unwrap();
    ended(wait(classify(&provider, "crash")));
    let lost = "ended, and the next one answers the same input in another way";
    assert_eq!(ended(feed(&mut fickle, &["b"])), lost);
    assert_eq!(ended(feed(&mut fickle, &["b"])), lost, "the worker's later answers are none either");
    assert_eq!(feed(&mut steady, &["b"]).unwrap(), ["2 3105"]);
}

#[test]
fn events_are_answered_up_to_the_one_that_ends_the_matter() {
    let plugin = plugin(|_| {});
    let provider = created(&plugin);
    let mut stream = open(&provider);
    stream.prefetch(["a", "last", "b"].iter().map(|data| (&b""[..], data.as_bytes(), false)), false);
    wait(std::future::poll_fn(|cx| stream.poll_prefetched(cx)));
    let mut out = Events::default();
    assert_eq!(stream.event(b"", b"a", false, &mut out), Ok(Answer::Done));
    assert!(!out.is_done());
    assert_eq!(stream.event(b"", b"last", false, &mut out), Ok(Answer::Done));
    assert!(out.is_done());
    assert_eq!(stream.end(&mut out), Ok(End::Done), "the worker ended it by itself");
    assert!(out.iter().eq([(&b""[..], &b"[END]"[..])]));
}

#[test]
fn a_worker_that_is_stopped_from_outside_is_late() {
    let plugin = plugin(|options| options.deadline = Duration::from_millis(20));
    let provider = created(&plugin);
    kill(Pid::from_raw(pid(&plugin, 0)), Signal::SIGSTOP).unwrap();
    assert!(ended(wait(classify(&provider, "well"))).contains("in time"));
    assert_eq!(well(&provider), "{\"n\":1}");
}

#[test]
fn a_worker_that_was_idle_when_it_was_killed_takes_nothing_with_it() {
    let plugin = plugin(|_| {});
    let provider = created(&plugin);
    let mut stream = open(&provider);
    feed(&mut stream, &["a"]).unwrap();
    let first = pid(&plugin, 0);
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    until("it is gone", || is_gone(first).then_some(()));
    assert_eq!(feed(&mut stream, &["b"]).unwrap(), ["2 3105"]);
    assert_eq!(well(&provider), "{\"n\":1}");
    assert_eq!(plugin.workers()[0].restarts, 1);
}

#[test]
fn shards_share_the_calls_and_end_alone() {
    let plugin = plugin(|options| options.shards = 3);
    let provider = created(&plugin);
    let pids: Vec<i32> = (0..3).map(|shard| pid(&plugin, shard)).collect();
    assert!(pids[0] != pids[1] && pids[1] != pids[2] && pids[0] != pids[2]);
    until("all have begun", || plugin.workers().iter().all(|worker| worker.load == 0).then_some(()));
    let mut streams: Vec<Stream> = (0..6).map(|_| open(&provider)).collect();
    let loads: Vec<usize> = plugin.workers().iter().map(|worker| worker.load).collect();
    assert_eq!(loads, [2, 2, 2]);
    let spoken: Vec<String> =
        streams.iter_mut().map(|stream| feed(stream, &["pid"]).unwrap().remove(0)).collect();
    for pid in &pids {
        assert_eq!(spoken.iter().filter(|said| **said == pid.to_string()).count(), 2, "{spoken:?}");
    }
    ended(feed(&mut streams[0], &["crash"]));
    let alive = streams.iter_mut().skip(1).filter_map(|stream| feed(stream, &["a"]).ok()).count();
    assert_eq!(alive, 4, "those of the other two, since a pid is not the same twice");
}

#[test]
fn the_last_handle_ends_the_workers() {
    let plugin = plugin(|options| options.shards = 2);
    let provider = created(&plugin);
    let mut stream = open(&provider);
    let pids = [pid(&plugin, 0), pid(&plugin, 1)];
    drop(plugin);
    drop(provider);
    assert_eq!(feed(&mut stream, &["a"]).unwrap(), ["1 97"], "a stream is a handle");
    drop(stream);
    until("they are gone", || pids.iter().all(|pid| is_gone(*pid)).then_some(()));
}

#[test]
fn a_worker_that_does_not_end_when_it_is_asked_is_killed() {
    let plugin = plugin(|options| options.deadline = LONG);
    let provider = created(&plugin);
    let first = pid(&plugin, 0);
    {
        let mut call = Box::pin(classify(&provider, "spin"));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop((provider, plugin));
    until("it is gone", || is_gone(first).then_some(()));
}

#[test]
fn what_goes_wrong_while_it_is_loaded_refuses_it() {
    for (way, how) in [
        ("crash", "its worker was ended by signal 11"),
        ("exit", "its worker ended by itself with code 3"),
        ("garble", "its worker broke the protocol and was killed: "),
    ] {
        let (_dir, path) = faulty(&[&format!("AT_ENTRY=\"{way}\"")]);
        let reason = common::refused_file(common::Mode::Process, &path);
        assert!(reason.starts_with(how), "{way}: {reason}");
    }
}

#[test]
fn without_an_executable_calls_fail_until_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (worker, aside) = (dir.path().join("worker"), dir.path().join("aside"));
    std::fs::copy(common::options().worker, &worker).unwrap();
    let plugin = plugin(|options| options.worker.clone_from(&worker));
    let provider = created(&plugin);
    let mut stream = open(&provider);
    feed(&mut stream, &["a"]).unwrap();
    std::fs::rename(&worker, &aside).unwrap();
    ended(wait(classify(&provider, "crash")));
    until("there is none for long", || {
        matches!(wait(classify(&provider, "well")), Err(PluginError::Away(_))).then_some(())
    });
    assert!(matches!(feed(&mut stream, &["b"]), Err(PluginError::Away(_))));
    std::fs::rename(&aside, &worker).unwrap();
    until("it is back", || wait(classify(&provider, "well")).ok());
}

/// What this process holds: descriptors, threads, and children, zombies too.
fn books() -> (usize, usize, usize) {
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    (count("fd"), count("task"), children.map(|line| line.split_whitespace().count()).sum())
}

#[test]
fn a_hundred_restarts_leave_nothing_behind() {
    let (_dir, path) = faulty(&[]);
    let (fds, threads, _) = books();
    for _ in 0..50 {
        // Two workers each, so that none has to wait for the next one.
        let plugin = common::isolated(&path, |options| options.shards = 2);
        let provider = created(&plugin);
        let mut streams = [open(&provider), open(&provider)];
        for stream in &mut streams {
            ended(feed(stream, &["a", "crash"]));
        }
        assert_eq!(well(&provider), "{\"n\":1}");
    }
    until("all is given back", || {
        let (fds_now, threads_now, children) = books();
        (fds_now <= fds + 1 && threads_now <= threads && children == 0).then_some(())
    });
}

#[test]
fn bodies_larger_than_any_socket_holds_go_through() {
    let plugin = plugin(|options| options.deadline = Duration::from_secs(10));
    let provider = created(&plugin);
    let bodies: Vec<String> = (0..6).map(|n| format!("{n}").repeat(3_000_000)).collect();
    std::thread::scope(|threads| {
        for body in &bodies {
            threads.spawn(|| {
                let input = RequestIn {
                    dialect: Dialect::OpenaiChat,
                    stream: true,
                    model: "m",
                    body: body.as_bytes(),
                    model_span: None,
                    headers: &[],
                };
                let built = wait(provider.request(&input)).unwrap();
                assert!(built.body == body.as_bytes(), "another body");
            });
        }
    });
}

#[test]
fn whatever_is_killed_no_answer_is_anothers() {
    const EVENTS: usize = 300;
    let plugin = plugin(|options| options.shards = 2);
    let provider = created(&plugin);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for round in 0..6 {
                let Some(pid) = plugin.workers()[round % 2].pid else { continue };
                // It may be gone by now, and no other process of ours has its number.
                let _ = kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL);
                std::thread::park_timeout(Duration::from_millis(40));
            }
        });
        for thread in 0..4_usize {
            let provider = &provider;
            threads.spawn(move || {
                let mut lost = 0;
                'streams: for _ in 0..4 {
                    let Some(mut stream) = opened(provider) else { continue };
                    let mut sum = 0_u64;
                    for event in 1..=EVENTS / 4 {
                        let data = format!("{thread}-{event}");
                        sum = data
                            .bytes()
                            .fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
                        match feed(&mut stream, &[&data]) {
                            Ok(answer) => assert_eq!(answer, [format!("{event} {sum}")]),
                            Err(PluginError::Ended { .. } | PluginError::Away(_)) => {
                                lost += 1;
                                continue 'streams;
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
                assert!(lost <= 6, "more than there were ends: {lost}");
            });
        }
    });
}

#[test]
fn a_worker_has_nothing_of_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    let ours = std::fs::File::create(dir.path().join("ours")).unwrap();
    // Without the mark that closes it in a new program.
    #[allow(unsafe_code, reason = "no safe call makes such a descriptor")]
    // SAFETY: the kernel has just given it to us, and nobody else closes it.
    let careless = unsafe { OwnedFd::from_raw_fd(nix::libc::dup(ours.as_raw_fd())) };
    let plugin = plugin(|_| {});
    let worker = format!("/proc/{}", pid(&plugin, 0));
    let mut held: Vec<String> = std::fs::read_dir(format!("{worker}/fd"))
        .unwrap()
        .map(|fd| std::fs::read_link(fd.unwrap().path()).unwrap().to_string_lossy().into_owned())
        .map(|target| target.split([':', '-']).next().unwrap().to_owned())
        .collect();
    held.sort();
    held.dedup();
    assert_eq!(held, ["/dev/null", "/memfd", "socket"]);
    assert!(std::fs::read_to_string(format!("/proc/self/fd/{}", careless.as_raw_fd())).is_ok());
    assert_eq!(std::fs::read(format!("{worker}/environ")).unwrap(), b"");
    assert_eq!(std::fs::read_link(format!("{worker}/cwd")).unwrap(), Path::new("/"));
    let name = std::fs::read_to_string(format!("{worker}/cmdline")).unwrap();
    assert_eq!(name, format!("tidegate\0plugin-worker\0{}\0faulty\0", std::process::id()));
}

#[test]
fn what_a_service_manager_tells_all_processes_does_not_end_a_worker() {
    let plugin = plugin(|_| {});
    let provider = created(&plugin);
    let first = pid(&plugin, 0);
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        kill(Pid::from_raw(first), signal).unwrap();
    }
    assert_eq!(well(&provider), "{\"n\":1}");
    assert_eq!(pid(&plugin, 0), first);
}

/// The worker of a real plugin, loaded from sealed memory, and not only the sandbox by itself: before a call is made of it
/// the plugin's code can read no file but libraries.
#[cfg(target_os = "linux")]
#[test]
fn no_file_is_read_as_the_plugin_is_loaded() {
    if !has_landlock() {
        eprintln!("not tested: this kernel has no Landlock");
        return;
    }
    let (_dir, path) = common::compiled(&["READS=\"/etc/passwd\""]);
    let inline = common::refused_file(common::Mode::Inline, &path);
    assert!(inline.contains("refuses this host"), "the control reads it: {inline}");
    common::isolated(&path, |_| {});
}

/// Whether this kernel can keep files from a process.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "a call that no safe wrapper has")]
fn has_landlock() -> bool {
    // SAFETY: with this flag the kernel looks at nothing else, and answers a number.
    unsafe { nix::libc::syscall(nix::libc::SYS_landlock_create_ruleset, 0, 0, 1) > 0 }
}
