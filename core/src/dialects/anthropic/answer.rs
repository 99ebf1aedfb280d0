//! What a chat's answer says, in Anthropic's words: a whole answer as a message, and the parts that streams share with it.

use serde_json::{Value, json};

use super::blocks::{Blocks, Event};
use super::usage::Counts;
use super::{count, ids};
use crate::dialects::Facts;
use crate::dialects::content::{self, Piece};

/// Anthropic's reasons for an end: a provider's own word among them is kept.
const REASONS: [&str; 7] = [
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
];

pub(super) fn of_chat(chat: &Value, facts: &Facts) -> Value {
    let choice = chat.pointer("/choices/0").unwrap_or(&Value::Null);
    let message = choice.get("message").unwrap_or(&Value::Null);
    let mut blocks = Blocks::new(facts.seed);
    whole_thoughts(message, &mut blocks);
    let refused = spoken(message, &mut blocks);
    let (mut content, mut written) = (Vec::<Value>::new(), 0);
    blocks.tell(true, |event| match event {
        Event::Start(_, block) => content.push(block),
        Event::Delta(_, delta) => {
            written += length(&delta);
            if let Some(block) = content.last_mut() {
                add(block, delta);
            }
        }
        Event::Stop(_) => {
            if let Some(block) = content.last_mut() {
                close(block);
            }
        }
    });
    let (reason, sequence) = stop(choice, blocks.have_calls(), refused);
    let mut counts = Counts::default();
    counts.take(chat.get("usage").unwrap_or(&Value::Null));
    json!({
        "id": ids::message(facts.seed),
        "type": "message",
        "role": "assistant",
        "model": facts.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": sequence,
        "usage": counts.of_message(count::estimate(&facts.request), count::tokens(written)),
    })
}

/// Of what a delta says, in bytes.
pub(super) fn length(delta: &Value) -> u64 {
    let said = |name: &str| delta.get(name).and_then(Value::as_str).map_or(0, |text| text.len() as u64);
    said("text") + said("thinking") + said("partial_json")
}

/// Adds to a block what a delta says. A call's input is text until its end.
fn add(block: &mut Value, mut delta: Value) {
    let (name, piece) = match delta["type"].as_str() {
        Some("text_delta") => ("text", delta["text"].take()),
        Some("thinking_delta") => ("thinking", delta["thinking"].take()),
        Some("signature_delta") => ("signature", delta["signature"].take()),
        Some("input_json_delta") => ("input", delta["partial_json"].take()),
        Some("citations_delta") => {
            let citation = delta["citation"].take();
            match &mut block["citations"] {
                Value::Array(list) => list.push(citation),
                none => *none = json!([citation]),
            }
            return;
        }
        _ => return,
    };
    let piece = piece.as_str().unwrap_or_default();
    match &mut block[name] {
        Value::String(text) => text.push_str(piece),
        other => *other = json!(piece),
    }
}

/// An input that is no object, as of an answer that was cut, is kept as what it is: the client's tool can say what is wrong.
fn close(block: &mut Value) {
    if let Some(Value::String(text)) = block.get("input") {
        let input = serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
        block["input"] = input.unwrap_or_else(|| json!({"INVALID_JSON": text}));
    }
}

/// The thoughts of a piece of a stream: text, which a server may repeat in the block, and the proof at its end.
pub(super) fn thoughts(delta: &Value, blocks: &mut Blocks) {
    let text = reasoning(delta);
    if !text.is_empty() {
        blocks.thought(text);
    }
    for block in list(delta, "thinking_blocks") {
        thinking_block(block, text.is_empty(), blocks);
    }
}

/// The thoughts of a whole message, whose blocks have their text; the text alone is for those that are missing there.
fn whole_thoughts(message: &Value, blocks: &mut Blocks) {
    let shown =
        |block: &Value| block.get("thinking").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let text = reasoning(message);
    if !text.is_empty() && !list(message, "thinking_blocks").any(shown) {
        blocks.thought(text);
    }
    for block in list(message, "thinking_blocks") {
        thinking_block(block, true, blocks);
    }
}

fn thinking_block(block: &Value, with_text: bool, blocks: &mut Blocks) {
    let said = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default();
    if block.get("type").is_some_and(|kind| kind == "redacted_thinking") {
        blocks.redacted(said("data"));
        return;
    }
    if with_text && !said("thinking").is_empty() {
        blocks.thought(said("thinking"));
    }
    if !said("signature").is_empty() {
        blocks.signature(said("signature"));
    }
}

/// `reasoning` is what OpenRouter, Groq and newer vLLM call it.
fn reasoning(delta: &Value) -> &str {
    let said = |name: &str| delta.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    said("reasoning_content").or_else(|| said("reasoning")).unwrap_or_default()
}

/// Text, its citations, and calls. Whether it was a refusal.
pub(super) fn spoken(delta: &Value, blocks: &mut Blocks) -> bool {
    for piece in content::pieces(delta) {
        match piece {
            Piece::Text(text) => blocks.text(text),
            Piece::Thought(thought) => blocks.thought(&thought),
        }
    }
    let refusal = delta.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(refusal) = refusal {
        blocks.text(refusal);
    }
    citations(delta, blocks);
    for (position, call) in list(delta, "tool_calls").enumerate() {
        blocks.call(call, position);
    }
    refusal.is_some()
}

/// Anthropic's own as they were; else OpenAI's, which name a page, as results of a web search.
fn citations(delta: &Value, blocks: &mut Blocks) {
    let is_own = |citation: &&Value| {
        citation.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("_location"))
    };
    let fields = delta.get("provider_specific_fields").unwrap_or(&Value::Null);
    let own: Vec<&Value> = list(fields, "citations").filter(is_own).collect();
    if !own.is_empty() {
        own.into_iter().for_each(|citation| blocks.citation(citation.clone()));
        return;
    }
    for annotation in list(delta, "annotations") {
        let Some(cited) = annotation.get("url_citation") else { continue };
        let said = |name: &str| cited.get(name).and_then(Value::as_str);
        let Some(url) = said("url") else { continue };
        blocks.citation(json!({
            "type": "web_search_result_location", "url": url, "title": said("title"),
            "cited_text": said("content").unwrap_or_default(), "encrypted_index": "",
        }));
    }
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Why a choice ended: the reason, and the stop sequence if it was one. A client of tools goes by `tool_use`, whatever the
/// server called it.
pub(super) fn stop(choice: &Value, called: bool, refused: bool) -> (&'static str, Option<String>) {
    let said = |path: &str| choice.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let finish = said("/finish_reason").unwrap_or_default();
    // The second is vLLM's.
    let sequence = said("/provider_specific_fields/stop_sequence")
        .or_else(|| said("/stop_reason").filter(|_| finish == "stop"))
        .filter(|_| !called);
    if let Some(sequence) = sequence {
        return ("stop_sequence", Some(sequence.to_owned()));
    }
    let native = said("/provider_specific_fields/native_finish_reason");
    let native = native.and_then(|word| REASONS.iter().find(|reason| **reason == word));
    let reason = match (finish, native) {
        (_, Some(reason)) if !matches!(*reason, "end_turn" | "tool_use") => reason,
        ("length", _) => "max_tokens",
        ("content_filter", _) => "refusal",
        _ if called => "tool_use",
        _ if refused => "refusal",
        _ => "end_turn",
    };
    (reason, None)
}

#[cfg(test)]
mod tests;
