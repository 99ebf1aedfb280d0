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

pub(crate) fn loaded(macros: &[&str]) -> Arc<Plugin> {
    let (_dir, path) = compiled(macros);
    load(&path, &LoadOptions::default()).unwrap()
}

/// Loads a plugin into a worker of its own, under options that `change` makes of the default ones.
pub(crate) fn isolated(path: &Path, change: impl FnOnce(&mut ProcessOptions)) -> Arc<Plugin> {
    let mut options = ProcessOptions::new(env!("CARGO_BIN_EXE_tidegate-host-test-worker"));
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

/// The answer of a plugin that runs inline: its future is ready at the first poll.
pub(crate) fn now<T>(call: impl Future<Output = T> + Send) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("an inline call waits"),
    }
}

/// The sentence that refuses this variant.
pub(crate) fn refused(macros: &[&str]) -> String {
    let (_dir, path) = compiled(macros);
    refused_file(&path)
}

pub(crate) fn refused_file(path: &Path) -> String {
    let error = load(path, &LoadOptions::default()).unwrap_err();
    let sentence = error.to_string();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(sentence.starts_with("the plugin /") && sentence.contains(name), "{sentence}");
    error.reason().to_owned()
}
