//! Says what an event of OpenAI's own is, in one pass over its JSON and without allocating.
//!
//! Most types of events are deltas or say how far a tool of the provider's is; both are content. Those that only open
//! something are not, nor is what bears no `response.` in its type. A type that nobody here has heard of passes.

use crate::dialects::json::{Invalid, Raw, Scan, Value};
use crate::dialects::{Chunk, Seen, Usage, tokens};

pub(super) fn event(name: &[u8], data: &[u8]) -> Seen {
    let data = data.trim_ascii();
    // Whatever an error says it is one; but one that is cut short may have been anything.
    let cut = || data.starts_with(b"{") && read(data).is_err();
    if name == b"error" && !cut() {
        return Seen::Error;
    }
    if data.is_empty() {
        return Seen::Chunk(Chunk::default());
    }
    let found = match read(data) {
        Ok(found) => found,
        Err(Invalid) => return Seen::Malformed,
    };
    let is = |words: &[&str]| found.kind.is_some_and(|kind| kind.is_any(words));
    if found.error || is(&["error", "response.failed"]) || found.response.error {
        return Seen::Error;
    }
    if is(&["response.completed", "response.incomplete"]) {
        let Response { filtered, usage, .. } = found.response;
        return Seen::Done(Chunk { finish: true, filtered, usage, ..Chunk::default() });
    }
    Seen::Chunk(Chunk { content: is_content(&found), ..Chunk::default() })
}

pub(super) fn body(data: &[u8]) -> Seen {
    let found = match read(data) {
        Ok(found) => found,
        Err(Invalid) => return Seen::Malformed,
    };
    // A whole answer is a `response` itself.
    let Found { error, top, .. } = found;
    if error || top.error || top.failed {
        return Seen::Error;
    }
    Seen::Chunk(Chunk {
        content: top.output,
        finish: top.status,
        filtered: top.filtered,
        usage: top.usage,
        usage_only: false,
    })
}

/// What an event that is neither an end nor an error says to the user.
fn is_content(found: &Found<'_>) -> bool {
    let Some(kind) = found.kind.and_then(Raw::plain) else { return false };
    match kind {
        "response.created" | "response.queued" | "response.in_progress" => false,
        "response.content_part.added" | "response.reasoning_summary_part.added" => false,
        "response.output_item.added" => found.item_says,
        _ if kind.ends_with(".delta") => found.delta,
        _ => kind.starts_with("response."),
    }
}

#[derive(Default)]
struct Found<'a> {
    kind: Option<Raw<'a>>,
    /// An `error` that is not null, or an object that is one.
    error: bool,
    delta: bool,
    /// The item is more than the frame of a text.
    item_says: bool,
    response: Response,
    /// What the document says as a `response`.
    top: Response,
}

#[derive(Default)]
struct Response {
    error: bool,
    failed: bool,
    status: bool,
    output: bool,
    filtered: bool,
    usage: Option<Usage>,
}

impl Response {
    fn member<'a>(&mut self, scan: &mut Scan<'a>, name: Raw<'a>) -> Result<(), Invalid> {
        if name.is("usage") && scan.is_object() {
            self.usage = tokens::read(scan, &tokens::RESPONSES)?.1;
            return Ok(());
        }
        if name.is("incomplete_details") && scan.is_object() {
            return scan.object(|scan, name| {
                self.filtered |= scan.value()?.is("content_filter") && name.is("reason");
                Ok(())
            });
        }
        let value = scan.value()?;
        if name.is("error") {
            self.error |= !value.is_null();
        } else if name.is("status") {
            self.status |= value.is_full();
            self.failed |= value.is("failed");
        } else if name.is("output") {
            self.output |= value.is_full();
        }
        Ok(())
    }
}

fn read(data: &[u8]) -> Result<Found<'_>, Invalid> {
    let mut scan = Scan::new(std::str::from_utf8(data).map_err(|_| Invalid)?);
    let mut found = Found::default();
    scan.object(|scan, name| {
        if name.is("type") || name.is("object") {
            let value = scan.value()?;
            found.error |= value.is("error");
            if let (Value::String(raw), true) = (value, name.is("type")) {
                found.kind = Some(raw);
            }
            return Ok(());
        }
        if name.is("delta") {
            found.delta |= scan.value()?.is_full();
            return Ok(());
        }
        if name.is("item") && scan.is_object() {
            return scan.object(|scan, name| {
                let value = scan.value()?;
                found.item_says |= name.is("type") && !value.is("message") && !value.is("reasoning");
                Ok(())
            });
        }
        if name.is("response") && scan.is_object() {
            return scan.object(|scan, name| found.response.member(scan, name));
        }
        found.top.member(scan, name)
    })?;
    scan.end()?;
    found.error |= found.top.error;
    Ok(found)
}
