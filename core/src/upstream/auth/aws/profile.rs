//! Profiles of `~/.aws/credentials` and `~/.aws/config`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Keys;
use crate::secret::Secret;

/// Which of the two files it is: they name their sections differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Credentials,
    Config,
}

/// Ways to credentials that a profile may name, and that are not walked here.
const UNSUPPORTED: [&str; 6] = [
    "role_arn",
    "credential_process",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
    "login_session",
];

/// Whether the file has the profile.
pub(super) fn has(path: &Path, kind: Kind, name: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| section(&text, kind, name).is_some())
}

/// The profile's keys, from the first of the files that has any.
///
/// # Errors
/// A clause that names the profile and the files, and shows no key.
pub(super) fn keys(files: &[(PathBuf, Kind)], name: &str) -> Result<Keys, String> {
    let mut known = false;
    let mut unsupported = None;
    for (path, kind) in files {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let Some(section) = section(&text, *kind, name) else { continue };
        known = true;
        let value =
            |key: &str| section.get(key).filter(|value| !value.is_empty()).map(|value| Secret::new(*value));
        if let (Some(id), Some(secret)) = (value("aws_access_key_id"), value("aws_secret_access_key")) {
            return Ok(Keys { id, secret, token: value("aws_session_token") });
        }
        unsupported = unsupported.or(UNSUPPORTED.iter().find(|key| section.contains_key(**key)));
    }
    let paths: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    let paths = paths.join(" and ");
    Err(match (unsupported, known) {
        (Some(key), _) => format!(
            "the AWS profile \"{name}\" gets its keys by {key}, which is not supported yet; only aws_access_key_id and \
             aws_secret_access_key are"
        ),
        (None, true) => format!(
            "the AWS profile \"{name}\" in {paths} has no aws_access_key_id and aws_secret_access_key"
        ),
        (None, false) => format!("there is no AWS profile \"{name}\" in {paths}"),
    })
}

/// The settings of one section. Names are in lower case; nested settings, which are indented, are not needed.
fn section<'a>(text: &'a str, kind: Kind, name: &str) -> Option<HashMap<String, &'a str>> {
    let mut found: Option<HashMap<String, &str>> = None;
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with([' ', '\t', '#', ';']) || line.trim().is_empty() {
            continue;
        }
        if let Some(head) = line.trim().strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            inside = is_profile(head.trim(), kind, name);
            if inside {
                found.get_or_insert_default();
            }
            continue;
        }
        if let (true, Some(settings), Some((key, value))) = (inside, &mut found, line.split_once('=')) {
            let value = value.split(" #").next().unwrap_or(value);
            settings.insert(key.trim().to_ascii_lowercase(), value.trim());
        }
    }
    found
}

fn is_profile(head: &str, kind: Kind, name: &str) -> bool {
    let bare = head.trim_matches('"');
    match kind {
        Kind::Credentials => bare == name,
        Kind::Config if bare == "default" => name == "default",
        Kind::Config => head
            .strip_prefix("profile")
            .is_some_and(|rest| rest.trim().trim_matches('"') == name && rest != name),
    }
}
