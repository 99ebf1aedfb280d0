//! Gemini and Vertex AI `generateContent`: chunks, whole answers, errors, and what a request says.

use serde_json::{Value, json};

use super::wire::{self, Frame, Wire};
use super::{Asked, Call, Meta, Said, Usage, VECTOR, What, list, quote};
use crate::auth::{Gate, Refusal};
use crate::http::Request;
use crate::scenario::Mode;

/// `generateContent`, of the Gemini API and of Vertex AI.
pub(crate) struct Gemini;

impl Wire for Gemini {
    fn asked(&self, path: &str, request: &Request) -> Option<Asked> {
        let (base, method) = path.rsplit_once(':')?;
        let mode = match method {
            "generateContent" | "countTokens" | "batchEmbedContents" | "predict" => Mode::Whole,
            "streamGenerateContent" if request.query("alt") == Some("sse") => Mode::Stream,
            "streamGenerateContent" => Mode::Array,
            _ => return None,
        };
        let model = base.rsplit('/').next().map(str::to_owned);
        let what = match method {
            "countTokens" => What::Count,
            "batchEmbedContents" => What::Embeddings,
            "predict" => What::Predictions,
            _ => What::Chat,
        };
        Some(Asked { mode: Some(mode), model, what })
    }

    fn is_list(&self, path: &str, _request: &Request) -> bool {
        matches!(path, "/v1beta/models" | "/v1beta1/models")
    }

    fn admit(&self, gate: &Gate<'_>) -> Result<(), Refusal> {
        let key = gate.request.header("x-goog-api-key").or_else(|| gate.request.query("key"));
        gate.admit(self, gate.is_key(key) || gate.has_token())
    }

    /// Results of tools are user contents too.
    fn last_user_text(&self, body: &Value) -> String {
        let of_user = |content: &&Value| content["role"] != "model" && content["role"] != "function";
        let mut texts = list(&body["contents"]).iter().rev().filter(of_user).map(text_of);
        let said = texts.find(|text| !text.is_empty());
        // Of embeddings: the text itself.
        let embedded = || Some(text_of(&body["requests"][0]["content"])).filter(|text| !text.is_empty());
        let predicted = || body["instances"][0]["content"].as_str().map(str::to_owned);
        said.or_else(embedded).or_else(predicted).unwrap_or_default()
    }

    fn describe(&self, body: &Value) -> Value {
        let mut images = Vec::new();
        for part in parts(body) {
            let (inline, file) =
                (either(part, "inlineData", "inline_data"), either(part, "fileData", "file_data"));
            if let Some(data) = inline["data"].as_str() {
                images.push(
                    json!({"mime": either(inline, "mimeType", "mime_type"), "base64_length": data.len()}),
                );
            } else if let Some(uri) = either(file, "fileUri", "file_uri").as_str() {
                images.push(json!({"url": uri}));
            }
        }
        let system = text_of(either(body, "systemInstruction", "system_instruction"));
        let (tools, messages) = (self.tool_names(body), list(&body["contents"]).len());
        json!({"images": images, "tools": tools, "system": system, "messages": messages})
    }

    fn tool_names(&self, body: &Value) -> Vec<String> {
        let functions = list(&body["tools"])
            .iter()
            .flat_map(|tool| list(either(tool, "functionDeclarations", "function_declarations")));
        functions.filter_map(|function| function["name"].as_str()).map(str::to_owned).collect()
    }

    fn tool_history(&self, body: &Value, signature: &str) -> (bool, bool) {
        let answered =
            parts(body).any(|part| !either(part, "functionResponse", "function_response").is_null());
        let mut calls = parts(body).filter(|part| !either(part, "functionCall", "function_call").is_null());
        (answered, calls.all(|part| either(part, "thoughtSignature", "thought_signature") == signature))
    }

    fn texts(&self, body: &Value) -> usize {
        list(&body["requests"]).len() + list(&body["instances"]).len()
    }

    /// Model names `models/sim-NAME`.
    fn models(&self, names: &[&str]) -> String {
        let methods = ["generateContent", "streamGenerateContent"];
        let models: Vec<Value> = names
            .iter()
            .map(|name| json!({"name": format!("models/sim-{name}"), "supportedGenerationMethods": methods}))
            .collect();
        json!({"models": models}).to_string()
    }

