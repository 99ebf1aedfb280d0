//! Says what an event is, in one pass over its JSON and without allocating.
//!
//! The whole event is parsed, not searched for words: a model's text may contain any word, and an event that is not
//! JSON must not pass. Error forms other than OpenAI's own are those seen from servers that speak the dialect: vLLM's
//! `{"object":"error"}`, OpenRouter's `finish_reason: "error"`, Groq's `event: error`.

use crate::dialects::json::{Invalid, Scan};
use crate::dialects::{Chunk, Seen, Usage, tokens};

pub(super) fn event(name: &[u8], data: &[u8]) -> Seen {
    let data = data.trim_ascii();
    if data.starts_with(b"[DONE]") {
        return Seen::Done(Chunk::default());
    }
    // Whatever an error says it is one; but one that is cut short may have been anything.
    if name == b"error" && !(data.starts_with(b"{") && body(data) == Seen::Malformed) {
        return Seen::Error;
    }
    if data.is_empty() {
        return Seen::Chunk(Chunk::default());
    }
    body(data)
}

pub(super) fn body(data: &[u8]) -> Seen {
    let Ok(text) = std::str::from_utf8(data) else { return Seen::Malformed };
    match document(Scan::new(text)) {
        Err(Invalid) => Seen::Malformed,
        Ok(found) if found.error => Seen::Error,
        Ok(found) => Seen::Chunk(Chunk {
            content: found.content,
            finish: found.finish,
            usage_only: found.usage && !found.choices,
            filtered: found.filtered && !found.unfiltered,
            usage: found.told,
        }),
    }
}

/// What stood in a chunk, or in a whole completion.
#[derive(Default)]
struct Found {
    error: bool,
    usage: bool,
    told: Option<Usage>,
    /// There is a choice.
    choices: bool,
    content: bool,
    finish: bool,
    /// A choice ended because of a filter; for another reason.
    filtered: bool,
    unfiltered: bool,
}

fn document(mut scan: Scan<'_>) -> Result<Found, Invalid> {
    let mut found = Found::default();
    scan.object(|scan, name| {
        if name.is("choices") {
            return scan.array(|scan| choice(scan, &mut found));
        }
        if name.is("usage") && scan.is_object() {
            let (any, told) = tokens::read(scan, &tokens::CHAT)?;
            found.usage |= any;
            found.told = told;
            return Ok(());
        }
        let value = scan.value()?;
        if name.is("error") {
            found.error |= !value.is_null();
        } else if name.is("object") || name.is("type") {
            found.error |= value.is("error");
        } else if name.is("usage") {
            found.usage |= value.is_full();
        }
        Ok(())
    })?;
    scan.end().map(|()| found)
}

fn choice(scan: &mut Scan<'_>, found: &mut Found) -> Result<(), Invalid> {
    found.choices = true;
    scan.object(|scan, name| {
        if name.is("delta") || name.is("message") {
            return delta(scan, found);
        }
        let value = scan.value()?;
        if name.is("finish_reason") {
            // Some servers write an empty reason into every chunk.
            found.finish |= value.is_full();
            let filtered = value.is("content_filter");
            found.filtered |= filtered;
            found.unfiltered |= value.is_full() && !filtered;
            found.error |= value.is("error");
        } else if name.is("error") {
            found.error |= !value.is_null();
        } else if name.is("text") {
            found.content |= value.is_full();
        }
        Ok(())
    })
}

