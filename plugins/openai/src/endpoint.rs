//! Where a deployment's requests go.

use tidegate_plugin_sdk::{Config, Dialect};

use crate::quirks::Quirks;

/// A deployment's address, made once.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What stands before the path of a dialect.
    base: String,
    /// What follows the path, with its `?`; or nothing.
    query: String,
    /// Headers beside the key.
    pub headers: Vec<(&'static str, String)>,
}

impl Endpoint {
    /// The URL of a dialect; `None`: it is not one of OpenAI's.
    pub fn url(&self, dialect: Dialect) -> Option<String> {
        let path = tidegate_openai_wire::path(dialect)?;
        Some(format!("{}{path}{}", self.base, self.query))
    }

    /// From `api_base` (or `base_url`), which may have a query of its own; `extra_query` adds to it.
    pub fn of(config: &Config, quirks: &Quirks) -> Result<Self, String> {
        let provider = &config.provider;
        let written = config
            .text("api_base")
            .or_else(|| config.text("base_url"))
            .ok_or_else(|| format!("{provider}/ needs \"api_base\", the URL that ends in /v1"))?;
        if !(written.starts_with("http://") || written.starts_with("https://")) {
            return Err(format!(
                "\"api_base\" must begin with http:// or https://, and {written:?} does not"
            ));
        }
        let (path, query) = written.split_once('?').unwrap_or((written, ""));
        let mut base = path.trim_end_matches('/').to_owned();
        match base.strip_suffix("/chat/completions").map(str::len) {
            Some(length) => base.truncate(length),
            None => {
                let missing = quirks.base_path.as_deref().filter(|end| !base.ends_with(end));
                base.push_str(missing.unwrap_or_default());
            }
        }
        let own = query.split('&').filter(|part| !part.is_empty()).map(str::to_owned);
        let query = tidegate_openai_wire::query(own.chain(tidegate_openai_wire::extra_query(config)?));
        let organization = config.text("organization").map(|name| ("openai-organization", name.to_owned()));
        Ok(Endpoint { base, query, headers: organization.into_iter().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

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
            let made = endpoint(provider, json!({"api_base": base})).unwrap();
            assert_eq!(made.url(Dialect::OpenAiChat).as_deref(), Some(want));
            for (dialect, end) in [
                (Dialect::OpenAiCompletions, "/completions"),
                (Dialect::OpenAiEmbeddings, "/embeddings"),
                (Dialect::OpenAiResponses, "/responses"),
            ] {
                assert_eq!(made.url(dialect), Some(want.replace("/chat/completions", end)));
            }
            assert_eq!(made.url(Dialect::AnthropicMessages), None);
        }
    }

    #[test]
    fn adds_queries_and_the_organization() {
        let params =
            json!({"base_url": "http://h?a=1", "extra_query": {"b c": "ü&", "d": 2}, "organization": "org"});
        let made = endpoint("openai", params).unwrap();
        let url = made.url(Dialect::OpenAiChat).unwrap();
        assert_eq!(url, "http://h/chat/completions?a=1&b%20c=%C3%BC%26&d=2");
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
    }
}
