//! Making instances.

use serde_json::{Value, json};
use tidegate_host::{CreateError, PluginError};

use super::Bench;

const WHY: &str = "tidegate.h: TG_E_CONFIG, the configuration is not usable, and `why` says what is wrong";

pub(super) fn create(bench: &mut Bench) {
    let mut made = 0;
    let mut tried = 0;
    let provider = bench.plugin.provider();
    let policy = bench.plugin.policy();
    for offer in bench.plugin.manifest().providers.clone() {
        let Some(provider) = &provider else { break };
        let config = bench.config_for(&offer);
        tried += 1;
        match attempt(bench, &config, |config| provider.create(config).map(drop)) {
            Ok(()) => made += 1,
            Err(CreateError::Config(why)) => {
                bench.warn(format!("{}/ wants more than its manifest says: {why}", offer.prefix));
            }
            Err(CreateError::Plugin(_)) => {}
        }
    }
    if policy.is_some() {
        tried += 1;
        let config = bench.policy_config();
        made += usize::from(attempt_policy(bench, &config).is_ok());
    }
    if made == 0 && bench.verdict.holds() {
        let notes = bench.verdict.warnings.join("; ");
        bench.find(
            "create",
            "a configuration made from its manifest",
            format!("no instance at all: {notes}"),
            WHY,
        );
    }
    for config in bad_configs() {
        tried += 1;
        if let Some(provider) = &provider {
            let _ = attempt(bench, &config, |config| provider.create(config).map(drop));
        }
        if policy.is_some() {
            let _ = attempt_policy(bench, &config);
        }
    }
    bench.did(format!("{tried} configurations, {made} of them good"));
}

fn attempt_policy(bench: &mut Bench, config: &Value) -> Result<(), CreateError> {
    let Some(policy) = bench.plugin.policy() else { return Ok(()) };
    attempt(bench, config, |config| policy.create(config).map(drop))
}

/// Creates and destroys one, and judges the answer.
fn attempt(
    bench: &mut Bench,
    config: &Value,
    create: impl Fn(&Value) -> Result<(), CreateError>,
) -> Result<(), CreateError> {
    let with: String = format!("the configuration {config}").chars().take(200).collect();
    bench.trail.at("create, then destroy", &with);
    let answer = create(config);
    match &answer {
        Err(CreateError::Config(why)) if why.ends_with("does not say why") => {
            bench.find("create", &with, "it was refused without a word", WHY);
        }
        Err(CreateError::Plugin(error)) => {
            let error: Result<(), PluginError> = Err(error.clone());
            bench.judge("create", &with, &error);
        }
        _ => {}
    }
    answer
}

/// Objects and others that no configuration is. Some plugins need none; then they make an instance.
fn bad_configs() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inside, _| json!([inside]));
    vec![
        json!({}),
        Value::Null,
        json!([]),
        json!("text"),
        json!(-1.5e300),
        json!({"provider": 7, "model": [], "params": "none", "secrets": {"a": 1}}),
        json!({"provider": "", "model": "", "params": {"api_base": 12}, "secrets": [null]}),
        json!({"provider": "x", "model": "m", "params": {"api_base": "not a url \u{0} \n"}, "secrets": []}),
        json!({"provider": "x".repeat(100_000), "model": "🌊", "params": {"a": deep}, "secrets": []}),
        json!({"router": [], "groups": 1, "deployments": "x"}),
        json!({"router": {"num_retries": -1, "fallbacks": [7], "retry_policy": []}, "groups": {"a": null}}),
    ]
}

pub(super) fn self_test(bench: &mut Bench) {
    let Some((provider, _)) = bench.provider() else { return };
    bench.trail.at("classify", "the sample 429 of the start");
    let answer = provider.self_test();
    bench.judge("classify", "the sample 429 of the start", &answer);
    if let Err(error) = answer
        && bench.verdict.holds()
    {
        let asks = "a class: Tidegate calls it with a sample at the start, and refuses a plugin that fails";
        bench.find("classify", "the sample 429 of the start", error.to_string(), asks);
    }
    bench.did("a 429 with Retry-After");
}
