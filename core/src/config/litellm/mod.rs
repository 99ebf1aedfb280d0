//! litellm's own sections, with the semantics of litellm 1.83.9 except where a notice says otherwise.

mod credentials;
mod deployment;
mod differences;
mod fallbacks;
mod general;
mod model_id;
mod model_list;
mod params;
mod policies;
mod router;
mod settings;
mod strategy;
mod tables;
mod unsupported;

use std::collections::BTreeMap;

use super::diagnose::Sink;
use super::env::{self, Env, Layered};
use super::model::Config;
use super::node::{Mapping, Value};
use super::{read, tidegate};
use crate::secret::Secret;

/// Builds the config from the top-level mapping. Errors go to the sink; the result is then not to be used.
pub(crate) fn config(root: &Mapping, env: &dyn Env, sink: &mut Sink) -> Config {
    let environment = environment(root, env, sink);
    let env = Layered { file: &environment, process: env };
    let credentials = credentials::read(root.get("credential_list"), &env, sink);
    let models = model_list::read(root.get("model_list"), &credentials, &env, sink);
    let mut routing = router::Routing::default();
    if let Some(node) = root.get("litellm_settings") {
        settings::read(node, &env, &mut routing, sink);
    }
    if let Some(node) = root.get("router_settings") {
        router::read(node, &env, &mut routing, sink);
    }
    let general = general::read(root.get("general_settings"), &env, sink);
    let tidegate = tidegate::read(root.get("tidegate"), &models.names, general.max_request_size, &env, sink);
    fallbacks::check_names(&models.names, &routing, sink);
    routing.check_aliases(sink);
    strategy::check(routing.router.strategy, &models.deployments, sink);
    unsupported::top_level(root, sink);
    let config = Config {
        deployments: models.deployments,
        groups: models.groups,
        aliases: routing.aliases(),
        hidden_aliases: routing.hidden_aliases(),
        router: routing.router.clone(),
        general,
        tidegate,
        environment,
        notices: Vec::new(),
        left_out: models.left_out,
        hurry: None,
    };
    differences::say(&config, &routing, sink);
    config
}

/// `environment_variables:`. A value of `os.environ/X` is read first; an empty one is as good as unset.
fn environment(root: &Mapping, env: &dyn Env, sink: &mut Sink) -> BTreeMap<String, Secret> {
    let mut variables = BTreeMap::new();
    let Some(node) = root.get("environment_variables") else { return variables };
    let Some(mapping) = read::mapping(sink, "environment_variables", node) else { return variables };
    for entry in &mapping.entries {
        let value = env::resolve(&entry.node, env, sink);
        let text = match &value.value {
            // Python's words, since litellm puts str(value) there.
            Value::Bool(value) => Some(if *value { "True" } else { "False" }.to_owned()),
            _ => read::text(sink, &entry.key, &value),
        };
        if let Some(text) = text {
            variables.insert(entry.key.clone(), Secret::new(text));
        }
    }
    variables
}
