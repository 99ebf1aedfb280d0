//! Says what an event is, in one pass over its JSON and without allocating.

use super::words;
use crate::dialects::json::{Invalid, Scan};
use crate::dialects::{Chunk, Seen, Usage};

/// An event of a stream. There is no terminal marker: the end of the body is the end.
pub(in crate::dialects) fn event(name: &[u8], data: &[u8]) -> Seen {
    if name == b"error" {
        return Seen::Error;
    }
    if data.trim_ascii().is_empty() {
        return Seen::Chunk(Chunk::default());
    }
    body(data)
}

/// A whole answer, or one element of a streamed array.
pub(in crate::dialects) fn body(data: &[u8]) -> Seen {
    let Ok(text) = std::str::from_utf8(data) else { return Seen::Malformed };
    match document(Scan::new(text)) {
        Err(Invalid) => Seen::Malformed,
        Ok(found) if found.error => Seen::Error,
        Ok(found) => Seen::Chunk(Chunk {
            content: found.content,
            finish: found.finish,
            usage_only: found.usage.is_some() && !found.candidates && !found.finish,
            filtered: found.filtered && !found.unfiltered,
            usage: found.usage,
        }),
    }
}

/// An answer to `countTokens`: it ends as it begins.
pub(in crate::dialects) fn count(data: &[u8]) -> Seen {
    let Ok(text) = std::str::from_utf8(data) else { return Seen::Malformed };
    let (mut scan, mut error, mut total) = (Scan::new(text), false, None);
    let read = scan.object(|scan, name| {
        if name.is("totalTokens") {
            total = scan.count()?;
            return Ok(());
        }
        let value = scan.value()?;
        error |= name.is("error") && !value.is_null();
        Ok(())
    });
    match read.and_then(|()| scan.end()) {
        Err(Invalid) => Seen::Malformed,
        Ok(()) if error => Seen::Error,
        // proto3's JSON leaves a zero out, and an empty prompt has none.
        Ok(()) => Seen::Chunk(Chunk { content: total.is_some(), finish: true, ..Chunk::default() }),
    }
}

/// What stood in a `GenerateContentResponse`.
#[derive(Default)]
struct Found {
    error: bool,
    usage: Option<Usage>,
    /// There is a candidate.
    candidates: bool,
    content: bool,
    finish: bool,
    /// A candidate ended because of a filter; for another reason.
    filtered: bool,
    unfiltered: bool,
}

impl Found {
    fn finish(&mut self, filtered: bool) {
        self.finish = true;
        self.filtered |= filtered;
        self.unfiltered |= !filtered;
    }
}

fn document(mut scan: Scan<'_>) -> Result<Found, Invalid> {
    let mut found = Found::default();
    scan.object(|scan, name| {
        if name.is("candidates") {
            return scan.array(|scan| candidate(scan, &mut found));
        }
        if name.is("usageMetadata") && scan.is_object() {
            return usage(scan, &mut found);
        }
        if name.is("promptFeedback") && scan.is_object() {
            return scan.object(|scan, name| {
                let value = scan.value()?;
                let unsaid = value.is("BLOCK_REASON_UNSPECIFIED") || value.is("BLOCKED_REASON_UNSPECIFIED");
                if name.is("blockReason") && value.is_full() && !unsaid {
                    found.finish(true);
                }
                Ok(())
            });
        }
        let value = scan.value()?;
        found.error |= name.is("error") && !value.is_null();
        Ok(())
    })?;
    scan.end().map(|()| found)
}

fn candidate(scan: &mut Scan<'_>, found: &mut Found) -> Result<(), Invalid> {
    found.candidates = true;
    scan.object(|scan, name| {
        if name.is("content") && scan.is_object() {
            return scan.object(|scan, name| {
                if name.is("parts") {
                    return scan.array(|scan| part(scan, found));
                }
                scan.value().map(drop)
            });
        }
        let value = scan.value()?;
        if name.is("finishReason") && value.is_full() && !value.is("FINISH_REASON_UNSPECIFIED") {
            found.finish(value.plain().is_some_and(words::is_filtered));
        }
        Ok(())
    })
}

/// Any member says something to the user, but for those that say something of another.
fn part(scan: &mut Scan<'_>, found: &mut Found) -> Result<(), Invalid> {
    scan.object(|scan, name| {
        let value = scan.value()?;
        let beside = name.is_any(&["thought", "thoughtSignature", "videoMetadata", "partMetadata"]);
        found.content |= !beside && value.is_full();
        Ok(())
    })
}

