//! Asks the provider what a failure is. Whatever it answers, a failure stays a failure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue};
use tidegate_engine::ErrorClass;
use tidegate_host::{Class, FailureIn, Header, Phase, ProviderInstance};

use crate::failure::Failure;

/// The head of an upstream's answer, and who can read it.
#[derive(Clone)]
pub struct Head {
    /// The provider of the deployment that was called.
    pub provider: ProviderInstance,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
}

impl Head {
    /// Keeps its headers in a buffer of their own: as hyper gives them they are slices of its read buffer, which a stream
    /// would hold for as long as it lives.
    pub fn detach(&mut self) {
        let total = self.headers.values().map(HeaderValue::len).sum();
        let mut values = BytesMut::with_capacity(total);
        for value in self.headers.values_mut() {
            values.extend_from_slice(value.as_bytes());
            // What was a header's value is one still.
            if let Ok(copy) = HeaderValue::from_maybe_shared(values.split().freeze()) {
                *value = copy;
            }
        }
    }

    /// An HTTP status that is not 2xx; `body` may be cut.
    pub async fn classify_status(&self, body: &[u8]) -> Failure {
        self.classify(Phase::Status, b"", body).await
    }

    /// The provider's error form in a stream.
    pub async fn classify_event(&self, event: &[u8], data: &[u8]) -> Failure {
        self.classify(Phase::Stream, event, data).await
    }

    /// The provider's error form in a 2xx body.
    pub async fn classify_body(&self, body: &[u8]) -> Failure {
        self.classify(Phase::Body, b"", body).await
    }

    async fn classify(&self, phase: Phase, event: &[u8], body: &[u8]) -> Failure {
        let headers = lend(&self.headers);
        let input = FailureIn {
            phase,
            http_status: self.status.as_u16(),
            headers: &headers,
            event,
            body,
            unix_ms: unix_ms(),
            bytes_to_client: 0,
        };
        let default = default_class(self.status.as_u16());
        let (class, message, code) = match self.provider.classify(&input, default).await {
            Ok(classified) => (classified.class, classified.message, classified.code),
            Err(error) => {
                tracing::warn!(%error, "a failure could not be classified; the HTTP status decides");
                (default, None, None)
            }
        };
        Failure {
            class: ErrorClass::from(class.error),
            status: class.http_status,
            retry_after: class.retry_after_ms.map(Duration::from_millis),
            retryable: class.retryable,
            quota: class.quota,
            quotes: message.is_some(),
            message: message
                .unwrap_or_else(|| format!("the upstream answered with HTTP status {}", self.status)),
            code,
            clock: None,
            unsent: false,
        }
    }
}

/// What an HTTP status says by itself. A 2xx status with an error in it is a server error until the body says else.
fn default_class(status: u16) -> Class {
    let (error, http_status) = match status {
        400 | 405..=407 | 410..=428 => (ErrorClass::BadRequest, status),
        401 => (ErrorClass::Auth, status),
        403 => (ErrorClass::Permission, status),
        404 => (ErrorClass::NotFound, status),
        408 | 504 => (ErrorClass::Timeout, status),
        409 => (ErrorClass::Server, status),
        429 => (ErrorClass::RateLimit, status),
        430..=499 => (ErrorClass::BadRequest, status),
        503 | 529 => (ErrorClass::Overloaded, 503),
        500..=599 => (ErrorClass::Server, status),
        _ => (ErrorClass::Server, 502),
    };
    let retryable = matches!(http_status, 408 | 409 | 429 | 500..);
    Class { error: error.code(), http_status, retryable, quota: false, retry_after_ms: None }
}

/// Headers as the plugin contract has them, without a copy.
pub fn lend(headers: &HeaderMap) -> Vec<Header<'_>> {
    headers.iter().map(|(name, value)| Header::new(name.as_str(), value.as_bytes())).collect()
}

/// The wall clock, in milliseconds since 1970.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
