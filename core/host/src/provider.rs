//! Calls of a provider's instance. Each answer is validated before it is returned.

use std::ffi::c_void;
use std::sync::Arc;

use tidegate_plugin_abi::{self as abi, status};

use crate::answer;
use crate::entry::ProviderTable;
use crate::error::{CreateError, PluginError, Whence};
use crate::hook::{Op, observed};
use crate::inline_stream::InlineStream;
use crate::input::{FailureIn, HeadIn, Header, RequestIn};
use crate::instance::Instance;
use crate::plugin::Plugin;
use crate::request::RequestSink;
use crate::sinks::{self, TextSink};
use crate::stream::{self, Stream};
use crate::types::{Class, Classified, Phase, Reply, UpstreamRequest};
use crate::wire::lend;
use crate::worker::{Kind, Remote, wait};

/// A plugin's provider table.
#[derive(Debug, Clone)]
pub struct Provider {
    plugin: Arc<Plugin>,
    /// `None`: it is in the plugin's workers.
    table: Option<ProviderTable>,
}

/// Caps on the bodies that a plugin may write, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of a request to the upstream.
    pub request_body: usize,
    /// Of a whole translated answer.
    pub response_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { request_body: 64 << 20, response_body: 64 << 20 }
    }
}

/// A provider with a configuration. Its calls are futures because a worker process may answer them; a plugin that runs
/// inline answers at the first poll, on the polling thread. Clones share it; the last one, or the last of its streams, destroys it.
#[derive(Debug, Clone)]
pub struct ProviderInstance {
    side: Side,
    limits: Limits,
}

#[derive(Debug, Clone)]
enum Side {
    Here(Arc<Inner>),
    Worker(Arc<Remote>),
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) instance: Instance,
    pub(crate) table: ProviderTable,
}

impl Inner {
    pub(crate) fn whence(&self, op: Op) -> Whence {
        self.instance.plugin().whence(op)
    }
}

impl Provider {
    pub(crate) fn new(plugin: Arc<Plugin>, table: Option<ProviderTable>) -> Self {
        Self { plugin, table }
    }

    /// Creates an instance from a configuration in the header's form: `{"provider", "model", "params", "secrets"}`.
    pub fn create(&self, config: &serde_json::Value) -> Result<ProviderInstance, CreateError> {
        let side = match self.table {
            None => Side::Worker(Remote::create(self.plugin.clone(), Kind::Provider, config)?),
            Some(table) => {
                let instance = Instance::create(self.plugin.clone(), table.create, table.destroy, config)?;
                Side::Here(Arc::new(Inner { instance, table }))
            }
        };
        Ok(ProviderInstance { side, limits: Limits::default() })
    }
}

impl ProviderInstance {
    /// The same instance under other caps.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The plugin it is an instance of.
    pub fn plugin(&self) -> &Arc<Plugin> {
        match &self.side {
            Side::Here(inner) => inner.instance.plugin(),
            Side::Worker(remote) => remote.plugin(),
        }
    }

    /// Turns a client's request into an upstream one. Only this call answers `Invalid` or `Unsupported`, and those
    /// texts are for the client.
    pub async fn request(&self, input: &RequestIn<'_>) -> Result<UpstreamRequest, PluginError> {
        match &self.side {
            Side::Here(inner) => self.request_here(inner, input),
            Side::Worker(remote) => remote.request(input, self.limits).await,
        }
    }

    /// Opens a stream for one upstream answer.
    pub async fn open(&self, head: &HeadIn<'_>) -> Result<Stream, PluginError> {
        Ok(Stream::new(match &self.side {
            Side::Here(inner) => stream::Side::Here(InlineStream::open(inner.clone(), head)?),
            Side::Worker(remote) => stream::Side::Worker(remote.open(head).await?),
        }))
    }

    /// Translates a whole 2xx body.
    pub async fn response(&self, head: &HeadIn<'_>, body: &[u8]) -> Result<Reply, PluginError> {
        match &self.side {
            Side::Here(inner) => self.response_here(inner, head, body),
            Side::Worker(remote) => remote.response(head, body, self.limits).await,
        }
    }

