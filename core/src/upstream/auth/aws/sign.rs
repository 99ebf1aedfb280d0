//! AWS Signature Version 4 (AWS General Reference, "Create a signed AWS API request"). Our own: the `aws-sigv4` crate brings
//! six of AWS's runtime crates along, for what are an HMAC chain and a canonical text.

use std::fmt::Write as _;
use std::time::SystemTime;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use ring::{digest, hmac};

use super::Keys;
use crate::upstream::auth::AuthError;
use crate::utc::compact;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What is signed of a call.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// As the `Host` field has it.
    pub(super) host: &'a str,
    /// As it is sent, percent-encoded once.
    pub(super) path: &'a str,
    /// As it is sent, without `?`; empty for none.
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
}

/// What a signature is good for.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) at: SystemTime,
}

/// Adds the signature, its date and the session's token to `headers`. Signed are the host, the content type and what is
/// added here: what any hop may change is not.
///
/// # Errors
/// A key holds a byte that no header field may hold.
pub(super) fn sign(
    request: &Request<'_>,
    headers: &mut HeaderMap,
    keys: &Keys,
    scope: Scope<'_>,
) -> Result<(), AuthError> {
    let time = compact(scope.at);
    let day = time.split('T').next().unwrap_or_default();
    let sensitive = |text: &str| {
        let mut value = HeaderValue::try_from(text).map_err(|_| AuthError::Key)?;
        value.set_sensitive(true);
        Ok(value)
    };
    headers.insert(DATE, HeaderValue::try_from(&time).map_err(|_| AuthError::Key)?);
    headers.remove(&TOKEN);
    if let Some(token) = &keys.token {
        headers.insert(TOKEN, sensitive(token.expose())?);
    }
    let (canonical, signed) = canonical(request, headers)?;
    let credential = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let text =
        format!("{ALGORITHM}\n{time}\n{credential}\n{}", tidegate_host::hex(sha256(canonical.as_bytes())));
    let mut key = format!("AWS4{}", keys.secret.expose()).into_bytes();
    for part in [day, scope.region, scope.service, "aws4_request", &text] {
        key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
    }
    let id = keys.id.expose();
    let value = format!(
        "{ALGORITHM} Credential={id}/{credential}, SignedHeaders={signed}, Signature={}",
        tidegate_host::hex(&key)
    );
    headers.insert(AUTHORIZATION, sensitive(&value)?);
    Ok(())
}

/// The canonical request, and the names of the fields in it.
fn canonical(request: &Request<'_>, headers: &HeaderMap) -> Result<(String, String), AuthError> {
    let mut fields = vec![(HOST, request.host)];
    for name in [CONTENT_TYPE, DATE, TOKEN] {
        if let Some(value) = headers.get(&name) {
            fields.push((name, value.to_str().map_err(|_| AuthError::Key)?));
        }
    }
    fields.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    let lines: String = fields.iter().map(|(name, value)| format!("{name}:{}\n", trimmed(value))).collect();
    let names = fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let Request { method, path, query, body, .. } = request;
    let (path, query) = (canonical_path(path), canonical_query(query));
    let text = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{}", tidegate_host::hex(sha256(body)));
    Ok((text, names))
}

/// Runs of spaces are one.
fn trimmed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Dot segments and doubled slashes are taken out, then what is left is encoded once more: so for every service but S3.
fn canonical_path(path: &str) -> String {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len() + 16);
    for segment in &kept {
        out.push('/');
        encode(segment, &mut out);
    }
    if kept.is_empty() || path.ends_with('/') {
        out.push('/');
    }
    out
}

/// Sorted by name, then by value.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}
