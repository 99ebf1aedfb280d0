//! Cuts a recorded AWS event stream. Its checksums are the host's to check: a recording is taken as it is.

use super::cut::Event;

/// The events of the whole frames. What is left at the end broke off, and the host gives nothing of it to a plugin.
pub(super) fn cut(body: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut rest = body;
    while let Some((event, after)) = frame(rest) {
        events.push(event);
        rest = after;
    }
    events
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four) as usize)
}

/// The first frame, and what follows it.
fn frame(bytes: &[u8]) -> Option<(Event, &[u8])> {
    let (length, headers) = (number(bytes, 0)?, number(bytes, 4)?);
    let (frame, after) = bytes.split_at_checked(length)?;
    let headers = frame.get(12..12_usize.checked_add(headers)?)?;
    let payload = frame.get(12 + headers.len()..length.checked_sub(4)?)?;
    let text =
        |wanted: &str| header(headers, wanted).map(|value| String::from_utf8_lossy(value).into_owned());
    let kind = text(":message-type").unwrap_or_default();
    let name = match kind.as_str() {
        "exception" => text(":exception-type"),
        "error" => text(":error-code"),
        _ => text(":event-type"),
    };
    let data = match text(":error-message") {
        Some(message) if kind == "error" && payload.is_empty() => message.into_bytes(),
        _ => payload.to_vec(),
    };
    let error = matches!(kind.as_str(), "exception" | "error");
    Some((Event { error, name: name.unwrap_or_default(), data, ..Event::default() }, after))
}

/// A header whose value is text; those of other types are not looked for behind.
fn header<'a>(mut headers: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    loop {
        let (length, rest) = headers.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let rest = rest.strip_prefix(&[7])?;
        let (size, rest) = rest.split_first_chunk::<2>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
        if name == wanted.as_bytes() {
            return Some(value);
        }
        headers = rest;
    }
}
