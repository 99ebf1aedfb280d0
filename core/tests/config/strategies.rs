//! `routing_strategy`, its arguments, and the limits.

use std::time::Duration;

use tidegate::config::{Config, Severity, Strategy, Window};

use super::{bad, good, messages};

fn config(router: &str, params: &str) -> Config {
    good(&format!(
        "model_list:\n- {{model_name: a, litellm_params: {{model: openai/a{params}}}}}\nrouter_settings: {{{router}}}\n"
    ))
}

#[test]
fn every_strategy_of_litellms_is_known() {
    let latency = |size, ttl, buffer| Strategy::Latency {
        window: Window { size, ttl: Duration::from_secs(ttl) },
        buffer,
    };
    for (router, expected, words) in [
        ("", Strategy::Shuffle, None),
        ("routing_strategy: simple-shuffle", Strategy::Shuffle, None),
        ("routing_strategy: least-busy", Strategy::LeastBusy, None),
        ("routing_strategy: latency-based-routing", latency(10, 3600, 0.0), None),
        (
            "routing_strategy_args: {ttl: 60, lowest_latency_buffer: 0.5, max_latency_list_size: 3}, \
             routing_strategy: latency-based-routing",
            latency(3, 60, 0.5),
            None,
        ),
        ("routing_strategy: usage-based-routing-v2, routing_strategy_args: {ttl: 60}", Strategy::Usage, None),
        ("routing_strategy: usage-based-routing", Strategy::Usage, None),
        ("routing_strategy: cost-based-routing", Strategy::Cost, Some("counts as the dearest")),
        ("routing_strategy: provider-budget-routing", Strategy::Shuffle, Some("budgets are not tracked")),
        ("routing_strategy_args: {ttl: 60}", Strategy::Shuffle, Some("takes no argument `ttl`")),
    ] {
        let config = config(router, "");
        assert_eq!(config.router.strategy, expected, "{router}");
        let warnings = messages(&config, Severity::Warning);
        match words {
            None => assert_eq!(warnings, Vec::<&str>::new(), "{router}"),
            Some(words) => {
                assert!(warnings.iter().any(|said| said.contains(words)), "{router}: {warnings:?}");
            }
        }
    }
    let text = |args: &str| {
        format!(
            "router_settings: {{routing_strategy: latency-based-routing, routing_strategy_args: {{{args}}}}}\n"
        )
    };
    for args in
        ["max_latency_list_size: 0", "ttl: -1", "lowest_latency_buffer: much", "max_latency_list_size: 5000"]
    {
        bad(&text(args));
    }
}

#[test]
fn a_price_has_two_parts_and_two_places() {
    let config = good(
        "model_list:
- {model_name: a, litellm_params: {model: openai/a, input_cost_per_token: 0.5, output_cost_per_token: 0.25}}
- {model_name: a, litellm_params: {model: openai/b}, model_info: {input_cost_per_token: 2}}
- {model_name: a, litellm_params: {model: openai/d, output_cost_per_token: 0}, model_info: {output_cost_per_token: 3}}
- {model_name: a, litellm_params: {model: openai/c}}
router_settings: {routing_strategy: cost-based-routing}
",
    );
    let prices: Vec<_> = config.deployments.iter().map(|it| (it.input_cost, it.output_cost)).collect();
    // `litellm_params` go before `model_info`, and what is free is not unknown.
    let expected = [(Some(0.5), Some(0.25)), (Some(2.0), None), (None, Some(0.0)), (None, None)];
    assert_eq!(prices, expected);
    let dear = messages(&config, Severity::Warning);
    assert_eq!(dear.iter().filter(|said| said.contains("dearest")).count(), 1, "{dear:?}");
    assert_eq!(config.policy_json()["router"]["strategy"]["name"], "cost-based-routing");
}

#[test]
fn limits_of_requests_at_once_act_without_a_word() {
    let config = good("general_settings: {max_parallel_requests: 2, global_max_parallel_requests: 5}\n");
    let general = &config.general;
    assert_eq!((general.max_parallel_requests, general.global_max_parallel_requests), (Some(2), Some(5)));
    assert_eq!(messages(&config, Severity::Warning), Vec::<&str>::new());
}

#[test]
fn timeouts_follow_litellms_order() {
    let wait = |router: &str, params: &str, stream: bool| {
        let config = good(&format!(
            "model_list:\n- {{model_name: a, litellm_params: {{model: openai/a, {params}}}}}\n\
             litellm_settings: {{request_timeout: 9}}\nrouter_settings: {{{router}}}\n"
        ));
        let clocks = config.clocks_of(&config.deployments[0], stream);
        if stream { clocks.content_idle.as_secs() } else { clocks.total.as_secs() }
    };
    let all = "timeout: 3, request_timeout: 4, stream_timeout: 1";
    for (router, params, stream, whole) in [
        ("timeout: 5, stream_timeout: 2", all, 1, 3),
        ("timeout: 5, stream_timeout: 2", "timeout: 3, request_timeout: 4", 2, 3),
        ("timeout: 5", "timeout: 3, request_timeout: 4", 3, 3),
        ("timeout: 5", "request_timeout: 4", 4, 4),
        ("timeout: 5", "seed: 1", 5, 5),
        ("stream_timeout: 2", "seed: 1", 2, 9),
        ("num_retries: 0", "seed: 1", 9, 9),
    ] {
        assert_eq!(
            (wait(router, params, true), wait(router, params, false)),
            (stream, whole),
            "{router} {params}"
        );
    }
}
