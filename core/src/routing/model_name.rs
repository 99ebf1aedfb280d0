//! What the provider is asked for. Nearly always the configured name as it stands; for a wildcard group the request says
//! what the `*` stands for.

use std::borrow::Cow;

use crate::config::wildcard::{captures, is_pattern, substituted};
use crate::config::{Config, Deployment};

/// The model of one target of a group.
#[derive(Debug)]
pub enum ModelName {
    /// As configured.
    Fixed(String),
    /// With a `*` for the request to fill in.
    Wild {
        /// The name of the requested group, which says what each `*` stands for.
        pattern: Box<str>,
        /// Without the provider.
        model: Box<str>,
        /// The provider's prefix: a name that comes whole may begin with it.
        provider: Box<str>,
    },
}

impl ModelName {
    /// Of a deployment as the group `asked` reaches it under the name `known_as`.
    pub(super) fn of(config: &Config, asked: &str, known_as: &str, from: &Deployment) -> Self {
        if !is_pattern(&from.model) {
            return Self::Fixed(from.model.clone());
        }
        // A model that the configuration names needs no request; a pattern takes its `*` from the model that was asked for.
        let name = if is_pattern(known_as) { asked } else { known_as };
        let pattern = match config.wildcard_for(name) {
            Some(group) => group.name.as_str(),
            None => asked,
        };
        let (pattern, model, provider) =
            (pattern.into(), from.model.as_str().into(), from.provider.as_str().into());
        let wild = Self::Wild { pattern, model, provider };
        match is_pattern(name) {
            true => wild,
            false => Self::Fixed(wild.fill(name).into_owned()),
        }
    }

    /// For a request for `name`.
    pub fn fill(&self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Fixed(model) => Cow::Borrowed(model),
            Self::Wild { pattern, model, provider } => {
                let captured = captures(pattern, name).unwrap_or_default();
                let filled = substituted(model, name, &captured);
                let prefix = filled.split_once('/').filter(|(prefix, _)| **prefix == **provider);
                match prefix {
                    Some((_, rest)) if !provider.is_empty() && filled == name => Cow::Owned(rest.to_owned()),
                    _ => Cow::Owned(filled),
                }
            }
        }
    }
}
