//! The faults: a scenario of the simulator, a connection that fails before HTTP, or a client that misbehaves.

use tidegate_sim::{Dialect, Expect, Mode, Scenario};

use super::client_fault::ClientFault;
use super::link::Link;

/// One fault.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// What the upstream answers.
    Answer(&'static Scenario),
    /// Why the upstream cannot be reached.
    Link(Link),
    /// What the client does.
    Client(ClientFault),
}

/// Scenarios that are neither a fault nor an odd delivery.
const PLAIN: [&str; 8] =
    ["healthy", "fast", "tool-call", "tool-calls", "thought-signature", "usage", "describe", "echo"];

/// Errors and ends as each dialect words them: before a stream, within it and cut short, and the end itself.
const OWN_FORMS: [&str; 17] = [
    "429-frame-end",
    "429-first",
    "429-after-opening",
    "429-cut",
    "429-flat",
    "503-frame-end",
    "502-router-frame",
    "overloaded-frame",
    "quota-frame",
    "text-cut-fin",
    "no-finish",
    "finish-no-done",
    "done-no-finish",
    "stall-mid",
    "http-429",
    "http-429-quota",
    "http-503",
];

impl Fault {
    /// All of them: connections first, then answers, then clients.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let answers = Scenario::all().iter().filter(|scenario| !PLAIN.contains(&scenario.name));
        let links = Link::ALL.into_iter().map(Self::Link);
        links.chain(answers.map(Self::Answer)).chain(ClientFault::ALL.into_iter().map(Self::Client))
    }

    /// The name that `--only` and the tables know it by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Answer(scenario) => scenario.name,
            Self::Link(link) => link.name(),
            Self::Client(fault) => fault.name(),
        }
    }

    /// One line: what happens.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Answer(scenario) => scenario.about,
            Self::Link(link) => link.about(),
            Self::Client(fault) => fault.about(),
        }
    }

    /// What a client must see of it where nothing else can answer.
    pub(super) fn alone(self, dialect: Dialect, mode: Mode) -> Expect {
        match self {
            Self::Answer(scenario) if scenario.name == ONCE => {
                Expect::Http { status: 429, retry_after: true }
            }
            Self::Answer(scenario) => scenario.expect(dialect, mode),
            Self::Link(Link::TlsSilence) => Expect::Stalled { committed: false },
            Self::Link(_) => Expect::Http { status: 502, retry_after: false },
            Self::Client(_) => Expect::Normal,
        }
    }

    /// A second attempt on the same deployment succeeds.
    pub(super) fn passes(self) -> bool {
        matches!(self, Self::Answer(scenario) if scenario.name == ONCE)
    }

    /// The right answer, oddly delivered: there is nothing to retry.
    pub(super) fn is_odd_delivery(self, mode: Mode) -> bool {
        Dialect::ALL.iter().all(|dialect| is_normal(&self.alone(*dialect, mode)))
    }

    /// Bytes without end: they cost processor time, and are the same under every configuration.
    pub(super) fn is_flood(self) -> bool {
        matches!(self, Self::Answer(scenario) if scenario.name.ends_with("-flood") || scenario.name == "giant-event")
    }

    /// Megabytes, which cost processor time: few of these at once.
    pub(super) fn is_heavy(self) -> bool {
        self.is_flood() || self.name() == "huge-event"
    }

    /// The upstream says why it ends, and then leaves out the end itself: where its events are a chat's already, the reason
    /// has been passed on by then.
    pub(super) fn ends_unmarked(self, dialects: &[Dialect]) -> bool {
        let passed = |dialect| matches!(dialect, Dialect::OpenAiChat | Dialect::Azure);
        self.name() == "finish-no-done" && dialects.iter().copied().any(passed)
    }

    /// No retry of it makes sense: a quota of days or money. Azure and Ollama say of a limit only that it was reached.
    pub(super) fn is_quota(self, dialects: &[Dialect]) -> bool {
        let tells = |dialect| !matches!(dialect, Dialect::Azure | Dialect::Ollama);
        self.name() == "http-429-quota" && dialects.iter().copied().any(tells)
    }

    /// It ends by a clock of the proxy's, and costs nothing until then.
    pub(super) fn waits(self, mode: Mode) -> bool {
        let stalled = |dialect: &Dialect| matches!(self.alone(*dialect, mode), Expect::Stalled { .. });
        self.name().starts_with("keepalive-") || Dialect::ALL.iter().any(stalled)
    }

    /// Each dialect has its own form of it, so that it is another fault in each.
    pub(super) fn has_forms(self) -> bool {
        OWN_FORMS.contains(&self.name())
    }

    /// The connection failed before or instead of an answer, which says nothing about the deployment (litellm's rule
    /// for cooldowns).
    pub(super) fn is_transport(self) -> bool {
        match self {
            Self::Link(link) => link != Link::TlsSilence,
            Self::Answer(scenario) => matches!(scenario.name, "fin-headers" | "rst-headers" | "half-head"),
            Self::Client(_) => false,
        }
    }
}

/// Refused at first, and well at the second attempt.
const ONCE: &str = "http-429-once";

/// Whether the client is to see a normal end.
pub(super) fn is_normal(expect: &Expect) -> bool {
    matches!(expect, Expect::Text(_) | Expect::Ending(_) | Expect::Normal | Expect::ToolCalls(_))
}

/// Whether the failure comes after content.
pub(super) fn is_committed(expect: &Expect) -> bool {
    match expect {
        Expect::Error { committed, .. } | Expect::Stalled { committed } | Expect::Failed { committed } => {
            *committed
        }
        Expect::Truncated | Expect::Malformed => true,
        Expect::Text(_) | Expect::Ending(_) | Expect::Normal | Expect::ToolCalls(_) | Expect::Http { .. } => {
            false
        }
    }
}

/// The status that a client is told, where it is one alone.
pub(super) fn status(expect: &Expect) -> Option<u16> {
    match expect {
        Expect::Http { status, .. } | Expect::Error { status, .. } => Some(*status),
        Expect::Truncated | Expect::Malformed => Some(502),
        Expect::Stalled { .. } => Some(504),
        Expect::Failed { .. }
        | Expect::Text(_)
        | Expect::Ending(_)
        | Expect::Normal
        | Expect::ToolCalls(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faults_with_forms_are_scenarios() {
        let known: Vec<&str> = Fault::all().filter(|fault| fault.has_forms()).map(Fault::name).collect();
        assert_eq!(known.len(), OWN_FORMS.len(), "{known:?}");
    }

    #[test]
    fn what_waits_is_known_by_its_end() {
        let waits =
            |name: &str| Fault::all().find(|fault| fault.name() == name).map(|it| it.waits(Mode::Stream));
        for (name, wanted) in [
            ("stall-mid", true),
            ("keepalive-first", true),
            ("tls-silence", true),
            ("no-finish", false),
            ("text-flood", false),
        ] {
            assert_eq!(waits(name), Some(wanted), "{name}");
        }
    }
}
