//! Says what an event of Anthropic's is, in one pass over its JSON and without allocating.
//!
//! The SDKs go by the event's name and skip one that has none; this goes by `type` in the data, which the name repeats,
//! and by the name alone for an error, whose data may be anything.

use crate::dialects::json::{Invalid, Scan};
use crate::dialects::{Chunk, Seen, Usage};

pub(super) fn event(name: &[u8], data: &[u8]) -> Seen {
    let data = data.trim_ascii();
    // Whatever an error says it is one; but one that is cut short may have been anything.
    if name == b"error" && !(data.starts_with(b"{") && body(data) == Seen::Malformed) {
        return Seen::Error;
    }
    if data.is_empty() {
        return Seen::Chunk(Chunk::default());
    }
    body(data)
}

/// An event's data, or a whole answer: that is a `message` with all that the events say one by one.
pub(super) fn body(data: &[u8]) -> Seen {
    let Ok(text) = std::str::from_utf8(data) else { return Seen::Malformed };
    let mut found = Found::default();
    let mut scan = Scan::new(text);
    if document(&mut scan, &mut found).is_err() || scan.end().is_err() {
        return Seen::Malformed;
    }
    if found.error {
        return Seen::Error;
    }
    let chunk = Chunk {
        content: found.content,
        finish: found.finish,
        // Its usage stands in events that the client waits for: none of them may be left out.
        usage_only: false,
        filtered: found.refused,
        usage: found.usage.into_usage(),
    };
    if found.stop { Seen::Done(chunk) } else { Seen::Chunk(chunk) }
}

#[derive(Default)]
struct Found {
    error: bool,
    /// `message_stop`.
    stop: bool,
    content: bool,
    finish: bool,
    refused: bool,
    usage: Counts,
}

/// Anthropic's counts: what a cache gave or took is not in `input`.
#[derive(Default)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
    thinking: Option<u64>,
}

impl Counts {
    fn into_usage(self) -> Option<Usage> {
        let Counts { input, output, read, written, thinking } = self;
        if input.is_none() && output.is_none() {
            return None;
        }
        let whole =
            input.map(|input| input.saturating_add(read.unwrap_or(0)).saturating_add(written.unwrap_or(0)));
        Some(Usage {
            input: whole,
            output,
            cached: read,
            cache_write: written,
            reasoning: thinking,
            total: None,
        })
    }
}

/// The members of an event and of a message have no name in common that means two things, so one walk reads both.
fn document(scan: &mut Scan<'_>, found: &mut Found) -> Result<(), Invalid> {
    scan.object(|scan, name| {
        if name.is("delta") && scan.is_object() {
            return delta(scan, found);
        }
        if name.is("content_block") && scan.is_object() {
            return block(scan, found);
        }
        if name.is("message") && scan.is_object() {
            return document(scan, found);
        }
        if name.is("usage") && scan.is_object() {
            return usage(scan, &mut found.usage);
        }
        let value = scan.value()?;
        if name.is("type") {
            found.error |= value.is("error");
            found.stop |= value.is("message_stop");
        } else if name.is("error") {
            found.error |= !value.is_null();
        } else if name.is("content") {
            found.content |= value.is_full();
        } else if name.is("stop_reason") {
            found.finish |= value.is_full();
            found.refused |= value.is("refusal");
        }
        Ok(())
    })
}

/// A piece of a block, or why the message ended: any member but these says something to the user.
fn delta(scan: &mut Scan<'_>, found: &mut Found) -> Result<(), Invalid> {
    scan.object(|scan, name| {
        let value = scan.value()?;
        if name.is("stop_reason") {
            found.finish |= value.is_full();
            found.refused |= value.is("refusal");
        } else if !name.is_any(&["type", "stop_sequence", "stop_details", "container"]) {
            found.content |= value.is_full();
        }
        Ok(())
    })
}

/// A block's beginning. Text and thinking begin empty; a call of a tool, or what comes next year, is content already.
fn block(scan: &mut Scan<'_>, found: &mut Found) -> Result<(), Invalid> {
    let (mut begins_empty, mut full) = (false, false);
    scan.object(|scan, name| {
        let value = scan.value()?;
        if name.is("type") {
            begins_empty |= value.is("text") || value.is("thinking");
        } else {
            full |= value.is_full();
        }
        Ok(())
    })?;
    found.content |= full || !begins_empty;
    Ok(())
}

