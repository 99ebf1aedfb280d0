//! Tells an observer which thread is in which plugin: set before each call, cleared after it.

use std::sync::OnceLock;

use tidegate_plugin_abi::{Status, status};

/// A function of a plugin's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the header's")]
pub enum Op {
    Create,
    Destroy,
    Request,
    StreamOpen,
    StreamEvent,
    StreamEnd,
    StreamClose,
    Response,
    Classify,
    Decide,
    Pick,
}

impl Op {
    /// All of them, for metrics that start at 0.
    pub const ALL: [Op; 11] = [
        Op::Create,
        Op::Destroy,
        Op::Request,
        Op::StreamOpen,
        Op::StreamEvent,
        Op::StreamEnd,
        Op::StreamClose,
        Op::Response,
        Op::Classify,
        Op::Decide,
        Op::Pick,
    ];

    /// The header's name of the function, for metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Op::Create => "create",
            Op::Destroy => "destroy",
            Op::Request => "request",
            Op::StreamOpen => "stream_open",
            Op::StreamEvent => "stream_event",
            Op::StreamEnd => "stream_end",
            Op::StreamClose => "stream_close",
            Op::Response => "response",
            Op::Classify => "classify",
            Op::Decide => "decide",
            Op::Pick => "pick",
        }
    }

    pub(crate) fn verb(self) -> &'static str {
        match self {
            Op::Create => "create an instance",
            Op::Destroy => "destroy an instance",
            Op::Request => "build a request",
            Op::StreamOpen => "open a stream",
            Op::StreamEvent => "translate an event",
            Op::StreamEnd => "end a stream",
            Op::StreamClose => "close a stream",
            Op::Response => "translate a response",
            Op::Classify => "classify a failure",
            Op::Decide => "decide after a failure",
            Op::Pick => "pick a first target",
        }
    }
}

/// How a call came back, before its answer is validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A function without a status, or a status by which the plugin did its work: that includes what it says of the
    /// client's request or of the upstream's bytes.
    Ok,
    /// The plugin could not do its work.
    Error,
    /// `TG_E_PANIC`.
    Panic,
}

impl Outcome {
    fn of(answer: Status) -> Self {
        match answer {
            status::E_PANIC => Outcome::Panic,
            status::E_INVALID
            | status::E_UNSUPPORTED
            | status::E_PROTOCOL
            | status::E_TRUNCATED
            | status::E_UPSTREAM => Outcome::Ok,
            negative if negative < 0 => Outcome::Error,
            _ => Outcome::Ok,
        }
    }
}

/// Called around every plugin call on the calling thread, on the hot path: a few stores, no lock, no allocation.
/// It takes its own clock. Calls do not nest. Of a call that a worker process made, both are called when its answer is
/// read.
pub trait CallHook: Send + Sync {
    /// This thread is about to call `plugin` (a [`crate::Plugin::id`], never 0).
    fn enter(&self, plugin: u32, op: Op);
    /// The call came back.
    fn leave(&self, plugin: u32, op: Op, outcome: Outcome);
}

static HOOK: OnceLock<&'static dyn CallHook> = OnceLock::new();

/// Sets the hook, once per process. `false`: one was set before, and stays.
pub fn set_call_hook(hook: &'static dyn CallHook) -> bool {
    HOOK.set(hook).is_ok()
}

/// Does a piece of work that may never end, on another thread.
pub type Aside = Box<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

static ASIDE: OnceLock<Aside> = OnceLock::new();

/// Sets where `destroy` of inline instances runs, once per process: whoever drops the last handle of one is often a thread
/// that must not wait. Unset: on that thread. `false`: it was set before, and stays.
pub fn set_destroyer(aside: Aside) -> bool {
    ASIDE.set(aside).is_ok()
}

/// Runs `destroy` where it is to run.
pub(crate) fn destroyed(destroy: impl FnOnce() + Send + 'static) {
    match ASIDE.get() {
        Some(aside) => aside(Box::new(destroy)),
        None => destroy(),
    }
}

/// A call that a worker made came back: the observer sees it begin and end at once, and cannot see how long it took.
pub(crate) fn told(plugin: u32, op: Op, outcome: Outcome) {
    let Some(hook) = HOOK.get() else { return };
    hook.enter(plugin, op);
    hook.leave(plugin, op, outcome);
}

/// Runs `call` between `enter` and `leave`.
pub(crate) fn observed(plugin: u32, op: Op, call: impl FnOnce() -> Status) -> Status {
    let Some(hook) = HOOK.get() else { return call() };
    hook.enter(plugin, op);
    let answer = call();
    hook.leave(plugin, op, Outcome::of(answer));
    answer
}
