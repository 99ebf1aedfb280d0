//! How a simulator is started, and how its token endpoint behaves.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::text::RETRY_AFTER;

/// How to start a simulator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen. Port 0 (the default) picks a free one.
    pub addr: SocketAddr,
    /// The silence between two chunks of a paced answer.
    pub pace: Duration,
    /// The silence between two bytes of the `drip` scenario.
    pub drip: Duration,
    /// The wait that scenarios with a retry hint ask for, in whole seconds.
    pub retry_after: Duration,
    /// Asks Vertex requests for an issued token and others for `api_key`, else 401.
    pub require_auth: bool,
    /// The key that OpenAI, Anthropic and Gemini API requests must carry under `require_auth`.
    pub api_key: String,
    /// The endless scenarios stop after this many bytes...
    pub flood_bytes: u64,
    /// ...or after this long, whichever is first.
    pub flood_time: Duration,
    /// The token endpoint's first behaviour.
    pub token: TokenBehaviour,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            addr: (Ipv4Addr::LOCALHOST, 0).into(),
            pace: Duration::from_millis(50),
            drip: Duration::from_millis(1),
            retry_after: RETRY_AFTER,
            require_auth: false,
            api_key: "sim-key".into(),
            flood_bytes: 64 * 1024 * 1024,
            flood_time: Duration::from_secs(10),
            token: TokenBehaviour::default(),
        }
    }
}

/// How the token endpoint answers.
#[derive(Clone, Copy, Debug)]
pub struct TokenBehaviour {
    /// The life of the tokens it issues.
    pub expires_in: Duration,
    /// Silence before it answers.
    pub delay: Duration,
    /// 200 issues a token; anything else is the error it answers with.
    pub status: u16,
}

impl Default for TokenBehaviour {
    fn default() -> Self {
        Self { expires_in: Duration::from_secs(3600), delay: Duration::ZERO, status: 200 }
    }
}
