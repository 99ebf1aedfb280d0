//! What the rest of the program sees of a config.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Notice, Place, Secret, Strategy, Tidegate};
use crate::dialects::Mocked;

/// A config that was read without an error.
#[derive(Clone, Debug)]
pub struct Config {
    /// Every usable entry of `model_list`, in the order of the file. Ids are unique.
    pub deployments: Vec<Deployment>,
    /// The public model names, in the order in which the file first names them.
    pub groups: Vec<Group>,
    /// `model_group_alias`: the name a client may use, and the group it stands for.
    pub aliases: BTreeMap<String, String>,
    /// The aliases that `/models` does not list.
    pub hidden_aliases: BTreeSet<String>,
    /// `router_settings`, with `litellm_settings` where the former is silent.
    pub router: Router,
    /// `general_settings`.
    pub general: General,
    /// The `tidegate:` section.
    pub tidegate: Tidegate,
    /// `environment_variables:`. They go before the process's own wherever a variable is looked up.
    pub environment: BTreeMap<String, Secret>,
    /// What there is to say about a config that loads: see [`Notice`].
    pub notices: Vec<Notice>,
    /// The entries of `model_list` that cannot be used, by their `model_name` where they have one.
    pub left_out: Vec<(Option<String>, Notice)>,
    /// Set for a rehearsal: no file says it.
    pub hurry: Option<super::Hurry>,
}

/// A public model name and the deployments that answer for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `model_name`; a pattern if it holds a `*`.
    pub name: String,
    /// Indices into [`Config::deployments`], in the order of the file.
    pub deployments: Vec<usize>,
}

/// One entry of `model_list`.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// `model_info.id`, else litellm's rule: the SHA-256 of the group and every parameter (BerriAI/litellm
    /// `Router._generate_model_id`), so that dashboards keep their labels.
    pub id: String,
    /// The group it belongs to: `model_name`.
    pub group: String,
    /// `custom_llm_provider`, else the first segment of `litellm_params.model`; empty when the model is bare.
    pub provider: String,
    /// The model without the provider's prefix.
    pub model: String,
    /// Provider parameters that are no secrets: `api_base`, `vertex_project`, `api_version`, ...
    pub params: Map<String, Value>,
    /// `api_key`, `vertex_credentials` (a path or JSON), `aws_secret_access_key`, ...
    pub secrets: BTreeMap<String, Secret>,
    /// Default request parameters: sent unless the request sets them.
    pub defaults: Map<String, Value>,
    /// `extra_body`: members of every request's body, unless the request sets them.
    pub extra_body: Map<String, Value>,
    /// `extra_headers` and `headers`: sent with every upstream request.
    pub headers: BTreeMap<String, Secret>,
    /// Weight for the choice among the group's deployments.
    pub weight: Option<f64>,
    /// Requests a minute: a weight when `weight` is absent, and a limit where [`Router::strategy`] or
    /// [`Router::pre_call_checks`] makes it one.
    pub rpm: Option<u64>,
    /// Tokens a minute: a weight when `weight` and `rpm` are absent, and a limit where [`Router::strategy`] makes it one.
    pub tpm: Option<u64>,
    /// `input_cost_per_token`: the price of a token of the prompt, in dollars.
    pub input_cost: Option<f64>,
    /// `output_cost_per_token`: the price of a token of the answer, in dollars.
    pub output_cost: Option<f64>,
    /// Lower goes first; the higher ones are fallbacks inside the group.
    pub order: Option<i64>,
    /// Requests in flight at once.
    pub max_parallel_requests: Option<u32>,
    /// As written on the deployment; [`Config::clocks_of`] resolves it against the router's.
    pub timeout: Option<Duration>,
    /// As [`Self::timeout`], for streams.
    pub stream_timeout: Option<Duration>,
    /// Seconds out of rotation after a failure; 0 means never.
    pub cooldown_time: Option<f64>,
    /// Overrides the router's.
    pub num_retries: Option<u32>,
    /// `model_info.allowed_fails`: goes before the router's.
    pub allowed_fails: Option<u32>,
    /// `model_info.allowed_fails_policy`: goes before both.
    pub allowed_fails_policy: Option<ByError>,
    /// `mock_response` and `mock_tool_calls`: answered instead of calling the provider, which then needs no key.
    pub mocked: Option<Mocked>,
    /// `drop_params`: what its provider cannot do is left out of a request instead of refusing it.
    pub drop_params: Option<bool>,
    /// `model_info.mode: responses`: its model is asked by the Responses API alone.
    pub responses: bool,
    /// `additional_drop_params`: members that are left out of every request.
    pub dropped: Vec<String>,
    /// The entry's `model_name`.
    pub place: Place,
    /// Where its `model` stands.
    pub model_place: Place,
}

impl Deployment {
    /// `order` as the router compares it: what is not written goes first.
    pub fn rank(&self) -> u32 {
        self.order.and_then(|order| u32::try_from(order).ok()).unwrap_or(0)
    }

    /// Whether a part of the price of its tokens is written.
    pub fn has_price(&self) -> bool {
        self.input_cost.is_some() || self.output_cost.is_some()
    }

    /// Whether the request names the provider and the model (`model: "*"`). litellm never puts such a one aside: one model's
    /// failure says nothing about the others.
    pub fn is_any(&self) -> bool {
        self.provider.is_empty() && self.model == "*"
    }
}

