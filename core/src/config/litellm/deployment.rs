//! One entry of `model_list`. Every error in here skips the entry, not the config.

use std::time::Duration;

use super::credentials::Credentials;
use super::model_id::model_id;
use super::params::{self, Role};
use super::policies::{self, Of};
use super::unsupported;
use crate::config::diagnose::Sink;
use crate::config::env::{self, Env};
use crate::config::model::Deployment;
use crate::config::node::{Entry, Mapping, Node, Value};
use crate::config::source::Place;
use crate::config::wildcard::is_pattern;
use crate::config::{read, suggest, units};
use crate::dialects::Mocked;
use crate::secret::Secret;

/// Reads an entry. `None` when it cannot be used: the sink has an error then, or a notice that says why it is left out.
pub(super) fn read(
    entry: &Mapping,
    place: &Place,
    credentials: &Credentials,
    env: &dyn Env,
    sink: &mut Sink,
) -> Option<Deployment> {
    let place = entry.entry("model_name").map_or(place, |name| &name.node.place).clone();
    let name = entry.get("model_name").map(|node| env::resolve(node, env, sink));
    let group = name.and_then(|node| read::text(sink, "model_name", &node)).filter(|name| !name.is_empty());
    let params = entry.get("litellm_params").and_then(|node| read::mapping(sink, "litellm_params", node));
    let params = params.map(|params| resolved(params, env, sink));
    let params = params.as_ref();
    let model = params.and_then(|map| map.get("model")).and_then(|node| read::text(sink, "model", node));
    let (Some(group), Some(params), Some(model)) = (group, params, model.filter(|model| !model.is_empty()))
    else {
        if sink.errors.is_empty() {
            sink.error(&place, "an entry of `model_list` needs `model_name` and `litellm_params.model`");
        }
        return None;
    };
    let mut deployment = empty(group, place);
    let filled = credentials.filled(params, sink);
    for param in &filled.entries {
        take(&mut deployment, param, sink);
    }
    mocked(&mut deployment, &filled, sink);
    name_provider(&mut deployment, &model, &filled, sink);
    wildcard(&deployment, params, sink);
    let active = model_info(&mut deployment, entry.get("model_info"), env, sink);
    if deployment.id.is_empty() {
        deployment.id = model_id(&deployment.group, params);
    }
    unsupported::entry_keys(entry, sink);
    active.then_some(deployment)
}

/// The parameters with their variables read. A variable of a key that does nothing here is not worth a word.
fn resolved(params: &Mapping, env: &dyn Env, sink: &mut Sink) -> Mapping {
    let mut unheard = Sink::default();
    let mut entries = Vec::with_capacity(params.entries.len());
    for Entry { key, key_place, node } in &params.entries {
        let sink = if matches!(params::role(key), Role::NotYet(_)) { &mut unheard } else { &mut *sink };
        entries.push(Entry {
            key: key.clone(),
            key_place: key_place.clone(),
            node: env::resolve(node, env, sink),
        });
    }
    Mapping { entries }
}

fn empty(group: String, place: Place) -> Deployment {
    Deployment {
        id: String::new(),
        group,
        provider: String::new(),
        model: String::new(),
        params: serde_json::Map::new(),
        secrets: Default::default(),
        defaults: serde_json::Map::new(),
        extra_body: serde_json::Map::new(),
        headers: Default::default(),
        weight: None,
        rpm: None,
        tpm: None,
        input_cost: None,
        output_cost: None,
        order: None,
        max_parallel_requests: None,
        timeout: None,
        stream_timeout: None,
        cooldown_time: None,
        num_retries: None,
        allowed_fails: None,
        allowed_fails_policy: None,
        mocked: None,
        drop_params: None,
        responses: false,
        dropped: Vec::new(),
        model_place: place.clone(),
        place,
    }
}

