//! Cuts a recorded SSE body into events.

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

/// Cuts a recorded SSE body into events, in order. Lines that are not fields become stray events, joined when they
/// follow each other. It takes a whole body, and is no replacement for the host's incremental framing.
pub fn sse(body: &str) -> Vec<Recorded> {
    let body = body.replace("\r\n", "\n").replace('\r', "\n");
    let mut out: Vec<Recorded> = Vec::new();
    let mut name = "";
    let mut data: Option<String> = None;
    let mut after_stray = false;
    for line in body.split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let is_stray = !matches!(field, "" | "data" | "event" | "id" | "retry");
        match (field, &mut data) {
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", none) => *none = Some(value.to_owned()),
            ("event", _) => name = value,
            _ if is_stray => match out.last_mut().filter(|_| after_stray) {
                Some(last) => {
                    last.data.push('\n');
                    last.data.push_str(line);
                }
                None => out.push(Recorded { stray: true, name: String::new(), data: line.to_owned() }),
            },
            _ if line.is_empty() => {
                if let Some(data) = data.take() {
                    out.push(Recorded { stray: false, name: name.to_owned(), data });
                }
                name = "";
            }
            _ => {}
        }
        after_stray = is_stray;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_fields_comments_and_strays() {
        let got = sse(
            ": hi\r\ndata: a\r\ndata:b\r\n\r\nevent: error\ndata: c\n\n{\n \"x\": 1\n}\n\ndata: unfinished",
        );
        let event = |stray, name: &str, data: &str| Recorded { stray, name: name.into(), data: data.into() };
        assert_eq!(
            got,
            [event(false, "", "a\nb"), event(false, "error", "c"), event(true, "", "{\n \"x\": 1\n}")]
        );
    }
}
