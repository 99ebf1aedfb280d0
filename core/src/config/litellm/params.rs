//! What each key of `litellm_params` is.

/// The part a parameter plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Read into a field of its own.
    Typed,
    /// A provider's secret.
    Secret,
    /// A provider's setting.
    Provider,
    /// A request parameter of the chat API.
    Request,
    /// litellm knows it; here it does nothing yet. The text says what happens instead.
    NotYet(&'static str),
    /// Neither litellm nor the chat API is known to have it: sent like a request parameter.
    Unknown,
}

const TYPED: &[&str] = &[
    "model",
    "custom_llm_provider",
    "extra_headers",
    "headers",
    "weight",
    "rpm",
    "tpm",
    "order",
    "max_parallel_requests",
    "input_cost_per_token",
    "output_cost_per_token",
    "timeout",
    "request_timeout",
    "stream_timeout",
    "cooldown_time",
    "num_retries",
    "max_retries",
    "mock_response",
    "mock_tool_calls",
    "drop_params",
    "additional_drop_params",
    "litellm_credential_name",
    "extra_body",
    "cache_control_injection_points",
];

const SECRET: &[&str] = &[
    "api_key",
    "vertex_credentials",
    "vertex_ai_credentials",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_web_identity_token",
    "azure_ad_token",
];

const PROVIDER: &[&str] = &[
    "api_base",
    "base_url",
    "api_version",
    "organization",
    "project",
    "vertex_project",
    "vertex_location",
    "vertex_ai_project",
    "vertex_ai_location",
    "use_psc_endpoint_format",
    "region_name",
    "aws_region_name",
    "model_id",
    "aws_profile_name",
    "aws_role_name",
    "aws_session_name",
    "aws_external_id",
    "aws_sts_endpoint",
    "aws_bedrock_runtime_endpoint",
    "watsonx_region_name",
];

/// Of the provider's, those that are true or false.
pub(super) const FLAGS: &[&str] = &["drop_params", "use_psc_endpoint_format"];

const REQUEST: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "user",
    "seed",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "parallel_tool_calls",
    "response_format",
    "stream_options",
    "reasoning_effort",
    "thinking",
    "modalities",
    "audio",
    "metadata",
    "store",
    "service_tier",
    "safety_settings",
    "web_search_options",
    "prediction",
    "verbosity",
    "dimensions",
    "encoding_format",
];

const ENTRA: &str = "tokens are not fetched from Entra ID here; give one as `azure_ad_token` or AZURE_AD_TOKEN, or an `api_key`";

const NOT_YET: &[(&str, &str)] = &[
    ("tags", "routing by tags is not supported yet; the deployment serves every request of its group"),
    ("tag_regex", "routing by tags is not supported yet; the deployment serves every request of its group"),
    ("allowed_openai_params", "parameters are passed on as they come; the list is not needed"),
    (
        "configurable_clientside_auth_params",
        "a client cannot send its own credentials; the ones written here are used",
    ),
    ("use_in_pass_through", "pass-through routes are not supported yet; the key is ignored"),
    ("use_litellm_proxy", "write the model as `litellm_proxy/...` instead; the key is ignored"),
    ("merge_reasoning_content_in_choices", "reasoning is passed on in its own field; the key is ignored"),
    ("max_budget", "budgets are not supported yet; nothing is limited"),
    ("budget_duration", "budgets are not supported yet; nothing is limited"),
    ("default_api_key_rpm_limit", "limits by key are not supported yet; nothing is limited"),
    ("default_api_key_tpm_limit", "limits by key are not supported yet; nothing is limited"),
    ("max_file_size_mb", "files are not supported yet; the key is ignored"),
    ("litellm_trace_id", "a trace is the client's, by its `traceparent`; the key is ignored"),
    ("model_info", "`model_info` stands beside `litellm_params`, not in it; the key is ignored"),
    (
        "mock_timeout",
        "of litellm's mocks there are `mock_response` and `mock_tool_calls`; the key is ignored",
    ),
    ("mock_delay", "of litellm's mocks there are `mock_response` and `mock_tool_calls`; the key is ignored"),
    ("tenant_id", ENTRA),
    ("client_id", ENTRA),
    ("client_secret", ENTRA),
    ("azure_username", ENTRA),
    ("azure_password", ENTRA),
    ("azure_scope", ENTRA),
    ("cache", "responses are not cached; the key is ignored"),
    ("caching", "responses are not cached; the key is ignored"),
    ("fallbacks", "fallbacks of one deployment are not supported; write them in `router_settings.fallbacks`"),
    ("prompt_id", "prompt management is not supported; the request's own messages are sent"),
    ("prompt_variables", "prompt management is not supported; the request's own messages are sent"),
    ("guardrails", "guardrails are not supported yet; nothing is checked"),
    ("roles", "prompt templates are not supported; messages are sent in the provider's own form"),
    (
        "initial_prompt_value",
        "prompt templates are not supported; messages are sent in the provider's own form",
    ),
    (
        "final_prompt_value",
        "prompt templates are not supported; messages are sent in the provider's own form",
    ),
    ("ssl_verify", "TLS certificates are always verified; trust your CA in the system's store"),
    ("logger_fn", "Python callbacks are not supported; the key is ignored"),
];

