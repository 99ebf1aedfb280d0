//! Where a deployment's requests go: the addresses of Azure OpenAI, of its v1 surface, and of Foundry's other models.

use tidegate_plugin_sdk::url::escape;
use tidegate_plugin_sdk::{Config, Dialect, Fault};

use crate::model::Model;

/// The API versions that stand for the v1 surface, as litellm has them.
const V1: [&str; 3] = ["v1", "latest", "preview"];

/// A deployment's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Without a `/` at its end.
    base: String,
    surface: Surface,
    /// What follows the path, with its `?`; or nothing.
    query: String,
    foundry: bool,
}

/// How a path is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surface {
    /// `BASE/openai/deployments/NAME/chat/completions`; what is no deployment's, `BASE/openai/responses`.
    Deployments,
    /// The base names the deployment already.
    Deployment,
    /// `BASE/NAME/chat/completions`: Cloudflare's gateway.
    Named,
    /// `BASE/chat/completions`, with the model in the body.
    Flat,
}

impl Endpoint {
    /// From `api_base`, which may have a path and a query of its own, and `api_version`.
    ///
    /// # Errors
    /// A clause about what cannot be meant.
    pub fn of(config: &Config) -> Result<Self, String> {
        let foundry = config.provider == "azure_ai";
        let example =
            if foundry { "https://NAME.services.ai.azure.com" } else { "https://NAME.openai.azure.com" };
        if !config.model.contains('*') {
            Model::of(&config.model)?;
        }
        let written = config.text("api_base").or_else(|| config.text("base_url"));
        let written =
            written.ok_or_else(|| format!("{}/ needs \"api_base\", such as {example}", config.provider))?;
        if !(written.starts_with("http://") || written.starts_with("https://")) {
            return Err(format!(
                "\"api_base\" must begin with http:// or https://, and {written:?} does not"
            ));
        }
        let (path, own_query) = written.split_once('?').unwrap_or((written, ""));
        let path = without_dialect(path.trim_end_matches('/'));
        let version = config.text("api_version").unwrap_or_default();
        let (base, surface) = if foundry { other_model(path) } else { azure_openai(path, version) };
        let is_v1 = base.ends_with("/openai/v1");
        let version = match version {
            // What is still a preview there has to be asked for; the rest needs no word.
            "preview" if is_v1 => Some("preview"),
            _ if is_v1 => None,
            version => Some(version).filter(|version| !version.is_empty()),
        };
        Ok(Endpoint { base, surface, query: query(own_query, version, config)?, foundry })
    }

    /// The URL for a request in `dialect` to `model`.
    ///
    /// # Errors
    /// The dialect is not served there.
    pub fn url(&self, dialect: Dialect, model: &str) -> Result<String, Fault> {
        let unsupported = |why: &str| Fault::Unsupported(why.to_owned());
        let path = tidegate_openai_wire::path(dialect)
            .ok_or_else(|| unsupported("this provider takes requests in OpenAI's own dialects only"))?;
        let Self { base, query, .. } = self;
        let name = || escape(model, b"");
        let of_responses = dialect == Dialect::OpenAiResponses;
        Ok(match self.surface {
            Surface::Deployments if of_responses => format!("{base}/openai{path}{query}"),
            Surface::Deployments => format!("{base}/openai/deployments/{}{path}{query}", name()),
            Surface::Deployment if of_responses => {
                return Err(unsupported(
                    "the Responses API is no deployment's; give api_base without /openai/deployments/...",
                ));
            }
            Surface::Named => format!("{base}/{}{path}{query}", name()),
            Surface::Flat if of_responses && self.foundry && !base.ends_with("/openai/v1") => {
                return Err(unsupported("the Responses API is served under /openai/v1; give api_base so"));
            }
            Surface::Deployment | Surface::Flat => format!("{base}{path}{query}"),
        })
    }

    /// Whether a key goes as a bearer token: at every address that is not one of Azure's two shared ones.
    pub(crate) fn takes_bearer_keys(&self) -> bool {
        let host = self.base.split("://").nth(1).unwrap_or_default();
        let host = host.split(['/', ':']).next().unwrap_or_default();
        self.foundry && ![".services.ai.azure.com", ".openai.azure.com"].iter().any(|end| host.ends_with(end))
    }
}

/// An address that names a dialect's path has it taken off: which one is asked for is the request's to say.
fn without_dialect(path: &str) -> &str {
    let ends = ["/chat/completions", "/completions", "/embeddings", "/responses"];
    ends.iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path)
}

fn azure_openai(path: &str, version: &str) -> (String, Surface) {
    if path.contains("/openai/deployments/") {
        return (path.to_owned(), Surface::Deployment);
    }
    if path.contains("gateway.ai.cloudflare.com") {
        return (path.to_owned(), Surface::Named);
    }
    if path.ends_with("/openai/v1") {
        return (path.to_owned(), Surface::Flat);
    }
    let base = path.strip_suffix("/openai").unwrap_or(path);
    if V1.contains(&version) {
        return (format!("{base}/openai/v1"), Surface::Flat);
    }
    (base.to_owned(), Surface::Deployments)
}

/// Foundry's shared address has its models under `/models`; a model's own has them at its root.
fn other_model(path: &str) -> (String, Surface) {
    let shared = path.contains(".services.ai.azure.com") || path.contains("/services.ai.azure.com");
    if path.contains("/openai/deployments/") {
        (path.to_owned(), Surface::Deployment)
    } else if shared && !path.ends_with("/models") && !path.ends_with("/openai/v1") {
        (format!("{path}/models"), Surface::Flat)
    } else {
        (path.to_owned(), Surface::Flat)
    }
}

/// The address's own query, the API version where that has none, and `extra_query`.
fn query(own: &str, version: Option<&str>, config: &Config) -> Result<String, String> {
    let mut parts: Vec<String> = own.split('&').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let said = parts.iter().any(|part| part.split('=').next() == Some("api-version"));
    parts.extend(version.filter(|_| !said).map(|version| format!("api-version={}", escape(version, b""))));
    parts.extend(tidegate_openai_wire::extra_query(config)?);
    Ok(tidegate_openai_wire::query(parts.into_iter()))
}

#[cfg(test)]
mod tests;
