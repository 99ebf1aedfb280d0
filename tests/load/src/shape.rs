//! What a request asks the upstream for: the request's own JSON says so, in `stream` and in the text of its last
//! message.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

/// More events than this in one stream are refused.
const MAX_EVENTS: u32 = 1_000_000;
/// tokio's timer counts in milliseconds, so a faster pace could not be kept.
const MAX_HZ: u32 = 1_000;
/// What a stream without a shape gets.
const DEFAULT_EVENTS: u32 = 12;

/// The form of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One JSON body.
    Json,
    /// A stream of so many content events in three writes: a fast model behind a buffer.
    Burst(u32),
    /// A stream of so many content events, each its own write, without a pause: what a model server does that
    /// flushes every token.
    Flushed(u32),
    /// A stream of so many content events, one every `period`.
    Paced {
        /// Content events.
        events: u32,
        /// Time from one to the next.
        period: Duration,
    },
    /// One content event, then an open and silent stream.
    Idle,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(default)]
    stream: bool,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
}

impl Shape {
    /// Reads the shape from a chat completion request's body.
    pub(crate) fn of(body: &[u8]) -> Result<Self, String> {
        let request: Request<'_> = serde_json::from_slice(body)
            .map_err(|error| format!("not a chat completion request: {error}"))?;
        if !request.stream {
            return Ok(Self::Json);
        }
        let last = request.messages.last().ok_or("no messages")?;
        Self::parse(&last.content)
    }

    /// Reads `events=N`, `events=N;flush`, `events=N;hz=H` or `idle`; any other text is an ordinary prompt and gets a short stream.
    fn parse(text: &str) -> Result<Self, String> {
        if text == "idle" {
            return Ok(Self::Idle);
        }
        let Some(rest) = text.strip_prefix("events=") else { return Ok(Self::Burst(DEFAULT_EVENTS)) };
        if let Some(events) = rest.strip_suffix(";flush") {
            return Ok(Self::Flushed(number("events", events, MAX_EVENTS)?));
        }
        match rest.split_once(";hz=") {
            None => Ok(Self::Burst(number("events", rest, MAX_EVENTS)?)),
            Some((events, hz)) => Ok(Self::Paced {
                events: number("events", events, MAX_EVENTS)?,
                period: Duration::from_secs(1) / number("hz", hz, MAX_HZ)?,
            }),
        }
    }
}

fn number(name: &str, text: &str, max: u32) -> Result<u32, String> {
    match text.parse() {
        Ok(value) if (1..=max).contains(&value) => Ok(value),
        _ => Err(format!("{name}={text} is not a number from 1 to {max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(stream: bool, text: &str) -> Result<Shape, String> {
        let body = serde_json::json!({"model": "m", "stream": stream, "messages": [
            {"role": "system", "content": "events=1"}, {"role": "user", "content": text}]});
        Shape::of(body.to_string().as_bytes())
    }

    #[test]
    fn reads_each_shape() {
        assert_eq!(shape(false, "events=12"), Ok(Shape::Json));
        assert_eq!(shape(true, "events=12"), Ok(Shape::Burst(12)));
        assert_eq!(
            shape(true, "events=9;hz=500"),
            Ok(Shape::Paced { events: 9, period: Duration::from_millis(2) })
        );
        assert_eq!(shape(true, "events=12;flush"), Ok(Shape::Flushed(12)));
        assert_eq!(shape(true, "idle"), Ok(Shape::Idle));
        assert_eq!(shape(true, "caf\u{e9} \"quoted\""), Ok(Shape::Burst(DEFAULT_EVENTS)));
    }

    #[test]
    fn refuses_shapes_it_cannot_keep() {
        for bad in [
            "events=",
            "events=0",
            "events=x",
            "events=5;hz=0",
            "events=5;hz=1001",
            "events=;flush",
            "events=1000001",
        ] {
            assert!(shape(true, bad).is_err(), "{bad}");
        }
        assert!(Shape::of(b"{").is_err());
        assert!(Shape::of(br#"{"stream":true,"messages":[]}"#).is_err());
    }
}