fn usage(scan: &mut Scan<'_>, counts: &mut Counts) -> Result<(), Invalid> {
    scan.object(|scan, name| {
        if name.is("output_tokens_details") {
            return scan.counts(|name, count| {
                if name.is("thinking_tokens") {
                    counts.thinking = count;
                }
            });
        }
        let count = scan.count()?;
        if name.is("input_tokens") {
            counts.input = count;
        } else if name.is("output_tokens") {
            counts.output = count;
        } else if name.is("cache_read_input_tokens") {
            counts.read = count;
        } else if name.is("cache_creation_input_tokens") {
            counts.written = count;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(content: bool, finish: bool) -> Seen {
        Seen::Chunk(Chunk { content, finish, ..Chunk::default() })
    }

    fn seen(data: &str) -> Seen {
        match event(b"", data.as_bytes()) {
            Seen::Chunk(chunk) => Seen::Chunk(Chunk { usage: None, ..chunk }),
            other => other,
        }
    }

    #[test]
    fn tells_the_parts_of_an_answer() {
        let delta = |kind: &str| format!(r#"{{"type":"content_block_delta","index":0,"delta":{kind}}}"#);
        let begins =
            |block: &str| format!(r#"{{"type":"content_block_start","index":0,"content_block":{block}}}"#);
        let rows = [
            (r#"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{"input_tokens":3,"output_tokens":1}}}"#.to_owned(), chunk(false, false)),
            (begins(r#"{"type":"text","text":""}"#), chunk(false, false)),
            (begins(r#"{"type":"text","text":"","citations":[]}"#), chunk(false, false)),
            (begins(r#"{"type":"thinking","thinking":"","signature":""}"#), chunk(false, false)),
            (begins(r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#), chunk(true, false)),
            (begins(r#"{"type":"redacted_thinking","data":"x"}"#), chunk(true, false)),
            (begins(r#"{"type":"next_year"}"#), chunk(true, false)),
            (delta(r#"{"type":"text_delta","text":"stop_reason"}"#), chunk(true, false)),
            (delta(r#"{"type":"text_delta","text":""}"#), chunk(false, false)),
            (delta(r#"{"type":"thinking_delta","thinking":"hm"}"#), chunk(true, false)),
            (delta(r#"{"type":"signature_delta","signature":"s"}"#), chunk(true, false)),
            (delta(r#"{"type":"input_json_delta","partial_json":"{\"a"}"#), chunk(true, false)),
            (delta(r#"{"type":"citations_delta","citation":{"a":1}}"#), chunk(true, false)),
            (r#"{"type":"content_block_stop","index":0}"#.to_owned(), chunk(false, false)),
            (r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}"#.to_owned(), chunk(false, true)),
            (r#"{"type":"message_delta","delta":{"stop_reason":null,"stop_sequence":null},"usage":{"output_tokens":9}}"#.to_owned(), chunk(false, false)),
            (r#"{"type":"ping"}"#.to_owned(), chunk(false, false)),
            (r#"{"type":"not_known_yet","x":{"error":1}}"#.to_owned(), chunk(false, false)),
            (String::new(), chunk(false, false)),
            (r#"{"type":"message_stop"}"#.to_owned(), Seen::Done(Chunk::default())),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#.to_owned(), Seen::Error),
            (r#"{"error":{"message":"m","code":"429"}}"#.to_owned(), Seen::Error),
            (r#"{"type":"message_stop""#.to_owned(), Seen::Malformed),
            ("[DONE]".to_owned(), Seen::Malformed),
            ("7".to_owned(), Seen::Malformed),
        ];
        for (data, expected) in rows {
            assert_eq!(seen(&data), expected, "{data}");
        }
        assert_eq!(event(b"error", b"anything"), Seen::Error);
        assert_eq!(event(b"error", b"{}"), Seen::Error);
        assert_eq!(event(b"error", br#"{"type":"error","error":{"type":"#), Seen::Malformed);
        assert_eq!(event(b"ping", b""), chunk(false, false));
    }

    #[test]
    fn reads_a_whole_answer() {
        let whole = |reason: &str, content: &str| {
            let text = format!(
                r#"{{"id":"m","type":"message","role":"assistant","content":{content},"stop_reason":{reason},"usage":{{"input_tokens":1,"output_tokens":2}}}}"#
            );
            seen(&text)
        };
        assert_eq!(whole(r#""end_turn""#, r#"[{"type":"text","text":"x"}]"#), chunk(true, true));
        assert_eq!(whole(r#""end_turn""#, "[]"), chunk(false, true));
        assert_eq!(whole("null", r#"[{"type":"text","text":"x"}]"#), chunk(true, false));
        let Seen::Chunk(refused) = whole(r#""refusal""#, "[]") else { panic!() };
        assert!(refused.filtered && refused.finish);
    }

    #[test]
    fn counts_what_a_cache_gave_or_took_as_input() {
        let usage = |text: &str| match event(b"", format!(r#"{{"usage":{text}}}"#).as_bytes()) {
            Seen::Chunk(chunk) => chunk.usage,
            other => panic!("{text}: {other:?}"),
        };
        let all = usage(
            r#"{"input_tokens":5,"cache_creation_input_tokens":20,"cache_read_input_tokens":300,"output_tokens":7,
                "cache_creation":{"ephemeral_5m_input_tokens":20},"output_tokens_details":{"thinking_tokens":4}}"#,
        );
        let expected = Usage {
            input: Some(325),
            output: Some(7),
            cached: Some(300),
            cache_write: Some(20),
            reasoning: Some(4),
            total: None,
        };
        assert_eq!(all, Some(expected));
        let late = usage(r#"{"output_tokens":7}"#).expect("there is one");
        assert_eq!((late.input, late.output), (None, Some(7)));
        assert_eq!(usage(r#"{"input_tokens":null,"output_tokens":-1}"#), None);
        assert_eq!(usage("null"), None);
    }
}
