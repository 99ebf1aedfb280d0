//! One deployment, ready to be called.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tidegate_host::{Prefill, ProviderInstance, ProviderManifest, StreamUsage};
use tidegate_watchdog::Watchdog;

use super::dropping::Dropping;
use super::health::Health;
use super::instance::{self, Made, said};
use super::plugins::Plugins;
use super::quarantine::Quarantine;
use crate::config::wildcard::is_pattern;
use crate::config::{self, Config, Env};
use crate::dialects::{Dialect, Mocked, Request, Takes};
use crate::failure::Failure;
use crate::metrics::{DeploymentSeries, Facts, Metrics};
use crate::relay::clocks::Limits;
use crate::secret::Secret;
use crate::upstream::Target;
use crate::upstream::auth::{Auth, AwsCredentials, AwsSettings, GoogleToken};

/// What is shorter than this is no key, and masking it would only spoil texts.
const MIN_MASKED: usize = 8;

/// How long each part of a call may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// To open a connection.
    pub connect: Duration,
    /// Of the answer.
    pub limits: Limits,
    /// The whole request.
    pub total: Duration,
}

/// A configured deployment with its provider's instance.
pub struct Deployment {
    /// Its id, the one that policies see and a reload goes by.
    pub id: Arc<str>,
    /// Its name in metrics, logs and errors.
    pub name: Arc<str>,
    /// Its group.
    pub group: Arc<str>,
    /// Who translates for it.
    pub provider: ProviderInstance,
    /// Who does so for requests that want left out what its provider cannot do.
    dropping: Dropping,
    /// Sent with every call.
    pub headers: HeaderMap,
    /// For the choice within the group.
    pub weight: u32,
    /// Lower goes first.
    pub order: u32,
    /// Calls at once, if limited.
    pub parallel: Option<u32>,
    /// Requests a minute, if limited.
    pub rpm: Option<u64>,
    /// Tokens a minute, if limited.
    pub tpm: Option<u64>,
    /// Where its provider is, as far as the configuration says; for [`config::Tidegate::litellm_headers`].
    pub api_base: Option<String>,
    /// Retries after a call of it.
    pub max_retries: u32,
    /// Of a token of the prompt, in 1e-12 US dollars, if the configuration says.
    pub input_cost: Option<u64>,
    /// Of a token of the answer, the same.
    pub output_cost: Option<u64>,
    /// Whether its use is counted by the minute.
    pub counted: bool,
    /// Which of its answers' times are kept, if any.
    pub window: Option<config::Window>,
    /// Of a stream.
    pub stream_times: Times,
    /// Of a whole answer.
    pub whole_times: Times,
    /// What is known of it.
    pub health: Arc<Health>,
    /// Whether it may be asked.
    pub quarantine: Quarantine,
    /// What Prometheus sees of it.
    pub series: DeploymentSeries,
    /// The providers that it can call, where the request names one; else empty.
    pub(super) any: Vec<super::any::Provider>,
    /// One model out of many is asked for: that there is no such one says nothing about the deployment.
    pub wild: bool,
    /// Its model, without the provider's prefix.
    pub model: String,
    /// Its provider's name, as configurations have it before the `/`.
    pub prefix: String,
    /// Says which dialects its provider takes as they are, beside the canonical one.
    offer: ProviderManifest,
    /// Stands before its model's name, where the configuration says by which API that is asked.
    pub(super) mark: &'static str,
    drops_params: bool,
    /// A set of dialects by [`bit`].
    lacking: AtomicU32,
    /// `additional_drop_params`: members that no request takes there.
    dropped: Vec<String>,
    /// When the log last had a word about what was left out of a request.
    drops_told: Mutex<Option<std::time::Instant>>,
    /// What it answers with instead of calling its provider.
    pub mocked: Option<Mocked>,
    /// Whether it is asked for the usage of streams where the client did not ask.
    asks_usage: AtomicBool,
    defaults: Map<String, Value>,
    /// Members of every body that does not have them.
    extra: Map<String, Value>,
    secrets: HashMap<String, Secret>,
    google: Mutex<HashMap<String, Arc<GoogleToken>>>,
    /// How its AWS credentials are found, where its provider takes any; and the source, once it was asked for.
    aws_settings: Option<AwsSettings>,
    aws: Mutex<Option<Arc<AwsCredentials>>>,
    /// The last URL that its plugin gave, parsed: it is nearly always the same.
    target: Mutex<Option<(String, Target)>>,
}

