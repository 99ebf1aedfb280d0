//! Calls of a policy's instance: a history in, an action out.

use std::sync::Arc;

use tidegate_plugin_abi::{self as abi, Status, status};

use crate::answer;
use crate::entry::PolicyTable;
use crate::error::{CreateError, PluginError, Whence};
use crate::hook::{Op, observed};
use crate::input::Lent;
use crate::instance::Instance;
use crate::plugin::Plugin;
use crate::wire::lend;
use crate::worker::{Kind, Remote};

/// One attempt of a request, as the contract lays it out: numbers alone.
pub use tidegate_plugin_abi::AttemptV1 as Attempt;

/// A deployment that a policy may choose, as the contract lays it out.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
#[allow(missing_docs, reason = "the header documents each field; the names are its names")]
pub struct Target<'a> {
    pub id: Lent<'a>,
    pub group: Lent<'a>,
    pub weight: u32,
    pub order: u32,
    pub flags: u32,
    pub inflight: u32,
    pub fails_minute: u32,
    pub oks_minute: u32,
    pub cooldown_ms: u64,
    pub latency_us: u64,
    pub fails_recent: u32,
    pub requests_minute: u32,
    pub tokens_minute: u64,
    pub answer_us: u64,
    pub input_cost: u64,
    pub output_cost: u64,
    pub total_us: u64,
}

macro_rules! same_layout {
    ($($field:ident)*) => {
        const _: () = {
            assert!(size_of::<Target<'_>>() == size_of::<abi::TargetV1>());
            $(assert!(std::mem::offset_of!(Target<'_>, $field) == std::mem::offset_of!(abi::TargetV1, $field));)*
        };
    };
}
same_layout!(id group weight order flags inflight fails_minute oks_minute cooldown_ms latency_us
    fails_recent requests_minute tokens_minute answer_us input_cost output_cost total_us);

/// What has happened to one request. Times are milliseconds since the request came.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the header documents each field; the names are its names")]
pub struct History<'a> {
    pub now_ms: u64,
    pub deadline_ms: u64,
    pub seed: u64,
    pub attempts_left: u32,
    pub retry_tokens: u32,
    pub group: &'a str,
    /// Request-level options, a JSON object, or empty.
    pub options: &'a [u8],
    /// Oldest first; empty for [`PolicyInstance::pick`].
    pub attempts: &'a [Attempt],
    pub targets: &'a [Target<'a>],
    /// The client wants a stream.
    pub stream: bool,
    /// About how long the prompt is; 0: not known.
    pub prompt_tokens: u64,
}

/// What a policy may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionKind {
    /// Give the client the last error.
    Raise,
    /// Another attempt within the group.
    Retry,
    /// An attempt in another group.
    Fallback,
    /// Continue the text on another target.
    Continue,
}

/// A policy's decision. `target` is an index into the history's targets: in range unless `kind` is `Raise`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// What to do.
    pub kind: ActionKind,
    /// Where.
    pub target: u32,
    /// The policy's own number for why.
    pub reason: u32,
    /// How long to wait first.
    pub delay_ms: u64,
    /// How long the target of the last attempt is put aside; 0: not at all.
    pub cooldown_ms: u64,
}

/// A policy's choice of a request's first target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// This index into the history's targets.
    Target(u32),
    /// The host is to draw one.
    Host,
    /// None will do.
    None,
}

/// A plugin's policy table.
#[derive(Debug, Clone)]
pub struct Policy {
    plugin: Arc<Plugin>,
    /// `None`: it is in the plugin's workers.
    table: Option<PolicyTable>,
}

impl Policy {
    pub(crate) fn new(plugin: Arc<Plugin>, table: Option<PolicyTable>) -> Self {
        Self { plugin, table }
    }

    /// Creates an instance from a configuration in the header's form: `{"router", "groups", "deployments", "params"}`.
    pub fn create(&self, config: &serde_json::Value) -> Result<PolicyInstance, CreateError> {
        let side = match self.table {
            None => Side::Worker(Remote::create(self.plugin.clone(), Kind::Policy, config)?),
            Some(table) => {
                let instance = Instance::create(self.plugin.clone(), table.create, table.destroy, config)?;
                Side::Here(Arc::new(Inner { instance, table }))
            }
        };
        Ok(PolicyInstance { side })
    }
}

#[derive(Debug)]
struct Inner {
    instance: Instance,
    table: PolicyTable,
}

/// A policy with a configuration. Inline, its calls answer at the first poll. Clones share it.
#[derive(Debug, Clone)]
pub struct PolicyInstance {
    side: Side,
}

#[derive(Debug, Clone)]
enum Side {
    Here(Arc<Inner>),
    Worker(Arc<Remote>),
}

