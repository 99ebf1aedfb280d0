//! The request as an OpenAI chat completion.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Crossing, contents, explain, generation, tools};
use crate::dialects::gemini::proto;
use crate::dialects::{Chat, Request};

/// Says the request as a chat completion.
///
/// # Errors
/// A sentence that names what cannot be said there, or what is wrong.
pub(in crate::dialects) fn to_chat(request: &Request, dropping: bool) -> Result<Chat, String> {
    let body: Value = serde_json::from_slice(&request.body).map_err(|error| explain(&error))?;
    let mut crossing = Crossing { dropping, dropped: Vec::new() };
    let mut chat = Map::new();
    let mut messages = Vec::new();
    if let Some(system) = proto::get(&body, "systemInstruction") {
        messages.extend(contents::system(system, &mut crossing)?);
    }
    for (name, value) in proto::members(&body) {
        match &*name {
            "contents" => contents::translate(value, &mut messages, &mut crossing)?,
            "generationConfig" => generation::translate(value, &mut chat, &mut crossing)?,
            "safetySettings" => safety(value, &mut crossing)?,
            // The path names the model; the rest is read with what it belongs to.
            "model" | "systemInstruction" | "tools" | "toolConfig" => {}
            // OpenAI's words are the same, but for the usual one, which says nothing.
            "serviceTier" => match value.as_str().map(str::to_ascii_lowercase).as_deref() {
                Some(tier @ ("flex" | "priority")) => {
                    chat.insert("service_tier".to_owned(), json!(tier));
                }
                Some("standard" | "unspecified" | "") => {}
                _ => crossing.leave_out("serviceTier"),
            },
            // For the bill.
            "labels" => crossing.leave_out("labels"),
            other => crossing.cannot(format!("\"{other}\""))?,
        }
    }
    let config = proto::get(&body, "toolConfig").unwrap_or(&Value::Null);
    tools::translate(proto::get(&body, "tools"), config, &mut chat, &mut crossing)?;
    if messages.is_empty() {
        return Err("\"contents\" holds nothing to send".into());
    }
    chat.insert("messages".to_owned(), Value::Array(messages));
    if request.stream {
        chat.insert("stream".to_owned(), json!(true));
        // Every event of a Gemini stream may carry the counts, and the last one always does.
        chat.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    let (body, model_at) = with_model(&request.model, &chat);
    Ok(Chat { body, model_at, dropped: crossing.dropped })
}

fn with_model(model: &str, chat: &Map<String, Value>) -> (Bytes, std::ops::Range<usize>) {
    const BEFORE: &str = "{\"model\":";
    let model = json!(model).to_string();
    let rest = Value::Object(chat.clone()).to_string();
    let model_at = BEFORE.len()..BEFORE.len() + model.len();
    // There are messages, so that more members follow.
    let body = format!("{BEFORE}{model},{}", rest.trim_start_matches('{'));
    (body.into(), model_at)
}

/// A filter that is switched off is what another provider has anyway; one that is to refuse something is not.
fn safety(settings: &Value, crossing: &mut Crossing) -> Result<(), String> {
    const OFF: [&str; 4] = ["OFF", "BLOCK_NONE", "HARM_BLOCK_THRESHOLD_UNSPECIFIED", ""];
    let asks = |setting: &Value| !OFF.contains(&proto::text(setting, "threshold").unwrap_or_default());
    if proto::list(settings).iter().any(asks) { crossing.cannot("\"safetySettings\"") } else { Ok(()) }
}
