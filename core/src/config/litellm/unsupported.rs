//! What litellm knows and Tidegate does not do: each key with what happens instead. Nothing is dropped silently.

use crate::config::diagnose::Sink;
use crate::config::node::{Entry, Mapping};
use crate::config::suggest;

/// A key, or the start of keys when it ends in `*`, and what happens instead.
type Table = &'static [(&'static str, &'static str)];

const SECTIONS: &[&str] = &[
    "model_list",
    "router_settings",
    "litellm_settings",
    "general_settings",
    "environment_variables",
    "tidegate",
];

const TOP_LEVEL: Table = &[
    ("guardrails", "guardrails are not supported yet; nothing is checked"),
    ("mcp_servers", "MCP is not supported; the servers are not offered"),
    ("mcp_tools", "MCP is not supported; the tools are not offered"),
    ("mcp_aliases", "MCP is not supported; the aliases are ignored"),
    ("vector_store_registry", "vector stores are not supported; the list is ignored"),
    ("search_tools", "search tools are not supported; the list is ignored"),
    ("assistant_settings", "the assistants API is not supported; the settings are ignored"),
    ("finetune_settings", "fine-tuning is not supported; the settings are ignored"),
    ("files_settings", "the files API is not supported; the settings are ignored"),
    (
        "default_vertex_config",
        "pass-through to Vertex is not supported yet; write the project in `litellm_params`",
    ),
    ("credential_list", "named credentials are not supported yet; write them in `litellm_params`"),
    ("callback_settings", "callbacks are not supported; the settings are ignored"),
    ("prompts", "prompt management is not supported; the list is ignored"),
    ("policies", "policies are not supported; the list is ignored"),
    ("policy_attachments", "policies are not supported; the list is ignored"),
    ("agents", "agents are not supported; the list is ignored"),
    ("agent_list", "agents are not supported; the list is ignored"),
    ("skills", "skills are not supported; the list is ignored"),
    ("worker_registry", "one process serves; the list is ignored"),
];

const ROUTER: Table = &[
    ("routing_strategy_args", "`simple-shuffle` takes no arguments; they are ignored"),
    (
        "allowed_fails_policy",
        "failures of all kinds count alike, by `allowed_fails`; the policy is not supported yet",
    ),
    (
        "retry_policy",
        "errors of all kinds are retried alike, by `num_retries`; the policy is not supported yet",
    ),
    (
        "model_group_retry_policy",
        "all groups are retried alike, by `num_retries`; the policy is not supported yet",
    ),
    (
        "enable_pre_call_checks",
        "prompts are not measured before they are sent; the provider says if one is too long",
    ),
    ("optional_pre_call_checks", "no checks are made before a call; the list is ignored"),
    ("enable_tag_filtering", "routing by tags is not supported yet; every deployment of a group serves"),
    ("tag_filtering_match_any", "routing by tags is not supported yet; every deployment of a group serves"),
    ("default_litellm_params", "defaults for all models are not supported yet; write them at each model"),
    ("redis_*", "cooldowns are kept in this process and not shared over Redis"),
    ("cache_kwargs", "cooldowns are kept in this process and not shared over Redis"),
    ("cache_responses", "responses are not cached"),
    ("caching_groups", "responses are not cached"),
    ("client_ttl", "connections are pooled by the runtime; the key is not needed"),
    ("polling_interval", "there is no scheduler; the key is ignored"),
    ("default_priority", "there is no scheduler; the key is ignored"),
    ("provider_budget_config", "budgets are not supported yet; nothing is limited"),
    ("alerting_config", "alerts come from the metrics; the key is ignored"),
    ("assistants_config", "the assistants API is not supported; the key is ignored"),
    ("search_tools", "search tools are not supported; the list is ignored"),
    ("guardrail_list", "guardrails are not supported yet; nothing is checked"),
    ("router_general_settings", "the key is ignored"),
    ("set_verbose", "set RUST_LOG to see more in the log"),
    ("debug_level", "set RUST_LOG to see more in the log"),
    ("enable_health_check_routing", "deployments are judged by real requests alone; the key is ignored"),
    ("health_check_*", "deployments are judged by real requests alone; the key is ignored"),
    ("model_group_affinity_config", "affinity is not supported; every deployment of a group serves"),
    ("deployment_affinity_ttl_seconds", "affinity is not supported; every deployment of a group serves"),
    (
        "ignore_invalid_deployments",
        "bad entries of `model_list` are always skipped, as the litellm proxy does",
    ),
];

