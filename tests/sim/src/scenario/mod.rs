//! The scenarios: a name, what it does, what a client behind a correct proxy must then see, and its bytes.

mod answer;
mod fault;
mod finish;
mod flood;
mod healthy;
mod odd;
mod refuse;
mod say;
mod stall;
mod table;

use serde_json::Value;

use crate::dialect::{Dialect, Meta, Wire, sentence};
use crate::http::Request;
use crate::script::Script;
use crate::settings::Settings;

/// How the answer is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Server-sent events.
    Stream,
    /// Google's stream without `alt=sse`: one JSON array, element by element.
    Array,
    /// One JSON document.
    Whole,
}

/// What a client must see when a correct proxy stands between it and the scenario.
///
/// An error before any content is an HTTP status; after content it is one error event, and no normal end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Exactly this text, and a normal end.
    Text(String),
    /// The good text before a fault, at the end this text, and a normal end. What stands between is not known: a stream broke
    /// off at some limit, and another upstream went on with it.
    Ending(String),
    /// A normal end. What the answer says depends on the request.
    Normal,
    /// Calls of this many tools, and a normal end.
    ToolCalls(usize),
    /// An HTTP response of this status before any content.
    Http {
        /// The status.
        status: u16,
        /// The upstream gave a retry hint, so the response must carry a Retry-After.
        retry_after: bool,
    },
    /// An error that carries this status.
    Error {
        /// The upstream's own status.
        status: u16,
        /// Content was sent before, so it is an error event.
        committed: bool,
    },
    /// After content, an error of the 502 class: the upstream ended too early.
    Truncated,
    /// After content, an error of the 502 class: the upstream sent what is not its dialect.
    Malformed,
    /// An error from one of the proxy's clocks.
    Stalled {
        /// Content was sent before.
        committed: bool,
    },
    /// An error, from whichever limit or clock is met first. Never a normal end.
    Failed {
        /// Content was sent before.
        committed: bool,
    },
}

/// A named behaviour of a simulated provider.
#[derive(Debug)]
pub struct Scenario {
    /// The name a request asks for it by.
    pub name: &'static str,
    /// One line: what the upstream does.
    pub about: &'static str,
    /// Its row in the comparison with the bug report's proxy (BerriAI/litellm#26015): the upstream's
    /// bytes after three good chunks, in words.
    pub row: Option<&'static str>,
    expect: fn(Dialect, Mode) -> Expect,
    render: fn(&Context<'_>) -> Script,
}

impl Scenario {
    /// All scenarios, the healthy one first.
    pub fn all() -> &'static [Self] {
        table::ALL
    }

    /// Those that reproduce a row of the comparison with the bug report's proxy, in its order.
    pub fn founding() -> impl Iterator<Item = &'static Self> {
        Self::all().iter().filter(|scenario| scenario.row.is_some())
    }

    /// The scenario called `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|scenario| scenario.name == name)
    }

    /// What a client must see.
    pub fn expect(&self, dialect: Dialect, mode: Mode) -> Expect {
        (self.expect)(dialect, mode)
    }

    pub(crate) fn render(&self, context: &Context<'_>) -> Script {
        (self.render)(context)
    }
}

/// All that a scenario's bytes may depend on.
pub(crate) struct Context<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) mode: Mode,
    pub(crate) meta: Meta,
    pub(crate) body: &'a Value,
    pub(crate) request: &'a Request,
    pub(crate) settings: &'a Settings,
    /// How many requests chose this scenario, or carried the same tag, before this one.
    pub(crate) nth: u64,
}

impl Context<'_> {
    pub(crate) fn wire(&self) -> &'static dyn Wire {
        self.dialect.wire()
    }

    /// An error of this dialect without a retry hint.
    pub(crate) fn error(&self, status: u16) -> String {
        self.wire().error(status, sentence(status))
    }
}
