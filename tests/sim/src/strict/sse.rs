//! Server-sent events as the standard has them (WHATWG HTML 9.2.6), written for this reader alone: what the proxy's own
//! decoder says is not asked.

/// One event: its name and its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Of the `event:` line; empty without one.
    pub name: String,
    /// The `data:` lines, joined by line feeds.
    pub data: String,
}

/// The events of a whole body. What stands after the last blank line is no event, and is given back.
///
/// # Errors
/// The bytes are not UTF-8, or have a line that is no field.
pub fn events(body: &[u8]) -> Result<(Vec<Event>, String), String> {
    let text = std::str::from_utf8(body).map_err(|error| format!("the stream is not UTF-8: {error}"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut name, mut data) = (Vec::new(), String::new(), None::<String>);
    let mut lines = text.split('\n').peekable();
    let mut rest = String::new();
    while let Some(line) = lines.next() {
        if lines.peek().is_none() {
            rest.push_str(line);
            break;
        }
        let (field, value) = line
            .split_once(':')
            .map_or((line, ""), |(field, value)| (field, value.strip_prefix(' ').unwrap_or(value)));
        match field {
            _ if line.is_empty() => {
                if let Some(data) = data.take() {
                    events.push(Event { name: std::mem::take(&mut name), data });
                }
                name.clear();
            }
            "" | "id" | "retry" => {}
            "event" => value.clone_into(&mut name),
            "data" => match &mut data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => data = Some(value.to_owned()),
            },
            _ => return Err(format!("a line is no field: {line:?}")),
        }
    }
    if let Some(data) = data {
        rest.insert_str(0, &data);
    }
    Ok((events, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_line_ends_and_what_is_left_over() {
        let (events, rest) =
            events(b"\xef\xbb\xbf: c\n\ndata: a\r\ndata:b\r\n\r\nevent: e\rdata: c\r\rdata: d\n").unwrap();
        let event = |name: &str, data: &str| Event { name: name.into(), data: data.into() };
        assert_eq!(events, [event("", "a\nb"), event("e", "c")]);
        assert_eq!(rest, "d");
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        assert!(events(b"hello\n\n").is_err());
        assert!(events(b"data: \xff\n\n").is_err());
    }
}
