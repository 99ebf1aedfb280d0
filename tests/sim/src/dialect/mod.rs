//! The providers' dialects, a module each: [`Wire`] is what a scenario asks of one. The JSON is made piece by piece, with the
//! members in the providers' own order.

mod anthropic;
mod azure;
pub(crate) mod bedrock;
mod gemini;
mod ollama;
mod openai;
mod responses;
mod wire;

use serde_json::Value;

pub(crate) use gemini::error as google_error;
pub(crate) use wire::{Frame, Wire};

use crate::scenario::Mode;

macro_rules! dialects {
    ($($(#[$about:meta])+ $name:ident => $wire:expr,)+) => {
        /// A provider's wire dialect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Dialect {
            $($(#[$about])+ $name,)+
        }

        impl Dialect {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub(crate) fn wire(self) -> &'static dyn Wire {
                match self {
                    $(Self::$name => &$wire,)+
                }
            }
        }
    };
}

// Who shares paths with others comes before them: a request is of the last that takes its path.
dialects! {
    /// OpenAI chat completions, and all that speak it.
    OpenAiChat => openai::OpenAiChat,
    /// The same from Azure OpenAI, with what its filter found.
    Azure => azure::Azure,
    /// OpenAI Responses.
    Responses => responses::Responses,
    /// Gemini API and Vertex AI `generateContent`.
    Gemini => gemini::Gemini,
    /// Anthropic Messages, and the count of their tokens; Anthropic's own and Vertex AI's.
    Anthropic => anthropic::Anthropic,
    /// Amazon Bedrock's Converse and ConverseStream.
    Bedrock => bedrock::Bedrock,
    /// Ollama's own, by lines of JSON.
    Ollama => ollama::Ollama,
}

/// What a path asks for.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// How the answer comes, where the path says it.
    pub(crate) mode: Option<Mode>,
    /// The model, where the path names it.
    pub(crate) model: Option<String>,
    pub(crate) what: What,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum What {
    /// An answer of a chat.
    #[default]
    Chat,
    /// OpenAI's legacy completion.
    Completion,
    /// A count of tokens alone.
    Count,
    /// A vector for each text.
    Embeddings,
    /// The same by Vertex AI's `predict`.
    Predictions,
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
    pub(crate) what: What,
    /// How many texts embeddings are asked of.
    pub(crate) texts: usize,
    /// Whether OpenAI's `encoding_format` asks for base64.
    pub(crate) base64: bool,
}

/// What a stream has said so far.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Its text; `None` where it has none yet.
    pub(crate) text: Option<String>,
    pub(crate) calls: Vec<Call>,
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

/// The message of an error of this status.
pub(crate) fn sentence(status: u16) -> &'static str {
    match status {
        400 => "Request contains an invalid argument.",
        401 => "The request does not have valid authentication credentials.",
        403 => "The caller does not have permission.",
        404 => "The model was not found.",
        402 => "Payment is required to go on.",
        413 => "The request is too large.",
        422 => "The request cannot be processed.",
        504 => "The deadline expired before the operation could complete.",
        429 => "Resource exhausted. Please try again later.",
        503 => "The model is overloaded. Please try again later.",
        _ => "An internal error has occurred.",
    }
}

/// `text` as a JSON string.
pub(crate) fn quote(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// `text` in pieces of a few characters, as arguments are streamed.
fn in_pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(7).map(|piece| piece.iter().collect()).collect()
}

/// The vector of every text, in numbers that floats of any size hold.
const VECTOR: &str = "[0.25,-0.5,1.0]";

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A picture of a `data:` URL, or of another.
fn picture(url: &str) -> Value {
    match url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((mime, data)) => serde_json::json!({"mime": mime, "base64_length": data.len()}),
        None => serde_json::json!({"url": url}),
    }
}
