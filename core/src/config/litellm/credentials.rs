//! `credential_list`: what deployments have in common, which they name as `litellm_credential_name`.

use crate::config::diagnose::Sink;
use crate::config::env::{self, Env};
use crate::config::node::{Entry, Mapping, Node};
use crate::config::{read, suggest};

/// The key of `litellm_params` that names one.
pub(super) const NAME: &str = "litellm_credential_name";

/// What can be named.
#[derive(Default)]
pub(super) struct Credentials(Vec<Credential>);

struct Credential {
    name: String,
    values: Vec<Entry>,
    /// A variable that one of its values asks for, and that is not set.
    unset: Option<String>,
}

/// Reads the list.
pub(super) fn read(node: Option<&Node>, env: &dyn Env, sink: &mut Sink) -> Credentials {
    let mut credentials = Credentials::default();
    let Some(node) = node else { return credentials };
    for item in read::list(sink, "credential_list", node) {
        let Some(mapping) = read::mapping(sink, "an entry of `credential_list`", item) else { continue };
        let name = mapping.get("credential_name").map(|node| env::resolve(node, env, sink));
        let name = name.and_then(|node| read::text(sink, "credential_name", &node));
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            sink.error(&item.place, "an entry of `credential_list` needs a `credential_name`");
            continue;
        };
        let mut credential = Credential { name, values: Vec::new(), unset: None };
        let values = mapping.get("credential_values");
        let values = values.and_then(|node| read::mapping(sink, "credential_values", node));
        for entry in values.into_iter().flat_map(|values| &values.entries) {
            let variable = env::named(&entry.node).map(str::trim);
            let unset = variable.filter(|name| env.var(name).is_none_or(|value| value.is_empty()));
            if let Some(unset) = unset {
                credential.unset = Some(unset.to_owned());
            } else {
                let node = env::resolve(&entry.node, env, sink);
                credential.values.push(Entry { node, ..entry.clone() });
            }
        }
        // As in litellm, the first of a name is the one that is found.
        credentials.0.push(credential);
    }
    credentials
}

impl Credentials {
    /// The parameters with those of the credential that they name, where they do not say themselves. A name that cannot be
    /// resolved is an error: the request would go to the provider's usual address, with the environment's key.
    pub(super) fn filled(&self, params: &Mapping, sink: &mut Sink) -> Mapping {
        let mut filled = params.clone();
        let Some(node) = params.get(NAME) else { return filled };
        let Some(name) = read::text(sink, NAME, node) else {
            sink.error(&node.place, format!("`{NAME}` names no credential"));
            return filled;
        };
        let Some(found) = self.0.iter().find(|credential| credential.name == name) else {
            let hint = suggest::did_you_mean(&name, self.0.iter().map(|credential| credential.name.as_str()));
            sink.error_hint(&node.place, format!("`credential_list` has no credential named `{name}`"), hint);
            return filled;
        };
        if let Some(unset) = &found.unset {
            let message = format!(
                "the environment variable {unset}, which the credential `{name}` is made of, is not set"
            );
            sink.error(&node.place, message);
        }
        for value in &found.values {
            if params.get(&value.key).is_none_or(Node::is_null) {
                filled.entries.retain(|own| own.key != value.key);
                filled.entries.push(value.clone());
            }
        }
        filled
    }
}
