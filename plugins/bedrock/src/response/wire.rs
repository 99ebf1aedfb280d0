//! Converse's answers as they are on the wire: what is read here, and nothing else. Streams pad their events with a member
//! `p`, which is not read.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The body of Converse.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Whole {
    pub(crate) output: Option<Output>,
    pub(crate) stop_reason: Option<String>,
    pub(crate) usage: Option<Usage>,
    pub(crate) additional_model_response_fields: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Output {
    pub(crate) message: Option<Message>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    #[serde(default)]
    pub(crate) content: Vec<Block>,
}

/// A union: one member is there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Block {
    pub(crate) text: Option<String>,
    pub(crate) tool_use: Option<ToolUse>,
    pub(crate) reasoning_content: Option<Reasoning>,
    pub(crate) citations_content: Option<Citations>,
    pub(crate) image: Option<Image>,
    /// Blocks of other kinds: a tool's of Bedrock's own, video, sound.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolUse {
    pub(crate) tool_use_id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) input: Value,
    /// `server_tool_use`: Bedrock calls it itself.
    pub(crate) r#type: Option<String>,
}

impl ToolUse {
    /// Whether the client is to call it.
    pub(crate) fn is_the_clients(&self) -> bool {
        self.r#type.as_deref() != Some("server_tool_use")
    }
}

/// Of a whole answer: a thought, or one that only its maker can read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reasoning {
    pub(crate) reasoning_text: Option<ReasoningText>,
    pub(crate) redacted_content: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ReasoningText {
    pub(crate) text: String,
    pub(crate) signature: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Citations {
    #[serde(default)]
    pub(crate) content: Vec<CitedText>,
    #[serde(default)]
    pub(crate) citations: Vec<Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CitedText {
    pub(crate) text: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Image {
    pub(crate) format: Option<String>,
    pub(crate) source: Option<Source>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Source {
    pub(crate) bytes: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MessageStart {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockStart {
    pub(crate) content_block_index: u32,
    pub(crate) start: Start,
}

/// What begins. Text and thoughts do not say that they do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Start {
    pub(crate) tool_use: Option<ToolUse>,
    pub(crate) image: Option<Image>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockDelta {
    pub(crate) content_block_index: u32,
    pub(crate) delta: Delta,
}

/// A union: one member is there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delta {
    pub(crate) text: Option<String>,
    pub(crate) tool_use: Option<InputPiece>,
    pub(crate) reasoning_content: Option<ReasoningPiece>,
    pub(crate) citation: Option<Value>,
    pub(crate) image: Option<ImagePiece>,
}

/// A piece of the arguments' JSON.
#[derive(Debug, Deserialize)]
pub(crate) struct InputPiece {
    pub(crate) input: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReasoningPiece {
    pub(crate) text: Option<String>,
    pub(crate) signature: Option<String>,
    pub(crate) redacted_content: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ImagePiece {
    pub(crate) source: Option<Source>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockStop {
    pub(crate) content_block_index: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageStop {
    pub(crate) stop_reason: String,
    pub(crate) additional_model_response_fields: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) usage: Option<Usage>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Usage {
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
    pub(crate) total_tokens: Option<u64>,
    pub(crate) cache_read_input_tokens: Option<u64>,
    pub(crate) cache_write_input_tokens: Option<u64>,
}
