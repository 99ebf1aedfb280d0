//! Environment variables: where they come from, and `os.environ/NAME` in a config.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Once;

use super::diagnose::Sink;
use super::node::{Entry, Mapping, Node, Value};
use crate::secret::Secret;

/// What starts a value that is to be read from the environment. litellm knows no interpolation inside a text.
pub(crate) const PREFIX: &str = "os.environ/";

/// Where variables are read from.
pub trait Env {
    /// The variable's value; `None` when it is unset or is not UTF-8.
    fn var(&self, name: &str) -> Option<String>;
}

/// The process's own environment, and behind it the files of `$CREDENTIALS_DIRECTORY` by the same names: a key that is a
/// credential of the service needs no change of a configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn var(&self, name: &str) -> Option<String> {
        let set = std::env::var(name).ok();
        // A variable that is there and empty is how litellm's users write "none"; a credential is more.
        set.clone().filter(|value| !value.is_empty()).or_else(|| credential(name)).or(set)
    }
}

/// The folder of credentials, one a file: systemd's `LoadCredential=`, or any that only this service can read.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// What systemd puts in front of the name of a file out of `LoadCredential=keys:FOLDER`.
const FROM_FOLDER: &str = "keys_";

/// Bytes of the largest credential, as systemd has it.
const LARGEST: u64 = 1 << 20;

fn credential(name: &str) -> Option<String> {
    read_credential(Path::new(&std::env::var_os(CREDENTIALS)?), name)
}

/// The file of that name, without the line's end that editors put there. `None`: there is none, or it is not a text.
fn read_credential(folder: &Path, name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return None;
    }
    let files = [folder.join(name), folder.join(format!("{FROM_FOLDER}{name}"))];
    let file = files.iter().find(|file| match file.metadata() {
        Ok(file) => file.is_file() && file.len() <= LARGEST,
        Err(error) => {
            complain(folder, &error);
            false
        }
    })?;
    match std::fs::read_to_string(file) {
        Ok(text) => Some(text.strip_suffix('\n').unwrap_or(&text).trim_end_matches('\r').to_owned()),
        Err(error) => {
            tracing::warn!(%error, file = %file.display(), "a credential cannot be read");
            None
        }
    }
}

/// Says that no credential can be found at all, once: every variable that is not set is looked for.
fn complain(folder: &Path, error: &io::Error) {
    static SAID: Once = Once::new();
    if error.kind() != ErrorKind::NotFound {
        SAID.call_once(|| {
            tracing::warn!(
                %error,
                folder = %folder.display(),
                "credentials cannot be looked for in $CREDENTIALS_DIRECTORY: it must be a folder that this account may search"
            );
        });
    }
}

impl Env for BTreeMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

/// `environment_variables:` of the file in front of the process's own, as litellm has it.
pub(crate) struct Layered<'a> {
    pub(crate) file: &'a BTreeMap<String, Secret>,
    pub(crate) process: &'a dyn Env,
}

impl Env for Layered<'_> {
    fn var(&self, name: &str) -> Option<String> {
        self.file.get(name).map(|value| value.expose().to_owned()).or_else(|| self.process.var(name))
    }
}

/// The variable that a value names, if it names one.
pub(crate) fn named(node: &Node) -> Option<&str> {
    match &node.value {
        Value::String(text) => text.strip_prefix(PREFIX),
        _ => None,
    }
}

/// The node with every `os.environ/NAME` in it replaced. An unset variable counts as not written, as in litellm, but not
/// silently.
pub(crate) fn resolve(node: &Node, env: &dyn Env, sink: &mut Sink) -> Node {
    let value = match &node.value {
        Value::String(text) => match text.strip_prefix(PREFIX) {
            None => return node.clone(),
            Some(name) => match env.var(name.trim()) {
                Some(value) if !value.is_empty() => {
                    let trimmed = value.trim_end_matches(['\n', '\r']);
                    if trimmed.len() < value.len() {
                        sink.warn(
                            &node.place,
                            format!(
                                "the environment variable {name} ends in a line's end, which is left out"
                            ),
                        );
                    }
                    Value::String(trimmed.to_owned())
                }
                _ => {
                    sink.warn_hint(
                        &node.place,
                        format!("the environment variable {name} is not set; this value is missing"),
                        Some("the key is treated as if it were not written, as litellm does".to_owned()),
                    );
                    Value::Null
                }
            },
        },
        Value::Sequence(items) => {
            Value::Sequence(items.iter().map(|item| resolve(item, env, sink)).collect())
        }
        Value::Mapping(mapping) => Value::Mapping(Mapping {
            entries: mapping
                .entries
                .iter()
                .map(|entry| Entry {
                    key: entry.key.clone(),
                    key_place: entry.key_place.clone(),
                    node: resolve(&entry.node, env, sink),
                })
                .collect(),
        }),
        _ => return node.clone(),
    };
    Node { place: node.place.clone(), value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_file_by_the_variables_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("OPENAI_API_KEY"), "sk-1\n").unwrap();
        std::fs::write(dir.path().join("keys_GEMINI_API_KEY"), "sk-2").unwrap();
        std::fs::write(dir.path().join("BROKEN"), [0xff]).unwrap();
        std::fs::create_dir(dir.path().join("FOLDER")).unwrap();
        let read = |name| read_credential(dir.path(), name);
        assert_eq!(
            (read("OPENAI_API_KEY").as_deref(), read("GEMINI_API_KEY").as_deref()),
            (Some("sk-1"), Some("sk-2"))
        );
        for name in
            ["NONE", "BROKEN", "FOLDER", "", "..", "../OPENAI_API_KEY", "./OPENAI_API_KEY", "/etc/hostname"]
        {
            assert_eq!(read(name), None, "{name}");
        }
    }
}
