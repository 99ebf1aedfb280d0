//! Google OAuth access tokens.
use super::AuthError;
use std::sync::Arc;

/// (to come)
#[derive(Debug)]
pub struct GoogleToken {}
impl GoogleToken {
    /// (to come)
    pub fn new(_credentials: Option<String>, _scope: &str) -> Result<Self, String> {
        Ok(Self {})
    }
    /// (to come)
    pub async fn token(&self) -> Result<Arc<str>, AuthError> {
        Err(AuthError::Unsupported("Google OAuth"))
    }
}
