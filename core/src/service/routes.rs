//! The paths of the data port.

use http::Method;

use super::health;
use crate::dialects::{Dialect, Route};

/// What a path is for.
#[derive(Debug)]
pub(super) enum Place {
    /// A request for a model.
    Model(Route),
    /// The list of models.
    Models,
    /// A question of a load balancer.
    Health,
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

impl Found {
    /// Of a path and its query. `None`: nothing stands there.
    pub(super) fn at(path: &str, _query: &str) -> Option<Self> {
        let dialect = match path.strip_prefix("/v1").unwrap_or(path) {
            "/chat/completions" => Dialect::OpenAiChat,
            "/completions" => Dialect::OpenAiCompletions,
            "/embeddings" => Dialect::OpenAiEmbeddings,
            "/responses" => Dialect::OpenAiResponses,
            "/messages" => Dialect::AnthropicMessages,
            "/messages/count_tokens" => Dialect::AnthropicCountTokens,
            "/models" => return Some(Self { place: Place::Models, methods: LOOK }),
            _ if health::is_path(path) => return Some(Self { place: Place::Health, methods: LOOK }),
            _ => return None,
        };
        Some(Self { place: Place::Model(Route::of(dialect)), methods: ASK })
    }
}

/// The dialect in which an error at this path is worded.
pub(super) fn dialect_of(path: &str) -> Dialect {
    if path.starts_with("/v1/messages") {
        Dialect::AnthropicMessages
    } else if path.starts_with("/v1beta/") {
        Dialect::GeminiGenerate
    } else {
        Dialect::OpenAiChat
    }
}