    /// Names a failure. `default` is what the host makes of the HTTP status alone; a plugin that answers `TG_PASS`,
    /// or touches nothing, leaves it.
    pub async fn classify(&self, failure: &FailureIn<'_>, default: Class) -> Result<Classified, PluginError> {
        match &self.side {
            Side::Here(inner) => self.classify_here(inner, failure, default),
            Side::Worker(remote) => remote.classify(failure, default).await,
        }
    }

    // The calls themselves are functions of their own: no pointer of theirs can then live across an await.

    fn request_here(&self, inner: &Inner, input: &RequestIn<'_>) -> Result<UpstreamRequest, PluginError> {
        let raw = input.raw();
        let mut why = TextSink::message();
        let mut sink = RequestSink::new(self.limits.request_body);
        let answer = self.observed(Op::Request, || {
            let (out, why) = (sink.out(), why.out());
            // SAFETY: a checked function with its own instance; all that is lent outlives the call.
            unsafe {
                (inner.table.request)(inner.instance.ptr(), &raw const raw, &raw const out, &raw const why)
            }
        });
        let whence = inner.whence(Op::Request);
        answer::outranks(whence, answer, sink.taken_fault())?;
        if answer != status::OK {
            return Err(answer::failure(whence, answer, Some(why.into_message())));
        }
        sink.finish(whence)
    }

    fn response_here(&self, inner: &Inner, head: &HeadIn<'_>, body: &[u8]) -> Result<Reply, PluginError> {
        let raw = head.raw();
        let mut text = TextSink::whole(self.limits.response_body);
        let answer = self.observed(Op::Response, || {
            let out = text.out();
            // SAFETY: as in `request`.
            unsafe {
                (inner.table.response)(inner.instance.ptr(), &raw const raw, lend(body), &raw const out)
            }
        });
        let whence = inner.whence(Op::Response);
        reply(whence, answer, text)
    }

    fn classify_here(
        &self,
        inner: &Inner,
        failure: &FailureIn<'_>,
        default: Class,
    ) -> Result<Classified, PluginError> {
        let raw = failure.raw();
        let mut class = raw_class(default);
        let mut text = ClassText { message: TextSink::message(), code: TextSink::message() };
        let answer = self.observed(Op::Classify, || {
            let out = text.out();
            // SAFETY: as in `request`; `class` is ours to be written.
            unsafe {
                (inner.table.classify)(inner.instance.ptr(), &raw const raw, &raw mut class, &raw const out)
            }
        });
        let whence = inner.whence(Op::Classify);
        answer::outranks(whence, answer, text.message.spoilt().or(text.code.spoilt()))?;
        let (message, code) = (text.message.into_message(), text.code.into_message());
        let said = |text: String| (!text.is_empty()).then_some(text);
        match answer {
            status::PASS => Ok(Classified { class: default, message: None, code: None }),
            status::OK => Ok(Classified {
                class: read_class(class).map_err(|what| PluginError::BadAnswer(whence, what))?,
                message: said(message),
                code: said(code),
            }),
            other => Err(answer::failure(whence, other, None)),
        }
    }

    /// Asks it to classify a sample 429, so that a broken plugin is found at the start and not at the first failure.
    pub fn self_test(&self) -> Result<(), PluginError> {
        let sample = FailureIn {
            phase: Phase::Status,
            http_status: 429,
            headers: &[Header::new("retry-after", b"7"), Header::new("content-type", b"application/json")],
            event: b"",
            body: br#"{"error":{"code":429,"message":"a sample","status":"RESOURCE_EXHAUSTED"}}"#,
            unix_ms: 1_767_225_600_000,
            bytes_to_client: 0,
        };
        let default = Class {
            error: abi::error::RATE_LIMIT,
            http_status: 429,
            retryable: true,
            quota: false,
            retry_after_ms: Some(7000),
        };
        match &self.side {
            Side::Here(inner) => self.classify_here(inner, &sample, default).map(drop),
            Side::Worker(remote) => wait(remote.classify(&sample, default)).map(drop),
        }
    }

