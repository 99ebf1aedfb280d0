//! One plugin in one mode, and batches of calls of it.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_host::{
    Class, Close, Dialect, Events, FailureIn, Framing, HeadIn, Header, History, Phase, Plugin,
    PolicyInstance, ProviderInstance, RequestIn, Stream, abi,
};

use super::samples;
use crate::plugin::sample;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// A request for the upstream.
    Request,
    /// A stream opened and closed.
    Open,
    /// An event that came alone.
    Event,
    /// One of those that came in one read.
    Events,
    /// A failure named.
    Classify,
    /// A decision after a failure.
    Decide,
    /// A first target.
    Pick,
}

/// Events of one read.
const TOGETHER: u32 = 16;

/// Events after which a stream is left for a new one: about what a worker keeps of one to have it live on.
const PER_STREAM: u32 = 2048;

impl Call {
    pub(super) const ALL: [Self; 7] =
        [Self::Request, Self::Open, Self::Event, Self::Events, Self::Classify, Self::Decide, Self::Pick];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Request => "a request",
            Self::Open => "a stream opened and closed",
            Self::Event => "an event, alone in its read",
            Self::Events => "an event, one of 16 in its read",
            Self::Classify => "a failure classified",
            Self::Decide => "a decision",
            Self::Pick => "a first target",
        }
    }

    /// Events of one call.
    pub(super) fn events(self) -> u32 {
        if self == Self::Events { TOGETHER } else { 1 }
    }
}

/// A plugin with an instance of each kind that it is.
pub(super) struct Bench {
    pub(super) plugin: Arc<Plugin>,
    pub(super) provider: Option<ProviderInstance>,
    pub(super) policy: Option<PolicyInstance>,
    framing: Framing,
    event: String,
}

impl Bench {
    /// # Errors
    /// It refuses what it is configured with here, or cannot build the sample request: a sentence.
    pub(super) async fn new(plugin: Arc<Plugin>, event: Option<&str>) -> Result<Self, String> {
        let name = plugin.name();
        let refused = |error: &dyn std::fmt::Display| format!("the plugin \"{name}\": {error}");
        let policy = match plugin.policy() {
            Some(policy) => Some(policy.create(&sample::policy_config()).map_err(|error| refused(&error))?),
            None => None,
        };
        let provider = match plugin.provider() {
            Some(provider) => {
                Some(provider.create(&provider_config(&plugin)).map_err(|error| refused(&error))?)
            }
            None => None,
        };
        let mut bench = Self { plugin, provider, policy, framing: Framing::Sse, event: String::new() };
        if let Some(provider) = &bench.provider {
            let built = provider.request(&request()).await.map_err(|error| error.to_string())?;
            if built.response.framing != Framing::Auto {
                bench.framing = built.response.framing;
            }
            bench.event = event.unwrap_or_else(|| samples::event(built.response.dialect)).to_owned();
        }
        Ok(bench)
    }

    /// Whether there is something to measure.
    pub(super) fn can(&self, call: Call) -> bool {
        match call {
            Call::Decide => self.policy.is_some(),
            Call::Pick => self.policy.as_ref().is_some_and(PolicyInstance::has_pick),
            _ => self.provider.is_some(),
        }
    }

    /// Makes so many calls, one after the other, and says how long they took in all.
    ///
    /// # Errors
    /// What the plugin answered instead: a sentence.
    pub(super) async fn batch(&self, call: Call, count: u32) -> Result<Duration, String> {
        match (call, &self.provider, &self.policy) {
            (Call::Event | Call::Events, Some(provider), _) => {
                self.events(provider, call.events(), count).await
            }
            (Call::Request | Call::Open | Call::Classify, Some(provider), _) => {
                let began = Instant::now();
                for _ in 0..count {
                    self.once(provider, call).await?;
                }
                Ok(began.elapsed())
            }
            (Call::Decide | Call::Pick, _, Some(policy)) => decisions(policy, call, count).await,
            _ => Ok(Duration::ZERO),
        }
    }

