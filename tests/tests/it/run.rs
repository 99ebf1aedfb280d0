//! `tests/failed` finds the names of what failed in each part's log: they are all that the end of a long log tells.

use std::io::Write;
use std::process::{Command, Stdio};

fn names(log: &str) -> Vec<String> {
    let mut child = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/failed"))
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
