//! Who may ask, under `require_auth`; and how secrets look in logs and echoes.

use serde_json::json;

use crate::dialect::Wire;
use crate::http::Request;
use crate::script::Script;
use crate::select::Chat;
use crate::sigv4;

/// Headers whose values are never shown as they came.
const SECRET_HEADERS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "x-goog-api-key",
    "x-api-key",
    "api-key",
    "x-amz-security-token",
];

/// A secret's stand-in: its length in bytes and its 64-bit FNV-1a hash, so that a test can tell which it was.
pub fn mask(secret: &str) -> String {
    let hash = secret.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("masked:{}:{hash:016x}", secret.len())
}

/// The headers, secrets masked.
pub(crate) fn masked_headers(request: &Request) -> Vec<(String, String)> {
    let shown = |name: &str, value: &str| {
        if SECRET_HEADERS.contains(&name) { mask(value) } else { value.to_owned() }
    };
    request.headers.iter().map(|(name, value)| (name.clone(), shown(name, value))).collect()
}

/// The target, the value of a `key` parameter masked.
pub(crate) fn masked_target(request: &Request) -> String {
    let Some((path, query)) = request.target.split_once('?') else { return request.target.clone() };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some(("key", value)) => format!("key={}", mask(value)),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

/// Why a request is not answered: what it is counted as, and what it gets.
pub(crate) type Refusal = (&'static str, Script);

/// A request that asks to be answered.
pub(crate) struct Gate<'a> {
    pub(crate) request: &'a Request,
    pub(crate) chat: &'a Chat,
    /// Credentials are asked for.
    pub(crate) asked: bool,
    pub(crate) api_key: &'a str,
    /// Whether a token is one that the simulator issued, and lives.
    pub(crate) is_token: &'a dyn Fn(&str) -> bool,
}

impl<'a> Gate<'a> {
    /// The token of `Authorization: Bearer`.
    pub(crate) fn bearer(&self) -> Option<&'a str> {
        self.request.header("authorization")?.strip_prefix("Bearer ")
    }

    /// Whether this is the key. Vertex AI takes none.
    pub(crate) fn is_key(&self, key: Option<&str>) -> bool {
        !self.chat.vertex && key == Some(self.api_key)
    }

    /// Whether the request has the key in Azure's header, or for the token of Entra ID that it takes too.
    pub(crate) fn is_azure_key(&self) -> bool {
        self.is_key(self.request.header("api-key").or(self.bearer()))
    }

    /// Whether the request has a token that Vertex AI takes. A `generateContent` path that does not tell which of Google's
    /// two services it is takes either.
    pub(crate) fn has_token(&self) -> bool {
        !self.chat.gemini_api && self.bearer().is_some_and(self.is_token)
    }

    /// Lets in who has what is asked for.
    pub(crate) fn admit(&self, wire: &dyn Wire, allowed: bool) -> Result<(), Refusal> {
        if allowed || !self.asked {
            return Ok(());
        }
        let sentence = "The request does not have valid authentication credentials.";
        Err(("unauthorized", Script::json(401, wire.error(401, sentence))))
    }

    /// Lets in who signed as AWS asks, and answers whether there was a signature to look at: with the key that is known it is
    /// checked even where none is asked for.
    pub(crate) fn signed(&self) -> Result<bool, Refusal> {
        let header = self.request.header("authorization");
        let signed = header.is_some_and(|header| header.starts_with("AWS4-HMAC-SHA256"));
        let known = signed && header.is_some_and(|header| header.contains(sigv4::AWS_ACCESS_KEY_ID));
        if !known && !(self.asked && (signed || header.is_none())) {
            return Ok(false);
        }
        sigv4::check(self.request, self.api_key, "bedrock").map(|()| true).map_err(|(name, sentence)| {
            let body = json!({"message": sentence}).to_string();
            ("unauthorized", Script::json(403, body).header("x-amzn-errortype", name))
        })
    }
}