    async fn once(&self, provider: &ProviderInstance, call: Call) -> Result<(), String> {
        let told = |error: tidegate_host::PluginError| error.to_string();
        match call {
            Call::Request => provider.request(&request()).await.map(drop).map_err(told),
            Call::Classify => provider.classify(&failure(), DEFAULT).await.map(drop).map_err(told),
            _ => self.open(provider).await.map(|stream| stream.close(Close::End)),
        }
    }

    async fn open(&self, provider: &ProviderInstance) -> Result<Stream, String> {
        let head = HeadIn {
            http_status: 200,
            dialect: Dialect::OpenaiChat,
            framing: self.framing,
            model: "model",
            headers: &[],
            unix_ms: 1_767_225_600_000,
            seed: 1,
        };
        provider.open(&head).await.map_err(|error| error.to_string())
    }

    /// `reads` reads of so many events each, as the relay takes them. Opening a stream does not count.
    async fn events(
        &self,
        provider: &ProviderInstance,
        together: u32,
        reads: u32,
    ) -> Result<Duration, String> {
        let data = self.event.as_bytes();
        let event = (&b""[..], data, false);
        let mut out = Events::default();
        let (mut took, mut left) = (Duration::ZERO, reads);
        while left > 0 {
            let some = left.min((PER_STREAM / together).max(1));
            left -= some;
            let mut stream = self.open(provider).await?;
            let began = Instant::now();
            for _ in 0..some {
                stream.prefetch((0..together).map(|_| event), false);
                poll_fn(|cx| stream.poll_prefetched(cx)).await;
                for _ in 0..together {
                    stream.event(b"", data, false, &mut out).map_err(|error| {
                        format!("{error}: this event is not its upstream's; give one with --event")
                    })?;
                }
            }
            took += began.elapsed();
            stream.close(Close::Cancelled);
        }
        Ok(took)
    }
}

async fn decisions(policy: &PolicyInstance, call: Call, count: u32) -> Result<Duration, String> {
    let (targets, attempts) = (samples::targets(), samples::attempts());
    let began = Instant::now();
    for seed in 0..count {
        let history = History {
            now_ms: 130,
            deadline_ms: 60_000,
            seed: seed.into(),
            attempts_left: 3,
            retry_tokens: 10,
            group: "fast",
            options: b"",
            attempts: if call == Call::Pick { &[] } else { &attempts },
            targets: &targets,
            stream: true,
            prompt_tokens: 60,
        };
        let answer = match call {
            Call::Pick => policy.pick(&history).await.map(drop),
            _ => policy.decide(&history).await.map(drop),
        };
        answer.map_err(|error| error.to_string())?;
    }
    Ok(began.elapsed())
}

const DEFAULT: Class = Class {
    error: abi::error::RATE_LIMIT,
    http_status: 429,
    retryable: true,
    quota: false,
    retry_after_ms: Some(1000),
};

fn request() -> RequestIn<'static> {
    RequestIn {
        dialect: Dialect::OpenaiChat,
        stream: true,
        model: "model",
        body: samples::REQUEST.as_bytes(),
        model_span: Some(samples::MODEL_AT),
        headers: &[],
    }
}

fn failure() -> FailureIn<'static> {
    static HEADERS: std::sync::LazyLock<[Header<'static>; 2]> = std::sync::LazyLock::new(|| {
        [Header::new("content-type", b"application/json"), Header::new("retry-after", b"1")]
    });
    FailureIn {
        phase: Phase::Status,
        http_status: 429,
        headers: &*HEADERS,
        event: b"",
        body: samples::ERROR.as_bytes(),
        unix_ms: 1_767_225_600_000,
        bytes_to_client: 0,
    }
}

/// A configuration for the first provider of its manifest.
fn provider_config(plugin: &Plugin) -> Value {
    plugin.manifest().providers.first().map_or_else(|| json!({}), sample::provider_config)
}
