//! The shapes that errors come in.

use serde_json::Value;

/// Whether an event is an error, by the forms that providers use: a top-level `error` that is not null; an `object`
/// or `type` of `error`; a choice with `finish_reason: "error"`; an event that is named `error`.
pub fn is_error(event: &str, data: &Value) -> bool {
    let word = |key: &str| data.get(key).and_then(Value::as_str);
    event == "error"
        || data.get("error").is_some_and(|error| !error.is_null())
        || word("object") == Some("error")
        || word("type") == Some("error")
        || data.get("choices").and_then(Value::as_array).is_some_and(|choices| {
            choices.iter().any(|choice| choice.get("finish_reason").and_then(Value::as_str) == Some("error"))
        })
}

/// What an error says, whatever its shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// For people.
    pub message: Option<String>,
    /// The provider's own word.
    pub code: Option<String>,
    /// Its kind of error.
    pub kind: Option<String>,
    /// A status between 400 and 599 that the body itself names.
    pub status: Option<u32>,
}

impl Said {
    /// Reads `{"error": {...}}`, `{"error": "text"}`, the same in an array of one, and the flat form
    /// `{"object": "error", "message": ...}`; also `detail`, as FastAPI servers have it.
    pub fn of(body: &Value) -> Said {
        let body = match body {
            Value::Array(list) => list.first().unwrap_or(body),
            _ => body,
        };
        let error = match body.get("error") {
            Some(Value::String(text)) => return Said { message: Some(text.clone()), ..Said::default() },
            Some(error @ Value::Object(_)) => error,
            _ => body,
        };
        let message = ["message", "detail"].iter().find_map(|key| text(error.get(*key)?));
        let code = error.get("code");
        let number = code.and_then(|code| match code {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        });
        Said {
            message,
            // A code that is only the status again is no word of the provider's.
            code: code.and_then(Value::as_str).filter(|word| word.parse::<u64>().is_err()).map(str::to_owned),
            kind: error
                .get("type")
                .and_then(Value::as_str)
                .filter(|word| *word != "error")
                .map(str::to_owned),
            status: number.and_then(|n| u32::try_from(n).ok()).filter(|n| (400..=599).contains(n)),
        }
    }

    /// As [`Said::of`]; a body that is not JSON is its own message, cut at 1000 characters, unless it is a page of HTML.
    pub fn of_bytes(body: &[u8]) -> Said {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Said::of(&value),
            Err(_) => {
                let text = String::from_utf8_lossy(body);
                let text = text.trim();
                let wordless = text.is_empty() || text.starts_with('<');
                Said { message: (!wordless).then(|| text.chars().take(1000).collect()), ..Said::default() }
            }
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tells_errors_from_chunks() {
        let errors = [
            ("", json!({"error": {"message": "x"}})),
            ("", json!({"error": "x"})),
            ("", json!({"object": "error", "message": "x"})),
            ("", json!({"type": "error"})),
            ("", json!({"choices": [{"delta": {}, "finish_reason": null}, {"finish_reason": "error"}]})),
            ("error", json!({"message": "x"})),
        ];
        for (event, data) in errors {
            assert!(is_error(event, &data), "{event} {data}");
        }
        let chunks = [
            ("", json!({"choices": [{"delta": {"content": "error"}, "finish_reason": null}], "error": null})),
            ("message", json!({"object": "chat.completion.chunk", "choices": []})),
            ("", json!([])),
        ];
        for (event, data) in chunks {
            assert!(!is_error(event, &data), "{event} {data}");
        }
    }

    #[test]
    fn text_bodies_are_their_own_message() {
        assert_eq!(
            Said::of_bytes(b"upstream connect error").message.as_deref(),
            Some("upstream connect error")
        );
        assert_eq!(Said::of_bytes(b"<html>502</html>").message, None);
        assert_eq!(Said::of_bytes(b" ").message, None);
        assert_eq!(Said::of_bytes(&[0xff; 5000]).message.map(|text| text.chars().count()), Some(1000));
    }
}
