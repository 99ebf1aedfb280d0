//! One open stream of a provider under test.

use core::ffi::c_void;

use tidegate_plugin_abi::{ProviderV1, Status, Str, StreamOutV1, close, status};

use super::cut::Recorded;
use super::raw::{self, size};
use crate::EventIn;

/// What one call answered and wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The ABI's status.
    pub status: Status,
    /// The events' names and data.
    pub events: Vec<(String, Vec<u8>)>,
    /// The notes' kinds and values.
    pub notes: Vec<(u32, u64)>,
}

impl Step {
    /// The events' data as JSON; null where it is not.
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.events.iter().map(|(_, data)| serde_json::from_slice(data).unwrap_or_default()).collect()
    }
}

/// An open stream. Dropping it closes it, unless it panicked: such a stream is leaked, as the host does.
#[derive(Debug)]
pub struct Playing<'a> {
    table: &'a ProviderV1,
    stream: *mut c_void,
    cap: usize,
    poisoned: bool,
}

impl<'a> Playing<'a> {
    pub(super) fn new(table: &'a ProviderV1, stream: *mut c_void, cap: usize) -> Self {
        Playing { table, stream, cap, poisoned: false }
    }

    /// One SSE event.
    pub fn event(&mut self, name: &str, data: impl AsRef<[u8]>) -> Step {
        self.play(&EventIn { stray: false, name, data: data.as_ref() })
    }

    /// Text that the framing did not understand.
    pub fn stray(&mut self, data: impl AsRef<[u8]>) -> Step {
        self.play(&EventIn { stray: true, name: "", data: data.as_ref() })
    }

    /// One recorded event.
    pub fn recorded(&mut self, event: &Recorded) -> Step {
        self.play(&EventIn { stray: event.stray, name: &event.name, data: event.data.as_bytes() })
    }

    /// One event.
    pub fn play(&mut self, event: &EventIn<'_>) -> Step {
        let raw = raw::event(event);
        let (table, stream) = (self.table, self.stream);
        self.step(|sink| {
            // SAFETY: the stream is open and used by this thread alone; all that is lent lives through the call.
            table.stream_event.map(|call| unsafe { call(stream, &raw, sink) })
        })
    }

    /// The upstream's body ended cleanly.
    pub fn end(&mut self) -> Step {
        let (table, stream) = (self.table, self.stream);
        // SAFETY: as in `play`.
        self.step(|sink| table.stream_end.map(|call| unsafe { call(stream, sink) }))
    }

    fn step(&mut self, call: impl FnOnce(&StreamOutV1) -> Option<Status>) -> Step {
        if self.poisoned {
            return Step { status: status::E_PANIC, ..Step::default() };
        }
        let mut written = Written { step: Step::default(), room: self.cap };
        let sink = StreamOutV1 {
            size: size::<StreamOutV1>(),
            reserved: 0,
            ctx: (&raw mut written).cast(),
            event: Some(event),
            note: Some(note),
        };
        let answer = call(&sink).unwrap_or(status::E_INVALID);
        self.poisoned = answer == status::E_PANIC;
        written.step.status = answer;
        written.step
    }
}

impl Drop for Playing<'_> {
    fn drop(&mut self) {
        if let (false, Some(call)) = (self.poisoned, self.table.stream_close) {
            // SAFETY: opened by `stream_open`, closed once.
            unsafe { call(self.stream, close::END) };
        }
    }
}

struct Written {
    step: Step,
    room: usize,
}

unsafe extern "C" fn event(ctx: *mut c_void, name: Str, data: Str) -> Status {
    // SAFETY: `ctx` is the `Written` of the call under way; the strings are borrowed for this one.
    let (written, name, data) =
        unsafe { (&mut *ctx.cast::<Written>(), crate::ffi::bytes(name), crate::ffi::bytes(data)) };
    if data.len() > written.room {
        return status::E_LIMIT;
    }
    written.room -= data.len();
    written.step.events.push((String::from_utf8_lossy(name).into_owned(), data.to_vec()));
    status::OK
}

unsafe extern "C" fn note(ctx: *mut c_void, kind: u32, value: u64) -> Status {
    // SAFETY: as in `event`.
    unsafe { (*ctx.cast::<Written>()).step.notes.push((kind, value)) };
    status::OK
}
