//! AWS: who a call is signed by, and its signature.

mod chain;
mod near;
mod profile;
mod sign;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::AuthError;
use super::renewed::Renewed;
use crate::secret::Secret;
use crate::upstream::Call;

pub use chain::Settings;
use source::Source;

/// An access key, and the session that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) id: Secret,
    pub(super) secret: Secret,
    pub(super) token: Option<Secret>,
}

/// The credentials of one deployment.
///
/// Those of a file, of a container or of an instance are fetched when the first request needs them, and renewed before they
/// expire; see `renewed`.
pub struct AwsCredentials {
    kind: Kind,
}

enum Kind {
    /// As they were configured: they do not change.
    Fixed(Arc<Keys>),
    Renewed(Renewed<Source>),
}

impl Kind {
    fn of(source: Source) -> Self {
        Self::Renewed(Renewed::new(source))
    }
}

impl AwsCredentials {
    /// Those that `settings` lead to: the first that there are of
    ///
    /// 1. `aws_profile_name`, a profile of the credentials file;
    /// 2. `aws_access_key_id` and `aws_secret_access_key`, with `aws_session_token`;
    /// 3. the variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`;
    /// 4. the profile that `AWS_PROFILE` names, else the profile `default` where the file has one;
    /// 5. the container's, where `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `..._FULL_URI` says where they are;
    /// 6. the EC2 instance's (IMDSv2), unless `AWS_EC2_METADATA_DISABLED` is true.
    ///
    /// The order is that of AWS's own SDKs, with litellm's parameters in front. No file is read here: what is wrong with one
    /// is said when a call is signed, or before that by [`AwsCredentials::check`].
    ///
    /// # Errors
    /// A clause that says what is missing or not supported. It shows nothing of a key.
    pub fn find(settings: &Settings) -> Result<Self, String> {
        settings.find().map(|kind| Self { kind })
    }

    /// Whether there are any, as far as this machine's files can tell. Blocks.
    ///
    /// # Errors
    /// As [`AwsCredentials::find`], and a clause that says what is wrong with a file.
    pub fn check(settings: &Settings) -> Result<(), String> {
        match settings.find()? {
            Kind::Fixed(_) => Ok(()),
            Kind::Renewed(renewed) => renewed.source().check(),
        }
    }

    async fn keys(&self) -> Result<Arc<Keys>, AuthError> {
        match &self.kind {
            Kind::Fixed(keys) => Ok(Arc::clone(keys)),
            Kind::Renewed(renewed) => renewed.get().await.map_err(AuthError::Aws),
        }
    }

    /// Signs `call` for `service` in `region`. Waits only where no credentials are valid.
    pub(super) async fn sign(&self, call: &mut Call, service: &str, region: &str) -> Result<(), AuthError> {
        let keys = self.keys().await?;
        let at = call.url.path_and_query();
        let request = sign::Request {
            method: call.method.as_str(),
            host: call.url.authority().as_str(),
            path: at.path(),
            query: at.query().unwrap_or_default(),
            body: &call.body,
        };
        let scope = sign::Scope { service, region, at: SystemTime::now() };
        sign::sign(&request, &mut call.headers, &keys, scope)
    }

    /// See [`super::GoogleToken::revive`].
    pub fn revive(&self) {
        if let Kind::Renewed(renewed) = &self.kind {
            renewed.revive();
        }
    }

    /// `text` without the keys that calls are signed with now: AWS repeats the session's token where a signature is wrong.
    pub fn masked(&self, text: String) -> String {
        let keys = match &self.kind {
            Kind::Fixed(keys) => Some(Arc::clone(keys)),
            Kind::Renewed(renewed) => renewed.last(),
        };
        let Some(keys) = keys else { return text };
        let secrets = [Some(&keys.secret), Some(&keys.id), keys.token.as_ref()];
        secrets
            .into_iter()
            .flatten()
            .map(Secret::expose)
            .filter(|secret| secret.len() >= 8)
            .fold(text, |text, secret| if text.contains(secret) { text.replace(secret, "***") } else { text })
    }
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Fixed(_) => f.write_str("AwsCredentials(fixed)"),
            Kind::Renewed(renewed) => f.debug_tuple("AwsCredentials").field(renewed).finish(),
        }
    }
}
