//! The part of the config that the policy plugin is given, as JSON.

use serde_json::{Map, Value, json};

use super::model::Config;
use super::tidegate::MidStream;
use super::wildcard::is_pattern;
use crate::dialects::options::{Fallbacks, List, Mock, Options};

impl Config {
    /// `{"router": {...}, "groups": {GROUP: {...}}, "deployments": {ID: {...}}}`. Times are in seconds; `null` means "not written".
    pub fn policy_json(&self) -> Value {
        let router = &self.router;
        // The policy knows groups alone: the names that the core gives it are resolved too.
        let names =
            |targets: &[String]| -> Value { targets.iter().map(|name| self.resolved(name)).collect() };
        let lists = |lists: &[(String, Vec<String>)]| -> Value {
            lists.iter().map(|(group, targets)| json!({ self.resolved(group): names(targets) })).collect()
        };
        let own_policies: Map<String, Value> = router
            .model_group_retry_policy
            .iter()
            .map(|(group, policy)| (self.resolved(group).to_owned(), json!(policy)))
            .collect();
        // The policy does not know which models a wildcard stands for: those that are named get their lists.
        let wild = self.groups.iter().map(|group| group.name.as_str()).filter(|name| is_pattern(name));
        let wild = wild.chain(self.named_models()).filter(|name| *name != "*");
        let wild = wild.filter(|name| !router.fallbacks.iter().any(|(group, _)| group == name));
        let fallbacks: Vec<Value> = router
            .fallbacks
            .iter()
            .map(|(group, targets)| (self.resolved(group), targets.as_slice()))
            .chain(
                wild.map(|name| (name, self.fallbacks_of(name))).filter(|(_, targets)| !targets.is_empty()),
            )
            .map(|(group, targets)| json!({ group: names(targets) }))
            .collect();
        let deployments: Map<String, Value> = self
            .deployments
            .iter()
            .map(|deployment| {
                let value = json!({
                    "group": deployment.group,
                    "cooldown_time": deployment.cooldown_time.or(deployment.is_any().then_some(0.0)),
                    "num_retries": deployment.num_retries,
                    "allowed_fails": deployment.allowed_fails,
                    "allowed_fails_policy": deployment.allowed_fails_policy,
                });
                (deployment.id.clone(), value)
            })
            .collect();
        let groups: Map<String, Value> = self
            .groups
            .iter()
            .map(|group| group.name.as_str())
            .chain(self.named_models())
            .filter(|name| self.mid_stream_for(name) == MidStream::Continue)
            .map(|name| (name.to_owned(), json!({"mid_stream": "continue"})))
            .collect();
        json!({
            "router": {
                "num_retries": router.retries(),
                "retry_after": router.retry_after.unwrap_or(0.0),
                "allowed_fails": router.allowed_fails,
                "cooldown_time": router.cooldown(),
                "disable_cooldowns": router.disable_cooldowns,
                "fallbacks": fallbacks,
                "context_window_fallbacks": lists(&router.context_window_fallbacks),
                "content_policy_fallbacks": lists(&router.content_policy_fallbacks),
                "retry_policy": router.retry_policy,
                "model_group_retry_policy": own_policies,
                "allowed_fails_policy": router.allowed_fails_policy,
                "default_fallbacks": names(&router.default_fallbacks),
                "max_fallbacks": router.fallback_depth(),
                "strategy": router.strategy.policy_json(),
            },
            "groups": groups,
            "deployments": deployments,
        })
    }

    /// A request's own options, in groups' own names; names that no group has are left out.
    pub fn options_json(&self, options: &Options) -> String {
        let Options { disable_fallbacks, num_retries, max_fallbacks, .. } = *options;
        let names = |names: &mut dyn Iterator<Item = &String>| -> Value {
            names.filter_map(|name| self.known_as(name)).collect()
        };
        let lists = |lists: &Vec<List>| -> Value {
            let list = |(group, targets): &List| {
                let group = self.known_as(group).unwrap_or(group);
                json!({ group: names(&mut targets.iter()) })
            };
            lists.iter().map(list).collect()
        };
        let mut json = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            json.extend(value.map(|value| (name.to_owned(), value)));
        };
        put(
            "fallbacks",
            options.fallbacks.as_ref().map(|fallbacks| match fallbacks {
                Fallbacks::Targets(targets) => names(&mut targets.iter().map(|target| &target.model)),
                Fallbacks::Lists(its) => lists(its),
            }),
        );
        put("context_window_fallbacks", options.context_window_fallbacks.as_ref().map(lists));
        put("content_policy_fallbacks", options.content_policy_fallbacks.as_ref().map(lists));
        put("disable_fallbacks", disable_fallbacks.then_some(true.into()));
        put("num_retries", num_retries.map(Value::from));
        put("max_fallbacks", max_fallbacks.map(Value::from));
        // A failure that was asked for is retried only where retries are what is to be seen.
        put(
            "retry_requested_group",
            options.mock.filter(|mock| *mock != Mock::RateLimit).map(|_| false.into()),
        );
        Value::Object(json).to_string()
    }
}
