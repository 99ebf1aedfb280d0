//! Cuts a recorded body into the events that the host would make of it.
//!
//! The host takes a body as the network brings it, and its events do not depend on where the reads end. So a recording
//! is cut whole here; only where it *breaks off* can a plugin tell.

use crate::Framing;

/// One event of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Text that is neither a field nor a comment.
    pub stray: bool,
    /// The event's name.
    pub name: String,
    /// Its data, or the stray text.
    pub data: String,
}

/// One event, as bytes: a body can break off inside a character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) stray: bool,
    /// The framing itself says that it is an error: the plugin is asked to classify it, and never sees it before.
    pub(super) error: bool,
    pub(super) name: String,
    pub(super) data: Vec<u8>,
}

/// Cuts a recorded SSE body into events, in order, as [`Harness::replay`](super::Harness::replay) does.
pub fn sse(body: &str) -> Vec<Recorded> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let events = cut(body.as_bytes(), Framing::Sse).into_iter();
    events.map(|it| Recorded { stray: it.stray, name: it.name, data: text(it.data) }).collect()
}

/// The events of a body. What stands after the last complete one is an event too: at the end of a body the host gives
/// out what it holds, whole or not.
pub(super) fn cut(body: &[u8], framing: Framing) -> Vec<Event> {
    match framing {
        Framing::JsonLines => json_lines(body),
        Framing::JsonArray => json_array(body),
        Framing::AwsEventStream => super::frames::cut(body),
        _ => Sse::default().events(body),
    }
}

fn json_lines(body: &[u8]) -> Vec<Event> {
    let lines = body.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty());
    lines.map(|line| Event { data: line.to_vec(), ..Event::default() }).collect()
}

fn json_array(body: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut element: Option<(usize, Depth)> = None;
    for (at, &byte) in body.iter().enumerate() {
        match &mut element {
            Some((start, depth)) => {
                depth.step(byte);
                if !depth.is_open() {
                    events.push(Event { data: body[*start..=at].to_vec(), ..Event::default() });
                    element = None;
                }
            }
            None if byte == b'{' => element = Some((at, Depth { open: 1, ..Depth::default() })),
            None if b"[], \t\r\n".contains(&byte) => {}
            None => events.push(Event { stray: true, data: vec![byte], ..Event::default() }),
        }
    }
    if let Some((start, _)) = element {
        events.push(Event { data: body[start..].to_vec(), ..Event::default() });
    }
    events
}

/// How deep in a JSON document a text is.
#[derive(Debug, Default)]
struct Depth {
    open: usize,
    quoted: bool,
    escaped: bool,
}

impl Depth {
    fn step(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.quoted => self.escaped = true,
            b'"' if self.open > 0 => self.quoted = !self.quoted,
            b'{' | b'[' if !self.quoted => self.open += 1,
            b'}' | b']' if !self.quoted => self.open = self.open.saturating_sub(1),
            _ => {}
        }
    }

    fn is_open(&self) -> bool {
        self.open > 0
    }
}

/// Server-sent events as the host reads them: a line of plain text between them is an event of its own, a JSON document
/// is one however many lines it has.
#[derive(Debug, Default)]
struct Sse {
    events: Vec<Event>,
    name: String,
    data: Option<Vec<u8>>,
    stray: Option<(Vec<u8>, Depth)>,
}

impl Sse {
    fn events(mut self, body: &[u8]) -> Vec<Event> {
        let mut rest = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        while !rest.is_empty() {
            let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(rest.len());
            let after = if rest[end..].starts_with(b"\r\n") { end + 2 } else { (end + 1).min(rest.len()) };
            self.line(&rest[..end]);
            rest = &rest[after..];
        }
        self.dispatch();
        self.events
    }

    fn line(&mut self, line: &[u8]) {
        if line.is_empty() {
            return self.dispatch();
        }
        let colon = line.iter().position(|&b| b == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => {
                self.stray_ends();
                match &mut self.data {
                    Some(data) => data.extend([b"\n", value].concat()),
                    none => *none = Some(value.to_vec()),
                }
            }
            b"event" => {
                self.stray_ends();
                self.name = String::from_utf8_lossy(value).into_owned();
            }
            b"" | b"id" | b"retry" => self.stray_ends(),
            _ => {
                if self.stray.is_none() {
                    self.dispatch();
                }
                let (text, depth) = self.stray.get_or_insert_default();
                if !text.is_empty() {
                    text.push(b'\n');
                }
                text.extend_from_slice(line);
                line.iter().for_each(|&byte| depth.step(byte));
                if !depth.is_open() {
                    self.stray_ends();
                }
            }
        }
    }

    fn stray_ends(&mut self) {
        if let Some((data, _)) = self.stray.take() {
            let data = data.trim_ascii_end().to_vec();
            self.events.push(Event { stray: true, data, ..Event::default() });
        }
    }

    fn dispatch(&mut self) {
        self.stray_ends();
        let name = core::mem::take(&mut self.name);
        if let Some(data) = self.data.take() {
            self.events.push(Event { name, data, ..Event::default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(stray: bool, name: &str, data: &str) -> Recorded {
        Recorded { stray, name: name.into(), data: data.into() }
    }

    #[test]
    fn cuts_fields_comments_and_strays() {
        let got = sse(
            ": hi\r\ndata: a\r\ndata:b\r\n\r\nevent: error\ndata: c\n\n{\n \"x\": 1\n}\n\ndata: unfinished",
        );
        assert_eq!(
            got,
            [
                event(false, "", "a\nb"),
                event(false, "error", "c"),
                event(true, "", "{\n \"x\": 1\n}"),
                event(false, "", "unfinished")
            ]
        );
        assert_eq!(
            sse("one\ntwo\ndata: x\n"),
            [event(true, "", "one"), event(true, "", "two"), event(false, "", "x")]
        );
    }

    #[test]
    fn cuts_json_lines_and_arrays() {
        let data = |body: &str, framing| -> Vec<String> {
            cut(body.as_bytes(), framing).into_iter().map(|it| String::from_utf8(it.data).unwrap()).collect()
        };
        assert_eq!(data("{\"a\":1}\r\n\n{\"b\":", Framing::JsonLines), ["{\"a\":1}", "{\"b\":"]);
        let array = "[{\"a\": \"}]\\\"\"},\r\n{\"b\": [{}]}\n,{\"c\"";
        assert_eq!(data(array, Framing::JsonArray), ["{\"a\": \"}]\\\"\"}", "{\"b\": [{}]}", "{\"c\""]);
    }
}
