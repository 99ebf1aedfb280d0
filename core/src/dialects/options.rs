//! What a client may ask for beside its prompt: litellm's request-level options. They stand in the body, belong to the
//! gateway and are not sent upstream.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Mocked;

/// The members of a body that are options.
pub(super) const KEYS: [&str; 18] = [
    "fallbacks",
    "disable_fallbacks",
    "num_retries",
    "max_fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "timeout",
    "stream_timeout",
    "request_timeout",
    "mock_testing_fallbacks",
    "mock_testing_context_fallbacks",
    "mock_testing_content_policy_fallbacks",
    "mock_testing_rate_limit_error",
    "mock_response",
    "mock_tool_calls",
    "drop_params",
    "additional_drop_params",
    "allowed_openai_params",
];

/// What litellm keeps to itself too (`all_litellm_params` of litellm 1.83.9), and no provider has a use for. In the order of the
/// alphabet. `metadata` is missing: it is OpenAI's as well, see [`is_litellms`].
const INTERNAL: [&str; 95] = [
    "acompletion",
    "aimg_generation",
    "allowed_model_region",
    "api_base",
    "api_key",
    "api_version",
    "assistant_continue_message",
    "atext_completion",
    "azure",
    "azure_ad_token_provider",
    "azure_password",
    "azure_scope",
    "azure_username",
    "base_model",
    "bos_token",
    "budget_duration",
    "cache",
    "cache_key",
    "caching",
    "caching_groups",
    "client",
    "client_id",
    "client_secret",
    "complete_response",
    "configurable_clientside_auth_params",
    "context_window_fallback_dict",
    "cooldown_time",
    "custom_llm_provider",
    "disable_add_transform_inline_image_block",
    "enable_json_schema_validation",
    "ensure_alternating_roles",
    "eos_token",
    "fallback_depth",
    "fastest_response",
    "final_prompt_value",
    "force_timeout",
    "guardrails",
    "headers",
    "hf_model_name",
    "id",
    "input_cost_per_second",
    "input_cost_per_token",
    "litellm_call_id",
    "litellm_credential_name",
    "litellm_disabled_callbacks",
    "litellm_logging_obj",
    "litellm_metadata",
    "litellm_proxy_rate_limit_response",
    "litellm_request_debug",
    "litellm_session_id",
    "litellm_system_prompt",
    "litellm_trace_id",
    "logger_fn",
    "max_budget",
    "max_parallel_requests",
    "max_retries",
    "merge_reasoning_content_in_choices",
    "mock_timeout",
    "model_config",
    "model_file_id_mapping",
    "model_info",
    "model_list",
    "no-log",
    "order",
    "output_cost_per_second",
    "output_cost_per_token",
    "preset_cache_key",
    "prompt_id",
    "prompt_label",
    "prompt_variables",
    "prompt_version",
    "provider_specific_header",
    "proxy_server_request",
    "region_name",
    "retry_policy",
    "retry_strategy",
    "roles",
    "rpm",
    "search_tool_name",
    "secret_fields",
    "self",
    "shared_session",
    "supports_system_message",
    "tags",
    "tenant_id",
    "text_completion",
    "tpm",
    "ttl",
    "turn_off_message_logging",
    "use_client",
    "use_in_pass_through",
    "use_litellm_proxy",
    "user_continue_message",
    "verbose",
    "weight",
];

/// Whether a member of a body is one that a provider must not see: litellm's clients send such, and some providers refuse
/// them. Of `metadata` only a map of texts is a provider's own.
pub(super) fn is_litellms(name: &str, value: &str) -> bool {
    if name == "metadata" {
        return !is_words(value);
    }
    INTERNAL.binary_search(&name).is_ok()
}

/// Whether it is an object of texts alone, or none.
fn is_words(value: &str) -> bool {
    value == "null" || serde_json::from_str::<HashMap<Cow<'_, str>, Cow<'_, str>>>(value).is_ok()
}

/// More than any request could try.
const MAX_TARGETS: usize = 64;
/// The members of a fallback that would change what the client was promised.
const FIXED: [&str; 2] = ["stream", "stream_options"];

/// A group and the groups that are tried after it.
pub type List = (String, Vec<String>);

