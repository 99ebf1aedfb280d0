//! The traits that a provider implements.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    Close, ErrorKind, EventIn, FailureIn, Fault, HeadIn, Host, RequestIn, RequestOut, StreamOut, TextOut,
};

/// The configuration of one deployment.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Config {
    /// The prefix it was configured with, such as `groq`.
    pub provider: String,
    /// The upstream's name of the model.
    #[serde(default)]
    pub model: String,
    /// Its parameters with the manifest's defaults, without secrets.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// Names of the secrets that the host holds.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// What makes this prefix another vendor than the plugin's others, from the manifest or a vendor file: its `quirks`.
    /// `None` from a host that is older than vendor files.
    #[serde(default)]
    pub vendor: Option<Map<String, Value>>,
}

impl Config {
    /// The parameter `name`, when it is a string that is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.params.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Whether the host holds the secret `name`.
    pub fn has_secret(&self, name: &str) -> bool {
        self.secrets.iter().any(|held| held == name)
    }
}

/// What became of an event, or of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Forward it as it is.
    Pass,
    /// What there was to say has been written to the sink.
    Done,
}

/// What the end of an upstream's body means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The terminal marker had come.
    Done,
    /// It had not.
    Truncated,
}

/// A failure's class. The host fills in the defaults of the HTTP status before the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// What kind of failure.
    pub error: ErrorKind,
    /// The status to tell the client: the upstream's own, from the body when it is there.
    pub http_status: u32,
    /// The same request may succeed later.
    pub retryable: bool,
    /// A quota that does not come back in minutes: retrying is useless.
    pub quota: bool,
    /// How long the upstream asked to wait, in milliseconds, when it said so.
    pub retry_after_ms: Option<u64>,
    /// For people; `None`: the host words it.
    pub message: Option<String>,
    /// The provider's own word, such as `insufficient_quota`.
    pub code: Option<String>,
}

/// A provider: pure, bounded transformations. It does no IO, reads no clock and never blocks.
///
/// Calls may come at the same time on any threads.
pub trait Provider: Send + Sync + Sized + 'static {
    /// What is kept for one stream.
    type Stream: Stream;

    /// Makes an instance for one deployment. The error says what is wrong with the configuration.
    fn create(config: Config, host: Host) -> Result<Self, String>;

    /// Writes the upstream request: its target, headers, authentication and body.
    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault>;

    /// A 2xx answer that is a stream has begun.
    fn open(&self, head: &HeadIn<'_>) -> Result<Self::Stream, Fault>;

    /// A whole 2xx body that is not a stream.
    fn response(&self, head: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault>;

    /// Corrects the class that the host derived from the HTTP status.
    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class);
}

/// One stream of a provider. Used by one thread at a time; may move between threads.
pub trait Stream: Send + Sized + 'static {
    /// One upstream event.
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault>;

    /// The upstream's body ended cleanly: was that its end? A last event may be written.
    fn end(&mut self, out: &mut StreamOut<'_>) -> Result<End, Fault>;

    /// The last call.
    fn close(self, _why: Close) {}
}
