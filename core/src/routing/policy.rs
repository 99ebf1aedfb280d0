//! Which policy decides for which group.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_host::{Plugin, PolicyInstance};
use tidegate_watchdog::{Gate, Suspected, Watchdog};

use super::plugins::{self, Plugins};
use crate::config::{Config, Notice, PolicyChoice, Strategy, USUAL_POLICY, suggest};

/// An instance of a policy, with what stands before it.
#[derive(Debug)]
pub struct Policy {
    /// What is asked.
    pub instance: PolicyInstance,
    /// Whether it may be asked.
    pub gate: Gate,
    /// Whether it chooses the first target of a request.
    pub picks: bool,
}

/// The policies of one configuration.
#[derive(Debug)]
pub(super) struct Policies {
    /// For groups without one of their own.
    usual: Arc<Policy>,
    /// Those that are written for single groups.
    own: Vec<(PolicyChoice, Arc<Policy>)>,
}

impl Policies {
    /// Makes an instance of each policy that the configuration names.
    ///
    /// # Errors
    /// A sentence, with its place where there is one: a plugin is missing, is no policy, or refuses its configuration.
    pub(super) fn build(config: &Config, plugins: &Plugins, watchdog: &Watchdog) -> Result<Self, String> {
        let one = |choice: &PolicyChoice| {
            let fail = |message, hint| choice.error(message, hint);
            let plugin = named(plugins, &choice.name).map_err(|(message, hint)| fail(message, hint))?;
            make(config, plugin, &choice.params.clone().into(), watchdog)
                .map_err(|message| fail(message, None))
        };
        let usual = match &config.tidegate.policy {
            Some(choice) => one(choice)?,
            None => {
                let plugin = plugins.get(USUAL_POLICY).ok_or_else(|| plugins::missing(USUAL_POLICY))?;
                make(config, plugin, &json!({}), watchdog)?
            }
        };
        let mut own: Vec<(PolicyChoice, Arc<Policy>)> = Vec::new();
        for choice in config.tidegate.groups.values().filter_map(|group| group.policy.as_ref()) {
            if !own.iter().any(|(known, _)| known.is_same(choice)) {
                own.push((choice.clone(), one(choice)?));
            }
        }
        Ok(Self { usual, own })
    }

    /// Whether one of them is of the plugin `name`.
    pub(super) fn uses(&self, name: &str) -> bool {
        let mut all = self.own.iter().map(|(_, policy)| policy).chain([&self.usual]);
        all.any(|policy| policy.instance.plugin().name() == name)
    }

    /// The one that decides for requests to this group, wherever they go.
    pub(super) fn of(&self, config: &Config, group: &str) -> Arc<Policy> {
        let choice = config.tidegate.groups.get(group).and_then(|overrides| overrides.policy.as_ref());
        let own = choice.and_then(|choice| self.own.iter().find(|(known, _)| known.is_same(choice)));
        own.map_or(&self.usual, |(_, policy)| policy).clone()
    }
}

/// What `tidegate check` says of the policies with which `serve` would not begin, where each is written.
pub fn refused(config: &Config, plugins: &Plugins) -> Vec<Notice> {
    let groups = config.tidegate.groups.values().filter_map(|group| group.policy.as_ref());
    let refused = |choice: &PolicyChoice| {
        let (message, hint) = match named(plugins, &choice.name) {
            Ok(plugin) => (instance(config, plugin, &choice.params.clone().into()).err()?, None),
            Err(said) => said,
        };
        Some(choice.notice(message, hint))
    };
    config.tidegate.policy.iter().chain(groups).filter_map(refused).collect()
}

fn instance(config: &Config, plugin: &Arc<Plugin>, params: &Value) -> Result<PolicyInstance, String> {
    let name = plugin.name();
    let policy = plugin.policy().ok_or_else(|| format!("the plugin `{name}` is no policy"))?;
    let mut told = config.policy_json();
    told["params"] = params.clone();
    let refused = |error| format!("the policy `{name}` refuses the configuration: {error}");
    policy.create(&told).map_err(refused)
}

fn make(
    config: &Config,
    plugin: &Arc<Plugin>,
    params: &Value,
    watchdog: &Watchdog,
) -> Result<Arc<Policy>, String> {
    let name = plugin.name();
    let instance = instance(config, plugin, params)?;
    // litellm's usual strategy is the host's own draw; the usual policy has no opinion on it.
    let drawn = name == USUAL_POLICY && config.router.strategy == Strategy::Shuffle;
    Ok(Arc::new(Policy {
        picks: instance.has_pick() && !drawn,
        instance,
        gate: watchdog.gate(Suspected::Plugin, name),
    }))
}

/// The policy with this name, or what to say where there is none.
fn named<'a>(plugins: &'a Plugins, name: &str) -> Result<&'a Arc<Plugin>, (String, Option<String>)> {
    let plugin = plugins.get(name);
    if let Some(policy) = plugin.filter(|plugin| plugin.policy().is_some()) {
        return Ok(policy);
    }
    let policies: Vec<&str> =
        plugins.iter().filter(|plugin| plugin.policy().is_some()).map(|plugin| plugin.name()).collect();
    let message = match plugin {
        Some(_) => format!("the plugin `{name}` is no policy"),
        None => format!("there is no policy `{name}` among the plugins that were found"),
    };
    if policies.is_empty() {
        return Err((message, Some(plugins::missing(name))));
    }
    let found = format!("the policies found are {}", policies.join(", "));
    let meant = suggest::did_you_mean(name, policies.iter().copied());
    Err((message, Some(meant.map_or_else(|| found.clone(), |meant| format!("{meant} {found}")))))
}
