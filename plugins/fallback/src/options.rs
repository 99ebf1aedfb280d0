//! What one request asks for in the place of the configuration.

use serde::Deserialize;

use crate::config::FallbackList;

/// The options of a request, in the form in which the host gives them: groups by their own names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    pub(crate) fallbacks: Option<Fallbacks>,
    pub(crate) context_window_fallbacks: Option<Vec<FallbackList>>,
    pub(crate) content_policy_fallbacks: Option<Vec<FallbackList>>,
    pub(crate) disable_fallbacks: bool,
    pub(crate) num_retries: Option<u32>,
    pub(crate) max_fallbacks: Option<u32>,
    /// False: a failure of the requested group is one that the client asked for.
    pub(crate) retry_requested_group: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Fallbacks {
    /// In turn, after any failure.
    Names(Vec<String>),
    /// As in the configuration.
    Lists(Vec<FallbackList>),
}

impl Options {
    /// What cannot be read is not there: the host has checked what the client sent.
    pub(crate) fn parse(json: &str) -> Self {
        if json.is_empty() { Self::default() } else { serde_json::from_str(json).unwrap_or_default() }
    }
}
