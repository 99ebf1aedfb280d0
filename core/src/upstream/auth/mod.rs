//! How a call proves who it is for. Keys live here and nowhere else; a plugin only names which one it wants.

mod aws;
mod google;
mod google_source;
mod renewed;
mod token;

use std::fmt;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::Call;
use crate::secret::Secret;

pub use aws::{AwsCredentials, Settings as AwsSettings};
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
    /// AWS Signature Version 4: of the whole call, so that nothing of it may change afterwards.
    AwsSigV4 {
        /// Whose calls they are.
        source: Arc<AwsCredentials>,
        /// The service that it is signed for, such as `bedrock`.
        service: Box<str>,
        /// The region that it is signed for.
        region: Box<str>,
    },
}

/// Why a call cannot be authorised. Its `Display` is a sentence without any key.
#[derive(Clone, Debug)]
pub enum AuthError {
    /// The key holds a byte that no header field may hold, such as a line end.
    Key,
    /// No Google token could be had; the reason is attached.
    Google(Arc<str>),
    /// No AWS credentials could be had; the reason is attached.
    Aws(Arc<str>),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("the API key holds characters that cannot be sent in a header"),
            Self::Google(reason) => write!(f, "no Google access token: {reason}"),
            Self::Aws(reason) => write!(f, "no AWS credentials: {reason}"),
        }
    }
}

impl std::error::Error for AuthError {}

impl Auth {
    /// Adds what the scheme asks for to the headers of `call`. Waits only for a Google token or AWS credentials, and only
    /// when there are no valid ones.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn authorize(&self, call: &mut Call) -> Result<(), AuthError> {
        let headers = &mut call.headers;
        match self {
            Self::None => Ok(()),
            Self::Bearer(secret) => insert(headers, AUTHORIZATION, "Bearer ", secret.expose()),
            Self::Header { name, prefix, secret } => insert(headers, name.clone(), prefix, secret.expose()),
            Self::Google { source } => insert(headers, AUTHORIZATION, "Bearer ", &source.token().await?),
            Self::AwsSigV4 { source, service, region } => source.sign(call, service, region).await,
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

    fn call() -> Call {
        Call {
            method: http::Method::POST,
            url: "http://127.0.0.1:1/v1".parse().unwrap(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
        }
    }

    #[tokio::test]
    async fn a_key_goes_where_its_scheme_says_and_is_never_shown() {
        let mut call = call();
        Auth::Bearer(Secret::new("sk-1")).authorize(&mut call).await.unwrap();
        let auth = Auth::Header {
            name: HeaderName::from_static("x-api-key"),
            prefix: "".into(),
            secret: Secret::new("sk-2"),
        };
        auth.authorize(&mut call).await.unwrap();
        assert_eq!(call.headers["authorization"], "Bearer sk-1");
        assert_eq!(call.headers["x-api-key"], "sk-2");
        assert!(!format!("{call:?} {auth:?}").contains("sk-"));
    }

    #[tokio::test]
    async fn a_key_that_would_break_the_head_is_refused() {
        let mut call = call();
        let auth = Auth::Bearer(Secret::new("sk\r\nx: y"));
        let error = auth.authorize(&mut call).await.unwrap_err();
        assert!(error.to_string().contains("cannot be sent"));
        assert!(call.headers.is_empty());
    }
}
