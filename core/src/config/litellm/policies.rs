//! `retry_policy`, `model_group_retry_policy` and `allowed_fails_policy`: a number for each kind of error.

use std::collections::BTreeMap;

use super::fallbacks::Reference;
use crate::config::diagnose::Sink;
use crate::config::model::ByError;
use crate::config::node::{Entry, Node};
use crate::config::{read, suggest};

/// litellm's exception classes that a policy can name. The last three are in its newer versions only, and there for
/// allowed failures only.
const CLASSES: [&str; 9] = [
    "BadRequestError",
    "AuthenticationError",
    "TimeoutError",
    "RateLimitError",
    "ContentPolicyViolationError",
    "InternalServerError",
    "ServiceUnavailableError",
    "BadGatewayError",
    "NotFoundError",
];

/// What the names in a policy end in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Retries,
    AllowedFails,
}

impl Of {
    fn suffix(self) -> &'static str {
        match self {
            Of::Retries => "Retries",
            Of::AllowedFails => "AllowedFails",
        }
    }
}

/// Reads a policy. Nothing written is no policy.
pub(super) fn read(sink: &mut Sink, name: &str, node: &Node, of: Of) -> Option<ByError> {
    let mapping = read::mapping(sink, name, node)?;
    let mut policy = ByError::new();
    for entry in &mapping.entries {
        let class = CLASSES.iter().find(|class| entry.key.strip_suffix(of.suffix()) == Some(**class));
        match class {
            Some(class) => {
                if let Some(count) = read::count(sink, &entry.key, &entry.node) {
                    remark(sink, entry, of, count);
                    policy.insert(*class, count);
                }
            }
            None => unknown(sink, name, entry, of),
        }
    }
    Some(policy)
}

/// Reads the policies of single groups, and notes the groups' names.
pub(super) fn by_group(
    sink: &mut Sink,
    name: &str,
    node: &Node,
    named: &mut Vec<Reference>,
) -> BTreeMap<String, ByError> {
    let mut policies = BTreeMap::new();
    let Some(mapping) = read::mapping(sink, name, node) else { return policies };
    for entry in &mapping.entries {
        let instead = "so this policy is never used";
        named.push(Reference { name: entry.key.clone(), place: entry.key_place.clone(), instead });
        if let Some(policy) = read(sink, &entry.key, &entry.node, Of::Retries) {
            policies.insert(entry.key.clone(), policy);
        }
    }
    policies
}

fn remark(sink: &mut Sink, entry: &Entry, of: Of, count: u32) {
    match of {
        Of::Retries if entry.key == "InternalServerErrorRetries" => {
            sink.info(&entry.key_place, "here this counts; litellm 1.83.9 never reads it");
        }
        Of::AllowedFails if count == 0 => {
            let message = "here 0 means that the first such failure counts; litellm takes it for not written";
            sink.info(&entry.node.place, message);
        }
        Of::Retries | Of::AllowedFails => {}
    }
}

fn unknown(sink: &mut Sink, name: &str, entry: &Entry, of: Of) {
    let names: Vec<String> = CLASSES.iter().map(|class| format!("{class}{}", of.suffix())).collect();
    let hint = suggest::did_you_mean(&entry.key, names.iter().map(String::as_str))
        .unwrap_or_else(|| format!("it has {}", names.join(", ")));
    let message = format!("`{name}` has no key `{}`; it is ignored", entry.key);
    sink.warn_hint(&entry.key_place, message, Some(hint));
}
