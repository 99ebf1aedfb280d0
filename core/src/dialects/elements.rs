//! A stream of events as the elements of one JSON array, which is what Google answers where no `alt=sse` is asked for.

use bytes::Bytes;

use crate::framing::{Kind, Sse};

/// The array, as far as it has been written. Each element goes out as it comes; only the end closes the array, so that a
/// client's parser sees whether it is whole.
pub(super) struct Elements {
    framer: Sse,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    Begun,
    Closed,
}

impl Default for Elements {
    fn default() -> Self {
        // What comes here has been through the limits.
        Self { framer: Sse::new(usize::MAX), state: State::Empty }
    }
}

impl Elements {
    /// The elements for whole events.
    pub(super) fn take(&mut self, events: Bytes) -> Bytes {
        let mut out = Vec::with_capacity(events.len());
        // The limit cannot be passed.
        let Ok(block) = self.framer.push(events) else { return Bytes::new() };
        for event in block.events().filter(|event| event.kind == Kind::Event && !event.data.is_empty()) {
            out.extend_from_slice(if self.state == State::Begun { b",\r\n" } else { b"[" });
            out.extend_from_slice(event.data);
            self.state = State::Begun;
        }
        out.into()
    }

    /// The array's end; nothing the second time.
    pub(super) fn end(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Empty => Some(Bytes::from_static(b"[]")),
            State::Begun => Some(Bytes::from_static(b"]\r\n")),
            State::Closed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn events_become_elements_wherever_they_are_split() {
        let events = b"data: {\"a\":1}\r\n\r\n: quiet\r\n\r\ndata: {\"b\":\"\\n\"}\r\n\r\n\r\ndata: {\"c\":\r\ndata: 3}\r\n\r\n";
        for cut in 0..events.len() {
            let mut elements = Elements::default();
            let mut out = elements.take(Bytes::from_static(&events[..cut])).to_vec();
            out.extend_from_slice(&elements.take(Bytes::from_static(&events[cut..])));
            assert!(serde_json::from_slice::<Value>(&out).is_err(), "it is not closed yet");
            out.extend_from_slice(&elements.end().expect("an end"));
            assert_eq!(
                serde_json::from_slice::<Value>(&out).expect("JSON"),
                json!([{"a": 1}, {"b": "\n"}, {"c": 3}])
            );
            assert_eq!(elements.end(), None);
        }
        assert_eq!(Elements::default().end().expect("an end"), "[]");
    }
}
