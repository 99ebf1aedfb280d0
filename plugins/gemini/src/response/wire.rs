//! `GenerateContentResponse` as it is on the wire: what is read here, and nothing else.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reply {
    pub(crate) candidates: Option<Vec<Candidate>>,
    pub(crate) prompt_feedback: Option<PromptFeedback>,
    pub(crate) usage_metadata: Option<Usage>,
    pub(crate) response_id: Option<String>,
    model_version: Option<String>,
    create_time: Option<Value>,
    pub(crate) error: Option<Value>,
}

impl Reply {
    /// A JSON object that has none of the fields is no reply.
    pub(crate) fn is_reply(&self) -> bool {
        self.candidates.is_some()
            || self.prompt_feedback.is_some()
            || self.usage_metadata.is_some()
            || self.response_id.is_some()
            || self.model_version.is_some()
            || self.create_time.is_some()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidate {
    #[serde(default)]
    pub(crate) index: u32,
    pub(crate) content: Option<Content>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) logprobs_result: Option<LogprobsResult>,
    pub(crate) grounding_metadata: Option<Value>,
    pub(crate) citation_metadata: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Content {
    pub(crate) parts: Option<Vec<Part>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Part {
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) thought: bool,
    pub(crate) thought_signature: Option<String>,
    pub(crate) function_call: Option<FunctionCall>,
    pub(crate) inline_data: Option<InlineData>,
    /// Parts of other kinds: code that was run, its result.
    #[serde(flatten)]
    pub(crate) other: serde_json::Map<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FunctionCall {
    pub(crate) name: String,
    pub(crate) args: Option<Value>,
    pub(crate) id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InlineData {
    pub(crate) mime_type: String,
    pub(crate) data: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromptFeedback {
    pub(crate) block_reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Usage {
    pub(crate) prompt_token_count: Option<u64>,
    pub(crate) candidates_token_count: Option<u64>,
    pub(crate) thoughts_token_count: Option<u64>,
    pub(crate) cached_content_token_count: Option<u64>,
    pub(crate) tool_use_prompt_token_count: Option<u64>,
    pub(crate) total_token_count: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogprobsResult {
    pub(crate) chosen_candidates: Option<Vec<Token>>,
    pub(crate) top_candidates: Option<Vec<Top>>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Top {
    pub(crate) candidates: Option<Vec<Token>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Token {
    pub(crate) token: String,
    pub(crate) log_probability: f64,
}
