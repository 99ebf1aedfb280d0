//! The deployment whose model is `*`: the request names the provider and the model.

use std::borrow::Cow;
use std::sync::Arc;

use super::deployment::{Deployment, Means};
use super::health::Health;
use super::plugins::claims;
use crate::config::{self, Config};

/// Who gets a name that says nothing of its provider; litellm's choice.
const USUAL: &str = "openai";

/// One provider that such a deployment can call.
pub(super) struct Provider {
    prefix: String,
    /// The bare names that it claims.
    models: Vec<String>,
    /// `None`: the deployment itself.
    deployment: Option<Arc<Deployment>>,
}

impl Provider {
    /// The deployment that is made for this provider alone.
    pub(super) fn other(&self) -> Option<&Arc<Deployment>> {
        self.deployment.as_ref()
    }
}

/// Makes it once for each provider that has what it needs. An entry with a key or an address of its own means one server
/// of OpenAI's kind: a key must not go to a provider that it does not belong to.
pub(super) fn build(
    config: &Config,
    from: &config::Deployment,
    name: &str,
    means: Means<'_>,
    health: &Arc<Health>,
) -> Result<Deployment, String> {
    let one = |prefix: &str| {
        let from = config::Deployment { provider: prefix.to_owned(), ..from.clone() };
        Deployment::build(config, &from, name.to_owned(), means, health.clone())
    };
    if !from.secrets.is_empty() || from.params.contains_key("api_base") {
        let mut own = one(USUAL)?;
        own.any = vec![Provider { prefix: USUAL.to_owned(), models: Vec::new(), deployment: None }];
        return Ok(own);
    }
    let (mut first, mut reasons, mut providers): (Option<Deployment>, Vec<String>, _) =
        (None, Vec::new(), Vec::new());
    let mut offers: Vec<_> = means.plugins.offers().map(|(_, offer)| offer).collect();
    offers.sort_by_key(|offer| offer.prefix != USUAL);
    for offer in offers {
        let deployment = match one(&offer.prefix) {
            Ok(deployment) => deployment,
            Err(reason) => {
                reasons.push(reason);
                continue;
            }
        };
        let mut provider =
            Provider { prefix: offer.prefix.clone(), models: offer.models.clone(), deployment: None };
        match first {
            None => first = Some(deployment),
            Some(_) => provider.deployment = Some(Arc::new(deployment)),
        }
        providers.push(provider);
    }
    let mut first = first.ok_or_else(|| reasons.join("; "))?;
    first.any = providers;
    Ok(first)
}

impl Deployment {
    /// The deployment that serves this model, and its name there: another one than itself only where the request names the
    /// provider.
    pub fn serving<'a>(self: &Arc<Self>, model: Cow<'a, str>) -> (Arc<Self>, Cow<'a, str>) {
        if self.any.is_empty() {
            let model =
                if self.mark.is_empty() { model } else { Cow::Owned(format!("{}{model}", self.mark)) };
            return (self.clone(), model);
        }
        let of = |provider: &Provider| provider.deployment.as_ref().unwrap_or(self).clone();
        let named = model.split_once('/').and_then(|(prefix, rest)| {
            let provider = self.any.iter().find(|provider| provider.prefix == prefix)?;
            Some((of(provider), rest.to_owned()))
        });
        if let Some((deployment, rest)) = named {
            return (deployment, Cow::Owned(rest));
        }
        let claimed = self.any.iter().find(|one| one.models.iter().any(|pattern| claims(pattern, &model)));
        (claimed.map_or_else(|| self.clone(), of), model)
    }

    /// The same deployment as each provider sees it, by prefix; without one where it has a single provider.
    pub(super) fn each(self: &Arc<Self>) -> impl Iterator<Item = (&str, &Arc<Self>)> {
        let alone = self.any.is_empty().then_some(("", self));
        let several = self.any.iter();
        several.map(|one| (&*one.prefix, one.deployment.as_ref().unwrap_or(self))).chain(alone)
    }

    /// The same deployment as each provider sees it, itself left out.
    pub(super) fn others(&self) -> impl Iterator<Item = &Arc<Self>> {
        self.any.iter().filter_map(|provider| provider.deployment.as_ref())
    }
}
