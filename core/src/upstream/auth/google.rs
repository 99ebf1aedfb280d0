//! Google OAuth access tokens.

use std::fmt;
use std::sync::Arc;

use super::AuthError;
use super::google_source::{Scoped, Source};
use super::renewed::Renewed;

/// A source of access tokens for one set of credentials and one scope.
///
/// Nothing is fetched before the first [`GoogleToken::token`]; from then on a token is renewed 5 minutes before it
/// expires, or at half its life when it lives shorter than 10 minutes. Dropping the source stops that.
pub struct GoogleToken(Renewed<Scoped>);

impl GoogleToken {
    /// `credentials` is a service account's JSON key, or the path of one; a file is read again at each renewal. `None`
    /// means application default credentials, then the metadata server. No file is read here: what is wrong with one is the
    /// error of [`GoogleToken::token`].
    ///
    /// # Errors
    /// A sentence that says what is wrong with the credentials. It shows nothing of the key.
    pub fn new(credentials: Option<String>, scope: &str) -> Result<Self, String> {
        Ok(Self(Renewed::new(Scoped { source: Source::new(credentials)?, scope: scope.into() })))
    }

    /// A token that is valid now. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When there is no valid token and the latest attempt to fetch one failed, or takes longer than 10 s.
    pub async fn token(&self) -> Result<Arc<str>, AuthError> {
        self.0.get().await.map_err(AuthError::Google)
    }

    /// The next request starts a keeper on its own runtime: the old one's does not run any more.
    pub fn revive(&self) {
        self.0.revive();
    }
}

impl fmt::Debug for GoogleToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GoogleToken").field(&self.0).finish()
    }
}
