//! Model names with `*`, and aliases: where a request for a name goes.

use serde_json::json;
use tidegate::config::{Config, Severity};

use super::{bad, good, messages};

fn config(router: &str) -> Config {
    good(&format!(
        "model_list:
- {{model_name: openai/*, litellm_params: {{model: openai/*}}}}
- {{model_name: openai/gpt-*, litellm_params: {{model: hosted_vllm/gpt-*}}}}
- {{model_name: azure/*, litellm_params: {{model: openai/*}}}}
- {{model_name: openai/gpt-4o, litellm_params: {{model: groq/x}}}}
- {{model_name: plain, litellm_params: {{model: groq/x}}}}
router_settings: {{num_retries: 0, {router}}}
"
    ))
}

#[test]
fn the_exact_name_goes_first_and_then_the_longest_pattern() {
    let config = config("");
    let group = |name: &str| config.group(name).map(|group| group.name.as_str());
    assert_eq!(group("openai/gpt-4o"), Some("openai/gpt-4o"));
    assert_eq!(group("openai/gpt-5"), Some("openai/gpt-*"), "longer, though it stands behind the other one");
    assert_eq!(group("openai/o3"), Some("openai/*"));
    assert_eq!(group("other/o3"), None);
}

#[test]
fn of_equal_patterns_the_first_of_the_file_goes_first() {
    let two = |one: &str, two: &str| {
        let entry = |name: &str| format!("- {{model_name: '{name}', litellm_params: {{model: openai/*}}}}\n");
        good(&format!("model_list:\n{}{}", entry(one), entry(two)))
    };
    assert_eq!(two("*ab", "ab*").group("abab").map(|group| group.name.clone()), Some("*ab".to_owned()));
    assert_eq!(two("ab*", "*ab").group("abab").map(|group| group.name.clone()), Some("ab*".to_owned()));
}

#[test]
fn fallbacks_name_models_of_wildcards() {
    let named = config("fallbacks: [{plain: [openai/o3, openai/gpt-5, azure/*]}, {openai/o3: [plain]}]");
    // `azure/*` has nothing to put in place of its `*` in a request for `plain`.
    assert_eq!(named.reach("plain", None).groups, ["plain", "openai/o3", "openai/gpt-5"]);
    assert_eq!(named.attempts("plain", None), 3);
    assert_eq!(named.named_models(), ["openai/o3", "openai/gpt-5"]);
    assert_eq!(named.reach("openai/o3", None).groups[..2], ["openai/o3", "plain"]);

    let inherits = config("fallbacks: [{openai/*: [azure/*]}]");
    assert_eq!(inherits.reach("openai/*", None).groups, ["openai/*", "azure/*"]);
    assert_eq!(inherits.fallbacks_of("openai/o3"), ["azure/*"], "a model without a list has its wildcard's");
    assert_eq!(inherits.reach("plain", None).groups, ["plain"]);
}

#[test]
fn the_policy_is_told_the_lists_of_models_that_only_a_pattern_matches() {
    let config =
        config("fallbacks: [{openai/*: [azure/*]}, {plain: [openai/o3]}], default_fallbacks: [plain]");
    assert_eq!(
        config.policy_json()["router"]["fallbacks"],
        json!([
            {"openai/*": ["azure/*"]}, {"plain": ["openai/o3"]}, {"openai/gpt-*": ["plain"]}, {"azure/*": ["plain"]},
            {"openai/o3": ["azure/*"]},
        ])
    );
}

#[test]
fn a_deployment_for_any_model_is_never_put_aside() {
    let config = good(
        "model_list:
- {model_name: '*', litellm_params: {model: '*'}, model_info: {id: any}}
- {model_name: 'o/*', litellm_params: {model: openai/*}, model_info: {id: openai}}
- {model_name: 'w', litellm_params: {model: '*', cooldown_time: 3}, model_info: {id: written}}
",
    );
    let time = |id: &str| config.policy_json()["deployments"][id]["cooldown_time"].clone();
    assert_eq!((time("any"), time("openai"), time("written")), (json!(0.0), json!(null), json!(3.0)));
}

#[test]
fn an_alias_may_stand_for_an_alias_and_for_a_model_of_a_wildcard() {
    let config = config("model_group_alias: {a: b, b: {model: c, hidden: true}, c: openai/o3}");
    assert_eq!(config.resolved("a"), "openai/o3");
    assert_eq!(config.group("b").map(|group| group.name.as_str()), Some("openai/*"));
    assert_eq!(config.named_models(), ["openai/o3"]);
}

#[test]
fn aliases_and_stars_that_mean_nothing_are_refused() {
    let alias = |aliases: &str| {
        let models = "model_list:\n- {model_name: o/*, litellm_params: {model: openai/*}}\n";
        bad(&format!("{models}router_settings: {{model_group_alias: {aliases}}}\n")).to_string()
    };
    assert!(alias("{a: b, b: a}").contains("the alias `a` leads back to itself"));
    assert!(alias("{a: o/*}").contains("`o/*` is no single model"));
    let refused = bad("model_list:\n- {model_name: '*', litellm_params: {model: '*/x'}}\n").to_string();
    assert!(refused.contains("cannot stand for the provider alone"), "{refused}");
    let config = good("model_list:\n- {model_name: a, litellm_params: {model: openai/*}}\n");
    assert!(messages(&config, Severity::Warning)[0].contains("`model_name` has none"));
}
