//! litellm's exception classes, by which its policies of retries and of allowed failures are keyed.

use std::collections::HashMap;

use serde::Deserialize;
use tidegate_plugin_sdk::{Attempt, ErrorKind};

/// A number for some classes. A name that is no class here is never looked up.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct ByError(HashMap<String, u32>);

impl ByError {
    /// The number for this failure: its own class goes before the one above it.
    pub(crate) fn of(&self, failed: &Attempt) -> Option<u32> {
        classes(failed).iter().find_map(|class| self.0.get(*class)).copied()
    }
}

/// What litellm would raise; no class where no policy can name it (connection failures, 403, 409, 422).
fn classes(failed: &Attempt) -> &'static [&'static str] {
    match (failed.error, failed.http_status) {
        (ErrorKind::Auth, _) => &["AuthenticationError"],
        (ErrorKind::Timeout, _) => &["TimeoutError"],
        (ErrorKind::RateLimit, _) => &["RateLimitError"],
        (ErrorKind::ContentFilter, _) => &["ContentPolicyViolationError", "BadRequestError"],
        (ErrorKind::ContextLength, _) => &["BadRequestError"],
        (ErrorKind::BadRequest, 409 | 422) => &[],
        (ErrorKind::BadRequest, _) => &["BadRequestError"],
        (ErrorKind::NotFound, _) => &["NotFoundError"],
        (ErrorKind::Overloaded, _) => &["ServiceUnavailableError"],
        (ErrorKind::Server, 502) => &["BadGatewayError"],
        (ErrorKind::Server, _) => &["InternalServerError"],
        _ => &[],
    }
}