/// A request's body for a deployment, where its model stands in it, quotes included, if that is known, and the parameters
/// that were left out.
pub type Asked = (Bytes, Option<Range<usize>>, Vec<String>);

/// What deployments are made with.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) plugins: &'a Plugins,
    pub(super) env: &'a dyn Env,
    pub(super) metrics: &'a Metrics,
    pub(super) watchdog: &'a Watchdog,
}

/// A dialect's place in a set of them.
fn bit(dialect: Dialect) -> u32 {
    1 << dialect.number()
}

impl Deployment {
    /// Makes the provider's instance. The error is a sentence that names the deployment.
    pub(super) fn build(
        config: &Config,
        from: &config::Deployment,
        name: String,
        means: Means<'_>,
        health: Arc<Health>,
    ) -> Result<Self, String> {
        let Means { plugins, env, metrics, watchdog } = means;
        let whose = format!("deployment \"{name}\" of group \"{}\"", from.group);
        let made = instance::make(config, from, plugins, env).map_err(|why| format!("{whose}: {why}"))?;
        let Made { plugin, manifest, provider, told, secrets, aws, api_base } = made;
        let by_usage = config.router.strategy == config::Strategy::Usage;
        let rpm = from.rpm.filter(|_| by_usage || config.router.pre_call_checks);
        let tpm = from.tpm.filter(|_| by_usage);
        health.count_over(config.cooldown_of(from));
        Ok(Self {
            id: from.id.as_str().into(),
            series: metrics.deployment(&from.group, &name),
            quarantine: Quarantine::new(watchdog, plugin.name(), &name),
            name: name.into(),
            group: from.group.as_str().into(),
            provider,
            dropping: Dropping::new(plugin, told),
            headers: headers(config, from, manifest, env).map_err(|error| format!("{whose}: {error}"))?,
            weight: weight(config, from),
            order: from.rank(),
            parallel: from.max_parallel_requests.or(config.router.default_max_parallel_requests),
            rpm,
            tpm,
            api_base: api_base.as_deref().and_then(bare),
            max_retries: config.retries_of(&from.group, from, None),
            input_cost: from.input_cost.map(price),
            output_cost: from.output_cost.map(price),
            counted: by_usage || rpm.is_some(),
            window: config.router.strategy.window(),
            stream_times: times(config, from, true),
            whole_times: times(config, from, false),
            health,
            any: Vec::new(),
            wild: is_pattern(&from.model),
            offer: manifest.clone(),
            model: from.model.clone(),
            prefix: manifest.prefix.clone(),
            mark: mark(from, manifest),
            drops_params: config.drops_params(from),
            dropped: from.dropped.clone(),
            drops_told: Mutex::default(),
            mocked: from.mocked.clone(),
            asks_usage: AtomicBool::new(manifest.stream_usage == StreamUsage::Ask),
            defaults: kept(from, &from.defaults),
            extra: kept(from, &from.extra_body),
            aws_settings: aws,
            aws: Mutex::default(),
            secrets,
            lacking: AtomicU32::new(0),
            google: Mutex::default(),
            target: Mutex::default(),
        })
    }

    /// What others call it.
    pub(super) fn facts(&self) -> Facts {
        let dollars = |price: Option<u64>| price.map(|price| price as f64 / 1e12);
        Facts {
            id: self.id.to_string(),
            group: self.group.to_string(),
            provider: self.prefix.clone(),
            model: self.model.clone(),
            api_base: self.api_base.clone().unwrap_or_default(),
            cost: [dollars(self.input_cost), dollars(self.output_cost)],
            cooling: self.health.cooldown_ms() > 0,
        }
    }

    /// The times of a request.
    pub fn times(&self, stream: bool) -> Times {
        if stream { self.stream_times } else { self.whole_times }
    }

    /// Whether it is at its limit of parallel calls.
    pub fn is_full(&self) -> bool {
        self.parallel.is_some_and(|limit| self.health.inflight() >= limit)
    }

