//! The paths of the data port.

use http::Method;

use super::{google, health};
use crate::dialects::{Dialect, Route};

/// What a path is for.
#[derive(Debug)]
pub(super) enum Place {
    /// A request for a model.
    Model(Route),
    /// The list of models.
    Models,
    /// The list of models as Google has it, or one of them.
    GoogleModels(Option<String>),
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
    pub(super) fn at(path: &str, query: &str) -> Option<Self> {
        // Before OpenAI's, whose models have paths that look like Google's methods.
        match google::read(path, query).map(google::Asked::route) {
            Some(Ok(route)) => return Some(Self { place: Place::Model(route), methods: ASK }),
            Some(Err(asked)) => return Some(Self { place: Place::GoogleModels(asked.one()), methods: LOOK }),
            None => {}
        }
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
    } else if google::is_googles(path) {
        Dialect::GeminiGenerate
    } else {
        Dialect::OpenAiChat
    }
}
