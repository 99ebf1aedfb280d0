//! Gemini and Vertex AI `generateContent`: chunks, whole answers, errors, and what a request says.

use serde_json::{Value, json};

use super::{Call, Meta, Usage, quote};

/// A response with the parts given; `finish` is the candidate's finish reason.
fn response(meta: &Meta, parts: &str, finish: Option<&str>, usage: Usage) -> String {
    let finish = finish.map_or(String::new(), |reason| format!(r#","finishReason":"{reason}""#));
    let (model, usage) = (quote(&meta.model), usage_json(usage));
    format!(
        r#"{{"candidates":[{{"content":{{"role":"model","parts":[{parts}]}}{finish},"index":0}}],"usageMetadata":{usage},"modelVersion":{model},"responseId":"sim"}}"#
    )
}

/// One chunk of text. Token counts are cumulative: `so_far` chunks were sent, this one included.
pub(crate) fn text(meta: &Meta, text: &str, so_far: u32) -> String {
    let usage = Usage { completion: so_far, ..Usage::PLAIN };
    response(meta, &format!(r#"{{"text":{}}}"#, quote(text)), None, usage)
}

/// The last chunk: no text, the finish reason, the final counts.
pub(crate) fn finish(meta: &Meta, usage: Usage) -> String {
    response(meta, r#"{"text":""}"#, Some("STOP"), usage)
}

/// One round of calls: Gemini sends arguments whole.
pub(crate) fn calls(meta: &Meta, calls: &[Call]) -> String {
    response(meta, &call_parts(calls), None, Usage::PLAIN)
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

/// A whole answer; without `finished` it has no finish reason, which no complete answer lacks.
pub(crate) fn whole(meta: &Meta, text: &str, calls: &[Call], finished: bool, usage: Usage) -> String {
    if meta.count {
        let prompt = usage.prompt;
        return format!(
            r#"{{"totalTokens":{prompt},"promptTokensDetails":[{{"modality":"TEXT","tokenCount":{prompt}}}]}}"#
        );
    }
    let parts = if calls.is_empty() { format!(r#"{{"text":{}}}"#, quote(text)) } else { call_parts(calls) };
    response(meta, &parts, finished.then_some("STOP"), usage)
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

/// Embeddings, one for each text: the Gemini API's `batchEmbedContents`, and Vertex AI's `predict`, which counts in floats.
/// `None`: another method.
pub(crate) fn embeddings(path: &str, body: &Value) -> Option<String> {
    let many = |list: &str| body[list].as_array().map_or(0, Vec::len);
    if path.ends_with(":batchEmbedContents") {
        let each = vec![r#"{"values":[0.25,-0.5,1.0]}"#; many("requests")];
        return Some(format!(r#"{{"embeddings":[{}]}}"#, each.join(",")));
    }
    if path.ends_with(":predict") {
        let one =
            r#"{"embeddings":{"statistics":{"truncated":false,"token_count":3.0},"values":[0.25,-0.5,1.0]}}"#;
        return Some(format!(r#"{{"predictions":[{}]}}"#, vec![one; many("instances")].join(",")));
    }
    None
}

/// Model names `models/sim-NAME`.
pub(crate) fn models<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let methods = ["generateContent", "streamGenerateContent"];
    let models: Vec<Value> = names
        .map(|name| json!({"name": format!("models/sim-{name}"), "supportedGenerationMethods": methods}))
        .collect();
    json!({"models": models}).to_string()
}

fn contents(body: &Value) -> &[Value] {
    body["contents"].as_array().map_or(&[], Vec::as_slice)
}

fn parts(content: &Value) -> &[Value] {
    content["parts"].as_array().map_or(&[], Vec::as_slice)
}

fn text_of(content: &Value) -> String {
    parts(content).iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// The text of the last user content that has text: tool results are user contents too.
pub(crate) fn last_user_text(body: &Value) -> String {
    let of_user = |content: &&Value| content["role"] != "model" && content["role"] != "function";
    contents(body).iter().rev().filter(of_user).map(text_of).find(|text| !text.is_empty()).unwrap_or_default()
}

/// A field that Google accepts in both spellings.
fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> &'a Value {
    value.get(camel).unwrap_or(&value[snake])
}

/// What arrived: images, tools, system text, number of contents.
pub(crate) fn describe(body: &Value) -> Value {
    let mut images = Vec::new();
    for part in contents(body).iter().flat_map(parts) {
        let (inline, file) =
            (either(part, "inlineData", "inline_data"), either(part, "fileData", "file_data"));
        if let Some(data) = inline["data"].as_str() {
            images
                .push(json!({"mime": either(inline, "mimeType", "mime_type"), "base64_length": data.len()}));
        } else if let Some(uri) = either(file, "fileUri", "file_uri").as_str() {
            images.push(json!({"url": uri}));
        }
    }
    let system = text_of(either(body, "systemInstruction", "system_instruction"));
    json!({"images": images, "tools": tool_names(body), "system": system, "messages": contents(body).len()})
}

pub(crate) fn tool_names(body: &Value) -> Vec<String> {
    let tools = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
    let functions = tools
        .iter()
        .filter_map(|tool| either(tool, "functionDeclarations", "function_declarations").as_array())
        .flatten();
    functions.filter_map(|function| function["name"].as_str()).map(str::to_owned).collect()
}

/// Whether the history has a tool's result, and whether each call in it kept `signature`.
pub(crate) fn tool_history(body: &Value, signature: &str) -> (bool, bool) {
    let all = || contents(body).iter().flat_map(parts);
    let answered = all().any(|part| !either(part, "functionResponse", "function_response").is_null());
    let mut calls = all().filter(|part| !either(part, "functionCall", "function_call").is_null());
    (answered, calls.all(|part| either(part, "thoughtSignature", "thought_signature") == signature))
}