/// Anything but the role is content: text, a tool call, reasoning, audio, and what comes next year.
fn delta(scan: &mut Scan<'_>, found: &mut Found) -> Result<(), Invalid> {
    if scan.null() {
        return Ok(());
    }
    scan.object(|scan, name| {
        let full = scan.value()?.is_full();
        found.content |= full && !name.is("role");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(content: bool, finish: bool, usage_only: bool) -> Seen {
        Seen::Chunk(Chunk { content, finish, usage_only, filtered: false, usage: None })
    }

    #[test]
    fn reads_what_an_answer_cost() {
        let tokens = |usage: &str| match event(b"", format!(r#"{{"choices":[],"usage":{usage}}}"#).as_bytes())
        {
            Seen::Chunk(chunk) => chunk.usage.map(|usage| (usage.sum().unwrap(), usage.output.unwrap_or(0))),
            other => panic!("{usage}: {other:?}"),
        };
        for (usage, expected) in [
            (r#"{"prompt_tokens":4,"completion_tokens":3,"total_tokens":7}"#, Some((7, 3))),
            (r#"{"total_tokens": 9 , "details":{"total_tokens":1}}"#, Some((9, 0))),
            (r#"{"completion_tokens":3,"prompt_tokens":4}"#, Some((7, 3))),
            (r#"{"completion_tokens":3}"#, Some((3, 3))),
            (r#"{"total_tokens":-1}"#, None),
            (r#"{"total_tokens":"7"}"#, None),
            (r#"{"total_tokens":1e3}"#, None),
            (r#"{"total_tokens":99999999999999999999}"#, None),
            ("{}", None),
            ("null", None),
            ("7", None),
            ("[7]", None),
        ] {
            assert_eq!(tokens(usage), expected, "{usage}");
        }
        assert_eq!(event(b"", br#"{"usage":{"total_tokens":}}"#), Seen::Malformed);
        let parts = br#"{"choices":[],"usage":{"prompt_tokens":9,"prompt_tokens_details":{"audio_tokens":null,
            "cached_tokens":4,"cache_creation_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}}"#;
        let Seen::Chunk(Chunk { usage: Some(usage), .. }) = event(b"", parts) else { panic!("no usage") };
        assert_eq!((usage.cached, usage.cache_write, usage.reasoning), (Some(4), Some(2), Some(1)));
    }

    #[test]
    fn tells_the_parts_of_an_answer() {
        for (data, expected) in [
            (
                r#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
                chunk(false, false, false),
            ),
            (
                r#"{"choices":[{"delta":{"content":"é \"finish_reason\":\"stop\""}}]}"#,
                chunk(true, false, false),
            ),
            (r#"{"choices":[{"delta":{"content":"error"}}]}"#, chunk(true, false, false)),
            (r#"{"choices":[{"delta":{},"finish_reason":""}]}"#, chunk(false, false, false)),
            (r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, chunk(true, false, false)),
            (
                r#"{"choices":[{"delta":{"reasoning_content":"hm","tool_calls":[],"content":null}}]}"#,
                chunk(true, false, false),
            ),
            (r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}"#, chunk(false, true, false)),
            (
                r#"{"choices":[{"delta":null},{"delta":{"content":"b"},"finish_reason":"length"}]}"#,
                chunk(true, true, false),
            ),
            (r#"{"choices":[],"usage":{"tokens":3}}"#, chunk(false, false, true)),
            (
                r#"{"choices":[{"message":{"content":"whole"},"finish_reason":"stop"}],"usage":{"a":1}}"#,
                chunk(true, true, false),
            ),
            (r#"{"error":null,"choices":null}"#, chunk(false, false, false)),
            ("", chunk(false, false, false)),
            ("[DONE]", Seen::Done(Chunk::default())),
            (" [DONE] ", Seen::Done(Chunk::default())),
        ] {
            assert_eq!(event(b"", data.as_bytes()), expected, "{data}");
        }
    }

    #[test]
    fn tells_what_a_filter_refused() {
        let filtered = |reasons: &[&str]| {
            let choices: Vec<_> = reasons
                .iter()
                .map(|reason| format!(r#"{{"message":{{}},"finish_reason":{reason}}}"#))
                .collect();
            match body(format!(r#"{{"choices":[{}]}}"#, choices.join(",")).as_bytes()) {
                Seen::Chunk(chunk) => chunk.filtered,
                other => panic!("{other:?}"),
            }
        };
        assert!(filtered(&[r#""content_filter""#]) && filtered(&[r#""content_filter""#, "null"]));
        assert!(!filtered(&[r#""stop""#]) && !filtered(&["null"]) && !filtered(&[]));
        assert!(!filtered(&[r#""content_filter""#, r#""stop""#]), "one of them is an answer");
    }

    #[test]
    fn tells_every_form_of_an_error() {
        for data in [
            r#"{"error":{"code":429}}"#,
            r#"{"error":"overloaded"}"#,
            r#"{"error":{}}"#,
            r#"{"object":"error","message":"m"}"#,
            r#"{"type":"error"}"#,
            r#"{"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
            r#"{"choices":[{"delta":{"content":"x"}}],"error":{"code":502}}"#,
        ] {
            assert_eq!(event(b"", data.as_bytes()), Seen::Error, "{data}");
        }
        for data in ["anything", "", r#"{"message":"m"}"#] {
            assert_eq!(event(b"error", data.as_bytes()), Seen::Error, "{data}");
        }
        assert_eq!(event(b"error", br#"{"error":{"code":42"#), Seen::Malformed);
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for data in [
            "{",
            r#"{"choices":[{"delta":{"content":"a"#,
            "null",
            "3",
            "[]",
            "text",
            r#"{"choices":7}"#,
            "{} {}",
            "{\"a\":\"\u{1}\"}",
        ] {
            assert_eq!(event(b"", data.as_bytes()), Seen::Malformed, "{data}");
        }
        assert_eq!(event(b"", b"{\"a\":\"\xff\"}"), Seen::Malformed);
    }
}
