//! Who may ask, under `require_auth`; and how secrets look in logs and echoes.

use crate::dialect::Dialect;
use crate::http::Request;
use crate::select::Chat;

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

/// Whether the request carries what its provider asks for: a live token for Vertex, the key elsewhere.
/// A `generateContent` path that does not tell which of Google's two services it is takes either.
pub(crate) fn allowed(
    request: &Request,
    chat: &Chat,
    api_key: &str,
    is_token: impl Fn(&str) -> bool,
) -> bool {
    let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let key = match chat.dialect {
        Dialect::OpenAiChat | Dialect::Responses | Dialect::Bedrock => bearer,
        Dialect::Gemini => request.header("x-goog-api-key").or_else(|| request.query("key")),
        Dialect::Anthropic => request.header("x-api-key").or(bearer),
    };
    let by_key = !chat.vertex && key == Some(api_key);
    let by_token = matches!(chat.dialect, Dialect::Gemini | Dialect::Anthropic)
        && !chat.gemini_api
        && bearer.is_some_and(is_token);
    by_key || by_token
}
