//! The client's side: how a request is read, an event inspected and an error worded in each dialect.
//!
//! OpenAI chat is the canonical dialect, the one that every provider takes. A provider that speaks the client's own dialect
//! gets its request and gives its answer as they are; for all others the request is made canonical on its way in, and the
//! answer is made the client's at its very end (`voice`). What relays a stream thus sees one dialect, the *wire's*.

pub mod anthropic;
mod body;
mod calls;
mod content;
mod elements;
pub mod gemini;
mod json;
mod mocked;
pub mod narrow;
pub mod openai_chat;
mod openai_completions;
mod openai_embeddings;
pub mod options;
mod responses;
mod seen;
mod speak;
mod tokens;
mod voice;

use std::ops::{Deref, Range};

use bytes::Bytes;

pub use mocked::Mocked;
pub use narrow::Takes;
pub use options::Options;
pub use seen::{Chunk, Seen, Usage};
pub use speak::{Encoder, Placed, Said, Speak};
pub use voice::Voice;

/// What a client and Tidegate agreed on, by the route that the client called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `POST /v1/chat/completions`.
    OpenAiChat,
    /// `POST /v1/completions`.
    OpenAiCompletions,
    /// `POST /v1/embeddings`.
    OpenAiEmbeddings,
    /// `POST /v1/responses`.
    OpenAiResponses,
    /// `POST /v1/messages`.
    AnthropicMessages,
    /// `POST /v1/messages/count_tokens`.
    AnthropicCountTokens,
    /// `POST /v1beta/models/MODEL:generateContent` and `:streamGenerateContent`.
    GeminiGenerate,
    /// `POST /v1beta/models/MODEL:countTokens`.
    GeminiCountTokens,
    /// `POST /v1beta/models/MODEL:embedContent` and its like, which are [`Self::OpenAiEmbeddings`] to every provider.
    GeminiEmbed(gemini::Embed),
}

impl Deref for Dialect {
    type Target = dyn Speak;

    /// What it can do.
    fn deref(&self) -> &'static dyn Speak {
        match self {
            Dialect::OpenAiChat => &openai_chat::Chat,
            Dialect::OpenAiCompletions => &openai_completions::Completions,
            Dialect::OpenAiEmbeddings => &openai_embeddings::Embeddings,
            Dialect::OpenAiResponses => &responses::Responses,
            Dialect::AnthropicMessages => &anthropic::Messages,
            Dialect::AnthropicCountTokens => &anthropic::CountTokens,
            Dialect::GeminiGenerate => &gemini::Generate,
            Dialect::GeminiCountTokens => &gemini::CountTokens,
            Dialect::GeminiEmbed(gemini::Embed::One) => &gemini::Embed::One,
            Dialect::GeminiEmbed(gemini::Embed::Batch) => &gemini::Embed::Batch,
            Dialect::GeminiEmbed(gemini::Embed::Predict) => &gemini::Embed::Predict,
        }
    }
}

impl Dialect {
    /// What is asked for, as OpenTelemetry's GenAI conventions call it; words of our own for what they have none for.
    pub fn operation(self) -> &'static str {
        match self {
            Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::AnthropicMessages => "chat",
            Dialect::OpenAiCompletions => "text_completion",
            Dialect::GeminiGenerate => "generate_content",
            Dialect::OpenAiEmbeddings | Dialect::GeminiEmbed(_) => "embeddings",
            Dialect::AnthropicCountTokens | Dialect::GeminiCountTokens => "count_tokens",
        }
    }

    /// The path that stands for all of its paths.
    pub fn path(self) -> &'static str {
        match self {
            Dialect::OpenAiChat => "/v1/chat/completions",
            Dialect::OpenAiCompletions => "/v1/completions",
            Dialect::OpenAiEmbeddings => "/v1/embeddings",
            Dialect::OpenAiResponses => "/v1/responses",
            Dialect::AnthropicMessages => "/v1/messages",
            Dialect::AnthropicCountTokens => "/v1/messages/count_tokens",
            Dialect::GeminiGenerate => "/v1beta/models/{model}:generateContent",
            Dialect::GeminiCountTokens => "/v1beta/models/{model}:countTokens",
            Dialect::GeminiEmbed(_) => "/v1beta/models/{model}:embedContent",
        }
    }
}

