//! What is loaded, and what is refused with which sentence.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod common;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use common::{Mode, compiled, in_both_modes, loaded, refused, refused_file};
use tidegate_host::{Dialect, Found, LoadOptions, load, scan, survey};

in_both_modes! {
    a_good_plugin_tells_who_it_is
    a_pinned_hash_must_be_the_files
    another_major_and_no_entry_are_told_apart
    each_defect_of_a_descriptor_has_its_sentence
    a_table_of_another_minor_is_read_as_far_as_both_know
    files_that_are_no_library_are_not_given_to_the_loader
    what_others_can_write_is_refused
    a_link_is_judged_by_what_it_leads_to
    the_content_that_was_checked_is_what_is_loaded_whatever_became_of_the_file
}

fn a_good_plugin_tells_who_it_is(mode: Mode) {
    let (_dir, path) = compiled(&[]);
    let plugin = load(&path, &mode.options()).unwrap();
    assert_eq!(
        (plugin.name(), plugin.version(), plugin.abi_minor()),
        ("scripted", "1.0", tidegate_plugin_abi::ABI_MINOR)
    );
    assert_eq!(plugin.path(), path.canonicalize().unwrap());
    assert!(plugin.id() > 0);
    assert_eq!(plugin.manifest().provider("scripted").unwrap().dialects, [Dialect::OpenaiChat]);
    assert!(plugin.provider().is_some() && plugin.policy().is_some());
}

fn a_pinned_hash_must_be_the_files(mode: Mode) {
    let (_dir, path) = compiled(&[]);
    let mut hash = *load(&path, &mode.options()).unwrap().sha256().unwrap();
    assert!(load(&path, &LoadOptions { sha256: Some(hash), ..mode.options() }).is_ok());
    hash[0] ^= 1;
    let reason =
        load(&path, &LoadOptions { sha256: Some(hash), ..mode.options() }).unwrap_err().reason().to_owned();
    assert!(reason.starts_with("its sha256 is ") && reason.ends_with(" as configured"), "{reason}");
}

fn another_major_and_no_entry_are_told_apart(mode: Mode) {
    assert_eq!(
        refused(mode, &["ENTRY=tidegate_plugin_entry_v2"]),
        "it speaks plugin ABI v2, and this Tidegate speaks v1"
    );
    assert_eq!(refused(mode, &["ENTRY=something_else"]), "it exports no tidegate_plugin_entry_v1");
    assert_eq!(
        refused(mode, &["MAJOR=3"]),
        "it says that it speaks plugin ABI v3, and this Tidegate speaks v1"
    );
}

fn each_defect_of_a_descriptor_has_its_sentence(mode: Mode) {
    for (macros, reason) in [
        (&["RETURNS_NULL"][..], "its entry function returned NULL: it refuses this host"),
        (&["PLUGIN_SIZE=72"], "its descriptor is 72 bytes, and the first minor's is 80"),
        (&["PLUGIN_SIZE=4000000000u"], "says that it is 4000000000 bytes long, which cannot be"),
        (&["TABLE_SIZE=64"], "its provider table lacks the function response"),
        (&["CLASSIFY=NULL"], "its provider table lacks the function classify"),
        (&["PROVIDER=NULL", "POLICY=NULL", "MANIFEST=\"\""], "it offers neither a provider nor a policy"),
        (&["PROVIDER=NULL"], "its manifest lists providers, and it has no provider table"),
        (&["MANIFEST=\"{}\""], "it has a provider table, and its manifest lists no provider"),
        (&["MANIFEST=\"{\""], "its manifest cannot be read: EOF"),
        (&["NAME=\"Up Case\""], "its name \"Up Case\" is not made of"),
        (&["NAME=\"\""], "its name \"\" is not made of"),
        (&["NAME=\"\\xff\""], "its name is not UTF-8"),
    ] {
        let said = refused(mode, macros);
        assert!(said.contains(reason), "{macros:?}: {said}");
    }
}

fn a_table_of_another_minor_is_read_as_far_as_both_know(mode: Mode) {
    assert!(loaded(mode, &[]).policy().is_some());
    let older = loaded(mode, &["NO_PICK"]).policy().unwrap().create(&"".into()).unwrap();
    assert!(!older.has_pick());
}

fn files_that_are_no_library_are_not_given_to_the_loader(mode: Mode) {
    let (dir, path) = compiled(&[]);
    let whole = fs::read(&path).unwrap();
    let file = dir.path().join("other.so");
    for (content, reason) in [
        (&b"#!/bin/sh\necho hello\n"[..], "it is not a shared library"),
        (b"", "it is empty"),
        (&whole[..whole.len() - 1], "it is truncated: it ends before its own headers say"),
        (&whole[..100], "it is truncated: it ends before its own headers say"),
    ] {
        fs::write(&file, content).unwrap();
        assert_eq!(refused_file(mode, &file), reason);
    }
    assert!(refused_file(mode, &dir.path().join("gone.so")).starts_with("it cannot be found: "));
    fs::create_dir(dir.path().join("folder.so")).unwrap();
    assert_eq!(refused_file(mode, &dir.path().join("folder.so")), "it is not a regular file");
}