    /// Whether it had its requests or tokens of this minute.
    pub fn is_spent(&self) -> bool {
        if self.rpm.is_none() && self.tpm.is_none() {
            return false;
        }
        let (requests, tokens) = self.health.usage.now();
        self.rpm.is_some_and(|limit| u64::from(requests) >= limit)
            || self.tpm.is_some_and(|limit| tokens >= limit)
    }

    /// Whether a call can begin now.
    pub fn is_free(&self) -> bool {
        self.health.cooldown_ms() == 0 && !self.is_full() && !self.is_spent() && self.quarantine.is_open()
    }

    /// Whether its provider takes a request of this dialect for this model as it is.
    pub fn takes(&self, dialect: Dialect, model: &str) -> bool {
        let own = tidegate_host::Dialect::from_u32(dialect.number());
        let lacks = self.lacking.load(Relaxed) & bit(dialect) != 0;
        dialect == Dialect::OpenAiChat || (!lacks && self.offer.dialects_of(model).contains(&own))
    }

    /// What `model` takes beyond OpenAI's words of a request that was made canonical.
    pub fn extensions(&self, model: &str) -> Takes<'_> {
        Takes::of(self.offer.extensions_of(model))
    }

    /// How `model` is made to go on with a text.
    pub fn prefill(&self, model: &str) -> Prefill {
        self.offer.prefill_of(model)
    }

    /// Its server has no such path, though its provider's have: it is asked in the canonical dialect from now on. Many
    /// servers of OpenAI's dialect have chat completions alone, and a 404 would put them aside for everybody.
    pub fn lacks(&self, dialect: Dialect) {
        if self.lacking.fetch_or(bit(dialect), Relaxed) & bit(dialect) == 0 {
            tracing::info!(deployment = %self.name, dialect = dialect.name(), "its server does not have this dialect: it is asked in chat completions instead");
        }
    }

    /// litellm's `drop_params`: what a provider cannot do is left out of a request instead of refusing it.
    pub fn drops_params(&self) -> bool {
        self.drops_params
    }

    /// Who makes its requests: for one that wants left out what its provider cannot do, an instance that does so.
    ///
    /// # Errors
    /// There is none, though its provider has made one that does not.
    pub async fn asked(&self, dropping: bool) -> Result<&ProviderInstance, Failure> {
        if dropping && !self.drops_params { self.dropping.instance().await } else { Ok(&self.provider) }
    }

    /// Whether the log is to hear of what was left out: once a minute.
    pub fn may_warn_of_drops(&self) -> bool {
        let now = std::time::Instant::now();
        let mut told = self.drops_told.lock();
        let due = told.is_none_or(|told| now.duration_since(told) >= Duration::from_secs(60));
        if due {
            *told = Some(now);
        }
        due
    }

    /// The request's body with this deployment's default parameters and without those that it drops, where its model stands
    /// in it if that is known, and what was dropped.
    ///
    /// # Errors
    /// The request is not a JSON object.
    pub fn body(&self, request: &Request) -> Result<Asked, Failure> {
        let own = request.options.as_deref().map_or(&[][..], |options| &options.dropped);
        let (fewer, dropped) = match (self.dropped.as_slice(), own) {
            ([], []) => None,
            (names, []) | ([], names) => request.without(names),
            (names, own) => request.without(&[names, own].concat()),
        }
        .unzip();
        let (request, dropped) = (fewer.as_ref().unwrap_or(request), dropped.unwrap_or_default());
        if self.defaults.is_empty() && self.extra.is_empty() {
            let model_at = Some(request.model_at.clone()).filter(|at| !at.is_empty());
            return Ok((request.body.clone(), model_at, dropped));
        }
        let refuse =
            |error: serde_json::Error| Failure::bad_request(format!("the request cannot be read: {error}"));
        let mut body: Map<String, Value> = serde_json::from_slice(&request.body).map_err(refuse)?;
        request.dialect.add_defaults(&mut body, &self.defaults);
        for (name, value) in &self.extra {
            body.entry(name).or_insert_with(|| value.clone());
        }
        Ok((serde_json::to_vec(&body).map_err(refuse)?.into(), None, dropped))
    }

    /// Whether it is asked for the usage of a stream where the client did not ask.
    pub fn asks_usage(&self) -> bool {
        self.asks_usage.load(Ordering::Relaxed)
    }

    /// It refused a request that asked in the client's stead. Servers that name the member do so because of it: they are not
    /// asked again. `true`: the same request without it may be taken.
    pub fn refuses_usage(&self, status: u16, body: &[u8]) -> bool {
        let about = |word: &[u8]| body.windows(word.len()).any(|part| part == word);
        let refuses = matches!(status, 400 | 422) && (about(b"stream_options") || about(b"include_usage"));
        if refuses {
            self.asks_usage.store(false, Ordering::Relaxed);
        }
        refuses
    }

    /// The URL that the plugin gave, parsed.
    ///
    /// # Errors
    /// It is not one that can be called.
    pub fn target(&self, url: String) -> Result<Target, Failure> {
        let mut last = self.target.lock();
        if let Some((_, target)) = last.as_ref().filter(|(known, _)| *known == url) {
            return Ok(target.clone());
        }
        let target: Target = url.parse().map_err(|error| {
            Failure::plugin(&format!("the provider plugin gave a URL that is not usable: {error}"))
        })?;
        *last = Some((url, target.clone()));
        Ok(target)
    }

    /// Turns what the plugin asked for into what the upstream room can do. A key never passes through the plugin.
    ///
    /// # Errors
    /// The configuration holds no such secret, or it cannot be used.
    pub fn auth(&self, wanted: tidegate_host::Auth) -> Result<Auth, Failure> {
        use tidegate_host::Auth as Wanted;
        match wanted {
            Wanted::None => Ok(Auth::None),
            Wanted::Bearer { secret } => Ok(Auth::Bearer(self.secret(&secret)?)),
            Wanted::Header { secret, name, prefix } => {
                let name = HeaderName::try_from(name)
                    .map_err(|_| Failure::plugin(&"the provider plugin named a header that is not legal"))?;
                Ok(Auth::Header { name, prefix: prefix.into(), secret: self.secret(&secret)? })
            }
            Wanted::GoogleOauth { secret, scope } => {
                Ok(Auth::Google { source: self.google(&secret, &scope)? })
            }
            Wanted::AwsSigV4 { service, region, .. } => {
                Ok(Auth::AwsSigV4 { source: self.aws()?, service: service.into(), region: region.into() })
            }
        }
    }

    /// A text from upstream without this deployment's secrets: some servers repeat the key that they refuse.
    pub fn masked(&self, text: String) -> String {
        // A server that repeats `Bearer KEY` may leave out the scheme.
        let headers = self.headers.values().filter_map(|value| value.to_str().ok());
        let headers = headers.flat_map(|value| {
            let (_, last) = value.trim_end().rsplit_once(' ').unwrap_or_default();
            [value, last]
        });
        let secrets = self.secrets.values().map(Secret::expose).chain(headers);
        let secrets = secrets.filter(|secret| secret.len() >= MIN_MASKED);
        let text = self.others().fold(text, |text, other| other.masked(text));
        let aws = self.aws.lock().clone();
        let text = aws.iter().fold(text, |text, aws| aws.masked(text));
        secrets
            .fold(text, |text, secret| if text.contains(secret) { text.replace(secret, "***") } else { text })
    }

    /// What fetches tokens for it lives on a runtime; another one has taken over. Waits for no lock for long: a thread that
    /// is stuck for good could hold it.
    pub fn revive(&self) {
        if let Some(google) = self.google.try_lock_for(SHORT) {
            google.values().for_each(|token| token.revive());
        }
        if let Some(aws) = self.aws.try_lock_for(SHORT) {
            aws.iter().for_each(|credentials| credentials.revive());
        }
        self.any.iter().filter_map(|provider| provider.other()).for_each(|other| other.revive());
    }

    /// Takes over what fetches tokens for the same deployment of the same configuration, with the tokens that are there.
    pub(super) fn keep_tokens(&self, before: &Self) {
        if self.secrets == before.secrets {
            self.google.lock().clone_from(&before.google.lock());
        }
        if self.aws_settings == before.aws_settings {
            self.aws.lock().clone_from(&before.aws.lock());
        }
    }

    fn secret(&self, name: &str) -> Result<Secret, Failure> {
        self.secrets.get(name).cloned().ok_or_else(|| {
            Failure::refusal(500, format!("the deployment \"{}\" has no {name} configured", self.name))
        })
    }

    fn aws(&self) -> Result<Arc<AwsCredentials>, Failure> {
        let mut source = self.aws.lock();
        if let Some(source) = &*source {
            return Ok(Arc::clone(source));
        }
        let refuse = |why: &str| Failure::refusal(500, format!("the deployment \"{}\": {why}", self.name));
        let settings = self.aws_settings.as_ref();
        let settings = settings.ok_or_else(|| refuse("its provider's manifest names no AWS keys"))?;
        let found = Arc::new(AwsCredentials::find(settings).map_err(|why| refuse(&why))?);
        Ok(Arc::clone(source.insert(found)))
    }

    fn google(&self, secret: &str, scope: &str) -> Result<Arc<GoogleToken>, Failure> {
        let mut sources = self.google.lock();
        if let Some(source) = sources.get(scope) {
            return Ok(source.clone());
        }
        let credentials = self.secrets.get(secret).map(|secret| secret.expose().to_owned());
        let source = GoogleToken::new(credentials, scope)
            .map_err(|error| Failure::refusal(500, format!("the deployment \"{}\": {error}", self.name)))?;
        let source = Arc::new(source);
        sources.insert(scope.to_owned(), source.clone());
        Ok(source)
    }
}