/// The options of one request. `None`: the configuration's rule holds.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Tried when the requested group fails, in the place of the configured lists.
    pub fallbacks: Option<Fallbacks>,
    /// In the place of the configured `context_window_fallbacks`.
    pub context_window_fallbacks: Option<Vec<List>>,
    /// In the place of the configured `content_policy_fallbacks`.
    pub content_policy_fallbacks: Option<Vec<List>>,
    /// Only the requested group is called.
    pub disable_fallbacks: bool,
    /// Retries in one group after the first call.
    pub num_retries: Option<u32>,
    /// How deep a chain of fallbacks may go.
    pub max_fallbacks: Option<u32>,
    /// `timeout`.
    pub timeout: Option<Duration>,
    /// `stream_timeout`.
    pub stream_timeout: Option<Duration>,
    /// `request_timeout`.
    pub request_timeout: Option<Duration>,
    /// A failure to play in the requested group instead of calling it.
    pub mock: Option<Mock>,
    /// `drop_params: true`: what the provider cannot do is left out.
    pub drop_params: bool,
    /// `additional_drop_params`: members that are left out.
    pub dropped: Vec<String>,
    /// `mock_response` and `mock_tool_calls`: what is answered instead of calling any provider.
    pub answer: Option<Mocked>,
    /// The two as they are written: either may come first.
    pub(crate) mocked: (Value, Value),
}

/// A request's own fallbacks.
#[derive(Clone, Debug)]
pub enum Fallbacks {
    /// `["b", {"model": "c", "messages": [...]}]`: in turn, after any failure.
    Targets(Vec<Target>),
    /// `[{"a": ["b"]}]`: as in the configuration.
    Lists(Vec<List>),
}

/// One fallback of a request.
#[derive(Clone, Debug)]
pub struct Target {
    /// The group.
    pub model: String,
    /// Members that the body has in this group instead of its own.
    pub members: Vec<(String, Box<RawValue>)>,
}

/// litellm's `mock_testing_*`: a way to see one's fallbacks work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mock {
    /// A failure of the server.
    Failure,
    /// The prompt is too long.
    ContextWindow,
    /// Refused by a filter.
    ContentPolicy,
    /// A 429.
    RateLimit,
}

impl Options {
    /// Whether they change where the request may go, or how often it is tried.
    pub fn reroutes(&self) -> bool {
        self.fallbacks.is_some()
            || self.context_window_fallbacks.is_some()
            || self.content_policy_fallbacks.is_some()
            || self.disable_fallbacks
            || self.num_retries.is_some()
            || self.max_fallbacks.is_some()
    }

    /// What litellm reads from a header too; it goes before the body's.
    ///
    /// # Errors
    /// A sentence for the client.
    pub fn retries_in(headers: &http::HeaderMap) -> Result<Option<u32>, String> {
        const NAME: &str = "x-litellm-num-retries";
        let Some(value) = headers.get(NAME) else { return Ok(None) };
        let count = value.to_str().ok().and_then(|text| text.trim().parse().ok());
        count.map(Some).ok_or_else(|| format!("{NAME} takes a whole number from 0 up"))
    }

    /// Takes one member. The error is a sentence for the client.
    pub(super) fn take(&mut self, key: &str, raw: &RawValue) -> Result<(), String> {
        let value: Value = serde_json::from_str(raw.get()).map_err(|error| format!("\"{key}\": {error}"))?;
        if value.is_null() {
            return Ok(());
        }
        match key {
            "fallbacks" => self.fallbacks = Some(fallbacks(raw, &value)?),
            "context_window_fallbacks" => self.context_window_fallbacks = Some(lists(key, &value)?),
            "content_policy_fallbacks" => self.content_policy_fallbacks = Some(lists(key, &value)?),
            "disable_fallbacks" => self.disable_fallbacks = truth(key, &value)?,
            "num_retries" => self.num_retries = Some(count(key, &value)?),
            "max_fallbacks" => self.max_fallbacks = Some(count(key, &value)?),
            "timeout" => self.timeout = seconds(key, &value)?,
            "stream_timeout" => self.stream_timeout = seconds(key, &value)?,
            "mock_response" | "mock_tool_calls" => {
                let (response, calls) = &mut self.mocked;
                *(if key == "mock_response" { response } else { calls }) = value;
                self.answer = Mocked::of(&self.mocked.0, &self.mocked.1)?;
            }
            "request_timeout" => self.request_timeout = seconds(key, &value)?,
            "drop_params" => self.drop_params = truth(key, &value)?,
            "additional_drop_params" => self.dropped = dropped(key, &value)?,
            // Parameters are passed on as they come.
            "allowed_openai_params" => {}
            _ if !truth(key, &value)? => {}
            "mock_testing_fallbacks" => self.mock = Some(Mock::Failure),
            "mock_testing_context_fallbacks" => self.mock = Some(Mock::ContextWindow),
            "mock_testing_content_policy_fallbacks" => self.mock = Some(Mock::ContentPolicy),
            _ => self.mock = Some(Mock::RateLimit),
        }
        Ok(())
    }
}

