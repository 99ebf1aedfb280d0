//! Counts the events of a streamed answer and notices whether it ended as OpenAI's dialect ends: with `[DONE]`.

use memchr::memmem;

use crate::answers::WORD;

/// What has been seen of one stream.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The start of a line whose end has not come yet.
    partial: Vec<u8>,
    content: u64,
    done: bool,
    fault: Option<String>,
}

impl Events {
    /// Takes the next payload bytes, however they were cut.
    pub(crate) fn feed(&mut self, mut payload: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', payload) {
            let (line, rest) = (&payload[..end], &payload[end + 1..]);
            if self.partial.is_empty() {
                self.line(line);
            } else {
                self.partial.extend_from_slice(line);
                let whole = std::mem::take(&mut self.partial);
                self.line(&whole);
            }
            payload = rest;
        }
        self.partial.extend_from_slice(payload);
    }

    /// Content events so far.
    pub(crate) fn content(&self) -> u64 {
        self.content
    }

    /// `[DONE]` came, and nothing after it.
    pub(crate) fn is_whole(&self) -> bool {
        self.done && self.fault.is_none() && self.partial.is_empty()
    }

    /// What was wrong with the stream, if anything.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    fn line(&mut self, line: &[u8]) {
        let Some(data) = line.strip_prefix(b"data:") else { return };
        if self.done {
            self.fault = Some("an event after [DONE]".to_owned());
        } else if data.trim_ascii() == b"[DONE]" {
            self.done = true;
        } else if memmem::find(data, WORD.as_bytes()).is_some() {
            self.content += 1;
        } else if memmem::find(data, b"\"error\"").is_some() {
            self.fault = Some(String::from_utf8_lossy(data).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        b": hello\r\ndata: {\"content\":\"a tide\"}\n\ndata: {\"delta\":{}}\n\ndata: [DONE]\n\n";

    #[test]
    fn every_cut_counts_the_same() {
        for cut in 0..=STREAM.len() {
            let mut events = Events::default();
            events.feed(&STREAM[..cut]);
            events.feed(&STREAM[cut..]);
            assert_eq!((events.content(), events.is_whole()), (1, true), "cut at {cut}");
        }
    }

    #[test]
    fn a_cut_stream_an_error_and_a_tail_are_not_whole() {
        for bad in [
            "data: {\"content\":\"a tide\"}\n\n",
            "data: [DON",
            "data: {\"error\":{\"code\":429}}\n\ndata: [DONE]\n\n",
            "data: [DONE]\n\ndata: {\"content\":\"a tide\"}\n\n",
        ] {
            let mut events = Events::default();
            events.feed(bad.as_bytes());
            assert!(!events.is_whole(), "{bad}");
        }
    }
}