/// A number for each of litellm's exception classes that is named, such as `RateLimitError`.
pub type ByError = BTreeMap<&'static str, u32>;

/// `router_settings`. `None` and empty mean "not written"; the methods give the value in force.
#[derive(Clone, Debug, Default)]
pub struct Router {
    /// Retries inside one group after the first call.
    pub num_retries: Option<u32>,
    /// The lower bound of a computed back-off, in seconds.
    pub retry_after: Option<f64>,
    /// Default of [`Deployment::timeout`].
    pub timeout: Option<Duration>,
    /// Default of [`Deployment::stream_timeout`].
    pub stream_timeout: Option<Duration>,
    /// Failures in a row that are forgiven; `None` selects litellm's percentage rule.
    pub allowed_fails: Option<u32>,
    /// Seconds out of rotation after a failure; 0 means never.
    pub cooldown_time: Option<f64>,
    /// No deployment ever leaves the rotation.
    pub disable_cooldowns: bool,
    /// Group and the groups tried after it, in order.
    pub fallbacks: Vec<(String, Vec<String>)>,
    /// Tried after any group.
    pub default_fallbacks: Vec<String>,
    /// How deep a chain of fallbacks may go.
    pub max_fallbacks: Option<u32>,
    /// `enable_mid_stream_fallback_continuation`.
    pub mid_stream_continuation: bool,
    /// Tried after a prompt that is too long for the group, in the place of `fallbacks` for all such prompts.
    pub context_window_fallbacks: Vec<(String, Vec<String>)>,
    /// Tried after a prompt that the provider refused, in the place of `fallbacks` for all such prompts.
    pub content_policy_fallbacks: Vec<(String, Vec<String>)>,
    /// Retries by the kind of error.
    pub retry_policy: Option<ByError>,
    /// The same for single groups; goes before the other, whole.
    pub model_group_retry_policy: BTreeMap<String, ByError>,
    /// Failures that are forgiven, by the kind of error.
    pub allowed_fails_policy: Option<ByError>,
    /// Default of [`Deployment::max_parallel_requests`].
    pub default_max_parallel_requests: Option<u32>,
    /// How a group's deployment is chosen.
    pub strategy: Strategy,
    /// `enable_pre_call_checks`: `rpm` is a limit.
    pub pre_call_checks: bool,
    /// `litellm_settings.drop_params`: for every deployment.
    pub drop_params: bool,
}

impl Router {
    /// Retries in force; litellm's default is 2.
    pub fn retries(&self) -> u32 {
        self.num_retries.unwrap_or(2)
    }

    /// Cooldown in force, in seconds; litellm's default is 5.
    pub fn cooldown(&self) -> f64 {
        self.cooldown_time.unwrap_or(5.0)
    }

    /// Depth of fallbacks in force; litellm's default is 5.
    pub fn fallback_depth(&self) -> u32 {
        self.max_fallbacks.unwrap_or(5)
    }
}

/// `general_settings`.
#[derive(Clone, Debug, Default)]
pub struct General {
    /// The key clients must send; from the file, else from `LITELLM_MASTER_KEY`. `None`: the proxy is open.
    pub master_key: Option<Secret>,
    /// Replaces the model of every chat request.
    pub completion_model: Option<String>,
    /// `litellm_key_header_name`: a further header in which the key may come.
    pub key_header_name: Option<String>,
    /// `max_request_size_mb`, in bytes.
    pub max_request_size: Option<u64>,
    /// `max_parallel_requests` of one key.
    pub max_parallel_requests: Option<u32>,
    /// `global_max_parallel_requests` of the whole proxy.
    pub global_max_parallel_requests: Option<u32>,
}

impl Config {
    /// The group with this name, through its alias if it is one; else the wildcard group that it matches.
    pub fn group(&self, name: &str) -> Option<&Group> {
        let name = self.resolved(name);
        self.groups.iter().find(|group| group.name == name).or_else(|| self.wildcard_for(name))
    }

    /// A group's deployments.
    pub fn deployments_of<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a Deployment> {
        group.deployments.iter().filter_map(|index| self.deployments.get(*index))
    }

    /// The retry policy in force for a group.
    pub fn retry_policy(&self, group: &str) -> Option<&ByError> {
        let mut own = self.router.model_group_retry_policy.iter();
        let own = own.find(|(name, _)| self.resolved(name) == group).map(|(_, policy)| policy);
        own.or(self.router.retry_policy.as_ref())
    }

    /// How long a deployment that failed is put aside; 0: not at all. Failures further apart do not add up.
    pub fn cooldown_of(&self, deployment: &Deployment) -> Duration {
        let seconds = deployment.cooldown_time.unwrap_or(self.router.cooldown());
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// Whether what a deployment's provider cannot do is left out of a request. As in litellm, either word for it is enough.
    pub fn drops_params(&self, deployment: &Deployment) -> bool {
        self.router.drop_params || deployment.drop_params == Some(true)
    }

    /// A variable as this config sees it: `environment_variables:` first, then `env`.
    pub fn variable(&self, env: &dyn super::Env, name: &str) -> Option<Secret> {
        self.environment.get(name).cloned().or_else(|| {
            // A line's end is no part of a key: `echo KEY >` writes one.
            env.var(name).map(|value| Secret::new(value.trim_end_matches(['\n', '\r'])))
        })
    }
}
