//! How a call proves who it is for. Keys live here and nowhere else; a plugin only names which one it wants.

mod google;
mod google_source;
mod google_token;

use std::fmt;
use std::sync::Arc;

use crate::secret::Secret;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

pub use google::GoogleToken;

/// The scheme of one deployment.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Nothing is added.
    None,
    /// `Authorization: Bearer KEY`.
    Bearer(Secret),
    /// A field of the provider's own, such as `x-api-key` or `x-goog-api-key`.
    Header {
        /// The field's name.
        name: HeaderName,
        /// What stands before the key, space included; often empty.
        prefix: Box<str>,
        /// The key.
        secret: Secret,
    },
    /// A Google OAuth access token as bearer.
    Google {
        /// Where tokens come from.
        source: Arc<GoogleToken>,
    },
    /// AWS Signature Version 4. Not there yet: [`Auth::authorize`] says so.
    AwsSigV4,
}

/// Why a call cannot be authorised. Its `Display` is a sentence without any key.
#[derive(Clone, Debug)]
pub enum AuthError {
    /// The key holds a byte that no header field may hold, such as a line end.
    Key,
    /// No Google token could be had; the reason is attached.
    Google(Arc<str>),
    /// The scheme is not supported yet.
    Unsupported(&'static str),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("the API key holds characters that cannot be sent in a header"),
            Self::Google(reason) => write!(f, "no Google access token: {reason}"),
            Self::Unsupported(scheme) => write!(f, "{scheme} is not supported yet"),
        }
    }
}

impl std::error::Error for AuthError {}

impl Auth {
    /// Adds what the scheme asks for to `headers`. Waits only for a Google token, and only when there is no valid one.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn authorize(&self, headers: &mut HeaderMap) -> Result<(), AuthError> {
        match self {
            Self::None => Ok(()),
            Self::Bearer(secret) => insert(headers, AUTHORIZATION, "Bearer ", secret.expose()),
            Self::Header { name, prefix, secret } => insert(headers, name.clone(), prefix, secret.expose()),
            Self::Google { source } => insert(headers, AUTHORIZATION, "Bearer ", &source.token().await?),
            Self::AwsSigV4 => Err(AuthError::Unsupported("AWS Signature Version 4")),
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, prefix: &str, key: &str) -> Result<(), AuthError> {
    let mut value = HeaderValue::try_from([prefix, key].concat()).map_err(|_| AuthError::Key)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_goes_where_its_scheme_says_and_is_never_shown() {
        let mut headers = HeaderMap::new();
        Auth::Bearer(Secret::new("sk-1")).authorize(&mut headers).await.unwrap();
        let auth = Auth::Header {
            name: HeaderName::from_static("x-api-key"),
            prefix: "".into(),
            secret: Secret::new("sk-2"),
        };
        auth.authorize(&mut headers).await.unwrap();
        assert_eq!(headers["authorization"], "Bearer sk-1");
        assert_eq!(headers["x-api-key"], "sk-2");
        assert!(!format!("{headers:?} {auth:?}").contains("sk-"));
    }

    #[tokio::test]
    async fn a_key_that_would_break_the_head_is_refused() {
        let mut headers = HeaderMap::new();
        let auth = Auth::Bearer(Secret::new("sk\r\nx: y"));
        let error = auth.authorize(&mut headers).await.unwrap_err();
        assert!(error.to_string().contains("cannot be sent"));
        assert!(headers.is_empty());
    }

    #[tokio::test]
    async fn a_scheme_to_come_says_so() {
        let error = Auth::AwsSigV4.authorize(&mut HeaderMap::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "AWS Signature Version 4 is not supported yet");
    }
}
