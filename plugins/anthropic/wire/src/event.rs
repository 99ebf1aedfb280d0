//! Telling events, errors and what says nothing apart.

use serde::de::IgnoredAny;
use serde_json::Value;
use tidegate_plugin_sdk::{EventIn, Fault, classify};

use crate::response::wire::Event;

/// What an event is.
pub(crate) enum Read {
    Event(Event),
    /// Nothing: an empty one, another dialect's end that a gateway added.
    Nothing,
}

/// Reads one event of a Messages stream.
///
/// # Errors
/// [`Fault::Upstream`] where it is an error, in whatever form; [`Fault::Protocol`] where it is neither that nor an event.
pub(crate) fn read(event: &EventIn<'_>) -> Result<Read, Fault> {
    let text = event.text()?.trim();
    if event.name == "error" && !is_cut(text) {
        return Err(Fault::Upstream);
    }
    if text.is_empty() || text == "[DONE]" || text.bytes().all(|byte| b"[],".contains(&byte)) {
        return Ok(Read::Nothing);
    }
    // The usual event is read once. Only what is none is looked at again, for an error in it.
    serde_json::from_str(text).map(Read::Event).map_err(|_| fault(text)).and_then(|read| match read {
        Read::Event(Event::Other) if find_error(text).is_some() => Err(Fault::Upstream),
        read => Ok(read),
    })
}

/// An error that breaks off says nothing that could be relied on; the host knows whether the answer broke off with it.
fn is_cut(text: &str) -> bool {
    text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_err_and(|error| error.is_eof())
}

fn fault(text: &str) -> Fault {
    match find_error(text) {
        Some(_) => Fault::Upstream,
        None => Fault::Protocol("it is not an event of a Messages stream"),
    }
}

/// The error that a text holds: all of it, or after a few words or before a bracket that a middlebox or another framing
/// put there.
pub(crate) fn find_error(text: &str) -> Option<Value> {
    let is_error = |value: &Value| match value {
        Value::Array(list) => list.first().is_some_and(|first| classify::is_error("", first)),
        value => classify::is_error("", value),
    };
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return Some(value).filter(is_error);
    }
    let inner = text.get(text.find('{')?..=text.rfind('}')?)?;
    serde_json::from_str(inner).ok().filter(is_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, data: &str) -> &'static str {
        match read(&EventIn { stray: false, name, data: data.as_bytes() }) {
            Ok(Read::Event(Event::Other)) => "other",
            Ok(Read::Event(_)) => "event",
            Ok(Read::Nothing) => "nothing",
            Err(Fault::Upstream) => "error",
            Err(_) => "malformed",
        }
    }

    #[test]
    fn tells_events_from_errors() {
        let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        for (name, data, want) in [
            ("message_stop", r#"{"type":"message_stop"}"#, "event"),
            // Some gateways lose the line with the name.
            ("", r#"{"type":"message_stop"}"#, "event"),
            ("ping", r#"{"type":"ping"}"#, "other"),
            ("event_of_tomorrow", r#"{"type":"event_of_tomorrow","x":[1]}"#, "other"),
            (
                "content_block_delta",
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"new"}}"#,
                "event",
            ),
            ("error", overloaded, "error"),
            ("", overloaded, "error"),
            ("error", "", "error"),
            ("", r#"{"error":{"message":"slow down"}}"#, "error"),
            ("", r#"[{"type":"error","error":{}}]"#, "error"),
            ("", r#",{"type":"error","error":{}}"#, "error"),
            ("", r#"429 {"type":"error","error":{}}"#, "error"),
            ("", "", "nothing"),
            ("", "[DONE]", "nothing"),
            ("", "]", "nothing"),
            ("error", r#"{"type":"error","err"#, "malformed"),
            ("", "{}", "malformed"),
            ("", "7", "malformed"),
            ("", "no healthy upstream", "malformed"),
            ("", r#"{"type":"content_block_start"}"#, "malformed"),
            ("", r#"{"type":"message_stop""#, "malformed"),
        ] {
            assert_eq!(of(name, data), want, "{name} {data}");
        }
    }
}
