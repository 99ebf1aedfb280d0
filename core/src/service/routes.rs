//! The paths of the data port.

use http::{HeaderMap, Method};

use super::{google, health};
use crate::dialects::{Dialect, Route};

/// What a path is for.
#[derive(Debug)]
pub(super) enum Place {
    /// A request for a model.
    Model(Route),
    /// The list of models.
    Models,
    /// One of them.
    AModel(String),
    /// The list of models as Google has it, or one of them.
    GoogleModels(Option<String>),
    /// A question of a load balancer.
    Health,
    /// An answer that OpenAI would have kept.
    Stored,
}

/// What stands at a path, and the methods that it takes.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) methods: &'static [Method],
}

const ASK: &[Method] = &[Method::POST];
/// hyper leaves out the body of an answer to HEAD.
const LOOK: &[Method] = &[Method::GET, Method::HEAD];
const ANY: &[Method] = &[Method::GET, Method::HEAD, Method::POST, Method::DELETE];

impl Found {
    /// Of a path and its query. `None`: nothing stands there.
    pub(super) fn at(path: &str, query: &str) -> Option<Self> {
        if let Some((model, method)) = google::of_claude(path) {
            return of_claude(model, &method).map(|route| Self { place: Place::Model(route), methods: ASK });
        }
        // Before OpenAI's, whose models have paths that look like Google's methods.
        match google::read(path, query).map(google::Asked::route) {
            Some(Ok(route)) => return Some(Self { place: Place::Model(route), methods: ASK }),
            Some(Err(asked)) => return Some(Self { place: Place::GoogleModels(asked.one()), methods: LOOK }),
            None => {}
        }
        if let Some((dialect, model)) = of_deployment(path) {
            let route = Route { model: Some(model), ..Route::of(dialect) };
            return Some(Self { place: Place::Model(route), methods: ASK });
        }
        // litellm's other path for Anthropic's clients.
        let path = path.strip_prefix("/anthropic").unwrap_or(path);
        // Azure's clients have it before what is no deployment's, and before its v1 surface.
        let path = path.strip_prefix("/openai").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        let dialect = match path.strip_prefix("/v1").unwrap_or(path) {
            "/chat/completions" => Dialect::OpenAiChat,
            "/completions" => Dialect::OpenAiCompletions,
            "/embeddings" => Dialect::OpenAiEmbeddings,
            "/responses" => Dialect::OpenAiResponses,
            "/messages" => Dialect::AnthropicMessages,
            "/messages/count_tokens" => Dialect::AnthropicCountTokens,
            "/models" => return Some(Self { place: Place::Models, methods: LOOK }),
            models if models.starts_with("/models/") => {
                let name = models.trim_start_matches("/models/");
                let name = google::decoded(name).unwrap_or_else(|| name.to_owned());
                return Some(Self { place: Place::AModel(name), methods: LOOK });
            }
            stored if stored.starts_with("/responses/") => {
                return Some(Self { place: Place::Stored, methods: ANY });
            }
            _ if health::is_path(path) => return Some(Self { place: Place::Health, methods: LOOK }),
            _ => return None,
        };
        Some(Self { place: Place::Model(Route::of(dialect)), methods: ASK })
    }
}

/// Claude as Vertex AI's clients ask for it: a message by `rawPredict`, a stream by `streamRawPredict`, a count of tokens by a
/// model of that name, where the body has the real one.
fn of_claude(model: String, method: &str) -> Option<Route> {
    let route = |dialect, model, stream| Route { model, stream: Some(stream), ..Route::of(dialect) };
    match (model.as_str(), method) {
        ("count-tokens", "rawPredict") => Some(route(Dialect::AnthropicCountTokens, None, false)),
        (_, "rawPredict") => Some(route(Dialect::AnthropicMessages, Some(model), false)),
        (_, "streamRawPredict") => Some(route(Dialect::AnthropicMessages, Some(model), true)),
        _ => None,
    }
}

/// Where a path names the model, as Azure's clients and old ones have it: `/openai/deployments/MODEL/chat/completions`,
/// `/engines/MODEL/embeddings`. A model's name may have a `/` in it.
fn of_deployment(path: &str) -> Option<(Dialect, String)> {
    let starts = ["/openai/deployments/", "/engines/", "/v1/engines/"];
    let rest = starts.iter().find_map(|start| path.strip_prefix(start))?;
    let ends = [
        ("/chat/completions", Dialect::OpenAiChat),
        ("/completions", Dialect::OpenAiCompletions),
        ("/embeddings", Dialect::OpenAiEmbeddings),
    ];
    let (model, dialect) =
        ends.iter().find_map(|(end, dialect)| Some((rest.strip_suffix(end)?, *dialect)))?;
    (!model.is_empty()).then(|| (dialect, google::decoded(model).unwrap_or_else(|| model.to_owned())))
}

/// The dialect in which an error at this path is worded. Anthropic's clients name the version that they speak.
pub(super) fn dialect_of(path: &str, headers: &HeaderMap) -> Dialect {
    let anthropics = path.starts_with("/v1/messages")
        || path.starts_with("/anthropic/")
        || path.contains("/publishers/anthropic/");
    if anthropics || headers.contains_key(VERSION) {
        Dialect::AnthropicMessages
    } else if google::is_googles(path) {
        Dialect::GeminiGenerate
    } else {
        Dialect::OpenAiChat
    }
}

/// The header that all of Anthropic's SDKs send.
pub(super) const VERSION: &str = "anthropic-version";