fn fallbacks(raw: &RawValue, value: &Value) -> Result<Fallbacks, String> {
    const FORM: &str = "\"fallbacks\" must be a list of models, such as [\"a\", \"b\"], [{\"model\": \"a\"}] or \
                        [{\"model-a\": [\"model-b\"]}]";
    let Value::Array(entries) = value else { return Err(FORM.into()) };
    if entries.len() > MAX_TARGETS {
        return Err(format!("\"fallbacks\" has {} entries; at most {MAX_TARGETS} make sense", entries.len()));
    }
    let standard = |entry: &Value| {
        entry.as_object().is_some_and(|entry| entry.len() == 1 && !entry.contains_key("model"))
    };
    if !entries.is_empty() && entries.iter().all(standard) {
        return lists("fallbacks", value).map(Fallbacks::Lists);
    }
    let entries: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| FORM)?;
    let targets = entries.into_iter().map(target).collect::<Result<_, _>>()?;
    Ok(Fallbacks::Targets(targets))
}

fn target(entry: &RawValue) -> Result<Target, String> {
    if entry.get().starts_with('"') {
        let model = serde_json::from_str(entry.get()).map_err(|error| format!("\"fallbacks\": {error}"))?;
        return Ok(Target { model, members: Vec::new() });
    }
    let mut model = None;
    let mut members = Vec::new();
    let all = members_of(entry.get())
        .map_err(|_| "an entry of \"fallbacks\" must be a model's name or an object with \"model\"")?;
    for (name, value) in all {
        if name == "model" {
            model = serde_json::from_str(value.get()).ok();
        } else if FIXED.contains(&name.as_str())
            || KEYS.contains(&name.as_str())
            || is_litellms(&name, value.get())
        {
            return Err(format!("an entry of \"fallbacks\" cannot change \"{name}\""));
        } else {
            members.push((name, value.to_owned()));
        }
    }
    let model = model.ok_or("an entry of \"fallbacks\" needs \"model\", a model's name")?;
    Ok(Target { model, members })
}

fn lists(key: &str, value: &Value) -> Result<Vec<List>, String> {
    let wrong = || {
        format!(
            "\"{key}\" must be a list such as [{{\"model-a\": [\"model-b\"]}}], of at most {MAX_TARGETS} entries each"
        )
    };
    let few = |list: &&Vec<Value>| list.len() <= MAX_TARGETS;
    let entries = value.as_array().filter(few).ok_or_else(wrong)?;
    let list = |entry: &Value| {
        let mut entry = entry.as_object()?.iter();
        let (Some((group, targets)), None) = (entry.next(), entry.next()) else { return None };
        let targets = targets.as_array().filter(few)?.iter().map(|target| target.as_str().map(str::to_owned));
        Some((group.clone(), targets.collect::<Option<_>>()?))
    };
    entries.iter().map(list).collect::<Option<_>>().ok_or_else(wrong)
}

/// Without these it is another request.
const KEPT: [&str; 6] = ["model", "messages", "prompt", "input", "contents", "stream"];

/// Names of members; litellm also knows paths into them.
fn dropped(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let name = |name: &Value| {
        let name = name.as_str().filter(|name| !name.contains(['[', '.']) && !KEPT.contains(name));
        name.map(str::to_owned)
    };
    let names = value.as_array().filter(|list| list.len() <= MAX_TARGETS);
    let names = names.and_then(|list| list.iter().map(name).collect());
    names.ok_or_else(|| format!("\"{key}\" must be a list of parameters that a request can do without"))
}

/// The words count too: litellm takes them.
fn truth(key: &str, value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::String(word) if word.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(word) if word.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(format!("\"{key}\" must be true or false")),
    }
}

fn count(key: &str, value: &Value) -> Result<u32, String> {
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
    count.ok_or_else(|| format!("\"{key}\" must be a whole number from 0 up"))
}

/// 0 counts as not written, as in a configuration.
fn seconds(key: &str, value: &Value) -> Result<Option<Duration>, String> {
    let seconds = value.as_f64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    let time = seconds.filter(|seconds| *seconds <= 1e8).and_then(|s| Duration::try_from_secs_f64(s).ok());
    let time = time.ok_or_else(|| format!("\"{key}\" must be a number of seconds"))?;
    Ok(Some(time).filter(|time| !time.is_zero()))
}

