//! Compiles the scripted plugin into a folder that only we can write.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tempfile::TempDir;
use tidegate_host::{Isolation, LoadOptions, Plugin, ProcessOptions, load};

/// Where a test's plugin runs. The same test is for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Inline,
    Process,
}

impl Mode {
    pub(crate) fn options(self) -> LoadOptions {
        let isolation = match self {
            Mode::Inline => Isolation::Inline,
            Mode::Process => Isolation::Process(options()),
        };
        LoadOptions { isolation, ..LoadOptions::default() }
    }
}

/// Makes two tests of each function of a mode.
#[allow(unused_macros, reason = "not every test program has such")]
macro_rules! in_both_modes {
    ($($test:ident)*) => {
        mod inline {
            $(#[test] fn $test() { super::$test(crate::common::Mode::Inline); })*
        }
        mod process {
            $(#[test] fn $test() { super::$test(crate::common::Mode::Process); })*
        }
    };
}
#[allow(unused_imports, reason = "as above")]
pub(crate) use in_both_modes;

/// For workers that are the one of these tests.
pub(crate) fn options() -> ProcessOptions {
    ProcessOptions::new(env!("CARGO_BIN_EXE_tidegate-host-test-worker"))
}

/// `NAME.so` in a new folder, made from `scripted.c` with these `-D` macros.
pub(crate) fn compiled(macros: &[&str]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scripted.so");
    compile("scripted.c", macros, &path);
    (dir, path)
}

pub(crate) fn compile(source: &str, macros: &[&str], to: &Path) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("cc")
        .args([
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            "-fPIC",
            "-shared",
            "-fvisibility=hidden",
        ])
        .args(macros.iter().map(|m| format!("-D{m}")))
        .arg("-I")
        .arg(here.join("../../plugins/abi/include"))
        .arg(here.join("tests/plugins").join(source))
        .arg("-o")
        .arg(to)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn loaded(mode: Mode, macros: &[&str]) -> Arc<Plugin> {
    let (_dir, path) = compiled(macros);
    load(&path, &mode.options()).unwrap()
}

/// Loads a plugin into a worker of its own, under options that `change` makes of the default ones.
pub(crate) fn isolated(path: &Path, change: impl FnOnce(&mut ProcessOptions)) -> Arc<Plugin> {
    let mut options = options();
    change(&mut options);
    load(path, &LoadOptions { isolation: Isolation::Process(options), ..LoadOptions::default() }).unwrap()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The answer of a plugin, wherever it runs.
pub(crate) fn wait<T>(call: impl Future<Output = T> + Send) -> T {
    let mut call = pin!(call);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match call.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The sentence that refuses this variant.
pub(crate) fn refused(mode: Mode, macros: &[&str]) -> String {
    let (_dir, path) = compiled(macros);
    refused_file(mode, &path)
}

pub(crate) fn refused_file(mode: Mode, path: &Path) -> String {
    let error = load(path, &mode.options()).unwrap_err();
    let sentence = error.to_string();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(sentence.starts_with("the plugin /") && sentence.contains(name), "{sentence}");
    error.reason().to_owned()
}