/// Splits `provider/model`. Exactly the first segment goes: `openrouter/anthropic/x` asks OpenRouter for `anthropic/x`.
fn name_provider(deployment: &mut Deployment, model: &str, params: &Mapping, sink: &mut Sink) {
    let explicit =
        params.get("custom_llm_provider").and_then(|node| read::text(sink, "custom_llm_provider", node));
    let (prefix, rest) = model.split_once('/').unwrap_or(("", model));
    (deployment.provider, deployment.model) = match explicit {
        Some(provider) if provider == prefix => (provider, rest.to_owned()),
        Some(provider) => (provider, model.to_owned()),
        // OpenRouter's own model is called by its full name.
        None if model == "openrouter/auto" => (prefix.to_owned(), model.to_owned()),
        None => (prefix.to_owned(), rest.to_owned()),
    };
    let Some(node) = params.get("model") else { return };
    deployment.model_place = node.place.clone();
    if deployment.model.is_empty() {
        sink.error(&node.place, format!("`{model}` names no model after its provider"));
    }
}

/// What is to be said of a `*` in the name or in the model.
fn wildcard(deployment: &Deployment, params: &Mapping, sink: &mut Sink) {
    let Some(node) = params.get("model") else { return };
    if is_pattern(&deployment.provider) {
        sink.error(
            &node.place,
            "a `*` cannot stand for the provider alone; write the provider, or `*` for both",
        );
    } else if is_pattern(&deployment.model) && !is_pattern(&deployment.group) {
        let message = "`model` has a `*` and `model_name` has none, so the provider is asked for a model with that name";
        sink.warn(&node.place, message);
    }
}

fn take(deployment: &mut Deployment, param: &Entry, sink: &mut Sink) {
    let (key, node) = (param.key.as_str(), &param.node);
    match params::role(key) {
        Role::NotYet(instead) => sink.warn(&param.key_place, format!("`{key}`: {instead}")),
        _ if node.is_null() => {}
        Role::Typed => typed(deployment, param, sink),
        Role::Secret => {
            let text = match &node.value {
                Value::Mapping(_) => Some(node.to_json().to_string()),
                _ => read::text(sink, key, node),
            };
            if let Some(text) = text {
                deployment.secrets.insert(key.to_owned(), Secret::new(text));
            }
        }
        Role::Provider => provider(deployment, param, sink),
        Role::Request if key == "metadata" && !is_words(node) => sink.warn(
            &param.key_place,
            "`metadata` with values that are no texts is litellm's own, which no provider gets; it does nothing here",
        ),
        Role::Request => {
            deployment.defaults.insert(key.to_owned(), node.to_json());
        }
        Role::Unknown => {
            let hint = suggest::did_you_mean(key, params::known());
            let message =
                format!("`{key}` is not a known parameter; it is sent to the provider with every request");
            if hint.is_some() {
                sink.warn_hint(&param.key_place, message, hint);
            } else {
                sink.info(&param.key_place, message);
            }
            deployment.defaults.insert(key.to_owned(), node.to_json());
        }
    }
}

/// Whether it is a map of texts, as OpenAI's `metadata` is.
fn is_words(node: &Node) -> bool {
    let Value::Mapping(mapping) = &node.value else { return false };
    mapping.entries.iter().all(|entry| matches!(entry.node.value, Value::String(_)))
}

fn provider(deployment: &mut Deployment, param: &Entry, sink: &mut Sink) {
    let (key, node) = (param.key.as_str(), &param.node);
    let node = match &node.value {
        Value::Sequence(items) if key == "organization" => {
            sink.warn(&node.place, "a list of organizations is not supported yet; the first one is used");
            let Some(first) = items.first() else { return };
            first
        }
        _ => node,
    };
    if params::FLAGS.contains(&key) {
        if let Some(flag) = read::flag(sink, key, node) {
            deployment.params.insert(key.to_owned(), flag.into());
        }
        return;
    }
    let Some(text) = read::text(sink, key, node) else { return };
    if matches!(key, "api_base" | "base_url")
        && !(text.starts_with("http://") || text.starts_with("https://"))
    {
        sink.error(&node.place, format!("`{key}` takes an address that starts with http:// or https://"));
        return;
    }
    // The OpenAI SDK's name for the same thing.
    let key = if key == "base_url" { "api_base" } else { key };
    deployment.params.insert(key.to_owned(), text.into());
}

