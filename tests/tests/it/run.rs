//! `tests/failed` finds the names of what failed in each part's log, and `tests/reasons` why a Rust test did: they are all that
//! the end of a long log tells.

use std::io::Write;
use std::process::{Command, Stdio};

fn names(log: &str) -> Vec<String> {
    lines_of("failed", log)
}

fn lines_of(script: &str, log: &str) -> Vec<String> {
    let mut child = Command::new(format!("{}/{script}", env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn nextest_names_each_once_whatever_it_died_of() {
    let log = "\
        SLOW [> 60.000s] (1/5) crate::it long::but_well
        PASS [   0.013s] (1/5) crate::it well
     SIGABRT [   0.013s] (1/5) crate::it t::aborts
        FAIL [   0.277s] (4/5) crate::it t::bad
    test t::within_the_output ... FAILED
     Summary [   0.478s] 5 tests run: 1 passed, 4 failed, 0 skipped
     SIGABRT [   0.013s] (1/5) crate::it t::aborts
        FAIL [   0.277s] (4/5) crate::it t::bad
     TIMEOUT [  60.000s] (3/5) crate::it t::hangs
 FAIL + LEAK [   0.448s] (5/5) crate::it t::leaks
";
    let expected = ["crate::it t::aborts", "crate::it t::bad", "crate::it t::hangs", "crate::it t::leaks"];
    assert_eq!(names(log), expected);
}

#[test]
fn the_other_parts_have_their_own_words() {
    for (line, name) in [
        ("test t::bad ... FAILED", "t::bad"),
        ("---- core/src/lib.rs - f (line 1) stdout ----", "core/src/lib.rs - f (line 1)"),
        ("error: could not compile `tidegate` (lib) due to 1 previous error", ""),
        ("FAIL  openai_chat truncated: AssertionError", "openai_chat truncated: AssertionError"),
        ("FAILED Tidegate / Overview / Requests: no data", "Tidegate / Overview / Requests: no data"),
        ("WRONG active streams 1   must be 0", "active streams 1   must be 0"),
        ("429 event cut short, end     hang      -     LOST  NO", "429 event cut short, end, hang, -, LOST"),
    ] {
        let name = if name.is_empty() { line } else { name };
        assert_eq!(names(line), [name], "{line}");
    }
    for line in [
        "test t::good ... ok",
        "ok    openai_chat",
        "ok    active streams  0  must be 0",
        "12 passed, 0 failed",
    ] {
        assert!(names(line).is_empty(), "{line}");
    }
}

#[test]
fn a_reason_is_a_panic_s_own_words_each_once() {
    let log = "\
        FAIL [   0.277s] (4/5) crate::it t::bad
  stdout ───

    running 1 test
    test t::bad ... FAILED

  stderr ───
    {\"level\":\"INFO\",\"message\":\"a line of the proxy's log\"}

    thread 't::bad' (4711) panicked at tests/tests/it/t.rs:43:5:
    vertex: 1 are wrong:
    slow (stream: true): truncated, but content was expected
    note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

        PASS [   0.013s] (5/5) crate::it well
        FAIL [   0.277s] (4/5) crate::it t::bad
  stderr ───
    thread 't::bad' (4712) panicked at tests/tests/it/t.rs:43:5:
    vertex: 1 are wrong:
thread 'plain' panicked at x.rs:1:1:
";
    let expected = [
        "thread 't::bad' panicked at tests/tests/it/t.rs:43:5:",
        "    vertex: 1 are wrong:",
        "    slow (stream: true): truncated, but content was expected",
        "thread 'plain' panicked at x.rs:1:1:",
    ];
    assert_eq!(lines_of("reasons", log), expected);
}

#[test]
fn a_reason_without_end_is_cut_short() {
    let log =
        format!("thread 't' (1) panicked at t.rs:1:1:\n{}", format!("{}\n", "x".repeat(300)).repeat(50));
    let lines = lines_of("reasons", &log);
    assert_eq!(lines.len(), 13);
    assert!(lines.iter().all(|line| line.len() < 250), "{lines:?}");
}
