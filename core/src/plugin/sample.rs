//! Configurations for `create` where the one who tries a plugin has none.

use serde_json::{Map, Value, json};
use tidegate_host::ProviderManifest;

/// One that fits a manifest: parameters at their defaults.
pub(super) fn provider_config(offer: &ProviderManifest) -> Value {
    let mut params = Map::new();
    for (name, param) in &offer.params {
        params.extend(param.default.clone().or_else(|| stand_in(name)).map(|value| (name.clone(), value)));
    }
    let secrets: Vec<&String> = offer.secrets.keys().collect();
    json!({"provider": offer.prefix, "model": "model", "params": params, "secrets": secrets})
}

/// One for a policy: two groups, of which one is the other's fallback.
pub(super) fn policy_config() -> Value {
    json!({
        "router": {"num_retries": 2, "retry_after": 0, "cooldown_time": 5.0, "max_fallbacks": 5,
                   "fallbacks": [{"fast": ["slow"]}]},
        "groups": {"fast": {}, "slow": {}},
        "deployments": {"fast-0": {}, "fast-1": {}, "slow-0": {}},
    })
}

/// What a parameter is that a provider cannot do without and that has no default.
fn stand_in(name: &str) -> Option<Value> {
    match name {
        "api_base" => Some(json!("http://127.0.0.1:9/v1")),
        "aws_region_name" => Some(json!("us-east-1")),
        _ => None,
    }
}
