//! The configuration, checked.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use tidegate_plugin_sdk::Attempt;

use crate::errors::ByError;
use crate::strategy::Strategy;

/// litellm's `allowed_fails`, where a policy is written and names another error.
const ALLOWED_FAILS: u32 = 3;

/// What the policy was configured with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    #[serde(deserialize_with = "object")]
    pub(crate) router: Router,
    pub(crate) groups: HashMap<String, Group>,
    pub(crate) deployments: HashMap<String, Deployment>,
    #[serde(deserialize_with = "nothing")]
    params: (),
}

/// litellm's `router_settings`, as far as they are rules of this policy.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Router {
    /// Calls after the first, inside one group.
    pub(crate) num_retries: u32,
    /// The least back-off.
    #[serde(deserialize_with = "seconds")]
    pub(crate) retry_after: Duration,
    /// Retries by the kind of error.
    pub(crate) retry_policy: Option<ByError>,
    /// The same for single groups; goes before the other, whole.
    pub(crate) model_group_retry_policy: HashMap<String, ByError>,
    /// Written: how many failures in a row do no harm. Not written: the rule by share of failures.
    pub(crate) allowed_fails: Option<u32>,
    /// The same by the kind of error.
    pub(crate) allowed_fails_policy: Option<ByError>,
    #[serde(deserialize_with = "seconds")]
    pub(crate) cooldown_time: Duration,
    pub(crate) disable_cooldowns: bool,
    pub(crate) fallbacks: Vec<FallbackList>,
    /// Not empty: the only fallbacks after a prompt that is too long.
    pub(crate) context_window_fallbacks: Vec<FallbackList>,
    /// Not empty: the only fallbacks after a prompt that was refused.
    pub(crate) content_policy_fallbacks: Vec<FallbackList>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) default_fallbacks: Vec<String>,
    /// How deep fallbacks of fallbacks go.
    pub(crate) max_fallbacks: u32,
    /// Not written: the host draws the first target.
    pub(crate) strategy: Option<Strategy>,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            num_retries: 2,
            retry_after: Duration::ZERO,
            retry_policy: None,
            model_group_retry_policy: HashMap::new(),
            allowed_fails: None,
            allowed_fails_policy: None,
            context_window_fallbacks: Vec::new(),
            content_policy_fallbacks: Vec::new(),
            cooldown_time: Duration::from_secs(5),
            disable_cooldowns: false,
            fallbacks: Vec::new(),
            default_fallbacks: Vec::new(),
            max_fallbacks: 5,
            strategy: None,
        }
    }
}

/// What one group has of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Group {
    pub(crate) mid_stream: MidStream,
}

/// What happens to a stream that breaks off after content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MidStream {
    /// The client is told.
    #[default]
    Fail,
    /// Another deployment goes on with it.
    Continue,
}

/// What one deployment has of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Deployment {
    #[serde(deserialize_with = "seconds_if_written")]
    pub(crate) cooldown_time: Option<Duration>,
    pub(crate) num_retries: Option<u32>,
    pub(crate) allowed_fails: Option<u32>,
    pub(crate) allowed_fails_policy: Option<ByError>,
}

/// One `{GROUP: [GROUP, ...]}` of `fallbacks`.
#[derive(Debug)]
pub(crate) struct FallbackList {
    pub(crate) group: String,
    pub(crate) targets: Vec<String>,
}

impl Config {
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json)
            .and_then(|object: serde_json::Map<_, _>| Self::deserialize(object))
            .map_err(|e| format!("the configuration of the fallback policy: {e}"))
    }

    /// Whether a request for this group may be continued after content.
    pub(crate) fn continues(&self, group: &str) -> bool {
        self.groups.get(group).is_some_and(|group| group.mid_stream == MidStream::Continue)
    }

    /// Retries after a call of this deployment, where no policy names the error.
    pub(crate) fn num_retries(&self, deployment: &str, of_request: Option<u32>) -> u32 {
        let own = self.deployments.get(deployment).and_then(|d| d.num_retries);
        own.or(of_request).unwrap_or(self.router.num_retries)
    }

    /// Retries after this failure in a group, where a policy names it.
    pub(crate) fn retries_by_policy(&self, group: &str, failed: &Attempt) -> Option<u32> {
        let router = &self.router;
        router.model_group_retry_policy.get(group).or(router.retry_policy.as_ref())?.of(failed)
    }

    /// How many failures in a row this deployment is allowed. `None`: the rule by share of failures holds.
    pub(crate) fn allowed_fails(&self, deployment: &str, failed: &Attempt) -> Option<u32> {
        let of = |policy: &Option<ByError>| policy.as_ref().and_then(|policy| policy.of(failed));
        let own = self.deployments.get(deployment);
        let own = own.and_then(|own| of(&own.allowed_fails_policy).or(own.allowed_fails));
        let router = &self.router;
        let counted = router.allowed_fails_policy.as_ref().map(|_| ALLOWED_FAILS);
        own.or_else(|| of(&router.allowed_fails_policy)).or(router.allowed_fails).or(counted)
    }

    /// The cooldown that is written for this deployment.
    pub(crate) fn cooldown_time(&self, deployment: &str) -> Duration {
        let own = self.deployments.get(deployment).and_then(|d| d.cooldown_time);
        own.unwrap_or(self.router.cooldown_time)
    }
}

impl<'de> Deserialize<'de> for FallbackList {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let map = HashMap::<String, Vec<String>>::deserialize(from)?;
        let mut entries = map.into_iter();
        match (entries.next(), entries.next()) {
            (Some((group, targets)), None) => Ok(Self { group, targets }),
            _ => Err(de::Error::custom("each entry of `fallbacks` must have exactly one group")),
        }
    }
}

/// serde's own structs would take an array for an object, by position.
fn object<'de, T: de::DeserializeOwned, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    T::deserialize(serde_json::Map::deserialize(from)?).map_err(de::Error::custom)
}

/// What is written for this policy alone: all that it reads stands elsewhere, and nothing is to be lost.
fn nothing<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    let written =
        Option::<serde_json::Map<String, serde_json::Value>>::deserialize(from)?.unwrap_or_default();
    match written.keys().next() {
        None => Ok(()),
        Some(name) => Err(de::Error::custom(format!(
            "it takes no params, and `{name}` is written: its settings are litellm's `router_settings`"
        ))),
    }
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let value = f64::deserialize(from)?;
    Duration::try_from_secs_f64(value)
        .map_err(|_| de::Error::custom(format!("{value} is not a number of seconds from 0 up")))
}

fn seconds_if_written<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    struct Seconds(#[serde(deserialize_with = "seconds")] Duration);
    Ok(Option::<Seconds>::deserialize(from)?.map(|s| s.0))
}

fn or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