const SETTINGS: Table = &[
    ("drop_params", "parameters are passed on as they come; the provider says if it refuses one"),
    ("modify_params", "requests are not changed to suit a provider's rules"),
    ("set_verbose", "set RUST_LOG to see more in the log"),
    ("json_logs", "logs are JSON whenever they do not go to a terminal"),
    ("turn_off_message_logging", "the text of requests and answers is never logged"),
    ("redact_messages_in_exceptions", "the text of requests and answers is never logged"),
    ("redact_user_api_key_info", "keys are never logged"),
    ("cache", "responses are not cached"),
    ("cache_params", "responses are not cached"),
    ("enable_redis_auth_cache", "responses are not cached"),
    (
        "require_auth_for_metrics_endpoint",
        "metrics are served at the admin address alone, which is local by default",
    ),
    ("prometheus_*", "metrics have Tidegate's own names and a closed set of labels; the key is ignored"),
    (
        "custom_prometheus_*",
        "metrics have Tidegate's own names and a closed set of labels; the key is ignored",
    ),
    ("default_team_settings", "teams are not supported; the settings are ignored"),
    ("default_internal_user_params", "users are not supported; the settings are ignored"),
    ("default_key_generate_params", "virtual keys are not supported; the settings are ignored"),
    ("upperbound_key_generate_params", "virtual keys are not supported; the settings are ignored"),
    ("max_internal_user_budget", "budgets are not supported yet; nothing is limited"),
    ("internal_user_budget_duration", "budgets are not supported yet; nothing is limited"),
    ("default_max_internal_user_budget", "budgets are not supported yet; nothing is limited"),
    ("max_end_user_budget*", "budgets are not supported yet; nothing is limited"),
    ("max_budget", "budgets are not supported yet; nothing is limited"),
    ("budget_duration", "budgets are not supported yet; nothing is limited"),
    ("max_ui_session_budget", "there is no UI; the key is ignored"),
    ("guardrails", "guardrails are not supported yet; nothing is checked"),
    ("post_call_rules", "Python rules are not supported; nothing is checked"),
    ("pre_call_rules", "Python rules are not supported; nothing is checked"),
    ("custom_provider_map", "Python providers are not supported; write a provider plugin"),
    ("audit_log_callbacks", "callbacks are not supported; none is called"),
    ("service_callback", "callbacks are not supported; none is called"),
    ("input_callback", "callbacks are not supported; none is called"),
    ("langfuse_*", "callbacks are not supported; none is called"),
    ("s3_callback_params", "callbacks are not supported; none is called"),
    ("gcs_*", "callbacks are not supported; none is called"),
    ("datadog_*", "callbacks are not supported; none is called"),
    ("otel", "OpenTelemetry export is not supported yet; nothing is sent"),
    ("telemetry", "no telemetry is ever sent"),
    ("ssl_verify", "TLS certificates are always verified; trust your CA in the system's store"),
    ("ssl_certificate", "client certificates are not supported; the key is ignored"),
    ("include_cost_in_streaming_usage", "costs are not tracked yet; usage is passed on as it comes"),
    ("store_audit_logs", "there is no database; no audit log is kept"),
    ("public_routes", "only the health routes are open; the list is ignored"),
    ("forward_traceparent_to_llm_provider", "trace headers are not passed on yet"),
    ("force_ipv4", "addresses are tried as the system resolves them"),
    ("model_group_settings", "headers of clients are not passed on; the settings are ignored"),
    ("responses", "the Responses API is not supported yet; the settings are ignored"),
    ("cost_*", "costs are not tracked yet; the key is ignored"),
    ("global_*", "prompt management is not supported; the key is ignored"),
    ("priority_reservation*", "reserved capacity is not supported; the key is ignored"),
    ("tag_budget_config", "budgets are not supported yet; nothing is limited"),
    ("mcp_*", "MCP is not supported; the key is ignored"),
    ("websearch_interception_params", "web search is not intercepted; the key is ignored"),
    (
        "use_chat_completions_url_for_anthropic_messages",
        "the Messages API is not supported yet; the key is ignored",
    ),
    ("return_response_headers", "the key is not needed; it is ignored"),
    ("add_function_to_prompt", "tools are passed on in the provider's own form"),
    ("credential_list", "named credentials are not supported yet; write them in `litellm_params`"),
];

