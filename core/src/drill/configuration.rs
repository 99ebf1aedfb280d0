//! The configurations of the built-in matrix. One more is one more row.

use std::path::Path;

use tidegate_sim::Mode;

use super::promise::{Exact, Rescue};
use super::simulated::Nothing;
use crate::config::{Config, parse};

/// A configuration of the matrix: the group `primary`, and where it has fallbacks the group `spare` of another provider.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) name: &'static str,
    /// In a sentence.
    pub(super) about: &'static str,
    /// The entries of `router_settings`.
    router: &'static str,
    /// Further entries of `tidegate`.
    section: &'static str,
    pub(super) rescue: Rescue,
    pub(super) exact: Exact,
    pub(super) modes: &'static [Mode],
    /// Which faults are played.
    pub(super) faults: Faults,
}

/// Which faults a configuration is drilled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Faults {
    /// Every fault of an upstream.
    All,
    /// Those that a configuration can make a difference to: no odd deliveries, no floods.
    Failures,
    /// Those of clients.
    Clients,
    /// What an upstream answers, but for floods: what is the same in every dialect is left out.
    Upstream,
    /// Those of which each dialect has a form of its own.
    Forms,
    /// None.
    None,
}

pub(super) const BOTH: &[Mode] = &[Mode::Stream, Mode::Whole];
pub(super) const STREAM: &[Mode] = &[Mode::Stream];
const ONCE: Exact = Exact { retries: 0, cools: false };

pub(super) static ALL: &[Configuration] = &[
    Configuration {
        name: "no-fallback",
        about: "no retries, no fallbacks, no cooldowns: the bug report's own",
        router: "num_retries: 0, cooldown_time: 0",
        section: "",
        rescue: Rescue::None,
        exact: ONCE,
        modes: BOTH,
        faults: Faults::All,
    },
    Configuration {
        name: "good-fallback",
        about: "a fallback to another provider, which is well",
        router: "num_retries: 0, cooldown_time: 0, fallbacks: [{primary: [spare]}]",
        section: "",
        rescue: Rescue::Good,
        exact: ONCE,
        modes: BOTH,
        faults: Faults::Failures,
    },
    Configuration {
        name: "failing-fallback",
        about: "a fallback to another provider, which fails in the same way",
        router: "num_retries: 0, cooldown_time: 0, fallbacks: [{primary: [spare]}]",
        section: "",
        rescue: Rescue::Failing,
        exact: ONCE,
        modes: STREAM,
        faults: Faults::Failures,
    },
    Configuration {
        name: "cycle",
        about: "two groups that fall back to each other, and both fail",
        router: "num_retries: 0, cooldown_time: 0, fallbacks: [{primary: [spare]}, {spare: [primary]}]",
        section: "",
        rescue: Rescue::Failing,
        exact: ONCE,
        modes: STREAM,
        faults: Faults::Failures,
    },
    Configuration {
        name: "retries",
        about: "two retries, no fallbacks",
        router: "num_retries: 2, cooldown_time: 0",
        section: "",
        rescue: Rescue::None,
        exact: Exact { retries: 2, cools: false },
        modes: STREAM,
        faults: Faults::Failures,
    },
    Configuration {
        name: "cooldown",
        about: "one failure puts the deployment aside for a minute; the client asks a second time",
        router: "num_retries: 0, allowed_fails: 0, cooldown_time: 60",
        section: "",
        rescue: Rescue::None,
        exact: Exact { retries: 0, cools: true },
        modes: STREAM,
        faults: Faults::Failures,
    },
    Configuration {
        name: "continuation",
        about: "`mid_stream: continue`, and a fallback to another provider, which is well",
        router: "num_retries: 0, cooldown_time: 0, fallbacks: [{primary: [spare]}]",
        section: "mid_stream: continue, ",
        rescue: Rescue::Continued,
        exact: ONCE,
        modes: STREAM,
        faults: Faults::Failures,
    },
    Configuration {
        name: "clients",
        about: "two retries; the upstream is well, or silent, and the client is at fault",
        router: "num_retries: 2, cooldown_time: 0",
        section: "",
        rescue: Rescue::None,
        exact: Exact { retries: 2, cools: false },
        modes: STREAM,
        faults: Faults::Clients,
    },
];

/// A provider that the built-in matrix is played with, and the one that its fallback has.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) name: &'static str,
    pub(super) spare: &'static str,
    model: &'static str,
    /// It plays everything; the others what has a form of its own in their dialect, unless all is asked for.
    pub(super) plays_all: bool,
}

pub(super) static PROVIDERS: &[Provider] = &[
    Provider { name: "openai", spare: "gemini", model: "openai/gpt-mini", plays_all: true },
    Provider { name: "gemini", spare: "vertex", model: "gemini/gemini-2.5-pro", plays_all: true },
    Provider { name: "vertex", spare: "openai", model: "vertex_ai/gemini-2.5-pro", plays_all: true },
    Provider { name: "anthropic", spare: "bedrock", model: "anthropic/claude-sonnet-4-5", plays_all: false },
    Provider {
        name: "bedrock",
        spare: "ollama",
        model: "bedrock/anthropic.claude-sonnet-4-5",
        plays_all: false,
    },
    Provider { name: "ollama", spare: "azure", model: "ollama_chat/llama3.2", plays_all: false },
    Provider { name: "azure", spare: "anthropic", model: "azure/my-gpt", plays_all: false },
];

/// The asked group.
pub(super) const PRIMARY: &str = "primary";
/// The group that it falls back to.
pub(super) const SPARE: &str = "spare";

/// Long enough for a busy machine, short enough to be waited for.
const CLOCKS: &str =
    "connect: 4s, first_content: 6s, content_idle: 4s, byte_idle: 4s, total: 40s, client_idle: 4s";

/// What of the configurations holds for the whole process.
///
/// # Errors
/// A defect of the table: the whole report.
pub(super) fn settings() -> Result<Config, String> {
    ALL[0].config(&PROVIDERS[0])
}

impl Configuration {
    /// The configuration for a provider, as it is read from a file.
    ///
    /// # Errors
    /// A defect of the table: the whole report.
    pub(super) fn config(&self, provider: &Provider) -> Result<Config, String> {
        let spare = PROVIDERS.iter().find(|other| other.name == provider.spare);
        let other = spare.ok_or_else(|| format!("no provider is called {}", provider.spare))?.model;
        let own = provider.model;
        let text = format!(
            "model_list:
  - {{model_name: {PRIMARY}, litellm_params: {{model: {own}, api_key: k, vertex_project: p}}}}
  - {{model_name: {SPARE}, litellm_params: {{model: {other}, api_key: k, vertex_project: p}}}}
router_settings: {{{}}}
tidegate: {{{}clocks: {{{CLOCKS}}}, limits: {{header: 16KiB, body: 8MiB, event: 6MiB}}}}
",
            self.router, self.section
        );
        parse(&text, Path::new(self.name), &Nothing).map_err(|report| report.to_string())
    }
}