/// No lock here is held for as long.
const SHORT: Duration = Duration::from_millis(100);

/// litellm's mark for models that are asked by the Responses API alone.
const RESPONSES: &str = "responses/";

/// `model_info.mode: responses` means litellm's mark, where the provider knows it and the model does not have it.
fn mark(from: &config::Deployment, manifest: &ProviderManifest) -> &'static str {
    let known = manifest.dialects_by_model.contains_key("responses/*");
    if from.responses && known && !from.model.starts_with(RESPONSES) { RESPONSES } else { "" }
}

/// The default parameters, but for those that are dropped.
/// Those that it does not drop, nor may not have: what is asked, and of whom, is the request's.
fn kept(from: &config::Deployment, members: &Map<String, Value>) -> Map<String, Value> {
    let kept = members.iter().filter(|(name, _)| !from.dropped.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// An address without what could be a secret in it.
pub(crate) fn bare(base: &str) -> Option<String> {
    let base = base.split(['?', '#']).next()?;
    Some(base.to_owned()).filter(|base| !base.contains('@'))
}

/// The deployment's own headers, and those of its provider that it does not name itself.
fn headers(
    config: &Config,
    from: &config::Deployment,
    manifest: &ProviderManifest,
    env: &dyn Env,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let own = from.headers.iter().map(|(name, value)| (name, value.expose().to_owned()));
    let usual = manifest.headers.iter().filter(|(name, _)| !from.headers.contains_key(*name));
    let usual = usual.filter_map(|(name, spec)| Some((name, said(config, spec, env)?.as_str()?.to_owned())));
    for (name, value) in own.chain(usual) {
        let legal = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(&value).ok());
        let (name, mut value) =
            legal.ok_or_else(|| format!("the extra header \"{name}\" is not legal HTTP"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// litellm's simple-shuffle: by `weight`, else `rpm`, else `tpm`, whichever one of the group has; not written, it counts as
/// 0. In thousandths, so that fractions of a weight count.
fn weight(config: &Config, from: &config::Deployment) -> u32 {
    let whole = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let any = |has: fn(&config::Deployment) -> bool| {
        config.deployments.iter().any(|other| other.group == from.group && has(other))
    };
    if any(|it| it.weight.is_some()) {
        (from.weight.unwrap_or(0.0).clamp(0.0, 4e6) * 1000.0) as u32
    } else if any(|it| it.rpm.is_some()) {
        whole(from.rpm.unwrap_or(0))
    } else if any(|it| it.tpm.is_some()) {
        whole(from.tpm.unwrap_or(0))
    } else {
        1
    }
}

/// Dollars as policies are told them. What costs anything is never told to be free.
fn price(dollars: f64) -> u64 {
    let parts = (dollars * 1e12).round() as u64;
    if dollars > 0.0 { parts.max(1) } else { parts }
}

fn times(config: &Config, from: &config::Deployment, stream: bool) -> Times {
    let clocks = config.clocks_of(from, stream);
    Times {
        connect: clocks.connect,
        limits: Limits {
            first_content: clocks.first_content,
            content_idle: clocks.content_idle,
            byte_idle: clocks.byte_idle,
        },
        total: clocks.total,
    }
}