const GENERAL: Table = &[
    ("database_*", "there is no database: virtual keys, budgets and the UI are not available"),
    ("store_model_in_db", "there is no database; models come from this file alone"),
    ("store_prompts_in_spend_logs", "there is no database; no prompt is stored"),
    ("disable_spend_logs", "there is no database; spend is not logged"),
    ("disable_error_logs", "there is no database; errors go to the log on stderr"),
    ("disable_prisma_schema_update", "there is no database; the key is ignored"),
    ("maximum_spend_logs_retention_*", "there is no database; spend is not logged"),
    ("proxy_batch_write_at", "there is no database; the key is ignored"),
    ("proxy_budget_rescheduler_*", "there is no database; the key is ignored"),
    ("use_redis_transaction_buffer", "there is no database; the key is ignored"),
    ("allow_requests_on_db_unavailable", "there is no database; the key is ignored"),
    ("supported_db_objects", "there is no database; the key is ignored"),
    ("master_key_hash*", "the key is ignored"),
    ("max_response_size_mb", "answers are passed on as they come and not held; no limit is needed"),
    ("allowed_routes", "every route that is offered is open to the master key"),
    ("admin_only_routes", "every route that is offered is open to the master key"),
    ("public_routes", "only the health routes are open; the list is ignored"),
    ("infer_model_from_keys", "models come from `model_list` alone; write them there"),
    (
        "background_health_checks",
        "deployments are judged by real requests alone; none is made for its own sake",
    ),
    ("health_check_*", "deployments are judged by real requests alone; none is made for its own sake"),
    ("pass_through_endpoints", "pass-through routes are not supported yet; they answer 404"),
    ("custom_auth*", "Python authentication is not supported; clients are checked against `master_key`"),
    ("custom_*", "Python hooks are not supported; the key is ignored"),
    ("enable_jwt_auth", "JWTs are not supported yet; clients are checked against `master_key`"),
    ("enable_oauth2_*", "OAuth is not supported for clients; they are checked against `master_key`"),
    ("litellm_jwtauth", "JWTs are not supported yet; clients are checked against `master_key`"),
    ("role_permissions", "roles are not supported; clients are checked against `master_key`"),
    ("user_api_key_cache_ttl", "there are no virtual keys; the key is ignored"),
    ("enforce_user_param", "the `user` field is not asked for; the key is ignored"),
    ("enforced_params", "no parameter is asked for; the key is ignored"),
    ("reject_clientside_metadata_tags", "tags are not read; the key is ignored"),
    (
        "allow_client_side_credentials",
        "a client cannot send its own credentials; the ones in this file are used",
    ),
    ("forward_client_headers_to_llm_api", "headers of clients are not passed on to providers"),
    ("forward_llm_provider_auth_headers", "headers of clients are not passed on to providers"),
    ("forward_openai_org_id", "headers of clients are not passed on to providers"),
    ("user_header_name", "users are not tracked yet; the key is ignored"),
    ("user_header_mappings", "users are not tracked yet; the key is ignored"),
    ("allowed_ips", "addresses are not checked; use a firewall"),
    ("use_x_forwarded_for", "addresses are not checked; use a firewall"),
    ("alert*", "alerts come from the metrics; the key is ignored"),
    ("spend_report_frequency", "spend is not tracked yet; the key is ignored"),
    ("otel", "OpenTelemetry export is not supported yet; nothing is sent"),
    ("key_management_*", "key managers are not supported; write os.environ/NAME or the key"),
    ("use_google_kms", "key managers are not supported; write os.environ/NAME or the key"),
    ("use_azure_key_vault", "key managers are not supported; write os.environ/NAME or the key"),
    ("use_aws_*", "key managers are not supported; write os.environ/NAME or the key"),
    ("ui_access_mode", "there is no UI; the key is ignored"),
    ("disable_admin_ui", "there is no UI; the key is ignored"),
    ("enable_public_model_hub", "there is no UI; the key is ignored"),
    ("control_plane_url", "there is no control plane; the key is ignored"),
    ("mcp_*", "MCP is not supported; the key is ignored"),
    ("user_mcp_management_mode", "MCP is not supported; the key is ignored"),
    ("search_tools", "search tools are not supported; the list is ignored"),
    ("default_team_disabled", "teams are not supported; the key is ignored"),
    ("block_robots", "there is no page for a robot; the key is ignored"),
    ("maximum_*", "the key is ignored"),
    ("service_account_settings", "service accounts are not supported; the settings are ignored"),
    ("always_include_stream_usage", "usage is passed on when the client asks for it; the key is ignored"),
    ("coordination_redis_url", "cooldowns are kept in this process and not shared over Redis"),
    ("redis_*", "cooldowns are kept in this process and not shared over Redis"),
];

