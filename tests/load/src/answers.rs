//! The bytes the upstream answers with, in OpenAI's dialect, built before they are needed.

use bytes::Bytes;

use crate::shape::Shape;

/// Each content event's text ends with this word, and so does the JSON answer's: the load generator counts it, and
/// it stays countable where a proxy writes the JSON anew.
pub(crate) const WORD: &str = "tide\"";

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
    cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";

const FINISH: &str = r#"{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1767225600,"model":"bench","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

const JSON: &str = r#"{"id":"chatcmpl-bench","object":"chat.completion","created":1767225600,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"A tide gate stands at the mouth of a drain or an estuary and closes by itself when the sea rises. It needs no keeper: the water that would flood the land is the force that shuts it. When the level outside falls again, the water from the land pushes it open. It has one hinge, no engine and nothing to read, and it has kept fields dry for centuries, tide after tide"},"finish_reason":"stop"}],"usage":{"prompt_tokens":96,"completion_tokens":80,"total_tokens":176}}"#;

/// What the upstream writes for one shape.
#[derive(Debug)]
pub(crate) enum Script {
    /// These writes, one after the other, and the answer is whole.
    Writes(Vec<Bytes>),
    /// `first`, then `event` once every `period` so many times, then `last`.
    Paced {
        /// The head and the first event.
        first: Bytes,
        /// Each further event.
        event: Bytes,
        /// How many further events.
        further: u32,
        /// Time from one event to the next.
        period: std::time::Duration,
        /// The finish, `[DONE]` and the end of the body.
        last: Bytes,
    },
    /// This, and then silence.
    Hold(Bytes),
}

/// The script for a shape.
pub(crate) fn script(shape: Shape) -> Script {
    match shape {
        Shape::Json => Script::Writes(vec![json("200 OK", JSON)]),
        Shape::Idle => Script::Hold(first()),
        Shape::Burst(events) => {
            // A fast model's answer arrives in a few reads of several events: three writes, each event its own
            // HTTP chunk.
            let further = events as usize - 1;
            let middle = event().repeat(further / 2);
            let last = [event().repeat(further - further / 2), last().to_vec()].concat();
            Script::Writes(vec![first(), middle.into(), last.into()])
        }
        Shape::Flushed(events) => {
            let mut writes = vec![first()];
            writes.extend((1..events).map(|_| event()));
            writes.extend([chunk(FINISH).into(), done()]);
            Script::Writes(writes)
        }
        Shape::Paced { events, period } => {
            Script::Paced { first: first(), event: event(), further: events - 1, period, last: last() }
        }
    }
}

/// A whole non-streaming answer.
pub(crate) fn json(status: &str, body: &str) -> Bytes {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// OpenAI's error body.
pub(crate) fn refusal(status: &str, sentence: &str) -> Bytes {
    let error = serde_json::json!({"error": {"message": sentence, "type": "invalid_request_error"}});
    json(status, &error.to_string())
}

fn content(delta: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1767225600,"model":"bench","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#
    )
}

fn chunk(data: &str) -> String {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}

fn first() -> Bytes {
    format!("{STREAM_HEAD}{}", chunk(&content(r#"{"role":"assistant","content":"The tide"}"#))).into()
}

fn event() -> Bytes {
    chunk(&content(r#"{"content":" tide"}"#)).into()
}

fn last() -> Bytes {
    [chunk(FINISH).as_bytes(), &done()].concat().into()
}

fn done() -> Bytes {
    format!("{}0\r\n\r\n", chunk("[DONE]")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{body::Body, head, sse::Events};

    fn events(wire: &[u8]) -> (Events, bool, usize) {
        let head = head::parse(wire).unwrap().expect("a whole head");
        assert_eq!(head.status(), Ok(200));
        let (mut body, mut events) = (Body::new(head.framing), Events::default());
        let used = body.feed(&wire[head.len..], |part| events.feed(part)).unwrap();
        (events, body.is_done(), head.len + used)
    }

    #[test]
    fn a_burst_of_any_length_is_whole() {
        for count in [1, 2, 3, 12, 100] {
            for (shape, expected) in [(Shape::Burst(count), 3), (Shape::Flushed(count), count as usize + 2)] {
                let Script::Writes(writes) = script(shape) else { panic!("{shape:?} is writes") };
                assert_eq!(writes.len(), expected);
                let wire = writes.concat();
                let (events, done, used) = events(&wire);
                assert_eq!((events.content(), events.is_whole(), done), (u64::from(count), true, true));
                assert_eq!(used, wire.len());
            }
        }
    }

    #[test]
    fn every_event_is_valid_json_of_its_kind() {
        for data in [FINISH.to_owned(), content(r#"{"content":" tide"}"#)] {
            let value: serde_json::Value = serde_json::from_str(&data).unwrap();
            assert_eq!(value["object"], "chat.completion.chunk");
        }
        let answer: serde_json::Value = serde_json::from_str(JSON).unwrap();
        assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().ends_with("tide"));
        assert!((500..800).contains(&JSON.len()), "{}", JSON.len());
    }

    #[test]
    fn an_idle_stream_is_open_after_its_first_event() {
        let Script::Hold(wire) = script(Shape::Idle) else { panic!("an idle stream is held") };
        let (events, done, _) = events(&wire);
        assert_eq!((events.content(), events.is_whole(), done), (1, false, false));
    }
}
