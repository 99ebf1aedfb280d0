//! What provider plugins of OpenAI's dialects share: where each dialect is served, which events are chunks, which are
//! errors, where the end is, and what a failure means; and [`chat`], for models that are asked by Responses alone.
//!
//! A plugin is a library with one exported symbol, so that no plugin can be linked into another: what two of them need
//! stands here.
#![forbid(unsafe_code)]

pub mod chat;
mod classify;
mod events;
pub mod model;
mod query;
mod responses;
mod streams;

use tidegate_plugin_sdk::Dialect;

pub use classify::classify;
pub use events::{Events, FinishReasons, answer_in, error_in, reword};
pub use query::{extra_query, query};
pub use responses::Responses;
pub use streams::Streams;

/// The end of the URL at which OpenAI serves a dialect; `None`: it is not one of OpenAI's.
pub fn path(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::OpenAiChat => Some("/chat/completions"),
        Dialect::OpenAiCompletions => Some("/completions"),
        Dialect::OpenAiEmbeddings => Some("/embeddings"),
        Dialect::OpenAiResponses => Some("/responses"),
        _ => None,
    }
}