fn what_others_can_write_is_refused(mode: Mode) {
    let (dir, path) = compiled(&[]);
    let chmod =
        |path: &std::path::Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    chmod(&path, 0o757);
    let reason = refused_file(mode, &path);
    assert!(reason.starts_with("it is writable by everyone (owner "), "{reason}");
    chmod(&path, 0o755);
    chmod(dir.path(), 0o707);
    let reason = refused_file(mode, &path);
    assert!(reason.starts_with("its folder /") && reason.contains("mode 0707"), "{reason}");
    chmod(dir.path(), 0o700);
    // Only root can give files away.
    if chown(&path, Some(54321), None).is_ok() {
        assert!(refused_file(mode, &path).starts_with("it belongs to the user 54321"));
        chown(&path, Some(0), None).unwrap();
    }
    assert!(load(&path, &mode.options()).is_ok(), "and nothing else was wrong with it");
}

/// The libraries from sealed memory that are mapped into this process.
#[cfg(target_os = "linux")]
fn mapped() -> BTreeSet<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let names = maps.lines().filter_map(|line| line.split_once("/memfd:"));
    names.map(|(place, name)| format!("{} {name}", place.rsplit(' ').nth(1).unwrap_or_default())).collect()
}

fn the_content_that_was_checked_is_what_is_loaded_whatever_became_of_the_file(mode: Mode) {
    let (_dir, path) = compiled(&["VERSION=\"checked\""]);
    let (_other, replacement) = compiled(&["VERSION=\"swapped\""]);
    let checked = Found::at(&path).checked().unwrap();
    fs::rename(&replacement, &path).unwrap();
    let plugin = checked.load(&mode.options()).unwrap();
    assert_eq!((plugin.version(), plugin.sha256()), ("checked", Some(checked.sha256())));
    assert_eq!(load(&path, &mode.options()).unwrap().version(), "swapped");
    // One that is gone altogether.
    let (_dir, path) = compiled(&["VERSION=\"gone\""]);
    let checked = Found::at(&path).checked().unwrap();
    fs::write(&path, "rewritten in place").unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(checked.load(&mode.options()).unwrap().version(), "gone");
}

#[test]
#[cfg(target_os = "linux")]
fn going_to_and_fro_between_versions_loads_each_once() {
    let (dir, path) = compiled(&["VERSION=\"a\""]);
    let (_other, b) = compiled(&["VERSION=\"b\""]);
    let content = [fs::read(&path).unwrap(), fs::read(&b).unwrap()];
    let mut after_two = None;
    let ids: BTreeSet<u32> = (0..10)
        .map(|round| {
            fs::write(&path, &content[round % 2]).unwrap();
            let plugin = load(&path, &LoadOptions::default()).unwrap();
            assert_eq!(plugin.version(), ["a", "b"][round % 2]);
            if round == 1 {
                after_two = Some((mapped(), fs::read_dir("/proc/self/fd").unwrap().count()));
            }
            plugin.id()
        })
        .collect();
    assert_eq!(ids.len(), 1, "a number belongs to a name");
    assert!(mapped().len() >= 2, "{:?}", mapped());
    assert_eq!(after_two, Some((mapped(), fs::read_dir("/proc/self/fd").unwrap().count())));
    // Nor is content loaded anew under another name, or content that was refused after it was asked.
    let copy = dir.path().join("copy.so");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(load(&copy, &LoadOptions::default()).unwrap().path(), copy.canonicalize().unwrap());
    let (_dir, bad) = compiled(&["RETURNS_NULL"]);
    let reason = refused_file(Mode::Inline, &bad);
    let before = mapped();
    assert_eq!((refused_file(Mode::Inline, &bad), mapped()), (reason, before));
}

fn a_link_is_judged_by_what_it_leads_to(mode: Mode) {
    let (dir, path) = compiled(&[]);
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.so");
    symlink(&path, &link).unwrap();
    let plugin = load(&link, &mode.options()).unwrap();
    assert_eq!(plugin.path(), path.canonicalize().unwrap());
    fs::set_permissions(dir.path(), Permissions::from_mode(0o707)).unwrap();
    let error = load(&link, &mode.options()).unwrap_err();
    assert!(error.reason().contains("is writable by everyone"), "{error}");
}

#[test]
fn a_scan_finds_what_exports_something_of_ours() {
    let (dir, path) = compiled(&[]);
    let at = |name: &str| dir.path().join(name);
    common::compile("scripted.c", &["ENTRY=tidegate_plugin_entry_v2"], &at("a-later-major.so"));
    common::compile("scripted.c", &["ENTRY=unrelated"], &at("unrelated.so"));
    fs::write(at("text.so"), "hello").unwrap();
    fs::write(at("notes.txt"), "tidegate_plugin_entry_v1").unwrap();
    let dirs = [at("gone"), dir.path().to_owned()];
    assert_eq!(scan(&dirs), [at("a-later-major.so"), path]);
    let skipped: Vec<_> = survey(&dirs).skipped.iter().map(|s| s.error.to_string()).collect();
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    assert!(skipped[0].ends_with("text.so is refused: it is not a shared library"), "{skipped:?}");
    assert!(
        skipped[1].ends_with("unrelated.so is refused: it exports no tidegate_plugin_entry_v1"),
        "{skipped:?}"
    );
}
