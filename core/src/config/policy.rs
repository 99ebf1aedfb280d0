//! The part of the config that the policy plugin is given, as JSON.

use serde_json::{Map, Value, json};

use super::model::Config;

impl Config {
    /// `{"router": {...}, "groups": {}, "deployments": {ID: {...}}}`. Times are in seconds; `null` means "not written".
    pub fn policy_json(&self) -> Value {
        let router = &self.router;
        // The policy knows groups alone: the names that the core gives it are resolved too.
        let names =
            |targets: &[String]| -> Value { targets.iter().map(|name| self.resolved(name)).collect() };
        let fallbacks: Vec<Value> = router
            .fallbacks
            .iter()
            .map(|(group, targets)| json!({ self.resolved(group): names(targets) }))
            .collect();
        let deployments: Map<String, Value> = self
            .deployments
            .iter()
            .map(|deployment| {
                let value = json!({
                    "group": deployment.group,
                    "cooldown_time": deployment.cooldown_time,
                    "num_retries": deployment.num_retries,
                });
                (deployment.id.clone(), value)
            })
            .collect();
        json!({
            "router": {
                "num_retries": router.retries(),
                "retry_after": router.retry_after.unwrap_or(0.0),
                "allowed_fails": router.allowed_fails,
                "cooldown_time": router.cooldown(),
                "disable_cooldowns": router.disable_cooldowns,
                "fallbacks": fallbacks,
                "default_fallbacks": names(&router.default_fallbacks),
                "max_fallbacks": router.fallback_depth(),
            },
            "groups": {},
            "deployments": deployments,
        })
    }
}
