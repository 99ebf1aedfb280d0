//! Who reads an answer: the same place of Vertex AI's serves models whose answers have nothing in common.

use serde_json::Value;
use tidegate_anthropic_wire as claude;
use tidegate_plugin_sdk::{End, EventIn, Fault, Flow, HeadIn, Stream, StreamOut};

use crate::Translator;
use crate::model::Maker;

/// One stream, on its way to a client of chat completions.
#[derive(Debug)]
pub enum Answer {
    /// Of a model of Google's.
    Gemini(Box<Translator>),
    /// Of Claude.
    Claude(Box<claude::Translator>),
    /// Of Claude, for a client of Messages.
    Passing(claude::Passing),
    /// Of a model that the configuration leaves to the request. The first event tells: Claude's have names.
    Either(Option<Box<(Translator, claude::Translator)>>),
}

impl Answer {
    /// `maker`: the model's, where the configuration names one.
    pub(crate) fn of(maker: Option<Maker>, head: &HeadIn<'_>) -> Self {
        let (gemini, claude) = (|| Translator::new(head), || claude::Translator::new(head));
        match maker {
            _ if head.dialect == tidegate_plugin_sdk::Dialect::AnthropicMessages => {
                Answer::Passing(claude::Passing::default())
            }
            Some(Maker::Anthropic) => Answer::Claude(Box::new(claude())),
            None => Answer::Either(Some(Box::new((gemini(), claude())))),
            Some(_) => Answer::Gemini(Box::new(gemini())),
        }
    }
}

impl Stream for Answer {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        if let Answer::Either(both) = self
            && let Some(both) = both.take()
        {
            let (gemini, claude) = *both;
            *self = if event.name.is_empty() {
                Answer::Gemini(Box::new(gemini))
            } else {
                Answer::Claude(Box::new(claude))
            };
        }
        match self {
            Answer::Gemini(stream) => stream.event(event, out),
            Answer::Claude(stream) => stream.event(event, out),
            Answer::Passing(stream) => stream.event(event, out),
            Answer::Either(_) => Err(Fault::Protocol("it begins with nothing")),
        }
    }

    fn end(&mut self, out: &mut StreamOut<'_>) -> Result<End, Fault> {
        match self {
            Answer::Gemini(stream) => stream.end(out),
            Answer::Claude(stream) => stream.end(out),
            Answer::Passing(stream) => stream.end(out),
            Answer::Either(_) => Ok(End::Truncated),
        }
    }
}

/// Whether a whole body is one of Claude's: a message, or an error, each with its `type`; also in an array of one, as Google
/// puts its own errors.
pub(crate) fn is_claudes(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Typed {
        r#type: Option<Value>,
    }
    let typed = serde_json::from_slice::<(Typed,)>(body).map(|(one,)| one);
    let typed = typed.or_else(|_| serde_json::from_slice::<Typed>(body));
    typed
        .is_ok_and(|typed| matches!(typed.r#type.as_ref().and_then(Value::as_str), Some("message" | "error")))
}

#[cfg(test)]
mod tests {
    use super::is_claudes;

    #[test]
    fn claudes_answers_are_told_by_their_type() {
        for (body, is) in [
            (r#"{"type":"message","content":[]}"#, true),
            (r#"{"type":"error","error":{}}"#, true),
            (r#"[{"type":"error","error":{}}]"#, true),
            (r#"{"error":{"code":429}}"#, false),
            (r#"[{"error":{"code":429}}]"#, false),
            (r#"{"candidates":[]}"#, false),
            ("<html>", false),
        ] {
            assert_eq!(is_claudes(body.as_bytes()), is, "{body}");
        }
    }
}