/// Counts are cumulative: each chunk has all of them so far.
fn usage(scan: &mut Scan<'_>, found: &mut Found) -> Result<(), Invalid> {
    let (mut usage, mut tools, mut answer) = (Usage::default(), None, None);
    scan.object(|scan, name| {
        let count = scan.count()?;
        if name.is("promptTokenCount") {
            usage.input = count;
        } else if name.is("toolUsePromptTokenCount") {
            tools = count;
        } else if name.is("candidatesTokenCount") {
            answer = count;
        } else if name.is("thoughtsTokenCount") {
            usage.reasoning = count;
        } else if name.is("cachedContentTokenCount") {
            usage.cached = count;
        } else if name.is("totalTokenCount") {
            usage.total = count;
        }
        Ok(())
    })?;
    usage.input = sum(usage.input, tools);
    usage.output = sum(answer, usage.reasoning);
    found.usage = Some(usage);
    Ok(())
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(content: bool, finish: bool, filtered: bool) -> Seen {
        Seen::Chunk(Chunk { content, finish, filtered, ..Chunk::default() })
    }

    #[test]
    fn tells_the_parts_of_an_answer() {
        for (data, expected) in [
            (
                r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]},"index":0}]}"#,
                chunk(true, false, false),
            ),
            (
                r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"x"}],"role":"model"},"finishReason":"STOP"}]}"#,
                chunk(false, true, false),
            ),
            (
                r#"{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"MAX_TOKENS"}]}"#,
                chunk(true, true, false),
            ),
            (
                r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]}}]}"#,
                chunk(true, false, false),
            ),
            (
                r#"{"candidates":[{"content":{"parts":[{"thought":true,"text":"hm"}]}}]}"#,
                chunk(true, false, false),
            ),
            (
                r#"{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AA"}}]}}]}"#,
                chunk(true, false, false),
            ),
            (r#"{"candidates":[{"content":{},"finishReason":"SAFETY"}]}"#, chunk(false, true, true)),
            (
                r#"{"candidates":[{"finishReason":"IMAGE_SAFETY"},{"finishReason":"STOP"}]}"#,
                chunk(false, true, false),
            ),
            (
                r#"{"candidates":[{"content":null,"finishReason":"FINISH_REASON_UNSPECIFIED"}]}"#,
                chunk(false, false, false),
            ),
            (r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}"#, chunk(false, true, true)),
            (r#"{"promptFeedback":{"safetyRatings":[]},"candidates":[]}"#, chunk(false, false, false)),
            (r#"{"responseId":"r","error":null}"#, chunk(false, false, false)),
            ("", chunk(false, false, false)),
        ] {
            assert_eq!(event(b"", data.as_bytes()), expected, "{data}");
        }
    }

    #[test]
    fn counts_as_google_does() {
        let data = br#"{"usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":2,"candidatesTokenCount":3,
            "thoughtsTokenCount":4,"cachedContentTokenCount":5,"totalTokenCount":19,"promptTokensDetails":[{"modality":"TEXT"}]}}"#;
        let Seen::Chunk(chunk) = event(b"", data) else { panic!("an answer") };
        let want = Usage {
            input: Some(12),
            output: Some(7),
            cached: Some(5),
            reasoning: Some(4),
            total: Some(19),
            ..Usage::default()
        };
        assert_eq!((chunk.usage, chunk.usage_only), (Some(want), true));
    }

    #[test]
    fn tells_errors_and_what_is_none_of_it() {
        for data in [r#"{"error":{"code":429}}"#, r#"{"candidates":[],"error":{"code":500}}"#] {
            assert_eq!(event(b"", data.as_bytes()), Seen::Error, "{data}");
        }
        assert_eq!(event(b"error", b"{}"), Seen::Error);
        for data in [
            "[DONE]",
            "[{}]",
            "{",
            "7",
            r#"{"candidates":7}"#,
            r#"{"candidates":[{"content":{"parts":[7]}}]}"#,
        ] {
            assert_eq!(event(b"", data.as_bytes()), Seen::Malformed, "{data}");
        }
    }

    #[test]
    fn tells_counts() {
        assert_eq!(
            count(br#"{"totalTokens":31,"promptTokensDetails":[{"modality":"TEXT"}]}"#),
            chunk(true, true, false)
        );
        assert_eq!(count(b"{}"), chunk(false, true, false));
        assert_eq!(count(br#"{"error":{"code":404}}"#), Seen::Error);
        assert_eq!(count(b"31"), Seen::Malformed);
    }
}
