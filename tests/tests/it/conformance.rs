//! `tidegate plugin check` against the zoo: what is well passes, and each member fails.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tidegate_tests::proxy::built;
use tidegate_tests::zoo::{MEMBERS, Member, When, Zoo};

/// Members whose answers the host takes as the contract says, so that a check has nothing to say: a message is cut, what is
/// not UTF-8 in it replaced, and an action that this minor does not know is RAISE.
const UNSEEN: [&str; 3] = ["writes-a-long-message", "not-utf8-message", "no-such-action"];

/// The case that makes the call at which a member does what it does. Others would find it too, and a member that never
/// returns costs seconds in each.
fn case(member: &Member) -> &'static str {
    match (member.name, member.when) {
        ("well" | "newer-minor" | "null-stream", _) => "truncation",
        ("leaks-streams", _) => "balance",
        (name, When::Streamed) if name.contains("request") => "requests",
        ("exits" | "no-target" | "splits-a-header", _) => "requests",
        (_, When::Checked | When::Loaded) => "loads",
        (_, When::Created) => "create",
        (_, When::Streamed) => "answers",
        (_, When::Whole) => "errors",
        (_, When::Failed) => "self-test",
        (_, When::Never | When::Decided | When::Picked) => "decisions",
    }
}

fn check(file: &Path, case: &str) -> (i32, Value) {
    let mut command = Command::new(built().join("tidegate"));
    command.args(["plugin", "check", "--json", "--only", case]).arg(file);
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap_or(-1), report)
}

/// What is wrong with the check of one member, if anything.
fn amiss(zoo: &Zoo, member: &Member) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = zoo.put(member, folder.path(), true);
    let (code, report) = check(&file, case(member));
    let holds = member.when == When::Never || UNSEEN.contains(&member.name);
    // What is no regular file is refused before it is checked.
    let is_as_wanted =
        if holds { code == 0 } else { code == 1 || (member.when == When::Checked && code == 2) };
    (!is_as_wanted).then(|| format!("{}: exit code {code}, {report:#}", member.name))
}

#[test]
fn each_member_of_the_zoo_fails_and_what_is_well_passes() {
    let zoo = Zoo::new();
    let next = AtomicUsize::new(0);
    let work = || -> Vec<String> {
        std::iter::from_fn(|| MEMBERS.get(next.fetch_add(1, Ordering::Relaxed)))
            .filter_map(|member| amiss(&zoo, member))
            .collect()
    };
    let all: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(all.is_empty(), "{} of {} members:\n{}", all.len(), MEMBERS.len(), all.join("\n"));
}
