//! The providers' JSON, piece by piece. Key order is the providers' own.

pub(crate) mod anthropic;
pub(crate) mod bedrock;
pub(crate) mod gemini;
pub(crate) mod openai;
pub(crate) mod responses;

use serde_json::Value;

/// A provider's wire dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI chat completions, and all that speak it.
    OpenAiChat,
    /// OpenAI Responses.
    Responses,
    /// Gemini API and Vertex AI `generateContent`.
    Gemini,
    /// Anthropic Messages, and the count of their tokens; Anthropic's own and Vertex AI's.
    Anthropic,
    /// Amazon Bedrock's Converse and ConverseStream.
    Bedrock,
}

/// A call of a tool.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Arguments as JSON text.
    pub(crate) arguments: String,
    /// Gemini's opaque proof of the thought behind the call, which must come back with the history.
    pub(crate) signature: Option<String>,
}

/// What an answer is about, as far as its JSON repeats it.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    pub(crate) model: String,
    /// OpenAI's `stream_options.include_usage`.
    pub(crate) include_usage: bool,
    /// Anthropic's `count_tokens`: the whole answer is a number.
    pub(crate) count: bool,
}

/// Token counts, in Gemini's way of counting: thoughts are not part of the candidates' tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) prompt: u32,
    pub(crate) cached: u32,
    pub(crate) completion: u32,
    pub(crate) thoughts: u32,
}

impl Usage {
    pub(crate) const PLAIN: Self = Self { prompt: 12, cached: 0, completion: 20, thoughts: 0 };
    pub(crate) const RICH: Self = Self { prompt: 120, cached: 64, completion: 20, thoughts: 33 };

    pub(crate) fn total(self) -> u32 {
        self.prompt + self.completion + self.thoughts
    }
}

/// `text` as a JSON string.
pub(crate) fn quote(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
