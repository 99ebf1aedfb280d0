//! The demo, as a stranger runs it: the built program, its plugins beside it, and every row right.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The program in a folder of its own, with the plugins that Cargo left beside this test, or without.
fn install(plugins: &[&str]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let built = std::env::current_exe().expect("this test is a file");
    let built = built.parent().expect("it lies in a folder");
    for plugin in plugins {
        let name = format!("{DLL_PREFIX}tidegate_plugin_{plugin}{DLL_SUFFIX}");
        let copied = std::fs::copy(built.join(&name), folder.path().join(&name));
        assert!(copied.is_ok(), "{name} is not in {}: {copied:?}", built.display());
    }
    let program = folder.path().join("tidegate");
    std::fs::copy(env!("CARGO_BIN_EXE_tidegate"), &program).expect("the program");
    (folder, program)
}

#[test]
fn every_row_is_right() {
    let (_folder, program) = install(&["openai", "gemini", "fallback"]);
    let output = Command::new(program).arg("demo").output().expect("the program runs");
    let (text, words) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{words}");
    assert!(text.contains("13 of 13 rows are right"), "{text}");
    assert!(!text.contains('\x1b'), "no colours where nobody looks: {text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let config =
        text.lines().find_map(|line| line.trim().strip_prefix("config ")).expect("the config's path");
    assert!(!Path::new(config.trim()).exists(), "{config} is left behind");
}

#[test]
fn without_plugins_it_fails_and_says_what_is_missing() {
    let (_folder, program) = install(&[]);
    let output = Command::new(program).arg("demo").output().expect("the program runs");
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("plugin"), "{words}");
}