/// What the path and the query of a request say beside its body.
#[derive(Clone, Debug)]
pub struct Route {
    /// Of the body.
    pub dialect: Dialect,
    /// The model, where the path names it.
    pub model: Option<String>,
    /// Whether a stream is wanted, where the path says it.
    pub stream: Option<bool>,
    /// A stream is wanted as one JSON array.
    pub array: bool,
}

impl Route {
    /// One that says no more than the dialect.
    pub fn of(dialect: Dialect) -> Self {
        Self { dialect, model: None, stream: None, array: false }
    }
}

/// A client's request, as far as Tidegate needs to understand it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The dialect of `body`.
    pub dialect: Dialect,
    /// The model group that the client asks for.
    pub model: String,
    /// Where the model's value stands in `body`, quotes included; `0..0`: it does not stand there.
    pub model_at: Range<usize>,
    /// The client wants a stream.
    pub stream: bool,
    /// It wants it as one JSON array instead of server-sent events.
    pub array: bool,
    /// The client wants the usage in the stream.
    pub include_usage: bool,
    /// Whether it may ask for more than one choice.
    pub several: bool,
    /// The body as it came, without what is in `options`.
    pub body: Bytes,
    /// The client's headers that are meant for the provider; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// litellm's request-level options, where the request has any.
    pub options: Option<Box<Options>>,
}

impl Request {
    /// An empty one.
    pub fn of(dialect: Dialect) -> Self {
        Self {
            dialect,
            model: String::new(),
            model_at: 0..0,
            stream: false,
            array: false,
            include_usage: false,
            several: false,
            body: Bytes::new(),
            headers: Vec::new(),
            options: None,
        }
    }

    /// Whether it says itself that what its provider cannot do is to be left out.
    pub fn drops_params(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.drop_params)
    }

    /// The same without these members of its body, and those of them that it had; `None` where it has none of them.
    pub fn without(&self, names: &[String]) -> Option<(Self, Vec<String>)> {
        body::without(self, names)
    }

    /// The same in the canonical dialect, as far as a provider takes that beyond OpenAI's words, and what of it was left out.
    ///
    /// # Errors
    /// See [`Speak::to_chat`].
    pub fn to_chat(&self, dropping: bool, takes: Takes<'_>) -> Result<(Self, Vec<String>), String> {
        let chat = self.dialect.to_chat(self, dropping)?;
        let (Chat { body, model_at, mut dropped }, lost) = narrow::narrow(chat, takes);
        dropped.extend(lost.into_iter().map(|name| self.dialect.own_name(name).unwrap_or(name).to_owned()));
        let chat = Self {
            dialect: Dialect::OpenAiChat,
            model: self.model.clone(),
            model_at,
            stream: self.stream,
            // The other dialects tell it unasked.
            include_usage: true,
            several: self.several,
            body,
            options: self.options.clone(),
            ..Self::of(Dialect::OpenAiChat)
        };
        Ok((chat, dropped))
    }
}

/// A request as a chat completion.
#[derive(Clone, Debug)]
pub struct Chat {
    /// A JSON object, with `stream_options.include_usage` where a stream is wanted.
    pub body: Bytes,
    /// Where the model's value stands in it, quotes included.
    pub model_at: Range<usize>,
    /// What of the client's request was left out, by its own names.
    pub dropped: Vec<String>,
}

/// What an answer is written with, beside what the provider says.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The model as the client asked for it.
    pub model: String,
    /// A random number, for ids.
    pub seed: u64,
    /// The time in seconds since 1970.
    pub created: u64,
    /// The client's body: some dialects repeat what was asked.
    pub request: Bytes,
}
