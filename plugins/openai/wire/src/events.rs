//! The answer: which events are chunks, which are errors, and where the end is.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tidegate_plugin_sdk::{Dialect, End, EventIn, Fault, Flow, Note, Stream, StreamOut, classify};

/// A vendor's own reasons for an answer's end, with OpenAI's word for each. The empty one stands for an end that has none,
/// in a whole answer that calls tools.
pub type FinishReasons = BTreeMap<String, String>;

/// One stream of chat chunks, or of legacy completions. Its end is `[DONE]`, and nothing else.
#[derive(Debug, Default)]
pub struct Events {
    done: bool,
    reasons: Arc<FinishReasons>,
}

impl Events {
    /// A stream that has not begun.
    pub fn of(reasons: Arc<FinishReasons>) -> Self {
        Events { done: false, reasons }
    }
}

impl Stream for Events {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        let text = event.text()?.trim();
        // Nothing counts after the end, and an event without data is how some servers say "still here".
        if self.done || (text.is_empty() && event.name != "error") {
            return Ok(Flow::Done);
        }
        // SDKs match the prefix. The host writes the client's terminal itself.
        if text.starts_with("[DONE]") {
            self.done = true;
            out.note(Note::Done)?;
            return Ok(Flow::Done);
        }
        if is_named_error(event.name, text) {
            return Err(Fault::Upstream);
        }
        let mut chunk: Value =
            serde_json::from_str(text).map_err(|_| Fault::Protocol("an event is not JSON"))?;
        if error_in(&chunk).is_some() {
            return Err(Fault::Upstream);
        }
        if !chunk.is_object() || (event.stray && chunk.get("choices").is_none()) {
            return Err(Fault::Protocol("an event is not a chunk"));
        }
        note_usage(&chunk, out)?;
        let reworded = reword(&self.reasons, &mut chunk);
        // A chunk outside the framing has to be put back into it, on one line.
        if event.stray || reworded {
            out.event("", chunk.to_string().as_bytes())?;
            return Ok(Flow::Done);
        }
        Ok(Flow::Pass)
    }

    fn end(&mut self, _out: &mut StreamOut<'_>) -> Result<End, Fault> {
        Ok(if self.done { End::Done } else { End::Truncated })
    }
}

/// The part of an event, or of a body, that says what went wrong: the whole, Groq's `x_groq`, or the `response` that has
/// failed.
pub fn error_in(data: &Value) -> Option<&Value> {
    if let Value::Array(list) = data {
        return list.first().and_then(|first| if first.is_array() { None } else { error_in(first) });
    }
    if classify::is_error("", data) {
        return Some(data);
    }
    let has_error = |part: &&Value| part.get("error").is_some_and(|error| !error.is_null());
    if data.get("type").and_then(Value::as_str) == Some("response.failed") {
        return Some(data.get("response").filter(has_error).unwrap_or(data));
    }
    data.get("x_groq").or(data.get("response")).filter(has_error)
}

/// Whether an event is an error by its name. Whatever it says it is one; but what is cut short may have been anything.
pub(crate) fn is_named_error(name: &str, text: &str) -> bool {
    name == "error" && !(text.starts_with('{') && serde_json::from_str::<Value>(text).is_err())
}

/// A 2xx body that is not a stream: an answer in `dialect`, or an error.
///
/// # Errors
/// [`Fault::Upstream`] for an error in whatever form, [`Fault::Protocol`] for what is neither.
pub fn answer_in(dialect: Dialect, body: &[u8]) -> Result<Value, Fault> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Fault::Protocol("the body is not JSON"))?;
    if error_in(&value).is_some() {
        return Err(Fault::Upstream);
    }
    if dialect == Dialect::OpenAiResponses && value["status"] == "failed" {
        return Err(Fault::Upstream);
    }
    let (name, missing) = match dialect {
        Dialect::OpenAiResponses => ("output", "the body has no output"),
        Dialect::OpenAiEmbeddings => ("data", "the body has no data"),
        _ => ("choices", "the body has no choices"),
    };
    match value.get(name) {
        Some(Value::Array(_)) => Ok(value),
        _ => Err(Fault::Protocol(missing)),
    }
}

fn note_usage(chunk: &Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
    let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) else { return Ok(()) };
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    let notes = [
        count("/prompt_tokens").map(Note::TokensIn),
        count("/completion_tokens").map(Note::TokensOut),
        count("/prompt_tokens_details/cached_tokens").map(Note::TokensCached),
        count("/completion_tokens_details/reasoning_tokens").map(Note::TokensReasoning),
    ];
    notes.into_iter().flatten().try_for_each(|note| out.note(note))
}

/// Puts a vendor's reasons for an end in OpenAI's words, in a chunk or a whole answer; whether there was one.
pub fn reword(reasons: &FinishReasons, answer: &mut Value) -> bool {
    if reasons.is_empty() {
        return false;
    }
    let Some(Value::Array(choices)) = answer.get_mut("choices") else { return false };
    let mut changed = false;
    for choice in choices {
        let calls_tools = choice.pointer("/message/tool_calls/0").is_some();
        let Some(Value::String(reason)) = choice.get_mut("finish_reason") else { continue };
        // Some write an empty reason into every chunk, so there it is no end.
        let known = reasons.get(reason.as_str()).filter(|_| !reason.is_empty() || calls_tools);
        if let Some(word) = known {
            reason.clone_from(word);
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::is_named_error;

    #[test]
    fn an_error_that_is_cut_short_may_have_been_anything() {
        for (name, text, is) in [
            ("error", "anything", true),
            ("error", "", true),
            ("error", r#"{"message":"m"}"#, true),
            ("error", r#"{"type":"error","code":"rate_lim"#, false),
            ("", r#"{"message":"m"}"#, false),
        ] {
            assert_eq!(is_named_error(name, text), is, "{name} {text}");
        }
    }
}