fn typed(deployment: &mut Deployment, param: &Entry, sink: &mut Sink) {
    let (key, node) = (param.key.as_str(), &param.node);
    match key {
        "extra_headers" | "headers" => headers(deployment, key, node, sink),
        "weight" => deployment.weight = read::number(sink, key, node),
        "rpm" => deployment.rpm = read::count(sink, key, node),
        "tpm" => deployment.tpm = read::count(sink, key, node),
        "order" => deployment.order = read::integer(sink, key, node),
        "max_parallel_requests" => {
            deployment.max_parallel_requests = read::count(sink, key, node);
            sink.info(
                &param.key_place,
                "a request waits at most `tidegate.clocks.queue` for one of these; litellm waits without a bound",
            );
        }
        "input_cost_per_token" | "output_cost_per_token" => price(deployment, param, sink),
        "timeout" => deployment.timeout = timeout(sink, key, node).or(deployment.timeout),
        // `timeout` wins wherever it stands.
        "request_timeout" => deployment.timeout = deployment.timeout.or(timeout(sink, key, node)),
        "stream_timeout" => deployment.stream_timeout = timeout(sink, key, node),
        "cooldown_time" => deployment.cooldown_time = read::number(sink, key, node),
        "num_retries" => deployment.num_retries = read::count(sink, key, node),
        "max_retries" => sink.info(
            &param.key_place,
            "`max_retries` is for the SDK inside litellm, whose router turns it off; the retries here are `num_retries`",
        ),
        "drop_params" => deployment.drop_params = read::flag(sink, key, node),
        "additional_drop_params" => deployment.dropped = dropped(sink, key, node),
        "extra_body" => {
            for member in read::mapping(sink, key, node).into_iter().flat_map(|extra| &extra.entries) {
                if KEPT.contains(&member.key.as_str()) {
                    let message = format!("`{key}` cannot set `{}`: it would be another request", member.key);
                    sink.error(&member.key_place, message);
                }
                deployment.extra_body.insert(member.key.clone(), member.node.to_json());
            }
        }
        "cache_control_injection_points" => sink.error_hint(
            &param.key_place,
            format!("`{key}`: prompts are not marked for a cache here, and the provider would refuse the key"),
            Some("remove it; a client's own `cache_control` marks are passed on".to_owned()),
        ),
        // `model` and `custom_llm_provider` are read together.
        _ => {}
    }
}

/// What is answered instead of calling the provider.
fn mocked(deployment: &mut Deployment, params: &Mapping, sink: &mut Sink) {
    let keys = ["mock_response", "mock_tool_calls"];
    let [response, calls] = keys.map(|key| params.get(key).map(Node::to_json).unwrap_or_default());
    let Some(first) = keys.iter().find_map(|key| params.entry(key).filter(|entry| !entry.node.is_null()))
    else {
        return;
    };
    match Mocked::of(&response, &calls) {
        Ok(mocked) => {
            deployment.mocked = mocked;
            let message =
                format!("`{}`: every request is answered so, and the provider is never called", first.key);
            sink.info(&first.key_place, message);
        }
        Err(why) => sink.error(&first.node.place, why),
    }
}

/// Without these it is another request.
const KEPT: [&str; 6] = ["model", "messages", "prompt", "input", "contents", "stream"];

/// Names of members of a request. litellm also knows paths into them.
fn dropped(sink: &mut Sink, key: &str, node: &Node) -> Vec<String> {
    let mut names = Vec::new();
    for item in read::list(sink, key, node) {
        let Some(name) = read::text(sink, key, item) else { continue };
        if name.contains(['[', '.']) {
            let message = format!(
                "`{name}` is a path into a parameter, which cannot be dropped here; only whole parameters can, such as `{}`",
                name.split(['[', '.']).next().unwrap_or_default()
            );
            sink.error(&item.place, message);
        } else if KEPT.contains(&name.as_str()) {
            sink.error(&item.place, format!("`{name}` cannot be dropped: without it, it is another request"));
        } else {
            names.push(name);
        }
    }
    names
}

