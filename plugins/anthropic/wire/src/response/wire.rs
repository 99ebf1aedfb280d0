//! Messages as they are on the wire: what is read here, and nothing else.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One event of a stream. Those of kinds that are not known are ignored, as Anthropic asks.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        index: u64,
        content_block: Value,
    },
    ContentBlockDelta {
        index: u64,
        delta: Delta,
    },
    ContentBlockStop {
        index: u64,
    },
    MessageDelta {
        #[serde(default)]
        delta: Ended,
        usage: Option<Usage>,
    },
    MessageStop,
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Start {
    pub(crate) id: Option<String>,
    pub(crate) usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::enum_variant_names, reason = "Anthropic's names")]
pub(crate) enum Delta {
    TextDelta {
        text: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    ThinkingDelta {
        thinking: String,
    },
    SignatureDelta {
        signature: String,
    },
    CitationsDelta {
        citation: Value,
    },
    #[serde(other)]
    Other,
}

/// Why the answer ended.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Ended {
    pub(crate) stop_reason: Option<String>,
    pub(crate) stop_sequence: Option<String>,
    pub(crate) stop_details: Option<Value>,
}

/// Token counts. In a stream they are cumulative, and a later one may leave out what an earlier one said.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Usage {
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
    pub(crate) cache_read_input_tokens: Option<u64>,
    pub(crate) cache_creation_input_tokens: Option<u64>,
    pub(crate) output_tokens_details: Option<Details>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Details {
    pub(crate) thinking_tokens: Option<u64>,
}

/// A whole answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Whole<'a> {
    pub(crate) id: Option<String>,
    #[serde(borrow)]
    pub(crate) content: Vec<&'a RawValue>,
    #[serde(flatten)]
    pub(crate) ended: Ended,
    pub(crate) usage: Option<Usage>,
}

/// A block of a whole answer, as far as its input's own bytes matter: the order of arguments is the model's.
#[derive(Debug, Deserialize)]
pub(crate) struct Called<'a> {
    #[serde(borrow)]
    pub(crate) input: Option<&'a RawValue>,
}
