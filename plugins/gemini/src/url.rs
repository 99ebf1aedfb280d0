//! Where a deployment's requests go.

use tidegate_plugin_sdk::Config;
use tidegate_plugin_sdk::url::escape;

use crate::model::{Maker, Model};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// A Gemini answer, as a stream.
    Stream,
    /// A Gemini answer.
    Whole,
    /// How many tokens a request has.
    Count,
    /// Embeddings: the Gemini API has a method of its own, Vertex AI its general one.
    Embed,
    /// A stream in the model's own dialect.
    RawStream,
    /// An answer in the model's own dialect.
    Raw,
    /// An OpenAI chat completion, streamed or not.
    Chat,
}

/// The model of Vertex AI's that counts Claude's tokens.
pub(crate) const COUNT_TOKENS: &str = "count-tokens";

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
    Project(Project),
}

/// A project at a place of Vertex AI's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Project {
    /// Scheme and host.
    origin: String,
    version: &'static str,
    project: String,
    location: String,
    /// An endpoint behind Private Service Connect: every model's name is an endpoint's.
    private: bool,
}

impl Endpoint {
    pub(crate) fn of(config: &Config) -> Result<Self, String> {
        let base = config.text("api_base").or_else(|| config.text("base_url")).map(check_base).transpose()?;
        if config.provider == "gemini" {
            return Ok(Endpoint::Api { base });
        }
        // litellm takes both spellings.
        let either = |one, other| config.text(one).or_else(|| config.text(other));
        let private = config.params.get("use_psc_endpoint_format").is_some_and(is_true);
        let base = match base {
            Some(base) if !private => return Ok(Endpoint::Vertex { at: Vertex::Base(base) }),
            base => base,
        };
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
        let origin = match (base, location.as_str()) {
            (Some(base), _) => base,
            (None, _) if private => {
                return Err("\"use_psc_endpoint_format\" needs \"api_base\", the private endpoint's address"
                    .to_owned());
            }
            (None, "global") => "https://aiplatform.googleapis.com".to_owned(),
            // The multi-regions have hosts of their own (google-genai 3.4).
            (None, "us" | "eu") => format!("https://aiplatform.{location}.rep.googleapis.com"),
            (None, _) => format!("https://{location}-aiplatform.googleapis.com"),
        };
        let version = if config.provider == "vertex_ai_beta" { "v1beta1" } else { "v1" };
        let project = Project { origin, version, project, location, private };
        Ok(Endpoint::Vertex { at: Vertex::Project(project) })
    }

    /// Whether it is Vertex AI's.
    pub(crate) fn is_vertex(&self) -> bool {
        matches!(self, Endpoint::Vertex { .. })
    }

    /// Whether calls and their results may name their ids: Vertex AI refuses them ("Unknown name \"id\" at
    /// 'contents[1].parts[0].function_call'": vercel/ai#15664), also where it is asked with a key of its express mode.
    pub(crate) fn takes_ids_of_calls(&self) -> bool {
        match self {
            Endpoint::Vertex { .. } => false,
            Endpoint::Api { base } => {
                !base.as_ref().is_some_and(|base| base.contains("aiplatform.googleapis.com"))
            }
        }
    }

    /// Whether it is known where Claude's tokens are counted: a base of the configuration's may name no model that
    /// [`COUNT_TOKENS`] could stand for.
    pub(crate) fn counts_claude(&self) -> bool {
        match self {
            Endpoint::Vertex { at: Vertex::Base(base) } => counting(base).is_some(),
            _ => true,
        }
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
            Endpoint::Vertex { at: Vertex::Base(base) } if method == Method::Chat => {
                return format!("{base}/chat/completions");
            }
            Endpoint::Vertex { at: Vertex::Base(base) } if model.name == COUNT_TOKENS => {
                counting(base).unwrap_or_else(|| base.clone())
            }
            Endpoint::Vertex { at: Vertex::Base(base) } => base.clone(),
            Endpoint::Vertex { at: Vertex::Project(project) } if method == Method::Chat => {
                return project.chat();
            }
            Endpoint::Vertex { at: Vertex::Project(project) } => project.resource(model, &name),
        };
        let method = match (method, self) {
            (Method::Stream, _) => "streamGenerateContent?alt=sse",
            (Method::Whole, _) => "generateContent",
            (Method::Count, _) => "countTokens",
            (Method::Embed, Endpoint::Api { .. }) => "batchEmbedContents",
            (Method::Embed, Endpoint::Vertex { .. }) => "predict",
            (Method::RawStream, _) => "streamRawPredict",
            (Method::Raw | Method::Chat, _) => "rawPredict",
        };
        format!("{path}:{method}")
    }
}

