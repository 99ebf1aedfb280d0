//! `check`: what is good passes, and of each way to be bad some case says so.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::new::{built, project};
use crate::{plugin, read_json, shipped, write};

const TEMPLATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/plugin/templates");

/// A way to be bad: a piece of a good plugin in C, and what stands there instead.
struct Mutant {
    name: &'static str,
    of: &'static str,
    good: &'static str,
    bad: &'static str,
    /// The case that must say so, and words that it must say.
    case: &'static str,
    says: &'static str,
}

const fn provider(
    name: &'static str,
    good: &'static str,
    bad: &'static str,
    case: &'static str,
    says: &'static str,
) -> Mutant {
    Mutant { name, of: "c-provider", good, bad, case, says }
}

const fn policy(
    name: &'static str,
    good: &'static str,
    bad: &'static str,
    case: &'static str,
    says: &'static str,
) -> Mutant {
    Mutant { name, of: "c-policy", good, bad, case, says }
}

const EVENT: &str = "TRY(parse(in->data, &token, &end));";
const PARSE: &str = "if (!value.at) return TG_E_PROTOCOL;";
const DECIDE: &str = "if (in->n_attempts == 0) return TG_OK;";

const MUTANTS: &[Mutant] = &[
    provider(
        "crash",
        EVENT,
        "*(volatile int *)8 = 1; TRY(parse(in->data, &token, &end));",
        "answers",
        "SIGSEGV",
    ),
    provider(
        "abort",
        "json body = json_document(in->body);",
        "abort(); json body = json_document(in->body);",
        "requests",
        "SIGABRT",
    ),
    provider(
        "exit",
        "json prompt = json_member",
        "exit(0); json prompt = json_member",
        "requests",
        "exit code 0",
    ),
    provider(
        "spin",
        EVENT,
        "for (volatile int i = 0;;) i++; TRY(parse(in->data, &token, &end));",
        "garbage",
        "4 s of CPU",
    ),
    // One byte of each piece: the limit counts addresses, and to fill what it allows can take longer than the limit on CPU
    // where the machine has yet to find the pages.
    provider(
        "eat",
        EVENT,
        "for (;;) { volatile char *p = malloc(1 << 20); if (!p) abort(); *p = 1; }",
        "answers",
        "SIGABRT",
    ),
    provider(
        "spin at the limit",
        "tg_status status_ = (call); if",
        "tg_status status_; while ((status_ = (call)) == TG_E_LIMIT) {} if",
        "limits",
        "4 s of CPU",
    ),
    provider(
        "a late exit",
        "free(((stream *)ctx)->head);",
        "free(((stream *)ctx)->head); abort();",
        "answers",
        "stream_close",
    ),
    provider(
        "double free",
        "static void destroy(void *inst) { free(inst); }",
        "static void destroy(void *inst) { free(inst); free(inst); }",
        "create",
        "SIGABRT",
    ),
    provider(
        "an invented end",
        "((stream *)ctx)->ended ? TG_OK : TG_E_TRUNCATED",
        "TG_OK",
        "truncation",
        "done, after",
    ),
    provider("an end at the first token", "s->ended |= end;", "s->ended = 1;", "answers", "noted DONE"),
    provider("a forgotten end", "s->ended |= end;", "s->ended = 0;", "answers", "Truncated"),
    provider(
        "a swallowed error",
        "return TG_E_UPSTREAM;",
        "return *token = error, *end = 1, TG_OK;",
        "errors",
        "",
    ),
    provider(
        "a swallowed protocol error",
        PARSE,
        "if (!value.at) return *token = (json){(const uint8_t *)\"\\\"\\\"\", (const uint8_t *)\"\" }, token->end = token->at + 2, *end = 1, TG_OK;",
        "garbage",
        "done",
    ),
    provider(
        "an address for an id",
        "(unsigned long long)head->seed",
        "(unsigned long long)(size_t)text",
        "determinism",
        "and then",
    ),
    provider(
        "a counter",
        "(unsigned long long)head->seed",
        "(unsigned long long)({ static int n; n++; })",
        "determinism",
        "a second time",
    ),
    provider(
        "a look past the end",
        "*token = json_member(value, \"token\");",
        "*token = json_member(value, \"token\"); if (data.ptr[data.len] == 'x') return TG_E_PROTOCOL;",
        "determinism",
        "other bytes behind",
    ),
    provider(
        "a NUL at the end",
        PARSE,
        "((uint8_t *)data.ptr)[data.len] = 0; if (!value.at) return TG_E_PROTOCOL;",
        "garbage",
        "others than before",
    ),
    provider(
        "a buffer for all",
        "tg_str text = text_of(token);",
        "static volatile uint8_t all[64]; tg_str text = text_of(token); if (text.len > 60) return TG_E_PROTOCOL;\n\
         for (size_t i = 0; i < text.len; i++) all[i] = text.ptr[i];\n\
         extern int sched_yield(void); sched_yield(); sched_yield();\n\
         text.ptr = (const uint8_t *)all;",
        "concurrency",
        "other answers than on one thread",
    ),
    provider("a leaked stream", "free(((stream *)ctx)->head);", "", "balance", "left behind"),
    provider(
        "a leaked instance",
        "static void destroy(void *inst) { free(inst); }",
        "static void destroy(void *inst) { (void)inst; }",
        "balance",
        "left behind",
    ),
    provider(
        "slow",
        EVENT,
        "for (volatile int i = 0; i < 20000000; i++) {} TRY(parse(in->data, &token, &end));",
        "budget",
        "it takes",
    ),
    provider(
        "a panic",
        EVENT,
        "return TG_E_PANIC; TRY(parse(in->data, &token, &end));",
        "answers",
        "panicked",
    ),
    provider("an unknown status", PARSE, "if (!value.at) return -77;", "garbage", "status -77"),
    provider(
        "both",
        "return s->ended ? out->note(out->ctx, TG_NOTE_DONE, 0) : TG_OK;",
        "return TG_PASS;",
        "answers",
        "passed the event through and wrote others",
    ),
    provider("no chunk", "\\\"choices\\\": [{", "\\\"choices\\\": [7, {", "answers", "no chunk"),
    provider(
        "no UTF-8",
        "S(\", \\\"choices\\\": [{\\\"index\\\": 0, \\\"message",
        "S(\", \\\"\\xff\\\": 1, \\\"choices\\\": [{\\\"index\\\": 0, \\\"message",
        "errors",
        "not UTF-8",
    ),
    provider(
        "no reason",
        "why->write(why->ctx, S(\"the request is not JSON\"));",
        "",
        "requests",
        "without a word",
    ),
    provider(
        "no reason to create",
        "why->write(why->ctx, S(\"parrot/ needs \\\"api_base\\\", the URL of its server\"));",
        "",
        "create",
        "without a word",
    ),
    provider(
        "no URL",
        "memcpy(url, base.at + 1, len);",
        "memcpy(url, base.at + 1, len); url[0] = 'x';",
        "requests",
        "not an absolute",
    ),
    provider(
        "a secret of its own",
        ".secret = S(\"api_key\")",
        ".secret = S(\"master_key\")",
        "requests",
        "master_key",
    ),
    provider(
        "a failure that is none",
        "out->http_status = 429;",
        "out->http_status = 200;",
        "classify",
        "tells of no failure",
    ),
    policy(
        "a target out of range",
        "out->action = TG_RETRY;",
        "out->action = TG_RETRY, out->target = 99;",
        "decisions",
        "target 99",
    ),
    policy(
        "a retry elsewhere",
        "draw(in, group, 1, &out->target)",
        "draw(in, group, 0, &out->target)",
        "decisions",
        "Retry on target",
    ),
    policy("a retry after content", "(last->flags & TG_ATTEMPT_COMMITTED) || ", "", "decisions", "on target"),
    policy("a memory", "in->seed % free", "({ static uint64_t n; n++; }) % free", "purity", "after"),
    policy(
        "a look past the arrays",
        DECIDE,
        "if (in->n_attempts == 0) return TG_OK; out->reason = AT(tg_target_v1, in->targets, in->target_stride, in->n_targets)->weight;",
        "purity",
        "other elements beside",
    ),
    policy(
        "a look before the arrays",
        DECIDE,
        "out->reason = AT(tg_attempt_v1, in->attempts, in->attempt_stride, -1)->target; if (in->n_attempts == 0) return TG_OK;",
        "purity",
        "other elements beside",
    ),
    policy(
        "a crash without attempts",
        DECIDE,
        "if (in->n_attempts == 0) return *(volatile int *)8;",
        "extremes",
        "SIGSEGV",
    ),
];

