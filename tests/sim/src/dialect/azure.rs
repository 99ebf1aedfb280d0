//! Azure OpenAI: OpenAI's wire at addresses of its own, with what its content filter found in each answer, and errors in a
//! form of its own.

use serde_json::Value;

use super::openai::OpenAiChat;
use super::wire::{Frame, Wire};
use super::{Asked, Call, Meta, Said, Usage, quote};
use crate::auth::{Gate, Refusal};
use crate::http::Request;
use crate::scenario::Mode;
use crate::script::Script;

/// Azure OpenAI.
pub(crate) struct Azure;

/// What the filter says of a text that is well.
const SAFE: &str = r#"{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}"#;
const INVALID_KEY: &str = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.";

impl Wire for Azure {
    /// `/openai/deployments/NAME/...`, which names the deployment, and `/openai/v1/...`, whose body does.
    fn asked(&self, path: &str, request: &Request) -> Option<Asked> {
        let asked = OpenAiChat.asked(path, request)?;
        let (_, rest) = path.split_once("/openai/")?;
        match rest.strip_prefix("deployments/").and_then(|rest| rest.split_once('/')) {
            Some((deployment, _)) => Some(Asked { model: Some(deployment.to_owned()), ..asked }),
            None => rest.starts_with("v1/").then_some(asked),
        }
    }

    fn is_list(&self, path: &str, _request: &Request) -> bool {
        path.ends_with("/openai/v1/models") || path.ends_with("/openai/models")
    }

    /// By a key in a header of its own, or by a token of Entra ID. A deployment's address needs a version.
    fn admit(&self, gate: &Gate<'_>) -> Result<(), Refusal> {
        if !gate.is_azure_key() && gate.asked {
            return Err(("unauthorized", Script::json(401, self.error(401, INVALID_KEY))));
        }
        let unversioned = gate.chat.path.contains("/openai/deployments/")
            && gate.request.query("api-version").is_none_or(str::is_empty);
        if gate.asked && unversioned {
            return Err(("unversioned", Script::json(404, self.error(404, "Resource not found"))));
        }
        Ok(())
    }

    fn last_user_text(&self, body: &Value) -> String {
        OpenAiChat.last_user_text(body)
    }

    fn describe(&self, body: &Value) -> Value {
        OpenAiChat.describe(body)
    }

    fn tool_names(&self, body: &Value) -> Vec<String> {
        OpenAiChat.tool_names(body)
    }

    fn tool_history(&self, body: &Value, signature: &str) -> (bool, bool) {
        OpenAiChat.tool_history(body, signature)
    }

    fn encode(&self, mode: Mode, json: &str, nth: usize, eol: &str) -> Vec<u8> {
        OpenAiChat.encode(mode, &filtered(json), nth, eol)
    }

    fn endless(&self, mode: Mode, json: &str) -> Vec<u8> {
        OpenAiChat.endless(mode, json)
    }

    /// First of all what the filter found in the prompt, in a chunk without choices.
    fn opening(&self, meta: &Meta) -> Vec<String> {
        let found = format!(r#"[{{"prompt_index":0,"content_filter_results":{SAFE}}}]"#);
        let found = format!(
            r#"{{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":{found}}}"#
        );
        [found].into_iter().chain(OpenAiChat.opening(meta)).collect()
    }

    fn text(&self, meta: &Meta, text: &str, so_far: u32) -> String {
        OpenAiChat.text(meta, text, so_far)
    }

    fn calls(&self, meta: &Meta, calls: &[Call]) -> Vec<String> {
        OpenAiChat.calls(meta, calls)
    }

    fn finish(&self, meta: &Meta, said: &Said, reason: &str, usage: Usage) -> Vec<String> {
        OpenAiChat.finish(meta, said, reason, usage)
    }

    fn marker(&self) -> Option<&'static str> {
        OpenAiChat.marker()
    }

    fn whole(&self, meta: &Meta, text: &str, calls: &[Call], reason: Option<&str>, usage: Usage) -> String {
        let json = filtered(&OpenAiChat.whole(meta, text, calls, reason, usage));
        let found =
            format!(r#""prompt_filter_results":[{{"prompt_index":0,"content_filter_results":{SAFE}}}],"#);
        json.replacen(r#""usage":"#, &format!(r#"{found}"usage":"#), 1)
    }

    /// A status in quotes for a code, and no type.
    fn error(&self, status: u16, message: &str) -> String {
        format!(r#"{{"error":{{"code":"{status}","message":{}}}}}"#, quote(message))
    }

    fn quota(&self, _delay: &str) -> String {
        self.quota_event().1
    }

    fn quota_event(&self) -> (u16, String) {
        let sentence = "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate limit of your current OpenAI S0 pricing tier.";
        (429, self.error(429, sentence))
    }

    fn too_long(&self) -> String {
        OpenAiChat.too_long()
    }

    fn filtered(&self) -> String {
        let found = SAFE.replacen("false,\"severity\":\"safe\"", "true,\"severity\":\"high\"", 1);
        format!(
            r#"{{"error":{{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{{"code":"ResponsibleAIPolicyViolation","content_filter_result":{found}}}}}}}"#
        )
    }

    /// The status as a number.
    fn numeric(&self, _meta: &Meta, _mode: Mode) -> String {
        r#"{"error":{"code":429,"message":"Rate limit exceeded"}}"#.to_owned()
    }

    /// As Azure API Management before it says it.
    fn flat(&self, _meta: &Meta, _mode: Mode) -> Frame {
        Frame::Event(
            r#"{"statusCode":429,"error":{"message":"Token limit is exceeded. Try again later."}}"#
                .to_owned(),
        )
    }
}

/// With what the filter found in the text of a choice; `json` without choices is left as it is.
fn filtered(json: &str) -> String {
    let begins = r#""choices":[{"#;
    let says = [r#""content":"#, r#""text":"#].iter().any(|text| json.contains(text));
    let found = if says { SAFE } else { "{}" };
    json.replacen(begins, &format!(r#"{begins}"content_filter_results":{found},"#), 1)
}
