//! Checks AWS's Signature Version 4 as the service does: from what arrived, with the key that it knows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::{digest, hmac};

use crate::http::Request;

/// The access key id whose secret is [`Settings::api_key`](crate::Settings::api_key).
pub const AWS_ACCESS_KEY_ID: &str = "AKIASIMULATED";

/// AWS takes a signature for five minutes.
const LIFE: Duration = Duration::from_secs(5 * 60);

/// What is wrong with the request's signature: AWS's name of it, and its sentence.
pub(crate) type Wrong = (&'static str, String);

pub(crate) fn check(request: &Request, secret: &str, service: &str) -> Result<(), Wrong> {
    let incomplete =
        |what: &str| ("IncompleteSignatureException", format!("Authorization header requires {what}."));
    let header = request
        .header("authorization")
        .ok_or_else(|| ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned()))?;
    let fields = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(|| incomplete("'AWS4-HMAC-SHA256'"))?;
    let field = |name: &str| {
        let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        found.ok_or_else(|| incomplete(&format!("'{name}' parameter")))
    };
    let (credential, signed, signature) =
        (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
    let parts: Vec<&str> = credential.split('/').collect();
    let &[id, day, region, of, "aws4_request"] = parts.as_slice() else {
        return Err(incomplete("a whole scope"));
    };
    if id != AWS_ACCESS_KEY_ID {
        let sentence = "The security token included in the request is invalid.";
        return Err(("UnrecognizedClientException", sentence.to_owned()));
    }
    let mismatch = |detail: &str| {
        let sentence = "The request signature we calculated does not match the signature you provided. Check your AWS \
                        Secret Access Key and signing method.";
        Err(("InvalidSignatureException", format!("{sentence}{detail}")))
    };
    if of != service {
        return Err((
            "InvalidSignatureException",
            format!("Credential should be scoped to correct service: '{service}'."),
        ));
    }
    let date = request
        .header("x-amz-date")
        .ok_or_else(|| incomplete("existence of either a 'X-Amz-Date' or a 'Date' header"))?;
    if !date.starts_with(day) || !signed.split(';').any(|name| name == "host") {
        return mismatch("");
    }
    if !is_now(date) {
        return Err(("InvalidSignatureException", format!("Signature expired: {date} is too long ago.")));
    }
    let token = request.header("x-amz-security-token");
    if token.is_some() && !signed.split(';').any(|name| name == "x-amz-security-token") {
        return mismatch("");
    }
    let canonical = canonical(request, signed);
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{day}/{region}/{of}/aws4_request\n{}",
        hex(sha256(canonical.as_bytes()))
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [day, region, of, "aws4_request", &text] {
        key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
    }
    if hex(&key) == signature {
        return Ok(());
    }
    mismatch(&format!("\n\nThe Canonical String for this request should have been\n'{canonical}'\n"))
}

fn canonical(request: &Request, signed: &str) -> String {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    // Once more over what was encoded to travel.
    let path: String = path
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    let headers: String = signed
        .split(';')
        .map(|name| format!("{name}:{}\n", request.header(name).unwrap_or_default().trim()))
        .collect();
    let (method, query, body) = (&request.method, pairs.join("&"), hex(sha256(&request.body)));
    format!("{method}\n{path}\n{query}\n{headers}\n{signed}\n{body}")
}

/// `20261127T080509Z`, within the life of a signature.
fn is_now(date: &str) -> bool {
    let digits: String = date.chars().filter(char::is_ascii_digit).collect();
    let number = |at: std::ops::Range<usize>| digits.get(at).and_then(|text| text.parse::<u64>().ok());
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(4..6), number(6..8)) else {
        return false;
    };
    let (Some(hour), Some(minute), Some(second)) = (number(8..10), number(10..12), number(12..14)) else {
        return false;
    };
    // Days since 1970, in years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.saturating_sub(1), month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let then = days.saturating_sub(719_469) * 86_400 + hour * 3_600 + minute * 60 + second;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.abs_diff(Duration::from_secs(then)) <= LIFE
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