    fn content_type(&self, mode: Mode) -> &'static str {
        if mode == Mode::Stream { "text/event-stream" } else { "application/json; charset=UTF-8" }
    }

    fn eol(&self) -> &'static str {
        "\r\n"
    }

    fn encode(&self, mode: Mode, json: &str, nth: usize, eol: &str) -> Vec<u8> {
        wire::data(mode, json, nth, eol)
    }

    fn endless(&self, mode: Mode, json: &str) -> Vec<u8> {
        wire::begin(mode, "data: ", json)
    }

    /// Token counts are cumulative.
    fn text(&self, meta: &Meta, text: &str, so_far: u32) -> String {
        let usage = Usage { completion: so_far, ..Usage::PLAIN };
        response(meta, &format!(r#"{{"text":{}}}"#, quote(text)), None, usage)
    }

    fn empty_text(&self, _meta: &Meta) -> String {
        r#"{"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"index":0}]}"#.to_owned()
    }

    /// Gemini sends arguments whole.
    fn calls(&self, meta: &Meta, calls: &[Call]) -> Vec<String> {
        vec![response(meta, &call_parts(calls), None, Usage::PLAIN)]
    }

    /// No text, the finish reason, the final counts.
    fn finish(&self, meta: &Meta, _said: &Said, _reason: &str, usage: Usage) -> Vec<String> {
        vec![response(meta, r#"{"text":""}"#, Some("STOP"), usage)]
    }

    fn whole(&self, meta: &Meta, text: &str, calls: &[Call], reason: Option<&str>, usage: Usage) -> String {
        match meta.what {
            What::Count => {
                let prompt = usage.prompt;
                return format!(
                    r#"{{"totalTokens":{prompt},"promptTokensDetails":[{{"modality":"TEXT","tokenCount":{prompt}}}]}}"#
                );
            }
            What::Embeddings => {
                let each = vec![format!(r#"{{"values":{VECTOR}}}"#); meta.texts];
                return format!(r#"{{"embeddings":[{}]}}"#, each.join(","));
            }
            What::Predictions => {
                // Which counts in floats.
                let one = format!(
                    r#"{{"embeddings":{{"statistics":{{"truncated":false,"token_count":3.0}},"values":{VECTOR}}}}}"#
                );
                return format!(r#"{{"predictions":[{}]}}"#, vec![one; meta.texts].join(","));
            }
            What::Chat | What::Completion => {}
        }
        let parts =
            if calls.is_empty() { format!(r#"{{"text":{}}}"#, quote(text)) } else { call_parts(calls) };
        response(meta, &parts, reason.map(|_| "STOP"), usage)
    }

    fn error(&self, status: u16, message: &str) -> String {
        error(status, message, None)
    }

    fn waits_in_body(&self) -> bool {
        true
    }

    fn quota(&self, delay: &str) -> String {
        delay.replace("PerMinutePerProjectPerModel", "PerDayPerProjectPerModel")
    }

    fn quota_event(&self) -> (u16, String) {
        (429, self.error(429, super::sentence(429)))
    }

    fn too_long(&self) -> String {
        self.error(400, "The input token count (9000) exceeds the maximum number of tokens allowed (8192).")
    }

    fn filtered(&self) -> String {
        self.error(400, "Your request was rejected as a result of our safety system.")
    }

    /// The status word without a code.
    fn flat(&self, _meta: &Meta, _mode: Mode) -> Frame {
        Frame::Event(r#"{"error":{"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED"}}"#.to_owned())
    }
}

/// A response with the parts given; `finish` is the candidate's finish reason.
fn response(meta: &Meta, parts: &str, finish: Option<&str>, usage: Usage) -> String {
    let finish = finish.map_or(String::new(), |reason| format!(r#","finishReason":"{reason}""#));
    let (model, usage) = (quote(&meta.model), usage_json(usage));
    format!(
        r#"{{"candidates":[{{"content":{{"role":"model","parts":[{parts}]}}{finish},"index":0}}],"usageMetadata":{usage},"modelVersion":{model},"responseId":"sim"}}"#
    )
}

fn call_parts(calls: &[Call]) -> String {
    let parts: Vec<String> = calls
        .iter()
        .map(|call| {
            let (name, arguments) = (quote(&call.name), &call.arguments);
            let signature = call
                .signature
                .as_ref()
                .map_or(String::new(), |signature| format!(r#","thoughtSignature":{}"#, quote(signature)));
            format!(r#"{{"functionCall":{{"name":{name},"args":{arguments}}}{signature}}}"#)
        })
        .collect();
    parts.join(",")
}

fn usage_json(usage: Usage) -> String {
    let Usage { prompt, cached, completion, thoughts } = usage;
    let total = usage.total();
    let cached = if cached > 0 { format!(r#","cachedContentTokenCount":{cached}"#) } else { String::new() };
    let thoughts = if thoughts > 0 { format!(r#","thoughtsTokenCount":{thoughts}"#) } else { String::new() };
    format!(
        r#"{{"promptTokenCount":{prompt},"candidatesTokenCount":{completion},"totalTokenCount":{total}{cached}{thoughts}}}"#
    )
}

/// An error object (google.rpc.Status in JSON); `retry_delay` adds a RetryInfo, such as `7s`.
pub(crate) fn error(status: u16, message: &str, retry_delay: Option<&str>) -> String {
    let name = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    let details = retry_delay.map_or(String::new(), |delay| {
        format!(
            r#","details":[{{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{{"quotaMetric":"generativelanguage.googleapis.com/generate_requests","quotaId":"GenerateRequestsPerMinutePerProjectPerModel"}}]}},{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{delay}"}}]"#
        )
    });
    let message = quote(message);
    format!(r#"{{"error":{{"code":{status},"message":{message},"status":"{name}"{details}}}}}"#)
}

fn parts(body: &Value) -> impl Iterator<Item = &Value> {
    list(&body["contents"]).iter().flat_map(|content| list(&content["parts"]))
}

fn text_of(content: &Value) -> String {
    list(&content["parts"]).iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// A field that Google accepts in both spellings.
fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> &'a Value {
    value.get(camel).unwrap_or(&value[snake])
}
