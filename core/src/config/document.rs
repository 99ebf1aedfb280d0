//! Files to one document: reading, and `include:`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::diagnose::{Notice, Report, Severity, Sink};
use super::node::{Entry, Mapping, Node, Value};
use super::source::{Place, Source};
use super::yaml;

/// Far more than any config; it keeps a wrong path (a disk image, a log) from being read into memory.
const MAX_FILE: u64 = 8 << 20;

/// The main file's text.
///
/// # Errors
/// A report that names the file when it cannot be read.
pub(crate) fn read_file(path: &Path) -> Result<String, Report> {
    text_of(path).map_err(|reason| {
        let place = Place::start_of(&Source::new(path, ""));
        let message = format!("cannot read the config file: {reason}");
        Report {
            errors: vec![Notice { severity: Severity::Error, place, message, hint: None }],
            notices: Vec::new(),
        }
    })
}

fn text_of(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    // A pipe or a device says nothing of its length beforehand, so the reading itself is bounded.
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("it is larger than {} MiB", MAX_FILE >> 20));
    }
    Ok(text)
}

/// The top-level mapping of `text` with its includes merged in. `None` when there is none; the sink says why.
pub(crate) fn open(text: &str, file: &Path, sink: &mut Sink) -> Option<Mapping> {
    let mut root = top_level(text, file, sink)?;
    let at = root.entries.iter().position(|entry| entry.key == "include");
    let Some(include) = at.map(|at| root.entries.remove(at)) else { return Some(root) };
    for (path, place) in include_paths(&include, file, sink) {
        match text_of(&path) {
            Ok(text) => {
                if let Some(included) = top_level(&text, &path, sink) {
                    merge(&mut root, included, sink);
                }
            }
            Err(reason) => {
                sink.error(&place, format!("cannot read the included {}: {reason}", path.display()));
            }
        }
    }
    Some(root)
}

fn top_level(text: &str, file: &Path, sink: &mut Sink) -> Option<Mapping> {
    let source = Source::new(file, text);
    let before = sink.errors.len();
    let node = yaml::read(&source, sink);
    match node {
        Some(Node { value: Value::Mapping(mapping), .. }) => Some(mapping),
        Some(Node { value: Value::Null, .. }) | None if sink.errors.len() == before => {
            sink.error(&Place::start_of(&source), "the config is empty");
            None
        }
        Some(node) if sink.errors.len() == before => {
            sink.error_hint(
                &node.place,
                format!("a config is a mapping; this is {}", node.value.kind()),
                Some("it starts with keys such as `model_list:`".to_owned()),
            );
            None
        }
        _ => None,
    }
}

fn include_paths(include: &Entry, file: &Path, sink: &mut Sink) -> Vec<(PathBuf, Place)> {
    let Value::Sequence(items) = &include.node.value else {
        sink.error(
            &include.node.place,
            format!("`include` takes a list of paths, not {}", include.node.value.kind()),
        );
        return Vec::new();
    };
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut paths = Vec::new();
    for item in items {
        match &item.value {
            Value::String(path) => paths.push((folder.join(path), item.place.clone())),
            other => sink.error(&item.place, format!("an included path is a text, not {}", other.kind())),
        }
    }
    paths
}

/// litellm's rule: a list extends the list that is there, anything else replaces. An `include` inside an included file is
/// not followed.
fn merge(root: &mut Mapping, included: Mapping, sink: &mut Sink) {
    for entry in included.entries {
        if entry.key == "include" {
            sink.warn(&entry.key_place, "an included file's own `include` is not followed, as in litellm");
            continue;
        }
        match root.entries.iter_mut().find(|there| there.key == entry.key) {
            None => root.entries.push(entry),
            Some(there) => match (&mut there.node.value, entry.node.value) {
                (Value::Sequence(items), Value::Sequence(more)) => items.extend(more),
                (_, value) => {
                    sink.warn(
                        &entry.key_place,
                        format!(
                            "this replaces the whole `{}` of {}, as litellm does",
                            there.key, there.key_place
                        ),
                    );
                    there.node = Node { place: entry.node.place, value };
                    there.key_place = entry.key_place;
                }
            },
        }
    }
}