/// The price of a token. It may stand in `litellm_params`, which goes first, or in `model_info`.
fn price(deployment: &mut Deployment, entry: &Entry, sink: &mut Sink) {
    let Some(price) = read::number(sink, &entry.key, &entry.node) else { return };
    let slot = match entry.key.as_str() {
        "input_cost_per_token" => &mut deployment.input_cost,
        _ => &mut deployment.output_cost,
    };
    slot.get_or_insert(price);
    sink.info(
        &entry.key_place,
        format!(
            "`{}`: costs are not tracked; policies and `cost-based-routing` choose by the price",
            entry.key
        ),
    );
}

/// Seconds, as litellm writes its timeouts. 0 counts as not written, in litellm as here: it cannot be meant.
pub(super) fn timeout(sink: &mut Sink, name: &str, node: &Node) -> Option<Duration> {
    let seconds = match &node.value {
        // Tidegate's own form.
        Value::String(text) if text.trim().parse::<f64>().is_err() => match units::duration(text.trim()) {
            Ok(duration) => duration.as_secs_f64(),
            Err(_) => {
                sink.error(
                    &node.place,
                    format!("`{name}` takes a number of seconds, or a duration such as 30s"),
                );
                return None;
            }
        },
        _ => read::number(sink, name, node)?,
    };
    if seconds == 0.0 {
        sink.warn(&node.place, format!("`{name}: 0` counts as not written, in litellm as here"));
        return None;
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if seconds <= 1e8 && !duration.is_zero() => Some(duration),
        _ => {
            sink.error(&node.place, format!("`{name}` is too large or too small for a number of seconds"));
            None
        }
    }
}

fn headers(deployment: &mut Deployment, key: &str, node: &Node, sink: &mut Sink) {
    let Some(mapping) = read::mapping(sink, key, node) else { return };
    for header in &mapping.entries {
        let Some(text) = read::text(sink, &header.key, &header.node) else { continue };
        if http::HeaderName::try_from(&header.key).is_err() {
            sink.error(&header.key_place, "this is not a header's name");
        } else if http::HeaderValue::try_from(&text).is_err() {
            sink.error(&header.node.place, "a header's value cannot hold these characters");
        } else {
            deployment.headers.insert(header.key.to_ascii_lowercase(), Secret::new(text));
        }
    }
}

/// Reads `model_info`. False when the entry is not meant for this environment.
fn model_info(deployment: &mut Deployment, node: Option<&Node>, env: &dyn Env, sink: &mut Sink) -> bool {
    let Some(node) = node.map(|node| env::resolve(node, env, sink)) else { return true };
    let Some(mapping) = read::mapping(sink, "model_info", &node) else { return true };
    let mut active = true;
    for entry in &mapping.entries {
        match entry.key.as_str() {
            // litellm reads it here too, when `litellm_params` has none.
            "order" => deployment.order = deployment.order.or(read::integer(sink, "order", &entry.node)),
            // These are read by newer versions of litellm alone.
            key @ "allowed_fails" => deployment.allowed_fails = read::count(sink, key, &entry.node),
            key @ "allowed_fails_policy" => {
                deployment.allowed_fails_policy = policies::read(sink, key, &entry.node, Of::AllowedFails);
            }
            key @ "cooldown_time" => {
                let written = read::number(sink, key, &entry.node);
                deployment.cooldown_time = deployment.cooldown_time.or(written);
            }
            "input_cost_per_token" | "output_cost_per_token" => price(deployment, entry, sink),
            "id" => deployment.id = read::text(sink, "id", &entry.node).unwrap_or_default(),
            "supported_environments" => {
                let wanted = read::texts(sink, "supported_environments", &entry.node);
                let here = env.var("LITELLM_ENVIRONMENT");
                if !entry.node.is_null() && !here.as_ref().is_some_and(|here| wanted.contains(here)) {
                    active = false;
                    let here = here.unwrap_or_else(|| "not set".to_owned());
                    let message = format!("this deployment is left out: LITELLM_ENVIRONMENT is {here}");
                    sink.warn(&entry.key_place, message);
                }
            }
            _ => {
                deployment.responses |=
                    entry.key == "mode" && entry.node.value == Value::String("responses".into());
                unsupported::model_info(entry, sink);
            }
        }
    }
    active
}
