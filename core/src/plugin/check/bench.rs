//! A plugin on the bench: loaded, with an instance, and with what is known of its manner of speaking.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;
use tidegate_host::{
    CreateError, Dialect, LoadOptions, Plugin, PluginError, PolicyInstance, ProviderInstance,
    ProviderManifest, RequestIn, UpstreamRequest,
};

use super::Options;
use super::corpus::{MODEL_AT, SMALL};
use super::trail::Trail;
use super::transcript::{self, Transcript};
use super::verdict::{Finding, Verdict};
use crate::plugin::sample;

/// What the contract says of panics.
pub(super) const NO_PANIC: &str =
    "tidegate.h: panics must not cross, and TG_E_PANIC means that the stream or the answer is lost";

/// The result of a call of an inline plugin, which is ready at the first poll.
pub(super) fn now<T>(call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    loop {
        if let Poll::Ready(value) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// Why there is no bench.
pub(super) enum Unprepared {
    /// What the author named cannot be used: a sentence.
    Input(String),
    /// The plugin is not loaded.
    Refused(Finding),
}

/// A plugin on the bench.
pub(super) struct Bench {
    pub(super) plugin: Arc<Plugin>,
    pub(super) trail: Trail,
    pub(super) verdict: Verdict,
    config: Option<Value>,
    transcript: Option<Transcript>,
}

impl Bench {
    pub(super) fn prepare(options: &Options, trail: Trail) -> Result<Self, Unprepared> {
        let config = match &options.config {
            None => None,
            Some(file) => {
                let told =
                    |error: &dyn std::fmt::Display| Unprepared::Input(format!("{}: {error}", file.display()));
                let text = std::fs::read_to_string(file).map_err(|error| told(&error))?;
                Some(serde_json::from_str(&text).map_err(|error| told(&error))?)
            }
        };
        let transcript = match &options.transcript {
            Some(file) => Some(transcript::read(file, options.framing).map_err(Unprepared::Input)?),
            None => None,
        };
        trail.at("tidegate_plugin_entry_v1", "the host");
        let plugin = tidegate_host::load(&options.file, &LoadOptions::default()).map_err(|error| {
            Unprepared::Refused(Finding {
                called: "the loader, then tidegate_plugin_entry_v1".to_owned(),
                with: options.file.display().to_string(),
                came: format!("refused: {}", error.reason()),
                asks: "tidegate.h: one exported symbol, TG_ENTRY_SYMBOL, that returns a valid tg_plugin_v1; and a file \
                       that nobody else can write"
                    .to_owned(),
            })
        })?;
        Ok(Self { plugin, trail, verdict: Verdict::default(), config, transcript })
    }

    pub(super) fn into_verdict(self) -> Verdict {
        self.verdict
    }

    /// Adds a finding.
    pub(super) fn find(&mut self, called: &str, with: &str, came: impl Into<String>, asks: &str) {
        let mut came = came.into();
        if let Some(line) = self.trail.take_logged() {
            came = format!("{came}; its log says: {line}");
        }
        let (called, with, asks) = (called.to_owned(), with.to_owned(), asks.to_owned());
        self.verdict.find(Finding { called, with, came, asks });
    }

    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.verdict.warnings.push(text.into());
    }

    pub(super) fn did(&mut self, text: impl Into<String>) {
        self.verdict.did = text.into();
    }

    pub(super) fn skip(&mut self, why: &str) {
        self.verdict.skipped = Some(why.to_owned());
    }

    /// Adds a finding when an answer breaks the contract in itself. `Invalid` and the like are answers.
    pub(super) fn judge<T>(&mut self, called: &str, with: &str, answer: &Result<T, PluginError>) {
        match answer {
            Err(PluginError::Panic(_)) => self.find(called, with, "it panicked", NO_PANIC),
            Err(PluginError::BadAnswer(_, what)) => {
                let asks = "tidegate.h: what the function is said to answer, and sinks that take what they are said to";
                self.find(called, with, what, asks);
            }
            Err(PluginError::Limit(_)) => {
                let asks =
                    "tidegate.h, TG_E_LIMIT: what a call may write is bounded; no answer to this is so long";
                self.find(called, with, "it wrote until its sink was full", asks);
            }
            _ => {}
        }
    }

    /// The same where the sinks take little, so that to fill one is no fault.
    pub(super) fn judge_tight<T>(&mut self, called: &str, with: &str, answer: &Result<T, PluginError>) {
        if !matches!(answer, Err(PluginError::Limit(_))) {
            self.judge(called, with, answer);
        }
    }

    /// A configuration for `create` that fits a manifest.
    pub(super) fn config_for(&self, offer: &ProviderManifest) -> Value {
        self.config.clone().unwrap_or_else(|| sample::provider_config(offer))
    }

    /// A configuration for a policy.
    pub(super) fn policy_config(&self) -> Value {
        self.config.clone().unwrap_or_else(sample::policy_config)
    }

    /// An instance of the provider, and its offer. `None`: it is no provider, or there is a finding.
    pub(super) fn provider(&mut self) -> Option<(ProviderInstance, ProviderManifest)> {
        let Some(provider) = self.plugin.provider() else {
            self.skip("it is no provider");
            return None;
        };
        let offers = self.plugin.manifest().providers.clone();
        let wanted = self.config.as_ref().and_then(|config| config["provider"].as_str());
        let mut refusals = Vec::new();
        for offer in offers.iter().filter(|offer| wanted.is_none_or(|wanted| wanted == offer.prefix)) {
            let config = self.config_for(offer);
            self.trail.at("create", &format!("the configuration {config}"));
            match provider.create(&config) {
                Ok(instance) => return Some((instance, offer.clone())),
                Err(CreateError::Config(why)) => refusals.push(format!("{}/: {why}", offer.prefix)),
                Err(CreateError::Plugin(error)) => refusals.push(format!("{}/: {error}", offer.prefix)),
            }
        }
        self.find(
            "create",
            "a configuration made from its manifest",
            format!("no instance: {}", refusals.join("; ")),
            "an instance to go on with; give `--config FILE` with the object that `create` needs",
        );
        None
    }

    /// An instance of the policy. `None`: it is none, or there is a finding.
    pub(super) fn policy(&mut self) -> Option<PolicyInstance> {
        let Some(policy) = self.plugin.policy() else {
            self.skip("it is no policy");
            return None;
        };
        let config = self.policy_config();
        self.trail.at("create", &format!("the configuration {config}"));
        match policy.create(&config) {
            Ok(instance) => Some(instance),
            Err(error) => {
                let asks =
                    "an instance to go on with; give `--config FILE` with the object that `create` needs";
                self.find("create", &config.to_string(), error.to_string(), asks);
                None
            }
        }
    }

    /// The answers to play, and of each whether it is in the dialect that this provider's upstream speaks.
    pub(super) fn transcripts(&self, spoken: Option<Dialect>) -> Vec<(Transcript, bool)> {
        let shipped = transcript::shipped().into_iter().map(|it| {
            let own = spoken.is_some() && it.dialect == spoken && spoken != Some(Dialect::Unknown);
            (it, own)
        });
        self.transcript.clone().map(|it| (it, true)).into_iter().chain(shipped).collect()
    }
}

/// What a provider makes of the smallest request: where its dialect is said.
pub(super) fn small_request(provider: &ProviderInstance) -> Result<UpstreamRequest, PluginError> {
    now(provider.request(&small_input(true)))
}

/// The dialect that a provider's upstream answers in, by its own word.
pub(super) fn spoken(bench: &Bench, provider: &ProviderInstance) -> Option<Dialect> {
    bench.trail.at("request", "one message");
    small_request(provider).ok().map(|request| request.response.dialect)
}

pub(super) fn small_input(stream: bool) -> RequestIn<'static> {
    RequestIn {
        dialect: Dialect::OpenaiChat,
        stream,
        model: "model",
        body: SMALL.as_bytes(),
        model_span: Some(MODEL_AT),
        headers: &[],
    }
}
