//! `tidegate.traces` and `tidegate.access_log`.

use std::path::PathBuf;

use tidegate::config::AccessLog;

use super::{bad, good};

#[test]
fn they_are_read() {
    let config = good(
        "tidegate:\n  traces: {endpoint: \"https://a.example:4318\", sample: 0.25, headers: {api-key: hunter2}, timeout: 2s, \
         propagate: false}\n  access_log: /var/log/access.jsonl\n",
    );
    let traces = &config.tidegate.traces;
    assert_eq!(traces.endpoint.as_deref(), Some("https://a.example:4318"));
    assert_eq!((traces.sample, traces.propagate), (Some(0.25), false));
    assert_eq!(config.tidegate.access_log, AccessLog::File(PathBuf::from("/var/log/access.jsonl")));
    assert!(!format!("{config:?}").contains("hunter2"));
    for (word, want) in [("off", AccessLog::Off), ("stderr", AccessLog::Stderr), ("\"off\"", AccessLog::Off)]
    {
        assert_eq!(good(&format!("tidegate: {{access_log: {word}}}\n")).tidegate.access_log, want, "{word}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (section, complaint) in [
        ("traces: {endpoint: \"127.0.0.1:4318\"}", "`endpoint`: "),
        ("traces: {endpoint: \"ftp://a\"}", "`endpoint`: "),
        ("traces: {endpoint: \"http://user:hunter2@a\"}", "`endpoint`: "),
        ("traces: {endpoint: \"http://a?key=b\"}", "has no query"),
        ("traces: {sample: 2}", "`sample` is a share of the traces, from 0 to 1"),
        ("traces: {sample: -0.1}", "`sample` "),
        ("traces: {timeout: 5}", "`timeout`: a duration needs its unit"),
        ("traces: {timeout: 0s}", "`timeout` must be longer than 0s"),
        ("traces: {headers: {\"a b\": c}}", "`a b` is no name of a header"),
        ("traces: {headers: {a: \"c\\nd\"}}", "`a` has a value that no header may have"),
        ("traces: {end_point: x}", "did you mean `endpoint`?"),
        ("access_log: stdout", "`access_log` is stderr, off or a file"),
        ("access_log: {file: a}", "`access_log`"),
    ] {
        let report = bad(&format!("tidegate: {{{section}}}\n"));
        let said = report.errors.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(said.iter().any(|line| line.contains(complaint)), "{section}: {said:?}");
    }
}
