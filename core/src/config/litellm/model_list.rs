//! `model_list`: its entries, the groups they form, and what becomes of a bad one.

use std::collections::HashMap;

use super::credentials::Credentials;
use super::deployment;
use crate::config::diagnose::{Notice, Severity, Sink};
use crate::config::env::Env;
use crate::config::model::{Deployment, Group};
use crate::config::node::{Node, Value};
use crate::config::read;

/// What `model_list` gives.
#[derive(Default)]
pub(super) struct Models {
    pub(super) deployments: Vec<Deployment>,
    pub(super) groups: Vec<Group>,
    /// Every `model_name`, those of skipped entries included: naming one elsewhere is no mistake of its own.
    pub(super) names: Vec<String>,
    /// What was skipped, and why.
    pub(super) left_out: Vec<(Option<String>, Notice)>,
}

/// Reads the list. As in litellm (`ignore_invalid_deployments`), a bad entry is skipped and the rest serves.
pub(super) fn read(node: Option<&Node>, credentials: &Credentials, env: &dyn Env, sink: &mut Sink) -> Models {
    let mut models = Models::default();
    let Some(node) = node else { return models };
    let items = read::list(sink, "model_list", node);
    for item in items {
        if let Some(deployment) = entry(item, credentials, env, &mut models, sink) {
            models.add(deployment, sink);
        }
    }
    if !items.is_empty() && models.deployments.is_empty() && sink.errors.is_empty() {
        // The reasons are warnings by themselves; when nothing is left they are what refuses the config.
        let place = node.place.clone();
        let reasons = sink.notices.iter().filter(|notice| notice.message.ends_with(SKIPPED)).cloned();
        let mut errors: Vec<_> = reasons.collect();
        sink.notices.retain(|notice| !notice.message.ends_with(SKIPPED));
        for error in &mut errors {
            error.severity = Severity::Error;
        }
        sink.errors.extend(errors);
        sink.error(&place, "no entry of `model_list` can be used");
    }
    models
}

const SKIPPED: &str = "; the deployment is skipped, as litellm does";

fn entry(
    item: &Node,
    credentials: &Credentials,
    env: &dyn Env,
    models: &mut Models,
    sink: &mut Sink,
) -> Option<Deployment> {
    let Value::Mapping(mapping) = &item.value else {
        let message = format!(
            "an entry of `model_list` is a mapping with `model_name` and `litellm_params`, not {}",
            item.value.kind()
        );
        sink.error(&item.place, message);
        return None;
    };
    let name = match mapping.get("model_name").map(|node| &node.value) {
        Some(Value::String(name)) => Some(name),
        _ => None,
    };
    models.names.extend(name.filter(|name| !models.names.contains(name)).cloned());
    let mut own = Sink::default();
    let deployment = deployment::read(mapping, &item.place, credentials, env, &mut own);
    let bad = !own.errors.is_empty();
    sink.notices.extend(own.notices);
    for mut problem in own.errors {
        problem.severity = Severity::Warning;
        problem.message.push_str(SKIPPED);
        models.left_out.push((name.cloned(), problem.clone()));
        sink.notices.push(problem);
    }
    deployment.filter(|_| !bad)
}

impl Models {
    fn add(&mut self, mut deployment: Deployment, sink: &mut Sink) {
        let taken: HashMap<&str, &Deployment> = self.deployments.iter().map(|d| (d.id.as_str(), d)).collect();
        if let Some(first) = taken.get(deployment.id.as_str()) {
            let free = (2_usize..)
                .map(|n| format!("{}-{n}", deployment.id))
                .find(|id| !taken.contains_key(id.as_str()));
            let line = first.place.line;
            if let Some(free) = free {
                let message = format!(
                    "this deployment has the same id as the one on line {line}; it is called `{free}` here"
                );
                sink.warn(&deployment.place, message);
                deployment.id = free;
            }
        }
        let index = self.deployments.len();
        match self.groups.iter_mut().find(|group| group.name == deployment.group) {
            Some(group) => group.deployments.push(index),
            None => self.groups.push(Group { name: deployment.group.clone(), deployments: vec![index] }),
        }
        self.deployments.push(deployment);
    }
}