const MODEL_INFO: Table = &[
    ("access_groups", "access groups are not supported yet; every client may use the model"),
    ("team_id", "teams are not supported; every client may use the model"),
    ("team_public_model_name", "teams are not supported; every client may use the model by its `model_name`"),
    (
        "allowed_fails*",
        "rules of one deployment are not supported yet; write `allowed_fails` in `router_settings`",
    ),
    ("cooldown_time", "write `cooldown_time` in `litellm_params`; the key is ignored"),
    ("health_check_*", "deployments are judged by real requests alone; the key is ignored"),
    ("order", "`order` is not supported yet; the group's deployments are all tried alike"),
];

/// Facts about a model that change nothing in how it is called.
const METADATA: &[&str] =
    &["base_model", "mode", "description", "version", "max_tokens", "litellm_provider", "db_model"];

/// Top-level keys that no part reads.
pub(super) fn top_level(root: &Mapping, sink: &mut Sink) {
    for entry in root.entries.iter().filter(|entry| !SECTIONS.contains(&entry.key.as_str())) {
        say("a config", TOP_LEVEL, SECTIONS, entry, sink);
    }
}

pub(super) fn router(entry: &Entry, known: &[&str], sink: &mut Sink) {
    say("`router_settings`", ROUTER, known, entry, sink);
}

pub(super) fn settings(entry: &Entry, known: &[&str], sink: &mut Sink) {
    say("`litellm_settings`", SETTINGS, known, entry, sink);
}

pub(super) fn general(entry: &Entry, known: &[&str], sink: &mut Sink) {
    say("`general_settings`", GENERAL, known, entry, sink);
}

pub(super) fn model_info(entry: &Entry, sink: &mut Sink) {
    let key = entry.key.as_str();
    if lookup(MODEL_INFO, key).is_some() {
        say("`model_info`", MODEL_INFO, &[], entry, sink);
    } else if key == "mode" {
        mode(entry, sink);
    } else if key.contains("cost") {
        sink.info(&entry.key_place, format!("`{key}`: costs are not tracked yet; the price is ignored"));
    } else if !METADATA.contains(&key) {
        sink.info(&entry.key_place, format!("`{key}` describes the model; it changes nothing here"));
    }
}

fn mode(entry: &Entry, sink: &mut Sink) {
    use crate::config::node::Value;
    if let Value::String(mode) = &entry.node.value
        && mode != "chat"
    {
        sink.warn(
            &entry.node.place,
            format!("models of the mode `{mode}` are not supported yet; only chat requests are served"),
        );
    }
}

/// Keys beside `model_name`, `litellm_params` and `model_info`.
pub(super) fn entry_keys(entry: &Mapping, sink: &mut Sink) {
    const KNOWN: &[&str] = &["model_name", "litellm_params", "model_info"];
    for entry in entry.entries.iter().filter(|entry| !KNOWN.contains(&entry.key.as_str())) {
        let key = &entry.key;
        let place = &entry.key_place;
        if super::params::role(key) == super::params::Role::Unknown {
            let hint = suggest::did_you_mean(key, KNOWN.iter().copied());
            sink.warn_hint(
                place,
                format!("an entry of `model_list` has no key `{key}`; it is ignored"),
                hint,
            );
        } else {
            let hint = Some("move it into `litellm_params`".to_owned());
            sink.warn_hint(
                place,
                format!("`{key}` counts only inside `litellm_params`, in litellm too; it is ignored"),
                hint,
            );
        }
    }
}

fn lookup(table: Table, key: &str) -> Option<&'static str> {
    let hit = |(name, _): &&(&str, &str)| match name.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => *name == key,
    };
    let exact = table.iter().find(|(name, _)| *name == key);
    exact.or_else(|| table.iter().find(hit)).map(|(_, instead)| *instead)
}

fn say(section: &str, table: Table, known: &[&str], entry: &Entry, sink: &mut Sink) {
    let key = &entry.key;
    if let Some(instead) = lookup(table, key) {
        if !entry.node.is_null() {
            sink.warn(&entry.key_place, format!("`{key}`: {instead}"));
        }
        return;
    }
    let names = table.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('*'));
    let hint = suggest::did_you_mean(key, known.iter().copied().chain(names));
    sink.warn_hint(
        &entry.key_place,
        format!("{section} has no key `{key}` that is known here; it is ignored"),
        hint,
    );
}
