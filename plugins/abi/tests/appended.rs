//! Within a major, minors append. Each released minor's members are the beginning of every later one's, struct by struct
//! and word for word, and the header of today is the newest minor's. Wrong headers are made of today's, one for each way to
//! break that, and each must be seen.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidegate_plugin_abi as abi;

#[path = "layout/header.rs"]
#[allow(dead_code, reason = "the other test program prints the numbers")]
mod header;

/// Each struct's members, as they are declared and in their order.
type Members = BTreeMap<String, Vec<String>>;

/// Arrays of these come with a stride, so they grow without a size of their own.
const ELEMENTS: [&str; 2] = ["tg_attempt_v1", "tg_target_v1"];

fn members<'a>(lines: impl Iterator<Item = &'a str>) -> Members {
    let mut members = Members::new();
    for line in lines {
        let (name, member) = line.split_once(": ").unwrap();
        members.entry(name.to_owned()).or_default().push(member.to_owned());
    }
    members
}

fn of_header(text: &str) -> Members {
    members(header::read(text).members.iter().map(String::as_str))
}

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn today() -> String {
    file("include/tidegate.h")
}

/// The members of a released minor.
fn golden(minor: u32) -> Members {
    members(file(&format!("tests/golden/v{}.{minor}.members", abi::ABI_MAJOR)).lines())
}

/// What keeps `later` from being a later minor of the same major as `earlier`.
fn broken(earlier: &Members, later: &Members) -> Vec<String> {
    let mut found = Vec::new();
    for (name, had) in earlier {
        let Some(has) = later.get(name) else {
            found.push(format!("{name} is gone"));
            continue;
        };
        let mut pairs = had.iter().zip(has.iter().map(Some).chain(std::iter::repeat(None)));
        if let Some((was, is)) = pairs.find(|(was, is)| Some(*was) != *is) {
            found.push(format!("{name}: `{was}` became {is:?}"));
        }
        if has.len() > had.len() && !name.ends_with("_v1") {
            found.push(format!("{name} grew, and nothing tells its size"));
        }
    }
    for (name, has) in later {
        let told = has[0].starts_with("uint32_t size") || ELEMENTS.contains(&name.as_str());
        if name.ends_with("_v1") && !told {
            found.push(format!("{name} is not led by its size"));
        }
    }
    found
}

#[test]
fn each_minor_begins_with_every_one_before_it() {
    for later in 1..=abi::ABI_MINOR {
        for earlier in 0..later {
            let found = broken(&golden(earlier), &golden(later));
            assert_eq!(found, Vec::<String>::new(), "1.{earlier} and 1.{later}");
            assert_ne!(golden(earlier), golden(later), "a minor adds something");
        }
    }
}

#[test]
fn the_header_is_the_newest_minor() {
    let hint = "a released minor never changes; a new one has its own files: docs/plugin-abi.md";
    assert_eq!(of_header(&today()), golden(abi::ABI_MINOR), "{hint}");
    let path = format!("tests/golden/v{}.{}.members", abi::ABI_MAJOR, abi::ABI_MINOR + 1);
    assert!(!Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "ABI_MINOR was not raised");
}

/// The headers of the minors before this one are kept, and are what their files say.
#[test]
fn the_frozen_headers_are_the_released_ones() {
    for minor in 0..abi::ABI_MINOR {
        let text = file(&format!("tests/frozen/v1.{minor}/tidegate.h"));
        assert_eq!(of_header(&text), golden(minor), "1.{minor}");
        assert!(text.contains(&format!("#define TG_ABI_MINOR {minor}u")), "1.{minor}");
        assert_eq!(broken(&of_header(&text), &of_header(&today())), Vec::<String>::new(), "1.{minor}");
    }
    let kept = std::fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/frozen")).unwrap();
    let kept = kept.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(kept, abi::ABI_MINOR as usize, "one header for each minor before this one");
}

#[test]
fn a_header_that_breaks_a_rule_is_seen() {
    let header = today();
    for (what, from, to, said) in [
        (
            "two members changed places",
            "uint64_t now_ms, deadline_ms;",
            "uint64_t deadline_ms, now_ms;",
            "deadline_ms, now_ms",
        ),
        (
            "two lines did",
            "  uint32_t fails_recent;\n  uint32_t requests_minute;",
            "  uint32_t requests_minute;\n  uint32_t fails_recent;",
            "fails_recent",
        ),
        (
            "one went",
            "  uint64_t cooldown_ms; /* put the target",
            "  /* put the target",
            "cooldown_ms` became None",
        ),
        (
            "one came in between",
            "  tg_str id;    /* of the deployment */",
            "  uint32_t kind;\n  tg_str id;    /* of the deployment */",
            "uint32_t kind",
        ),
        ("one was renamed", "uint64_t latency_us;", "uint64_t first_us;", "first_us"),
        ("one has another type", "uint64_t latency_us;", "uint32_t latency_us;", "uint32_t latency_us"),
        (
            "a function takes more",
            "tg_status (*note)(void *ctx, uint32_t kind, uint64_t value);",
            "tg_status (*note)(void *ctx, uint32_t kind, uint64_t value, uint32_t more);",
            "uint32_t more",
        ),
        (
            "a plain pair grew",
            "typedef struct tg_kv { tg_str name; tg_str value; } tg_kv;",
            "typedef struct tg_kv { tg_str name; tg_str value; tg_str more; } tg_kv;",
            "tg_kv grew",
        ),
        (
            "a struct went",
            "typedef struct tg_event_in_v1 {",
            "typedef struct tg_event_in_v2 {",
            "tg_event_in_v1 is gone",
        ),
        (
            "a struct without its size",
            "typedef struct tg_action_v1 {\n  uint32_t size, action;",
            "typedef struct tg_new_v1 {\n  uint32_t kind;\n} tg_new_v1;\ntypedef struct tg_action_v1 {\n  uint32_t size, action;",
            "tg_new_v1 is not led by its size",
        ),
    ] {
        assert!(header.contains(from), "{what}: the header has changed; this case must follow");
        let wrong = of_header(&header.replacen(from, to, 1));
        let found = broken(&golden(abi::ABI_MINOR), &wrong).join("; ");
        assert!(found.contains(said), "{what}: {found:?}");
    }
    let comment = header.replacen("Since minor 1.", "From minor 1 on.", 1);
    assert_eq!(
        broken(&golden(abi::ABI_MINOR), &of_header(&comment)),
        Vec::<String>::new(),
        "words may change"
    );
    let appended = header.replacen("uint64_t prompt_tokens;", "uint64_t prompt_tokens;\n  uint64_t more;", 1);
    assert_eq!(broken(&golden(abi::ABI_MINOR), &of_header(&appended)), Vec::<String>::new());
    assert_ne!(
        of_header(&appended),
        golden(abi::ABI_MINOR),
        "which the other test refuses until it is a minor"
    );
}
