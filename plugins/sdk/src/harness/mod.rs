//! Drives a plugin through the same C tables as the host, without a network: for the tests of plugins.
//!
//! [`Harness`] plays a provider, [`PolicyHarness`] a policy. [`Harness::replay`] plays the recorded bytes of a whole
//! answer, and [`Harness::invented_ends`] breaks them off after every byte:
//!
//! ```ignore
//! let recording = Recording::read("tests/answers/hello.sse");
//! let answer = harness.replay(&recording);
//! assert_eq!((answer.text().as_str(), answer.finish().as_deref()), ("Hello", Some("stop")));
//! assert_eq!(answer.ending, Ending::Done);
//! assert!(harness.invented_ends(&recording).is_empty());
//! ```
//!
//! A test that uses it needs no `unsafe`. It lends what the header says it lends: sinks with caps, borrowed strings, a
//! log.

mod cut;
mod frames;
mod order;
mod policy;
mod raw;
mod replay;
mod sinks;
mod stream;

use core::ffi::c_void;
use std::sync::mpsc;

use serde_json::Value;
use tidegate_plugin_abi::{ClassOutV1, ClassV1, ProviderV1, Status, Str, class, status};

pub use cut::{Recorded, sse};
pub use policy::PolicyHarness;
pub use replay::{Ending, Recording, Replayed, ToolCall};
pub use sinks::{Sent, SentAuth};
pub use stream::{Playing, Step};

use crate::{Class, ErrorKind, FailureIn, HeadIn, Provider, RequestIn};
use raw::{HostLog, RawHeaders, size};
use sinks::{Pieces, request_sink, text_sink};

/// What a call that failed answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The ABI's status.
    pub status: Status,
    /// What was written to `why`.
    pub why: String,
}

/// One instance of a provider, behind its table.
#[derive(Debug)]
pub struct Harness {
    table: ProviderV1,
    inst: *mut c_void,
    lines: mpsc::Receiver<String>,
    /// Bytes that one call may write to a sink before it answers `TG_E_LIMIT`.
    pub cap: usize,
}

impl Harness {
    /// Creates an instance of `P` from the configuration that the header describes.
    pub fn new<P: Provider>(config: &Value) -> Result<Self, Refusal> {
        // SAFETY: the SDK's own table keeps the contract.
        unsafe { Harness::of_table(crate::ffi::provider_table::<P>(), config) }
    }

    /// Creates an instance behind any provider's table, such as one of a loaded library.
    ///
    /// # Safety
    /// The table's functions keep the header's contract, and stay loaded as long as the harness lives.
    pub unsafe fn of_table(table: ProviderV1, config: &Value) -> Result<Self, Refusal> {
        let (host, lines) = HostLog::lend();
        let config = config.to_string();
        let mut inst = core::ptr::null_mut();
        let mut why = Pieces::new(usize::MAX);
        let answer = table.create.map_or(status::E_INVALID, |create| {
            // SAFETY: the caller's promise; all that is lent lives through the call, the host for ever.
            unsafe { create(host, Str::lend(config.as_bytes()), &text_sink(&mut why), &mut inst) }
        });
        match answer {
            status::OK => Ok(Harness { table, inst, lines, cap: 64 << 20 }),
            refused => Err(Refusal { status: refused, why: why.text() }),
        }
    }

    /// Lines that the plugin has logged since the last call.
    pub fn log(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Asks for the upstream request.
    pub fn request(&self, input: &RequestIn<'_>) -> Result<Sent, Refusal> {
        let headers = RawHeaders::of(&input.headers);
        let raw = raw::request(input, &headers);
        let mut sent = Sent::new(self.cap);
        let mut why = Pieces::new(self.cap);
        let answer = self.table.request.map_or(status::E_INVALID, |call| {
            // SAFETY: the instance is alive; all that is lent lives through the call.
            unsafe { call(self.inst, &raw, &request_sink(&mut sent), &text_sink(&mut why)) }
        });
        match answer {
            status::OK => Ok(sent),
            refused => Err(Refusal { status: refused, why: why.text() }),
        }
    }

    /// Opens a stream.
    pub fn stream(&self, head: &HeadIn<'_>) -> Result<Playing<'_>, Status> {
        let headers = RawHeaders::of(&head.headers);
        let mut stream = core::ptr::null_mut();
        let answer = self.table.stream_open.map_or(status::E_INVALID, |call| {
            // SAFETY: the instance is alive; all that is lent lives through the call.
            unsafe { call(self.inst, &raw::head(head, &headers), &mut stream) }
        });
        if answer == status::OK { Ok(Playing::new(&self.table, stream, self.cap)) } else { Err(answer) }
    }

    /// Translates a whole body: the status, and what was written.
    pub fn response(&self, head: &HeadIn<'_>, body: &[u8]) -> (Status, Vec<u8>) {
        let headers = RawHeaders::of(&head.headers);
        let mut text = Pieces::new(self.cap);
        let answer = self.table.response.map_or(status::E_INVALID, |call| {
            // SAFETY: the instance is alive; all that is lent lives through the call.
            unsafe { call(self.inst, &raw::head(head, &headers), Str::lend(body), &text_sink(&mut text)) }
        });
        (answer, text.bytes)
    }

    /// Classifies a failure, from the defaults that the host derives of the HTTP status.
    pub fn classify(&self, failure: &FailureIn<'_>) -> Result<Class, Status> {
        let headers = RawHeaders::of(&failure.headers);
        let (error, retryable) = crate::classify::by_status(failure.http_status);
        let mut out = ClassV1 {
            size: size::<ClassV1>(),
            flags: if retryable { class::RETRYABLE } else { 0 },
            error: error.value(),
            http_status: crate::classify::client_status(failure.http_status),
            retry_after_ms: 0,
        };
        let mut message = Pieces::new(self.cap);
        let mut code = Pieces::new(self.cap);
        let mut both = (&mut message, &mut code);
        let sink = sinks::class_sink(&mut both);
        let answer = self.table.classify.map_or(status::E_INVALID, |call| {
            // SAFETY: the instance is alive; all that is lent lives through the call.
            unsafe { call(self.inst, &raw::failure(failure, &headers), &mut out, &sink as *const ClassOutV1) }
        });
        if answer != status::OK {
            return Err(answer);
        }
        Ok(Class {
            error: ErrorKind::from_value(out.error),
            http_status: out.http_status,
            retryable: out.flags & class::RETRYABLE != 0,
            quota: out.flags & class::QUOTA != 0,
            retry_after_ms: (out.flags & class::HAS_RETRY_AFTER != 0).then_some(out.retry_after_ms),
            message: message.written.then(|| message.text()),
            code: code.written.then(|| code.text()),
        })
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if let Some(destroy) = self.table.destroy {
            // SAFETY: made by `create`, destroyed once; no stream outlives it, since each borrows the harness.
            unsafe { destroy(self.inst) };
        }
    }
}
