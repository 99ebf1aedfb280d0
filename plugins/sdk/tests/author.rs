//! A plugin of somebody else's: a crate outside the workspace that forbids unsafe code, built and loaded.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "loading a library is")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tidegate_plugin_abi::{ABI_MAJOR, ABI_MINOR, EntryFn, PluginV1, status};
use tidegate_plugin_sdk::harness::Harness;
use tidegate_plugin_sdk::{Dialect, HeadIn, RequestIn};

const PAGE: &str = include_str!("../../../docs/write-a-provider.md");

fn sdk() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first fenced block of a language on the page.
fn block(language: &str) -> &'static str {
    let start = format!("```{language}\n");
    let from = PAGE.find(&start).expect("the page has the block") + start.len();
    let len = PAGE[from..].find("```").expect("the block ends");
    &PAGE[from..from + len]
}

/// Builds a crate in a folder of its own. Dependencies are built once and kept.
fn build(manifest: &str, source: &str) -> PathBuf {
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest.replace("../tidegate/plugins/sdk", sdk().to_str().unwrap());
    std::fs::create_dir(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("Cargo.toml"), manifest.as_str()).unwrap();
    std::fs::write(folder.path().join("src/lib.rs"), source).unwrap();
    std::fs::copy(sdk().join("../../Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("author");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet", "--manifest-path"])
        .arg(folder.path().join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let name = manifest.split('"').nth(1).unwrap();
    target.join("debug").join(format!(
        "{}{name}{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    ))
}

/// Loads a library for ever, as the host does.
fn load(file: &Path) -> &'static PluginV1 {
    // SAFETY: the library was built just now, from the SDK; it is never unloaded.
    unsafe {
        let library = Box::leak(Box::new(libloading::Library::new(file).unwrap()));
        let entry = library.get::<EntryFn>(b"tidegate_plugin_entry_v1").unwrap();
        entry(std::ptr::null()).as_ref().unwrap()
    }
}

fn harness(plugin: &PluginV1, config: &Value) -> Harness {
    // SAFETY: the SDK's table, of a library that is never unloaded.
    unsafe { Harness::of_table(*plugin.provider.as_ref().unwrap(), config) }.unwrap()
}

#[test]
fn the_page_s_provider_builds_loads_and_serves() {
    let source = block("rust");
    assert!(source.lines().count() < 70, "{} lines", source.lines().count());
    assert!(source.starts_with("#![forbid(unsafe_code)]"));
    let plugin = load(&build(block("toml"), source));
    assert_eq!((plugin.abi_major, plugin.abi_minor), (ABI_MAJOR, ABI_MINOR));
    // SAFETY: static text of the library's.
    let manifest = unsafe { std::slice::from_raw_parts(plugin.manifest.ptr, plugin.manifest.len) };
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    assert_eq!(manifest["providers"][0]["prefix"], "parrot");

    let harness = harness(plugin, &json!({"provider": "parrot", "params": {"api_base": "http://h"}}));
    let body = br#"{"messages":[{"role":"user","content":"polly"}]}"#;
    let sent =
        harness.request(&RequestIn { dialect: Dialect::OpenAiChat, body, ..RequestIn::default() }).unwrap();
    assert_eq!(
        (sent.url.as_str(), sent.json()),
        ("http://h/speak", json!({"prompt": "polly", "stream": false}))
    );
    let mut stream = harness.stream(&HeadIn::default()).unwrap();
    assert_eq!(stream.event("", r#"{"token":"hi"}"#).json()[0]["choices"][0]["delta"]["content"], "hi");
    assert_eq!(stream.event("", r#"{"error":"x"}"#).status, status::E_UPSTREAM);
    assert_eq!(stream.event("", "junk").status, status::E_PROTOCOL);
    assert_eq!(stream.end().status, status::E_TRUNCATED);
    assert_eq!(
        stream.event("", r#"{"token":"","end":true}"#).json()[0]["choices"][0]["finish_reason"],
        "stop"
    );
    assert_eq!(stream.end().status, status::OK);
}

#[test]
fn a_library_s_panic_is_a_status_and_a_log_line() {
    let manifest = block("toml").replace("parrot", "squawk");
    let source =
        block("rust").replace("let value = parse(event.data)?;", "let value = parse(event.data).unwrap();");
    assert_ne!(source, block("rust"));
    let plugin = load(&build(&manifest, &source));
    let harness = harness(plugin, &json!({"provider": "parrot", "params": {"api_base": "http://h"}}));
    let mut stream = harness.stream(&HeadIn::default()).unwrap();
    assert_eq!(stream.event("", "junk").status, status::E_PANIC);
    let log = harness.log();
    assert!(
        log.len() == 1 && log[0].starts_with("panic in stream_event: ") && log[0].contains("src/lib.rs:"),
        "{log:?}"
    );
}
