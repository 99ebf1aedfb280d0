//! Where a deployment's requests go.

use tidegate_plugin_sdk::Config;
use tidegate_plugin_sdk::url::escape;

use crate::model::Model;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Stream,
    Whole,
}

/// A deployment's address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The Gemini API; `base` is a base of the configuration's.
    Api { base: Option<String> },
    /// Vertex AI.
    Vertex { at: Vertex },
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Vertex {
    /// The method is appended to it, as litellm does.
    Base(String),
    Project {
        host: String,
        version: &'static str,
        project: String,
        location: String,
    },
}

impl Endpoint {
    pub(crate) fn of(config: &Config) -> Result<Self, String> {
        let base = config.text("api_base").or_else(|| config.text("base_url")).map(check_base).transpose()?;
        if config.provider == "gemini" {
            return Ok(Endpoint::Api { base });
        }
        if let Some(base) = base {
            return Ok(Endpoint::Vertex { at: Vertex::Base(base) });
        }
        // litellm takes both spellings.
        let either = |one, other| config.text(one).or_else(|| config.text(other));
        let project = either("vertex_ai_project", "vertex_project").ok_or_else(|| {
            format!(
                "{}/ needs \"vertex_project\", the project's id (or the variable VERTEXAI_PROJECT)",
                config.provider
            )
        })?;
        let project = check_word("vertex_project", project)?;
        let location = check_word(
            "vertex_location",
            either("vertex_ai_location", "vertex_location").unwrap_or("us-central1"),
        )?;
        let host = match location.as_str() {
            "global" => "aiplatform.googleapis.com".to_owned(),
            // The multi-regions have hosts of their own (google-genai 3.4).
            "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
            _ => format!("{location}-aiplatform.googleapis.com"),
        };
        let version = if config.provider == "vertex_ai_beta" { "v1beta1" } else { "v1" };
        Ok(Endpoint::Vertex { at: Vertex::Project { host, version, project, location } })
    }

    pub(crate) fn url(&self, model: &Model, method: Method) -> String {
        // A client may name the model.
        let name = escape(&model.name, b"@");
        let path = match self {
            Endpoint::Api { base: Some(base) } => format!("{base}/models/{name}"),
            Endpoint::Api { base: None } => {
                // litellm's rule: new models appear there first.
                let version = if model.is_third_or_later() { "v1alpha" } else { "v1beta" };
                format!("https://generativelanguage.googleapis.com/{version}/models/{name}")
            }
            Endpoint::Vertex { at: Vertex::Base(base) } => base.clone(),
            Endpoint::Vertex { at: Vertex::Project { host, version, project, location } } => {
                let resource = if model.is_tuned() { "endpoints" } else { "publishers/google/models" };
                format!("https://{host}/{version}/projects/{project}/locations/{location}/{resource}/{name}")
            }
        };
        match method {
            Method::Stream => format!("{path}:streamGenerateContent?alt=sse"),
            Method::Whole => format!("{path}:generateContent"),
        }
    }
}

fn check_base(base: &str) -> Result<String, String> {
    if base.starts_with("http://") || base.starts_with("https://") {
        Ok(base.trim_end_matches('/').to_owned())
    } else {
        Err(format!("\"api_base\" must begin with http:// or https://, and {base:?} does not"))
    }
}

/// A part of a host or of a path: nothing in it may change where the request goes.
fn check_word(name: &str, word: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if word.bytes().all(legal) {
        Ok(word.to_owned())
    } else {
        Err(format!(
            "\"{name}\" is {word:?}: only letters, digits, \"-\", \"_\", \".\" and \":\" may stand in it"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn endpoint(provider: &str, params: Value) -> Result<Endpoint, String> {
        Endpoint::of(&serde_json::from_value(json!({"provider": provider, "params": params})).unwrap())
    }

    #[test]
    fn makes_every_url() {
        let rows = [
            (
                "gemini",
                json!({}),
                "gemini-2.5-pro",
                "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro",
            ),
            (
                "gemini",
                json!({}),
                "gemini-3-pro",
                "https://generativelanguage.googleapis.com/v1alpha/models/gemini-3-pro",
            ),
            ("gemini", json!({"api_base": "http://h/x/"}), "gemini-3-pro", "http://h/x/models/gemini-3-pro"),
            (
                "gemini",
                json!({}),
                "a?b#c d",
                "https://generativelanguage.googleapis.com/v1beta/models/a%3Fb%23c%20d",
            ),
            ("vertex_ai", json!({"api_base": "http://h/m"}), "gemini-2.5-pro", "http://h/m"),
            (
                "vertex_ai",
                json!({"vertex_project": "p"}),
                "gemini-2.5-pro",
                "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/google/models/gemini-2.5-pro",
            ),
            (
                "vertex_ai",
                json!({"vertex_ai_project": "p", "vertex_ai_location": "global", "vertex_location": "us-central1"}),
                "gemini-2.5-pro",
                "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-pro",
            ),
            (
                "vertex_ai_beta",
                json!({"vertex_project": "example.com:p", "vertex_location": "eu"}),
                "987",
                "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/example.com:p/locations/eu/endpoints/987",
            ),
        ];
        for (provider, params, model, want) in rows {
            let endpoint = endpoint(provider, params).unwrap();
            let model = Model::of(model).unwrap();
            assert_eq!(endpoint.url(&model, Method::Whole), format!("{want}:generateContent"));
            assert_eq!(endpoint.url(&model, Method::Stream), format!("{want}:streamGenerateContent?alt=sse"));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (params, why) in [
            (json!({}), "needs \"vertex_project\""),
            (json!({"vertex_project": "p", "vertex_location": "evil.test/"}), "\"vertex_location\""),
            (json!({"vertex_project": "p/../q"}), "\"vertex_project\""),
            (json!({"api_base": "ftp://h"}), "http://"),
        ] {
            let said = endpoint("vertex_ai", params).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
