//! Where a deployment's requests go.

use tidegate_plugin_sdk::Config;

/// A deployment's address: the URL of its Messages, without a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    messages: String,
    query: String,
}

const MESSAGES: &str = "/v1/messages";

impl Endpoint {
    /// From `api_base` (or `base_url`), which may have a query. litellm's rule: `/v1/messages` is added unless it ends so;
    /// one that ends in `/v1`, as the base URLs of OpenAI's dialect do, gets the rest.
    pub(crate) fn of(config: &Config) -> Result<Self, String> {
        let base = config.text("api_base").or_else(|| config.text("base_url")).ok_or_else(|| {
            format!("{}/ needs \"api_base\", such as https://api.anthropic.com", config.provider)
        })?;
        if !(base.starts_with("http://") || base.starts_with("https://")) {
            return Err(format!("\"api_base\" must begin with http:// or https://, and {base:?} does not"));
        }
        let (path, query) = base.split_once('?').unwrap_or((base, ""));
        let path = path.trim_end_matches('/');
        let stem = path.strip_suffix(MESSAGES).or_else(|| path.strip_suffix("/v1")).unwrap_or(path);
        Ok(Endpoint { messages: format!("{stem}{MESSAGES}"), query: query.to_owned() })
    }

    /// Messages, or what is `below` them, such as `/count_tokens`.
    pub(crate) fn url(&self, below: &str) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{}{below}{mark}{}", self.messages, self.query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn endpoint(params: Value) -> Result<Endpoint, String> {
        Endpoint::of(&serde_json::from_value(json!({"provider": "anthropic", "params": params})).unwrap())
    }

    #[test]
    fn makes_the_url_of_a_base() {
        for (base, want) in [
            ("https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/", "https://api.anthropic.com/v1/messages"),
            ("http://h/v1", "http://h/v1/messages"),
            ("http://h/v1/messages", "http://h/v1/messages"),
            ("http://h/a/b//", "http://h/a/b/v1/messages"),
            ("http://h/x?k=1", "http://h/x/v1/messages?k=1"),
        ] {
            let made = endpoint(json!({"api_base": base})).unwrap();
            assert_eq!(made.url(""), want);
            assert_eq!(endpoint(json!({"base_url": base})).unwrap(), made);
        }
        let made = endpoint(json!({"api_base": "http://h?k=1"})).unwrap();
        assert_eq!(made.url("/count_tokens"), "http://h/v1/messages/count_tokens?k=1");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (params, why) in
            [(json!({}), "needs \"api_base\""), (json!({"api_base": "h:1"}), "must begin with http://")]
        {
            let said = endpoint(params).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