impl PolicyInstance {
    /// The plugin it is an instance of.
    pub fn plugin(&self) -> &Arc<Plugin> {
        match &self.side {
            Side::Here(inner) => inner.instance.plugin(),
            Side::Worker(remote) => remote.plugin(),
        }
    }

    /// What to do after the last attempt of `history` failed. Whether that is possible at all (budget, deadline,
    /// committed) is for the engine to see; here an unknown action is `Raise`.
    pub async fn decide(&self, history: &History<'_>) -> Result<Action, PluginError> {
        match &self.side {
            Side::Here(inner) => self.decide_here(inner, history),
            Side::Worker(remote) => remote.decide(history).await,
        }
    }

    fn decide_here(&self, inner: &Inner, history: &History<'_>) -> Result<Action, PluginError> {
        let (answer, raw) = ask(inner, Op::Decide, history, inner.table.decide);
        let whence = self.plugin().whence(Op::Decide);
        match answer {
            status::OK => action(whence, history.targets.len(), raw),
            other => Err(answer::failure(whence, other, None)),
        }
    }

    /// Whether it chooses first targets.
    pub fn has_pick(&self) -> bool {
        match &self.side {
            Side::Here(inner) => inner.table.pick.is_some(),
            Side::Worker(remote) => remote.plugin().offers().pick,
        }
    }

    /// Chooses the first target. [`Pick::Host`] when it has no opinion, or no such function.
    pub async fn pick(&self, history: &History<'_>) -> Result<Pick, PluginError> {
        match &self.side {
            Side::Here(inner) => self.pick_here(inner, history),
            Side::Worker(_) if !self.has_pick() => Ok(Pick::Host),
            Side::Worker(remote) => remote.pick(history).await,
        }
    }

    fn pick_here(&self, inner: &Inner, history: &History<'_>) -> Result<Pick, PluginError> {
        let Some(pick) = inner.table.pick else { return Ok(Pick::Host) };
        let (answer, raw) = ask(inner, Op::Pick, history, pick);
        let whence = self.plugin().whence(Op::Pick);
        match answer {
            status::PASS => Ok(Pick::Host),
            status::OK => {
                let action = action(whence, history.targets.len(), raw)?;
                Ok(match action.kind {
                    ActionKind::Raise => Pick::None,
                    _ => Pick::Target(action.target),
                })
            }
            other => Err(answer::failure(whence, other, None)),
        }
    }
}

fn ask(inner: &Inner, op: Op, history: &History<'_>, function: DecideFn) -> (Status, abi::ActionV1) {
    let raw = abi::HistoryInV1 {
        size: size_of::<abi::HistoryInV1>() as u32,
        flags: if history.stream { abi::history::STREAM } else { abi::history::WHOLE },
        now_ms: history.now_ms,
        deadline_ms: history.deadline_ms,
        seed: history.seed,
        attempts_left: history.attempts_left,
        retry_tokens: history.retry_tokens,
        group: lend(history.group.as_bytes()),
        options: lend(history.options),
        attempts: history.attempts.as_ptr(),
        n_attempts: history.attempts.len(),
        attempt_stride: size_of::<Attempt>(),
        targets: history.targets.as_ptr().cast(),
        n_targets: history.targets.len(),
        target_stride: size_of::<abi::TargetV1>(),
        prompt_tokens: history.prompt_tokens,
    };
    let mut out = abi::ActionV1 {
        size: size_of::<abi::ActionV1>() as u32,
        action: abi::action::RAISE,
        target: 0,
        reason: 0,
        delay_ms: 0,
        cooldown_ms: 0,
    };
    let answer = observed(inner.instance.plugin().id(), op, || {
        // SAFETY: a checked function with its own instance; all that is lent outlives the call.
        unsafe { function(inner.instance.ptr(), &raw const raw, &raw mut out) }
    });
    (answer, out)
}

/// What an answer asks for, among `targets` targets.
pub(crate) fn action(whence: Whence, targets: usize, raw: abi::ActionV1) -> Result<Action, PluginError> {
    let kind = match raw.action {
        abi::action::RETRY => ActionKind::Retry,
        abi::action::FALLBACK => ActionKind::Fallback,
        abi::action::CONTINUE => ActionKind::Continue,
        _ => ActionKind::Raise,
    };
    if kind != ActionKind::Raise && raw.target as usize >= targets {
        let what = format!("it chose target {} of {targets}", raw.target);
        return Err(PluginError::BadAnswer(whence, what));
    }
    let abi::ActionV1 { target, reason, delay_ms, cooldown_ms, .. } = raw;
    Ok(Action { kind, target, reason, delay_ms, cooldown_ms })
}

/// `decide` and `pick`.
pub(crate) type DecideFn =
    unsafe extern "C" fn(*mut std::ffi::c_void, *const abi::HistoryInV1, *mut abi::ActionV1) -> Status;
