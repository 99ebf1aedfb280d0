//! The header, this crate and the released layouts agree. A C program made from the header's own text prints sizes,
//! offsets and values; it is compared with what Rust says, and with what each released minor said.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;

use tidegate_plugin_abi as abi;

#[path = "layout/header.rs"]
mod header;

/// `tg_x`: a size; `tg_x.field`: an offset; `TG_X`: a value.
type Numbers = BTreeMap<String, i64>;

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

fn header() -> header::Header {
    header::read(&std::fs::read_to_string(include().join("tidegate.h")).unwrap())
}

fn compile(compiler: &str, standard: &str, source: &Path, to: &Path) {
    let output = Command::new(compiler)
        .args([standard, "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
        .arg(include())
        .arg(source)
        .arg("-o")
        .arg(to)
        .output()
        .unwrap_or_else(|e| panic!("{compiler}: {e}"));
    assert!(output.status.success(), "{compiler}: {}", String::from_utf8_lossy(&output.stderr));
}

fn numbers_of_c() -> Numbers {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("print.c"), dir.path().join("print"));
    std::fs::write(&source, header::printer(&header())).unwrap();
    compile("cc", "-std=c11", &source, &program);
    let output = Command::new(program).output().unwrap();
    parse(&String::from_utf8(output.stdout).unwrap())
}

fn parse(text: &str) -> Numbers {
    let line = |line: &str| {
        let (name, number) = line.split_once(' ').unwrap();
        (name.to_owned(), number.parse().unwrap())
    };
    text.lines().map(line).collect()
}

fn numbers_of_rust() -> Numbers {
    let mut numbers = Numbers::new();
    macro_rules! structs {
        ($($c:literal $ty:ident { $($field:ident),+ $(,)? })+) => {$(
            numbers.insert($c.to_owned(), size_of::<abi::$ty>() as i64);
            $(numbers.insert(
                concat!($c, ".", stringify!($field)).to_owned(),
                offset_of!(abi::$ty, $field) as i64,
            );)+
        )+};
    }
    structs! {
        "tg_str" Str { ptr, len }
        "tg_kv" Kv { name, value }
        "tg_host_v1" HostV1 { size, minor, ctx, log }
        "tg_text_out_v1" TextOutV1 { size, reserved, ctx, write }
        "tg_auth_v1" AuthV1 { size, scheme, secret, header, prefix, scope, region }
        "tg_request_in_v1" RequestInV1 {
            size, flags, dialect, reserved, model, body, model_at, model_len, headers, n_headers,
        }
        "tg_response_v1" ResponseV1 { size, flags, dialect, framing }
        "tg_request_out_v1" RequestOutV1 { size, reserved, ctx, target, header, auth, response, body }
        "tg_head_in_v1" HeadInV1 {
            size, http_status, dialect, framing, model, headers, n_headers, unix_ms, seed,
        }
        "tg_event_in_v1" EventInV1 { size, flags, name, data }
        "tg_stream_out_v1" StreamOutV1 { size, reserved, ctx, event, note }
        "tg_failure_in_v1" FailureInV1 {
            size, phase, http_status, reserved, headers, n_headers, event, body, unix_ms, bytes_to_client,
        }
        "tg_class_v1" ClassV1 { size, flags, error, http_status, retry_after_ms }
        "tg_class_out_v1" ClassOutV1 { size, reserved, ctx, message, code }
        "tg_provider_v1" ProviderV1 {
            size, reserved, create, destroy, request, stream_open, stream_event, stream_end, stream_close,
            response, classify,
        }
        "tg_attempt_v1" AttemptV1 {
            target, error, http_status, flags, started_ms, ended_ms, retry_after_ms, bytes_to_client,
        }
        "tg_target_v1" TargetV1 {
            id, group, weight, order, flags, inflight, fails_minute, oks_minute, cooldown_ms, latency_us,
            fails_recent, requests_minute, tokens_minute, answer_us, input_cost, output_cost, total_us,
        }
        "tg_history_in_v1" HistoryInV1 {
            size, flags, now_ms, deadline_ms, seed, attempts_left, retry_tokens, group, options, attempts,
            n_attempts, attempt_stride, targets, n_targets, target_stride, prompt_tokens,
        }
        "tg_action_v1" ActionV1 { size, action, target, reason, delay_ms, cooldown_ms }
        "tg_policy_v1" PolicyV1 { size, reserved, create, destroy, decide, pick }
        "tg_plugin_v1" PluginV1 {
            size, abi_major, abi_minor, flags, name, version, manifest, provider, policy,
        }
    }
    macro_rules! values {
        ($($module:ident $prefix:literal { $($name:ident)+ })+) => {
            $($(numbers.insert(concat!($prefix, stringify!($name)).to_owned(), i64::from(abi::$module::$name));)+)+
        };
    }
    values! {
        status "TG_" {
            PASS OK E_PANIC E_INVALID E_CONFIG E_PROTOCOL E_LIMIT E_TRUNCATED E_UNSUPPORTED E_UPSTREAM
        }
        log "TG_LOG_" { ERROR WARN INFO DEBUG }
        dialect "TG_DIALECT_" {
            UNKNOWN OPENAI_CHAT OPENAI_RESPONSES ANTHROPIC_MESSAGES GEMINI_GENERATE OPENAI_COMPLETIONS
            OPENAI_EMBEDDINGS BEDROCK_CONVERSE
            ANTHROPIC_COUNT_TOKENS GEMINI_COUNT_TOKENS
        }
        framing "TG_FRAMING_" { AUTO SSE JSON_LINES JSON_ARRAY AWS_EVENTSTREAM }
        auth "TG_AUTH_" { NONE BEARER HEADER GOOGLE_OAUTH AWS_SIGV4 }
        request "TG_REQUEST_" { STREAM }
        response "TG_RESPONSE_" { EVERY_EVENT }
        event "TG_EVENT_" { STRAY }
        note "TG_NOTE_" { TOKENS_IN TOKENS_OUT TOKENS_CACHED TOKENS_REASONING DONE TOKENS_CACHE_WRITE FINISHED }
        close "TG_CLOSE_" { END CANCELLED FAILED }
        error "TG_ERR_" {
            UNKNOWN RATE_LIMIT OVERLOADED AUTH BAD_REQUEST CONTEXT_LENGTH CONTENT_FILTER TIMEOUT TRANSPORT SERVER
            NOT_FOUND PERMISSION TRUNCATED MALFORMED
        }
        phase "TG_PHASE_" { UNKNOWN STATUS STREAM BODY }
        class "TG_CLASS_" { RETRYABLE QUOTA HAS_RETRY_AFTER }
        attempt "TG_ATTEMPT_" { HAS_RETRY_AFTER COMMITTED QUOTA RETRYABLE }
        target "TG_TARGET_" { UNAVAILABLE HAS_INPUT_COST HAS_OUTPUT_COST SPECIAL }
        history "TG_HISTORY_" { STREAM WHOLE }
        action "TG_" { RAISE RETRY FALLBACK CONTINUE }
    }
    numbers.insert("TG_ABI_MAJOR".to_owned(), abi::ABI_MAJOR.into());
    numbers.insert("TG_ABI_MINOR".to_owned(), abi::ABI_MINOR.into());
    numbers
}

#[test]
fn c_and_rust_agree_on_every_struct_field_and_value() {
    let (c, rust) = (numbers_of_c(), numbers_of_rust());
    let lines =
        |n: &Numbers| n.iter().map(|(name, number)| format!("{name} {number}")).collect::<BTreeSet<_>>();
    let (c, rust) = (lines(&c), lines(&rust));
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    assert_eq!((only(&c, &rust), only(&rust, &c)), (vec![], vec![]), "(C alone, Rust alone)");
}

#[test]
fn the_entry_symbol_is_one() {
    let text = std::fs::read_to_string(include().join("tidegate.h")).unwrap();
    assert!(text.contains(&format!("#define TG_ENTRY_SYMBOL \"{}\"", abi::ENTRY_SYMBOL)));
    assert!(abi::ENTRY_SYMBOL.ends_with(&format!("_v{}", abi::ABI_MAJOR)));
}

/// What of `released` is no longer so in `today`. Structs that say their version may have grown; everything else
/// stays.
fn broken(released: &Numbers, today: &Numbers) -> Vec<String> {
    let grows = |name: &str| name.ends_with("_v1") || name == "TG_ABI_MINOR";
    released
        .iter()
        .filter(|&(name, was)| match today.get(name) {
            Some(is) if grows(name) => is < was,
            Some(is) => is != was,
            None => true,
        })
        .map(|(name, was)| format!("{name} was {was}, is {:?}", today.get(name)))
        .collect()
}

/// The files of released minors: `vMAJOR.MINOR.KIND`.
fn golden(kind: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    (0..=abi::ABI_MINOR)
        .map(|minor| folder.join(format!("v{}.{minor}.{kind}", abi::ABI_MAJOR)))
        .map(|path| std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
        .collect()
}

/// The files of the minor that the header has now. Run once, when it is released; they do not change after that.
#[test]
#[ignore = "writes the files of a new minor"]
fn write_the_files_of_a_new_minor() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let numbers: String = numbers_of_c().iter().map(|(name, number)| format!("{name} {number}\n")).collect();
    let members: String = header().members.iter().map(|member| format!("{member}\n")).collect();
    for (kind, text) in [("numbers", numbers), ("members", members)] {
        let path = folder.join(format!("v{}.{}.{kind}", abi::ABI_MAJOR, abi::ABI_MINOR));
        let mut file = std::fs::File::create_new(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn released_minors_are_only_appended_to() {
    let today = numbers_of_c();
    let released: Vec<Numbers> = golden("numbers").iter().map(|text| parse(text)).collect();
    for released in &released {
        assert_eq!(broken(released, &today), Vec::<String>::new());
    }
    assert_eq!(released.last(), Some(&today), "a released minor never changes: docs/plugin-abi.md");
}

#[test]
fn a_moved_field_a_shrunk_struct_and_a_changed_value_are_seen() {
    let released = numbers_of_rust();
    let change = |name: &str, number: Option<i64>| {
        let mut today = released.clone();
        assert!(today.contains_key(name), "{name}");
        match number {
            Some(number) => today.insert(name.to_owned(), number),
            None => today.remove(name),
        };
        broken(&released, &today).len()
    };
    assert_eq!(change("tg_class_v1", Some(32)), 0, "a struct grew");
    assert_eq!(change("tg_class_v1", Some(16)), 1, "a struct shrank");
    assert_eq!(change("tg_kv", Some(40)), 1, "a plain pair grew");
    assert_eq!(change("tg_class_v1.error", Some(12)), 1, "a field moved");
    assert_eq!(change("tg_class_v1.error", None), 1, "a field went");
    assert_eq!(change("TG_E_LIMIT", Some(-50)), 1, "a value changed");
}

/// A plugin asks it before it uses a field that an older host may not have.
#[test]
#[cfg(target_pointer_width = "64")]
fn a_field_is_covered_by_a_size_that_reaches_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("covers.c"), dir.path().join("covers"));
    let check = |expression: &str| {
        let text = format!(
            "#include \"tidegate.h\"\n_Static_assert({expression}, \"\");\nint main(void) {{ return 0; }}\n"
        );
        std::fs::write(&source, text).unwrap();
        Command::new("cc")
            .args(["-std=c11", "-I"])
            .arg(include())
            .arg(&source)
            .arg("-o")
            .arg(&program)
            .output()
    };
    for (expression, holds) in [
        ("TG_COVERS(128, tg_history_in_v1, prompt_tokens)", true),
        ("TG_COVERS(127, tg_history_in_v1, prompt_tokens)", false),
        ("TG_COVERS(120, tg_history_in_v1, target_stride)", true),
        ("TG_COVERS(72, tg_target_v1, fails_recent)", false),
        ("TG_COVERS(76, tg_target_v1, fails_recent)", true),
    ] {
        assert_eq!(check(expression).unwrap().status.success(), holds, "{expression}");
    }
}

#[test]
fn the_header_is_cpp_too() {
    if Command::new("g++").arg("--version").output().is_err() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("main.cc"), dir.path().join("main"));
    std::fs::write(&source, "#include \"tidegate.h\"\nint main() { return TG_OK; }\n").unwrap();
    compile("g++", "-std=c++17", &source, &program);
}