/// litellm's own (`all_litellm_params` of litellm 1.83.9): they steer its Python, and no provider ever sees them.
const INTERNAL: &[&str] = &[
    "litellm_metadata",
    "litellm_request_debug",
    "acompletion",
    "aimg_generation",
    "atext_completion",
    "text_completion",
    "disable_add_transform_inline_image_block",
    "litellm_proxy_rate_limit_response",
    "litellm_system_prompt",
    "provider_specific_header",
    "prompt_version",
    "prompt_label",
    "force_timeout",
    "verbose",
    "model_file_id_mapping",
    "litellm_logging_obj",
    "litellm_call_id",
    "use_client",
    "id",
    "azure",
    "model_list",
    "context_window_fallback_dict",
    "retry_policy",
    "retry_strategy",
    "bos_token",
    "eos_token",
    "complete_response",
    "self",
    "client",
    "hf_model_name",
    "proxy_server_request",
    "secret_fields",
    "preset_cache_key",
    "caching_groups",
    "ttl",
    "no-log",
    "base_model",
    "supports_system_message",
    "allowed_model_region",
    "model_config",
    "fastest_response",
    "cache_key",
    "azure_ad_token_provider",
    "user_continue_message",
    "ensure_alternating_roles",
    "assistant_continue_message",
    "fallback_depth",
    "max_fallbacks",
    "litellm_session_id",
    "shared_session",
    "search_tool_name",
    "enable_json_schema_validation",
    "turn_off_message_logging",
    "litellm_disabled_callbacks",
    "stream",
    "humanloop_api_key",
    "wandb_api_key",
    "weave_project_id",
];

const OWN: &str = "litellm's own, which no provider gets; it does nothing here";

/// Keys of which only the start is known.
const NOT_YET_PREFIXES: &[(&str, &str)] = &[
    ("input_cost_per", "costs are not tracked yet; the price is ignored"),
    ("output_cost_per", "costs are not tracked yet; the price is ignored"),
    ("cache_read_input_token_cost", "costs are not tracked yet; the price is ignored"),
    ("cache_creation_input_token_cost", "costs are not tracked yet; the price is ignored"),
    ("auto_router_", "the auto router is not supported; the key is ignored"),
    ("complexity_router_", "the complexity router is not supported; the key is ignored"),
    ("s3_", "batches and files are not supported yet; the key is ignored"),
    ("aws_batch_", "batches are not supported yet; the key is ignored"),
    ("gcs_", "batches and files are not supported yet; the key is ignored"),
    ("vector_store_", "vector stores are not supported yet; the key is ignored"),
    ("milvus_", "vector stores are not supported yet; the key is ignored"),
    ("langfuse_", "logging callbacks are not supported yet; the key is ignored"),
    ("langsmith_", "logging callbacks are not supported yet; the key is ignored"),
    ("arize_", "logging callbacks are not supported yet; the key is ignored"),
    ("posthog_", "logging callbacks are not supported yet; the key is ignored"),
    ("litellm_", OWN),
];

/// What `key` is.
pub(super) fn role(key: &str) -> Role {
    let listed = |list: &[&str]| list.contains(&key);
    if listed(TYPED) {
        Role::Typed
    } else if listed(SECRET) {
        Role::Secret
    } else if listed(PROVIDER) {
        Role::Provider
    } else if listed(REQUEST) {
        Role::Request
    } else {
        let exact = NOT_YET.iter().find(|(name, _)| *name == key);
        let found = exact.or_else(|| NOT_YET_PREFIXES.iter().find(|(start, _)| key.starts_with(start)));
        let own = listed(INTERNAL).then_some(OWN);
        let instead = own.or(found.map(|(_, instead)| *instead));
        instead.map_or(Role::Unknown, Role::NotYet)
    }
}

/// Every key with a full name, for "did you mean".
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    let lists = [TYPED, SECRET, PROVIDER, REQUEST];
    lists.into_iter().flatten().copied().chain(NOT_YET.iter().map(|(name, _)| *name))
}

#[cfg(test)]
mod tests {
    use super::{INTERNAL, Role, known, role};

    #[test]
    fn no_key_has_two_roles() {
        let mut names: Vec<_> = known().chain(INTERNAL.iter().copied()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn roles() {
        assert_eq!(role("api_key"), Role::Secret);
        assert_eq!(role("vertex_location"), Role::Provider);
        assert_eq!(role("temperature"), Role::Request);
        assert!(matches!(role("input_cost_per_second"), Role::NotYet(_)));
        for own in ["no-log", "base_model", "litellm_session_id", "stream", "langsmith_project"] {
            assert!(matches!(role(own), Role::NotYet(_)), "{own}");
        }
        assert_eq!(role("api_bse"), Role::Unknown);
    }
}