/// What a client of this dialect finds here.
pub(super) fn beside(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::AnthropicMessages => {
            "POST /v1/messages, POST /v1/messages/count_tokens and GET /v1/models; batches, files, skills and agents have to \
             be asked of Anthropic itself"
        }
        _ => {
            "POST /v1/chat/completions, /v1/responses, /v1/messages, /v1/completions and /v1/embeddings, GET /v1/models and GET \
             /health/liveliness"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(path: &str) -> Option<Dialect> {
        match Found::at(path, "beta=true")?.place {
            Place::Model(route) => Some(route.dialect),
            _ => None,
        }
    }

    #[test]
    fn anthropics_clients_find_their_paths() {
        for path in ["/v1/messages", "/anthropic/v1/messages"] {
            assert_eq!(dialect(path), Some(Dialect::AnthropicMessages), "{path}");
            assert_eq!(
                dialect(&format!("{path}/count_tokens")),
                Some(Dialect::AnthropicCountTokens),
                "{path}"
            );
            assert!(Found::at(&format!("{path}/batches"), "").is_none());
            assert_eq!(dialect_of(&format!("{path}/batches"), &HeaderMap::new()), Dialect::AnthropicMessages);
        }
        let versioned =
            [(http::HeaderName::from_static(VERSION), http::HeaderValue::from_static("2023-06-01"))];
        assert_eq!(dialect_of("/v1/files", &versioned.into_iter().collect()), Dialect::AnthropicMessages);
        assert_eq!(dialect_of("/v1/files", &HeaderMap::new()), Dialect::OpenAiChat);
    }

    #[test]
    fn vertex_ais_clients_of_claude_find_their_paths() {
        let at = |rest: &str| format!("/v1/projects/p/locations/us-east5/publishers/anthropic/models/{rest}");
        for (path, dialect, model, stream) in [
            (
                at("claude-x@20250929:rawPredict"),
                Dialect::AnthropicMessages,
                Some("claude-x@20250929"),
                false,
            ),
            (at("claude-x:streamRawPredict"), Dialect::AnthropicMessages, Some("claude-x"), true),
            (at("count-tokens:rawPredict"), Dialect::AnthropicCountTokens, None, false),
        ] {
            // With or without the version, which SDKs have in their base URL.
            for path in [&path, &path["/v1".len()..], &format!("/vertex_ai{path}")] {
                let Some(Found { place: Place::Model(route), .. }) = Found::at(path, "") else {
                    panic!("{path}")
                };
                assert_eq!((route.dialect, route.model.as_deref()), (dialect, model), "{path}");
                assert_eq!(route.stream, Some(stream), "{path}");
                assert_eq!(dialect_of(path, &HeaderMap::new()), Dialect::AnthropicMessages, "{path}");
            }
        }
        for method in ["predictLongRunning", "predict", "generateContent"] {
            assert!(Found::at(&at(&format!("claude-x:{method}")), "").is_none(), "{method}");
        }
    }

    #[test]
    fn azures_clients_find_their_paths() {
        for (path, want) in [
            ("/openai/responses", Dialect::OpenAiResponses),
            ("/openai/v1/responses", Dialect::OpenAiResponses),
            ("/openai/v1/chat/completions", Dialect::OpenAiChat),
            ("/openai/v1/embeddings", Dialect::OpenAiEmbeddings),
            ("/openai/v1/completions", Dialect::OpenAiCompletions),
        ] {
            assert_eq!(dialect(path), Some(want), "{path}");
        }
        for path in ["/openai/models", "/openai/v1/models"] {
            assert!(
                matches!(Found::at(path, "api-version=v1"), Some(Found { place: Place::Models, .. })),
                "{path}"
            );
        }
        let stored = Found::at("/openai/responses/resp_1", "");
        assert!(matches!(stored, Some(Found { place: Place::Stored, .. })));
        for path in ["/openai", "/openai/files", "/openai/v1/files", "/openaiv1/models"] {
            assert!(Found::at(path, "").is_none(), "{path}");
        }
    }

    #[test]
    fn a_path_may_name_the_model() {
        let model = |path| match Found::at(path, "")?.place {
            Place::Model(route) => Some((route.dialect, route.model)),
            _ => None,
        };
        for (path, dialect, name) in [
            ("/openai/deployments/gpt-4o/chat/completions", Dialect::OpenAiChat, "gpt-4o"),
            ("/openai/deployments/my%20gpt/embeddings", Dialect::OpenAiEmbeddings, "my gpt"),
            ("/openai/deployments/openai/gpt/completions", Dialect::OpenAiCompletions, "openai/gpt"),
            ("/engines/a%2Fb/chat/completions", Dialect::OpenAiChat, "a/b"),
            ("/v1/engines/50%/embeddings", Dialect::OpenAiEmbeddings, "50%"),
        ] {
            assert_eq!(model(path), Some((dialect, Some(name.to_owned()))), "{path}");
        }
        assert_eq!(model("/v1/completions"), Some((Dialect::OpenAiCompletions, None)));
        for path in ["/openai/deployments//chat/completions", "/engines/a/audio", "/openai/deployments/a"] {
            assert!(Found::at(path, "").is_none(), "{path}");
        }
    }

    #[test]
    fn a_models_name_is_read_as_it_was_meant() {
        for (path, name) in [
            ("/v1/models/claude-x", "claude-x"),
            ("/models/a%2Fb%20c", "a/b c"),
            ("/v1/models/openai/gpt", "openai/gpt"),
            ("/v1/models/100%", "100%"),
            ("/v1/models/%zz%e9", "%zz%e9"),
        ] {
            let Some(Found { place: Place::AModel(found), .. }) = Found::at(path, "") else {
                panic!("{path}")
            };
            assert_eq!(found, name);
        }
    }
}
