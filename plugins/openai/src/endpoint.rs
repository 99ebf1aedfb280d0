//! Where a deployment's requests go.

use serde_json::Value;
use tidegate_plugin_sdk::Config;
use tidegate_plugin_sdk::url::escape;

use crate::quirks::Quirks;

/// A deployment's address, made once.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL of its chat completions.
    pub url: String,
    /// Headers beside the key.
    pub headers: Vec<(&'static str, String)>,
}

impl Endpoint {
    /// From `api_base` (or `base_url`), which may have a query of its own; `extra_query` adds to it.
    pub fn of(config: &Config, quirks: &Quirks) -> Result<Self, String> {
        let provider = &config.provider;
        if config.model.starts_with("responses/") {
            return Err(format!("{provider}/{}: the Responses API is not supported yet", config.model));
        }
        let base = config
            .text("api_base")
            .or_else(|| config.text("base_url"))
            .ok_or_else(|| format!("{provider}/ needs \"api_base\", the URL that ends in /v1"))?;
        if !(base.starts_with("http://") || base.starts_with("https://")) {
            return Err(format!("\"api_base\" must begin with http:// or https://, and {base:?} does not"));
        }
        let (path, query) = base.split_once('?').unwrap_or((base, ""));
        let mut path = path.trim_end_matches('/').to_owned();
        let whole = path.ends_with("/chat/completions");
        if let Some(base_path) = quirks.base_path.as_deref().filter(|base| !whole && !path.ends_with(base)) {
            path.push_str(base_path);
        }
        if !whole {
            path.push_str("/chat/completions");
        }
        let query = join_query(query, config.params.get("extra_query"))?;
        let url = if query.is_empty() { path } else { format!("{path}?{query}") };
        let organization = config.text("organization").map(|name| ("openai-organization", name.to_owned()));
        Ok(Endpoint { url, headers: organization.into_iter().collect() })
    }
}

fn join_query(own: &str, extra: Option<&Value>) -> Result<String, String> {
    let mut query = own.to_owned();
    let extra = match extra {
        None | Some(Value::Null) => return Ok(query),
        Some(Value::Object(extra)) => extra,
        Some(_) => return Err("\"extra_query\" must be a mapping of names to values".to_owned()),
    };
    for (name, value) in extra {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(format!("\"extra_query\": {name:?} must be text, a number, true or false")),
        };
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&format!("{}={}", escape(name, b""), escape(&value, b"")));
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn endpoint(provider: &str, params: Value) -> Result<Endpoint, String> {
        let config = serde_json::from_value(json!({"provider": provider, "params": params})).unwrap();
        Endpoint::of(&config, &Quirks::of(&config)?)
    }

    #[test]
    fn makes_the_url_of_a_base() {
        let rows = [
            ("openai", "https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
            ("openai", "http://127.0.0.1:9/v1//", "http://127.0.0.1:9/v1/chat/completions"),
            ("openai", "http://h/v1?api-version=1", "http://h/v1/chat/completions?api-version=1"),
            ("openai", "http://h/v1/chat/completions", "http://h/v1/chat/completions"),
            ("mistral", "https://api.mistral.ai", "https://api.mistral.ai/v1/chat/completions"),
            ("mistral", "https://api.mistral.ai/v1", "https://api.mistral.ai/v1/chat/completions"),
            ("mistral", "https://h/v1/chat/completions", "https://h/v1/chat/completions"),
            ("perplexity", "https://api.perplexity.ai", "https://api.perplexity.ai/chat/completions"),
        ];
        for (provider, base, want) in rows {
            assert_eq!(endpoint(provider, json!({"api_base": base})).unwrap().url, want);
        }
    }

    #[test]
    fn adds_queries_and_the_organization() {
        let params =
            json!({"base_url": "http://h?a=1", "extra_query": {"b c": "ü&", "d": 2}, "organization": "org"});
        let made = endpoint("openai", params).unwrap();
        assert_eq!(made.url, "http://h/chat/completions?a=1&b%20c=%C3%BC%26&d=2");
        assert_eq!(made.headers, [("openai-organization", "org".to_owned())]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (params, why) in [
            (json!({}), "needs \"api_base\""),
            (json!({"api_base": ""}), "needs \"api_base\""),
            (json!({"api_base": "localhost:8000"}), "must begin with http://"),
            (json!({"api_base": "http://h", "extra_query": 3}), "must be a mapping"),
            (json!({"api_base": "http://h", "extra_query": {"x": []}}), "must be text"),
        ] {
            let said = endpoint("hosted_vllm", params).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        let config =
            serde_json::from_value(json!({"provider": "openai", "model": "responses/gpt-5"})).unwrap();
        assert!(Endpoint::of(&config, &Quirks::default()).unwrap_err().contains("Responses API"));
    }
}