    fn observed(&self, op: Op, call: impl FnOnce() -> abi::Status) -> abi::Status {
        observed(self.plugin().id(), op, call)
    }
}

/// What a plugin made of a whole body, by its answer and what it wrote.
pub(crate) fn reply(whence: Whence, answer: abi::Status, text: TextSink) -> Result<Reply, PluginError> {
    answer::outranks(whence, answer, text.spoilt())?;
    let bad = |what: &str| PluginError::BadAnswer(whence, what.to_owned());
    match answer {
        status::PASS if text.has_text() => Err(bad("it passed the body through and wrote another")),
        status::PASS => Ok(Reply::Pass),
        status::E_UPSTREAM => Ok(Reply::Upstream),
        status::OK => match String::from_utf8(text.into_bytes()) {
            Ok(text) if text.is_empty() => Err(bad("it wrote no body")),
            Ok(text) => Ok(Reply::Body(text.into_bytes())),
            Err(_) => Err(bad("its body is not UTF-8")),
        },
        other => Err(answer::failure(whence, other, None)),
    }
}

struct ClassText {
    message: TextSink,
    code: TextSink,
}

impl ClassText {
    fn out(&mut self) -> abi::ClassOutV1 {
        abi::ClassOutV1 {
            size: size_of::<abi::ClassOutV1>() as u32,
            reserved: 0,
            ctx: (&raw mut *self).cast(),
            message: Some(class_message),
            code: Some(class_code),
        }
    }
}

unsafe extern "C" fn class_message(ctx: *mut c_void, text: abi::Str) -> abi::Status {
    // SAFETY: `ctx` is the ClassText of the call under way, as it was lent; `text` is lent for this write.
    unsafe { class_text(&raw mut (*ctx.cast::<ClassText>()).message, text) }
}

unsafe extern "C" fn class_code(ctx: *mut c_void, text: abi::Str) -> abi::Status {
    // SAFETY: as in `class_message`.
    unsafe { class_text(&raw mut (*ctx.cast::<ClassText>()).code, text) }
}

/// # Safety
/// As [`sinks::write`] and [`sinks::written`].
unsafe fn class_text(sink: *mut TextSink, text: abi::Str) -> abi::Status {
    // SAFETY: the caller's.
    unsafe { sinks::write::<TextSink>(sink.cast(), |sink| sink.push(sinks::written(text)?)) }
}

pub(crate) fn raw_class(class: Class) -> abi::ClassV1 {
    let flag = |on: bool, bit| if on { bit } else { 0 };
    abi::ClassV1 {
        size: size_of::<abi::ClassV1>() as u32,
        flags: flag(class.retryable, abi::class::RETRYABLE)
            | flag(class.quota, abi::class::QUOTA)
            | flag(class.retry_after_ms.is_some(), abi::class::HAS_RETRY_AFTER),
        error: class.error,
        http_status: class.http_status.into(),
        retry_after_ms: class.retry_after_ms.unwrap_or(0),
    }
}

pub(crate) fn read_class(raw: abi::ClassV1) -> Result<Class, String> {
    // Telling a client of a failure with a status that is none would be a lie.
    let http_status = match u16::try_from(raw.http_status) {
        Ok(status @ 400..=599) => status,
        _ => return Err(format!("HTTP status {} tells of no failure", raw.http_status)),
    };
    Ok(Class {
        error: if raw.error <= abi::error::MALFORMED { raw.error } else { abi::error::UNKNOWN },
        http_status,
        retryable: raw.flags & abi::class::RETRYABLE != 0,
        quota: raw.flags & abi::class::QUOTA != 0,
        retry_after_ms: (raw.flags & abi::class::HAS_RETRY_AFTER != 0).then_some(raw.retry_after_ms),
    })
}
