//! A Google OAuth token endpoint, and service-account credentials that point at it.

use std::net::SocketAddr;
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::json;

use crate::http::Request;
use crate::script::Script;
use crate::settings::TokenBehaviour;

/// The grant that Google's client libraries ask with (RFC 7523, section 2.1), form-encoded.
const JWT_GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
/// An RSA key that exists for tests alone and is public on purpose.
const TEST_KEY: &str = include_str!("../keys/test-only-service-account.pem");

/// A service account's JSON whose `token_uri` is the simulator at `addr`. Its key is a public test key.
pub fn service_account_json(addr: SocketAddr) -> String {
    let begin = TEST_KEY.find("-----BEGIN").unwrap_or_default();
    json!({
        "type": "service_account",
        "project_id": "sim-project",
        "private_key_id": "test-only",
        "private_key": &TEST_KEY[begin..],
        "client_email": "sim@sim-project.iam.gserviceaccount.com",
        "client_id": "1",
        "auth_uri": format!("http://{addr}/auth"),
        "token_uri": format!("http://{addr}/token"),
    })
    .to_string()
}

/// The tokens issued so far.
pub(crate) struct Tokens {
    state: Mutex<State>,
}

struct State {
    behaviour: TokenBehaviour,
    issued: u64,
    live: Vec<(String, Instant)>,
}

impl Tokens {
    pub(crate) fn new(behaviour: TokenBehaviour) -> Self {
        Self { state: Mutex::new(State { behaviour, issued: 0, live: Vec::new() }) }
    }

    pub(crate) fn behave(&self, behaviour: TokenBehaviour) {
        self.state.lock().behaviour = behaviour;
    }

    pub(crate) fn issued(&self) -> u64 {
        self.state.lock().issued
    }

    pub(crate) fn is_live(&self, token: &str) -> bool {
        self.state.lock().live.iter().any(|(live, until)| live == token && Instant::now() < *until)
    }

    /// Answers `POST /token`: the JWT and refresh-token grants, form-encoded. Signatures are not checked.
    pub(crate) fn answer(&self, request: &Request) -> Script {
        let form = String::from_utf8_lossy(&request.body);
        let field = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let jwt = form.split('&').any(|pair| pair == JWT_GRANT)
            && field("assertion").is_some_and(|jwt| jwt.split('.').count() == 3);
        let refresh = field("grant_type") == Some("refresh_token") && field("refresh_token").is_some();
        if request.method == "POST" && (jwt || refresh) {
            self.issue()
        } else {
            let sentence = "POST a form with the JWT bearer grant and an assertion of three parts";
            Script::json(400, json!({"error": "invalid_grant", "error_description": sentence}).to_string())
        }
    }

    fn issue(&self) -> Script {
        let mut state = self.state.lock();
        let TokenBehaviour { expires_in, delay, status } = state.behaviour;
        let mut script = if status == 200 {
            state.issued += 1;
            let token = format!("ya29.sim-{}", state.issued);
            let now = Instant::now();
            state.live.retain(|(_, until)| now < *until);
            state.live.push((token.clone(), now + expires_in));
            let seconds = expires_in.as_secs();
            Script::json(
                200,
                json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}).to_string(),
            )
        } else {
            Script::json(
                status,
                json!({"error": "internal_failure", "error_description": "as told"}).to_string(),
            )
        };
        if !delay.is_zero() {
            script.steps.insert(0, crate::script::Step::Pause(delay));
        }
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credentials_hold_a_key_and_point_here() {
        let json = service_account_json(([127, 0, 0, 1], 4321).into());
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["token_uri"], "http://127.0.0.1:4321/token");
        let key = value["private_key"].as_str().unwrap();
        assert!(
            key.starts_with("-----BEGIN PRIVATE KEY-----\n") && key.ends_with("-----END PRIVATE KEY-----\n")
        );
    }
}
