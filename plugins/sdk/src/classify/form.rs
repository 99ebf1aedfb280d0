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
    /// Reads `{"error": {...}}`, `{"error": "text"}`, an error wrapped in another, the same in an array of one, and the
    /// flat form `{"object": "error", "message": ...}`; also `detail`, as FastAPI servers have it. The status may stand in
    /// `code` or in a member of its own, in the error or beside it.
    pub fn of(body: &Value) -> Said {
        let body = match body {
            Value::Array(list) => list.first().unwrap_or(body),
            _ => body,
        };
        let mut error = body;
        for _ in 0..MAX_WRAPPED {
            match error.get("error") {
                Some(inner @ Value::Object(_)) => error = inner,
                Some(Value::String(text)) => {
                    let status = status(error).or_else(|| status(body));
                    return Said { message: Some(text.clone()), status, ..Said::default() };
                }
                _ => break,
            }
        }
        let message = ["message", "detail"].iter().find_map(|key| text(error.get(*key)?));
        let word = |key: &str| error.get(key).and_then(Value::as_str);
        // A number in quotes is the status again, and no word of the provider's.
        let is_word = |word: &&str| word.parse::<u64>().is_err();
        let grpc = word("status").filter(is_word);
        Said {
            message,
            code: word("code").filter(is_word).or(grpc).map(str::to_owned),
            kind: word("type").filter(|word| *word != "error").map(str::to_owned),
            status: status(error).or_else(|| status(body)),
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

/// Gateways put one error into the next; more than this is no error that anybody sends.
const MAX_WRAPPED: usize = 4;

/// The status that an object names, as a number or as one in quotes.
fn status(object: &Value) -> Option<u32> {
    ["code", "status", "status_code", "statusCode", "http_status"].iter().find_map(|key| {
        let number = match object.get(*key)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.and_then(|number| u32::try_from(number).ok()).filter(|number| (400..=599).contains(number))
    })
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
    fn finds_the_status_wherever_it_stands() {
        for said in [
            json!({"error": {"code": 429}}),
            json!({"error": {"code": "429"}}),
            json!({"error": {"message": "x", "status": 429}}),
            json!({"error": {"message": "x", "code": null, "status_code": 429}}),
            json!({"error": {"message": "x"}, "statusCode": 429}),
            json!({"error": "x", "status": 429}),
            json!({"error": {"error": {"error": {"code": 429}}}}),
            json!([{"error": {"code": 429}}]),
            json!({"object": "error", "message": "x", "code": 429}),
        ] {
            assert_eq!(Said::of(&said).status, Some(429), "{said}");
        }
        for none in
            [json!({"error": {"code": 42}}), json!({"error": {"status": "429x", "code": 1e9}}), json!(429)]
        {
            assert_eq!(Said::of(&none).status, None, "{none}");
        }
        assert_eq!(
            Said::of(&json!({"error": {"status": "UNAVAILABLE"}})).code.as_deref(),
            Some("UNAVAILABLE")
        );
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
