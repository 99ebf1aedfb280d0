//! `new`: what it writes builds without a word, passes its own tests, and is a plugin.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{plugin, read_json};

/// Writes a project with the name `my-own`.
pub(crate) fn project(kind: &str, lang: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("project");
    let (code, text, said) =
        plugin(&["new", "--kind", kind, "--lang", lang, "--name", "my-own", dir.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    assert!(text.contains("my-own") && text.contains(dir.to_str().unwrap()), "{text}");
    folder
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{}{said}", String::from_utf8_lossy(&output.stdout));
    assert!(!said.contains("warning"), "{said}");
}

/// Builds a project as its README says: the plugin's file.
pub(crate) fn built(project: &Path, lang: &str) -> PathBuf {
    let dir = project.join("project");
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let file = format!("{prefix}my_own{suffix}");
    if lang == "c" {
        run(Command::new("make").current_dir(&dir).env("CFLAGS", "-Werror -Wpedantic"));
        return dir.join(file);
    }
    // The workspace's own dependencies, so that nothing is asked of the network that its build did not need.
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    // Builds of one folder wait for each other, and what they make has one name: it is taken before the next begins.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new");
    std::fs::create_dir_all(&target).unwrap();
    let lock = std::fs::File::create(target.join("mine")).unwrap();
    lock.lock().unwrap();
    // To cargo, projects of one name are one and the same, and what was made later than a source is up to date.
    let now = std::fs::FileTimes::new().set_modified(std::time::SystemTime::now());
    for source in ["src/lib.rs", "tests"].map(|path| dir.join(path)).iter().flat_map(|path| files(path)) {
        std::fs::File::options().append(true).open(source).unwrap().set_times(now).unwrap();
    }
    for what in ["test", "build"] {
        let mut cargo = Command::new(env!("CARGO"));
        run(cargo.args([what, "--offline", "--quiet"]).current_dir(&dir).env("CARGO_TARGET_DIR", &target));
    }
    let copy = dir.join(&file);
    std::fs::copy(target.join("debug").join(&file), &copy).unwrap();
    copy
}

/// The file, or those of a folder, if it is there.
fn files(path: &Path) -> Vec<PathBuf> {
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flat_map(|entry| files(&entry.unwrap().path())).collect(),
        Err(_) => path.is_file().then(|| path.to_owned()).into_iter().collect(),
    }
}

fn builds_and_is(kind: &str, lang: &str) {
    let project = project(kind, lang);
    let file = built(project.path(), lang);
    let (code, json, said) = plugin(&["inspect", "--json", file.to_str().unwrap()]);
    let json = read_json(&json);
    assert_eq!(
        (code, &json["name"], &json["kinds"][0]),
        (0, &"my-own".into(), &kind.into()),
        "{json} {said}"
    );
    if kind == "provider" {
        assert_eq!(json["providers"][0]["prefix"], "my-own");
        assert_eq!(json["providers"][0]["secrets"]["api_key"]["env"][0], "MY_OWN_KEY");
    }
}

#[test]
fn a_provider_in_rust_builds_and_is_one() {
    builds_and_is("provider", "rust");
}

#[test]
fn a_policy_in_rust_builds_and_is_one() {
    builds_and_is("policy", "rust");
}

#[test]
fn a_provider_in_c_builds_and_is_one() {
    builds_and_is("provider", "c");
}

#[test]
fn a_policy_in_c_builds_and_is_one() {
    builds_and_is("policy", "c");
}

#[test]
fn what_is_there_is_never_overwritten_and_nonsense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.txt");
    crate::write(&file, "mine");
    let dir = folder.path().to_str().unwrap();
    let refused = |arguments: &[&str], why: &str| {
        let start = ["new", "--kind", "provider", "--lang", "rust"];
        let (code, _, said) = plugin(&[&start[..], arguments].concat());
        assert!(code == 2 && said.contains(why), "{arguments:?}: {code} {said}");
    };
    refused(&["--name", "mine", dir], "is not empty");
    refused(&["--name", "My Plugin", &format!("{dir}/new")], "made of a-z");
    refused(&["--name", "mine", "--sdk", dir, &format!("{dir}/new")], "Cargo.toml");
    refused(&[&format!("{dir}/match")], "a word of Rust's");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written");
}