/// A base that names a model, with [`COUNT_TOKENS`] instead.
fn counting(base: &str) -> Option<String> {
    let (place, _) = base.rsplit_once('/').filter(|(place, _)| place.ends_with("/models"))?;
    Some(format!("{place}/{COUNT_TOKENS}"))
}

impl Project {
    fn place(&self) -> String {
        let Project { origin, version, project, location, .. } = self;
        format!("{origin}/{version}/projects/{project}/locations/{location}")
    }

    fn resource(&self, model: &Model, name: &str) -> String {
        let resource = match model.maker {
            _ if self.private || model.is_tuned() => "endpoints",
            Maker::Anthropic => "publishers/anthropic/models",
            Maker::Mistral => "publishers/mistralai/models",
            Maker::Google | Maker::Open => "publishers/google/models",
        };
        format!("{}/{resource}/{name}", self.place())
    }

    /// The OpenAI endpoint, whose body names the model.
    fn chat(&self) -> String {
        format!("{}/endpoints/openapi/chat/completions", self.place())
    }
}

/// As YAML's readers and litellm's users write it.
fn is_true(value: &serde_json::Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")))
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
            let model = Model::of(model, endpoint.is_vertex()).unwrap();
            assert_eq!(endpoint.url(&model, Method::Whole), format!("{want}:generateContent"));
            assert_eq!(endpoint.url(&model, Method::Stream), format!("{want}:streamGenerateContent?alt=sse"));
        }
    }

    #[test]
    fn claudes_tokens_are_counted_beside_the_model_of_a_base() {
        let count = Model { name: COUNT_TOKENS.to_owned(), ..Model::of("claude-haiku-4-5", true).unwrap() };
        for (base, want) in [
            (
                "http://h/v1/publishers/anthropic/models/claude-haiku-4-5",
                Some("http://h/v1/publishers/anthropic/models"),
            ),
            ("http://h/claude", None),
        ] {
            let vertex = endpoint("vertex_ai", json!({"api_base": base})).unwrap();
            assert_eq!(vertex.counts_claude(), want.is_some(), "{base}");
            if let Some(want) = want {
                assert_eq!(vertex.url(&count, Method::Raw), format!("{want}/count-tokens:rawPredict"));
            }
        }
    }

    #[test]
    fn other_makers_and_methods_have_urls_of_their_own() {
        let vertex =
            endpoint("vertex_ai", json!({"vertex_project": "p", "vertex_location": "us-east5"})).unwrap();
        let place = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5";
        for (model, method, want) in [
            (
                "claude-sonnet-4@20250514",
                Method::RawStream,
                "/publishers/anthropic/models/claude-sonnet-4@20250514:streamRawPredict",
            ),
            ("claude-haiku-4-5", Method::Raw, "/publishers/anthropic/models/claude-haiku-4-5:rawPredict"),
            (
                "mistral-large-2411",
                Method::RawStream,
                "/publishers/mistralai/models/mistral-large-2411:streamRawPredict",
            ),
            ("meta/llama-4", Method::Chat, "/endpoints/openapi/chat/completions"),
            ("gemini-2.5-pro", Method::Count, "/publishers/google/models/gemini-2.5-pro:countTokens"),
            ("text-embedding-005", Method::Embed, "/publishers/google/models/text-embedding-005:predict"),
        ] {
            assert_eq!(vertex.url(&Model::of(model, true).unwrap(), method), format!("{place}{want}"));
        }
        let api = endpoint("gemini", json!({})).unwrap();
        let url = api.url(&Model::of("gemini-embedding-001", false).unwrap(), Method::Embed);
        assert_eq!(
            url,
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents"
        );
        let base = endpoint("vertex_ai", json!({"api_base": "http://h/m"})).unwrap();
        let claude = Model::of("claude-x", true).unwrap();
        assert_eq!(base.url(&claude, Method::RawStream), "http://h/m:streamRawPredict");
        assert_eq!(base.url(&Model::of("a/b", true).unwrap(), Method::Chat), "http://h/m/chat/completions");
        let private = json!({"vertex_project": "p", "vertex_location": "eu", "api_base": "http://10.0.0.1/", "use_psc_endpoint_format": "True"});
        let private = endpoint("vertex_ai", private).unwrap();
        assert_eq!(
            private.url(&Model::of("my-endpoint", true).unwrap(), Method::Whole),
            "http://10.0.0.1/v1/projects/p/locations/eu/endpoints/my-endpoint:generateContent"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (params, why) in [
            (json!({}), "needs \"vertex_project\""),
            (json!({"vertex_project": "p", "vertex_location": "evil.test/"}), "\"vertex_location\""),
            (json!({"vertex_project": "p/../q"}), "\"vertex_project\""),
            (json!({"api_base": "ftp://h"}), "http://"),
            (json!({"vertex_project": "p", "use_psc_endpoint_format": true}), "needs \"api_base\""),
        ] {
            let said = endpoint("vertex_ai", params).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