fn compile(folder: &Path, source: &str, of: &str) -> PathBuf {
    let (file, plugin) = (folder.join("plugin.c"), folder.join("libplugin.so"));
    write(&file, source);
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/abi/include");
    let output = Command::new("cc")
        .args(["-O1", "-w", "-fPIC", "-shared", "-I", include, "-I"])
        .arg(Path::new(TEMPLATES).join(of))
        .arg("-o")
        .args([&plugin, &file])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    plugin
}

fn checked(file: &Path, arguments: &[&str]) -> (i32, Value) {
    let start = ["check", file.to_str().unwrap(), "--json"];
    let (code, json, said) = plugin(&[&start[..], arguments].concat());
    assert!(code >= 0, "{said}");
    (code, if json.is_empty() { said.into() } else { read_json(&json) })
}

/// Plays one mutant: what is wrong with the test, if anything.
fn escapes(mutant: &Mutant) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let source = std::fs::read_to_string(format!("{TEMPLATES}/{}/plugin.c", mutant.of)).unwrap();
    if !source.contains(mutant.good) {
        return Some(format!("{}: {:?} is not in the template", mutant.name, mutant.good));
    }
    let file = compile(folder.path(), &source.replacen(mutant.good, mutant.bad, 1), mutant.of);
    let answer = format!("{TEMPLATES}/c-provider/answers/hello.sse");
    let (code, report) = checked(&file, &["--only", mutant.case, "--transcript", &answer]);
    let case = report["cases"].as_array()?.iter().find(|case| case["case"] == mutant.case);
    let said = case.map(|case| case["findings"].to_string()).unwrap_or_default();
    let is_caught =
        code == 1 && case.is_some_and(|case| case["outcome"] == "failed") && said.contains(mutant.says);
    (!is_caught)
        .then(|| format!("{}: not caught by {} with {:?}: {report:#}", mutant.name, mutant.case, mutant.says))
}

