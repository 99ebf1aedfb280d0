//! Where Google tokens come from. The credentials and the exchange are `gcp_auth`'s; this checks them first and keeps
//! them off the worker threads.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gcp_auth::{CustomServiceAccount, TokenProvider};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::renewed;
use super::token::Token;
use crate::secret::Secret;

/// `gcp_auth` has no timeout of its own.
const FETCH: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(super) enum Source {
    Json(Secret),
    File(PathBuf),
    Default,
}

/// A source and what its tokens are for.
pub(super) struct Scoped {
    pub(super) source: Source,
    pub(super) scope: Box<str>,
}

impl renewed::Source for Scoped {
    type Value = str;
    const NAMES: (&'static str, &'static str) = ("Google access token", "the token endpoint");

    async fn fetch(&self) -> Result<Token<str>, String> {
        self.source.fetch(&self.scope).await
    }
}

impl fmt::Debug for Scoped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

/// The fields that decide whether `gcp_auth` can use a key. It reads them itself later.
#[derive(Deserialize)]
struct Key {
    r#type: Option<String>,
    token_uri: Option<String>,
}

impl Source {
    pub(super) fn new(credentials: Option<String>) -> Result<Self, String> {
        let source = match credentials {
            None => return Ok(Self::Default),
            Some(text) if text.trim_start().starts_with('{') => Self::Json(Secret::new(text)),
            Some(path) if path.trim().is_empty() => return Err("the Google credentials are empty".to_owned()),
            // It may be slow to read, and is read at each fetch in any case.
            Some(path) => return Ok(Self::File(path.into())),
        };
        source.account()?;
        Ok(source)
    }

    /// A new token, never one that `gcp_auth` has cached: it keeps a token until it has expired, so each fetch has its
    /// own provider. Its file reads, root certificates and `gcloud` run on a blocking thread.
    async fn fetch(&self, scope: &str) -> Result<Token<str>, String> {
        let source = self.clone();
        let scope = scope.to_owned();
        let runtime = Handle::current();
        let blocking = move || runtime.block_on(timeout(FETCH, source.fetch_here(&scope)));
        match tokio::task::spawn_blocking(blocking).await {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(_)) => Err(format!("the token endpoint did not answer within {FETCH:?}")),
            Err(_) => Err("the token request failed inside gcp_auth".to_owned()),
        }
    }

    async fn fetch_here(self, scope: &str) -> Result<Token<str>, String> {
        let provider: Arc<dyn TokenProvider> = match &self {
            Self::Default => gcp_auth::provider().await.map_err(|error| explain(&error))?,
            Self::Json(_) | Self::File(_) => Arc::new(self.account()?),
        };
        let token = provider.token(&[scope]).await.map_err(|error| explain(&error))?;
        let end = u64::try_from(token.expires_at().timestamp_millis()).unwrap_or(0);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let life = Duration::from_millis(end).saturating_sub(now);
        if token.as_str().is_empty() || life.is_zero() {
            return Err("the token endpoint gave a token that is empty or has already expired".to_owned());
        }
        Ok(Token::new(token.as_str(), life))
    }

    fn account(&self) -> Result<CustomServiceAccount, String> {
        let text = match self {
            Self::Default => return Err("there is no service account key".to_owned()),
            Self::Json(text) => text.clone(),
            Self::File(path) => {
                let read = std::fs::read_to_string(path);
                Secret::new(read.map_err(|error| format!("cannot read {}: {error}", path.display()))?)
            }
        };
        check(text.expose()).map_err(|reason| format!("{self} {reason}"))?;
        CustomServiceAccount::from_json(text.expose())
            .map_err(|error| format!("{self} cannot be used: {}", explain(&error)))
    }
}

/// Refuses what `gcp_auth` would misread, or panic on (a token URI that is none).
fn check(text: &str) -> Result<(), String> {
    let key: Key = serde_json::from_str(text)
        .map_err(|error| format!("is not a JSON key (line {}, column {})", error.line(), error.column()))?;
    match key.r#type.as_deref() {
        Some("service_account") | None => {}
        Some(other) => {
            return Err(format!("is of type {other:?}; only service_account keys are supported"));
        }
    }
    let Some(uri) = key.token_uri else { return Err("has no token_uri".to_owned()) };
    match uri.parse::<http::Uri>() {
        Ok(uri) if matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() => Ok(()),
        _ => Err("has a token_uri that is not an http or https URL".to_owned()),
    }
}

/// The outermost two reasons: `gcp_auth` names what it did, its source why that failed.
fn explain(error: &gcp_auth::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) if !error.to_string().contains(&source.to_string()) => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(_) => f.write_str("the service account key"),
            Self::File(path) => write!(f, "the service account key {}", path.display()),
            Self::Default => f.write_str("the application default credentials"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Source::new(Some(text.to_owned())).unwrap_err()
    }

    #[test]
    fn bad_credentials_are_refused_with_a_reason() {
        assert!(refused(" ").contains("empty"));
        assert!(refused("{nonsense").contains("not a JSON key (line 1, column 2)"));
        assert!(refused(r#"{"type":"authorized_user"}"#).contains("only service_account"));
        assert!(refused(r#"{"type":"service_account"}"#).contains("no token_uri"));
        assert!(refused(r#"{"token_uri":"no url"}"#).contains("token_uri that is not"));
        let unusable = r#"{"token_uri":"http://h/t","client_email":"a@b","private_key":"SECRET"}"#;
        let reason = refused(unusable);
        assert!(reason.contains("cannot be used") && !reason.contains("SECRET"), "{reason}");
    }

    #[tokio::test]
    async fn a_file_is_read_when_a_token_is_fetched_and_not_before() {
        let source = Source::new(Some("/no/such/key.json".to_owned())).unwrap();
        let Err(reason) = source.fetch("s").await else { panic!("there is no such file") };
        assert!(reason.contains("cannot read /no/such/key.json"), "{reason}");
    }
}