/// The members of a JSON object in their order, with their values as they stand.
pub(super) fn members_of(text: &str) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de RawValue)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_litellms_own_is_known() {
        assert!(INTERNAL.is_sorted());
        for name in [
            "api_base",
            "api_key",
            "cache",
            "guardrails",
            "litellm_session_id",
            "no-log",
            "tags",
            "ttl",
            "weight",
        ] {
            assert!(is_litellms(name, "1"), "{name}");
        }
        for name in ["user", "temperature", "extra_body", "provider", "tools", "timeout", "model", "stream"] {
            assert!(!is_litellms(name, "1"), "{name}");
        }
        for (metadata, theirs) in [
            (r#"{"user_id": "\u0061", "b": "c"}"#, false),
            ("null", false),
            ("{}", false),
            (r#"{"tags": ["a"]}"#, true),
            (r#"{"a": "b", "n": 1}"#, true),
            ("7", true),
        ] {
            assert_eq!(is_litellms("metadata", metadata), theirs, "{metadata}");
        }
    }

    fn read(key: &str, json: &str) -> Result<Options, String> {
        let mut options = Options::default();
        options.take(key, &RawValue::from_string(json.to_owned()).expect("JSON")).map(|()| options)
    }

    #[test]
    fn each_form_of_fallbacks() {
        let shown = |json| match read("fallbacks", json).expect(json).fallbacks.expect(json) {
            Fallbacks::Targets(targets) => targets
                .iter()
                .map(|target| {
                    let members = target.members.iter().map(|(name, value)| format!("+{name}={value}"));
                    format!("{}{}", target.model, members.collect::<String>())
                })
                .collect::<Vec<_>>()
                .join(" "),
            Fallbacks::Lists(lists) => format!("{lists:?}"),
        };
        assert_eq!(shown(r#"["a", "b"]"#), "a b");
        assert_eq!(shown("[]"), "");
        assert_eq!(shown(r#"[{"model":"a"},"b"]"#), "a b");
        assert_eq!(
            shown(r#"[{"messages":[{"role":"user"}], "model":"a", "temperature":0.10}]"#),
            r#"a+messages=[{"role":"user"}]+temperature=0.10"#
        );
        assert_eq!(shown(r#"[{"a":["b","c"]},{"*":["d"]}]"#), r#"[("a", ["b", "c"]), ("*", ["d"])]"#);
    }

    #[test]
    fn the_others() {
        let options = |key, json| read(key, json).expect(json);
        assert!(options("disable_fallbacks", "true").disable_fallbacks);
        assert!(options("disable_fallbacks", "\"True\"").disable_fallbacks);
        assert_eq!(options("num_retries", "7").num_retries, Some(7));
        assert_eq!(options("num_retries", "null").num_retries, None);
        assert_eq!(options("timeout", "0.5").timeout, Some(Duration::from_millis(500)));
        assert_eq!(options("stream_timeout", "\"30\"").stream_timeout, Some(Duration::from_secs(30)));
        assert_eq!(options("request_timeout", "0").request_timeout, None);
        assert!(options("drop_params", "true").drop_params && !options("drop_params", "false").drop_params);
        assert_eq!(options("additional_drop_params", r#"["stop", "seed"]"#).dropped, ["stop", "seed"]);
        assert!(options("allowed_openai_params", r#"["tools"]"#).dropped.is_empty());
        assert_eq!(options("mock_testing_context_fallbacks", "true").mock, Some(Mock::ContextWindow));
        assert_eq!(options("mock_testing_fallbacks", "false").mock, None);
        assert_eq!(
            options("content_policy_fallbacks", r#"[{"a":["b"]}]"#).content_policy_fallbacks,
            Some(vec![("a".into(), vec!["b".into()])])
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let many = format!("[{}\"a\"]", "\"a\",".repeat(MAX_TARGETS));
        for (key, json, words) in [
            ("fallbacks", "\"a\"", "\"fallbacks\" must be a list"),
            ("fallbacks", "[7]", "a model's name or an object"),
            ("fallbacks", r#"[{"messages":[],"n":1}]"#, "needs \"model\""),
            ("fallbacks", r#"[{"model":7}]"#, "needs \"model\""),
            ("fallbacks", r#"[{"model":"a","stream":false}]"#, "cannot change \"stream\""),
            ("fallbacks", r#"[{"model":"a","num_retries":9}]"#, "cannot change \"num_retries\""),
            ("fallbacks", r#"[{"a":"b"}]"#, "must be a list such as"),
            ("fallbacks", &many, "has 65 entries"),
            ("fallbacks", &format!("[{{\"a\":{many}}}]"), "of at most 64 entries each"),
            ("context_window_fallbacks", r#"["a"]"#, "\"context_window_fallbacks\" must be a list such as"),
            ("content_policy_fallbacks", r#"[{"a":["b"],"c":["d"]}]"#, "must be a list such as"),
            ("disable_fallbacks", "1", "must be true or false"),
            ("num_retries", "-1", "must be a whole number"),
            ("num_retries", "1.5", "must be a whole number"),
            ("timeout", "-1", "must be a number of seconds"),
            ("timeout", "1e300", "must be a number of seconds"),
            ("mock_testing_fallbacks", "{}", "must be true or false"),
            ("drop_params", "1", "must be true or false"),
            ("additional_drop_params", r#""stop""#, "must be a list of parameters"),
            ("additional_drop_params", r#"["tools[*].x"]"#, "must be a list of parameters"),
            ("additional_drop_params", r#"["messages"]"#, "must be a list of parameters"),
        ] {
            let error = read(key, json).expect_err(json);
            assert!(error.contains(words), "{key}: {json}: {error}");
        }
    }
}