#[test]
fn each_way_to_be_bad_is_found() {
    let next = AtomicUsize::new(0);
    let escaped: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            std::iter::from_fn(|| MUTANTS.get(next.fetch_add(1, Ordering::Relaxed)))
                .filter_map(escapes)
                .collect()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(move || -> Vec<String> { work() })).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(escaped.is_empty(), "{}", escaped.join("\n\n"));
}

#[test]
fn slow_events_are_found_however_the_answer_is_framed() {
    let folder = tempfile::tempdir().unwrap();
    let source = std::fs::read_to_string(format!("{TEMPLATES}/c-provider/plugin.c")).unwrap();
    let sleeps = format!("extern int usleep(unsigned); usleep(60000); {EVENT}");
    let slow = source.replacen(EVENT, &sleeps, 1);
    assert_ne!(slow, source);
    let file = compile(folder.path(), &slow, "c-provider");
    let (first, last) = (r#"{"token": "Hel"}"#, r#"{"token": "lo!", "end": true}"#);
    for (name, answer) in [
        ("a.jsonl", format!("{first}\n{last}\n")),
        ("a.json", format!("[{first},\n{last}]")),
        ("a.sse", format!("event: token\ndata:{first}\n\nevent: token\ndata:{last}\n\n")),
    ] {
        let transcript = folder.path().join(name);
        write(&transcript, &answer);
        let (code, report) =
            checked(&file, &["--only", "budget", "--transcript", transcript.to_str().unwrap()]);
        let said = report["cases"].to_string();
        assert!(
            code == 1 && said.contains("stream_event") && said.contains("it takes"),
            "{name}: {report:#}"
        );
    }
    // Nothing recorded is in this upstream's own dialect.
    let (code, report) = checked(&file, &["--only", "budget"]);
    let unmeasured = "stream_event not measured: no recorded answer is in its upstream's dialect";
    assert!(code == 0 && report["cases"].to_string().contains(unmeasured), "{report:#}");
}

#[test]
fn the_shipped_plugins_keep_the_contract() {
    for name in ["openai", "gemini", "fallback"] {
        let (code, report) = checked(&shipped(name), &[]);
        assert_eq!(code, 0, "{name}: {report:#}");
        assert_eq!(report["plugin"]["name"], name);
    }
}

fn keeps(kind: &str, lang: &str) {
    let project = project(kind, lang);
    let file = built(project.path(), lang);
    let answer = format!("{TEMPLATES}/c-provider/answers/hello.sse");
    let (code, report) = checked(&file, &["--transcript", &answer]);
    assert_eq!(code, 0, "{report:#}");
    // How fast a debug build is on a busy machine is no part of the contract.
    let warned = |case: &&Value| case["outcome"] == "warned" && case["case"] != "budget";
    assert_eq!(report["cases"].as_array().unwrap().iter().find(warned), None, "{report:#}");
}

#[test]
fn what_new_writes_in_c_keeps_the_contract() {
    keeps("provider", "c");
    keeps("policy", "c");
}

#[test]
fn what_new_writes_in_rust_keeps_the_contract() {
    keeps("provider", "rust");
    keeps("policy", "rust");
}

#[test]
fn a_panic_of_a_rust_plugin_is_told_with_its_words_and_its_line() {
    let project = project("provider", "rust");
    let lib = project.path().join("project/src/lib.rs");
    let source = std::fs::read_to_string(&lib).unwrap();
    let bad = source.replace("let value = parse(event.data)?;", "let value = parse(event.data).unwrap();");
    assert_ne!(bad, source);
    write(&lib, &bad);
    std::fs::remove_dir_all(project.path().join("project/tests")).unwrap();
    let (code, report) = checked(&built(project.path(), "rust"), &["--only", "garbage"]);
    let said = report.to_string();
    assert_eq!(code, 1);
    assert!(said.contains("panic in stream_event") && said.contains("src/lib.rs:"), "{report:#}");
}

#[test]
fn what_is_no_plugin_fails_and_nonsense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("libtext.so");
    write(&text, "not a library");
    let (code, report) = checked(&text, &[]);
    assert_eq!((code, report["cases"].as_array().unwrap().len()), (1, 1), "{report:#}");
    assert!(report.to_string().contains("it is not a shared library"), "{report:#}");

    let openai = shipped("openai");
    let openai = openai.to_str().unwrap();
    let refused = |arguments: &[&str], why: &str| {
        let (code, _, said) = plugin(&[&["check"], arguments].concat());
        assert!(code == 2 && said.contains(why), "{arguments:?}: {code} {said}");
    };
    refused(&["/nowhere.so"], "there is no such file");
    refused(&[openai, "--only", "luck"], "there is no case \"luck\"; there are loads,");
    refused(&[openai, "--transcript", "/nowhere.sse"], "/nowhere.sse");
    let transcript = folder.path().join("answer.txt");
    write(&transcript, "data: [DONE]\n\n");
    refused(&[openai, "--transcript", transcript.to_str().unwrap()], "--framing");
    write(&folder.path().join("config.json"), "{");
    refused(&[openai, "--config", folder.path().join("config.json").to_str().unwrap()], "config.json");
}
