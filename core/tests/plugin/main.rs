//! `tidegate plugin`, run as its users run it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod check;
mod cost;
mod inspect;
mod new;
mod page;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs `tidegate plugin` with these arguments: its exit code, and what it printed and complained.
fn plugin<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).arg("plugin").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// The file of a shipped plugin: Cargo leaves it beside the tests.
fn shipped(name: &str) -> PathBuf {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let exe = std::env::current_exe().unwrap();
    exe.parent().unwrap().join(format!("{prefix}tidegate_plugin_{name}{suffix}"))
}

fn read_json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
