//! What a client of a chat stream saw, kept byte by byte: it must see what an SDK would forgive.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// One response, as far as it came.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// The HTTP status; 0 without a response.
    pub(super) status: u16,
    /// The `retry-after` header.
    pub(super) retry_after: Option<String>,
    /// All content, concatenated.
    pub(super) text: String,
    /// The first finish reason.
    pub(super) finish: Option<String>,
    /// `[DONE]` came.
    pub(super) done: bool,
    /// The first error: its code and its message.
    pub(super) error: Option<(u16, String)>,
    /// The first thing that has no place in a chat stream, or not there.
    pub(super) odd: Option<String>,
    /// The response ended as HTTP says, not by a cut.
    pub(super) ended: bool,
    /// The longest silence between two contents.
    pub(super) gap: Duration,
}

/// Writes a transcript while the bytes come.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// What was seen so far.
    pub(super) seen: Transcript,
    last: Option<Instant>,
    pending: Vec<u8>,
    data: Vec<u8>,
}

impl Reader {
    /// Reads a piece of the body that came at `now`.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Instant) {
        self.pending.extend_from_slice(bytes);
        if self.seen.status != 200 {
            return;
        }
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let rest = self.pending.split_off(end + 1);
            let line = std::mem::replace(&mut self.pending, rest);
            self.line(line.trim_ascii_end(), now);
        }
    }

    /// The body is over.
    pub(super) fn end(&mut self) {
        self.seen.ended = true;
        let rest = std::mem::take(&mut self.pending);
        if self.seen.status == 200 {
            if !rest.is_empty() || !self.data.is_empty() {
                self.notice(format!("half an event at the end: {}", shown(&rest)));
            }
        } else {
            match serde_json::from_slice::<Value>(&rest) {
                Ok(body) => self.seen.error = Some(read_error(&body["error"])),
                Err(_) => self.notice(format!("an error whose body is not JSON: {}", shown(&rest))),
            }
        }
    }

    fn line(&mut self, line: &[u8], now: Instant) {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            if !data.is_empty() {
                self.event(&data, now);
            }
        } else if let Some(data) = line.strip_prefix(b"data:") {
            if !self.data.is_empty() {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
        } else if !line.starts_with(b":") && !line.starts_with(b"event:") {
            self.notice(format!("a line that is no field of an event: {}", shown(line)));
        }
    }

    fn event(&mut self, data: &[u8], now: Instant) {
        if self.seen.done || self.seen.error.is_some() {
            self.notice(format!("after the stream's end: {}", shown(data)));
        }
        if data == b"[DONE]" {
            self.seen.done = true;
            return;
        }
        let Ok(event) = serde_json::from_slice::<Value>(data) else {
            self.notice(format!("an event that is not JSON: {}", shown(data)));
            return;
        };
        if !event["error"].is_null() {
            self.seen.error.get_or_insert_with(|| read_error(&event["error"]));
            return;
        }
        for choice in event["choices"].as_array().into_iter().flatten() {
            if let Some(text) = choice["delta"]["content"].as_str().filter(|text| !text.is_empty()) {
                self.seen.text.push_str(text);
                self.seen.gap = self.seen.gap.max(self.last.map_or(Duration::ZERO, |last| now - last));
                self.last = Some(now);
            }
            if let Some(reason) = choice["finish_reason"].as_str() {
                self.seen.finish.get_or_insert_with(|| reason.to_owned());
            }
        }
    }

    fn notice(&mut self, what: String) {
        self.seen.odd.get_or_insert(what);
    }
}

/// The code may be a number or, in litellm's form, a string.
fn read_error(error: &Value) -> (u16, String) {
    let code = &error["code"];
    let code = code.as_u64().or_else(|| code.as_str()?.parse().ok());
    let message = error["message"].as_str().unwrap_or_default().to_owned();
    (code.and_then(|code| u16::try_from(code).ok()).unwrap_or(0), message)
}

fn shown(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"潮 a\"},\"finish_reason\":null}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\n";
    const ERROR: &str = "data: {\"error\":{\"code\":\"429\",\"message\":\"slow\"}}\n\n";

    fn reader(status: u16) -> Reader {
        Reader { seen: Transcript { status, ..Transcript::default() }, ..Reader::default() }
    }

    fn read(body: &str, step: usize) -> Transcript {
        let mut reader = reader(200);
        for piece in body.as_bytes().chunks(step) {
            reader.feed(piece, Instant::now());
        }
        reader.end();
        reader.seen
    }

    #[test]
    fn a_stream_reads_the_same_however_it_is_split() {
        for step in [1, 2, 3, 7, 1000] {
            let seen = read(&format!("{CHUNK}: ping\n\n{CHUNK}{STOP}data: [DONE]\n\n"), step);
            assert_eq!((seen.text.as_str(), seen.finish.as_deref()), ("潮 a潮 a", Some("stop")));
            assert!(seen.done && seen.ended && seen.error.is_none() && seen.odd.is_none(), "{seen:?}");
        }
    }

    #[test]
    fn what_follows_the_end_is_noticed() {
        assert!(read(&format!("{ERROR}data: [DONE]\n\n"), 9).odd.unwrap().contains("after the stream's end"));
        assert!(read(&format!("data: [DONE]\n\n{CHUNK}"), 9).odd.is_some());
        let honest = read(&format!("{CHUNK}{ERROR}"), 9);
        assert_eq!(honest.error, Some((429, "slow".into())));
        assert!(honest.odd.is_none() && !honest.done);
    }

    #[test]
    fn what_is_no_event_is_noticed() {
        for body in ["no healthy upstream\n", "data: {cut\n\n", "data: {}"] {
            assert!(read(body, 4).odd.is_some(), "{body}");
        }
    }

    #[test]
    fn an_http_error_is_read_from_its_body() {
        let mut reader = reader(429);
        reader.feed(br#"{"error":{"code":429,"message":"later"}}"#, Instant::now());
        reader.end();
        assert_eq!(reader.seen.error, Some((429, "later".into())));
    }
}
