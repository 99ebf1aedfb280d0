//! Bodies that are JSON objects: what of them is the gateway's is taken out, the rest stays as the client wrote it.

use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Request;
use super::options::{self, Options};

/// Takes litellm's request-level options out of the body.
///
/// # Errors
/// A sentence for the client.
pub(super) fn without_options(
    mut request: Request,
    explain: impl Fn(&serde_json::Error) -> String,
) -> Result<Request, String> {
    let text = std::str::from_utf8(&request.body).map_err(|_| "the request is not UTF-8")?;
    let mut members = options::members_of(text).map_err(|error| explain(&error))?;
    let mut options = Options::default();
    for (name, value) in members.iter().filter(|(name, _)| options::KEYS.contains(&name.as_str())) {
        options.take(name, value)?;
    }
    let before = members.len();
    members.retain(|(name, _)| !options::KEYS.contains(&name.as_str()));
    if members.len() < before {
        let members = members.iter().map(|(name, value)| (name.as_str(), value.get()));
        (request.body, request.model_at) = written(members);
        request.options = Some(Box::new(options));
    }
    Ok(request)
}

/// The request with some members of its body put in the place of its own.
pub(super) fn with(request: &Request, changes: &[(String, Box<RawValue>)]) -> Option<Request> {
    let text = std::str::from_utf8(&request.body).ok()?;
    let own = options::members_of(text).ok()?;
    let kept = own.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let kept = kept.map(|(name, value)| (name.as_str(), value.get()));
    let (body, model_at) =
        written(kept.chain(changes.iter().map(|(name, value)| (name.as_str(), value.get()))));
    Some(Request { body, model_at, ..request.clone() })
}

/// A body of these members, and where the model stands in it: nowhere, `0..0`, if it has none.
pub(super) fn written<'a>(members: impl Iterator<Item = (&'a str, &'a str)>) -> (Bytes, Range<usize>) {
    let (mut body, mut model_at) = (String::from("{"), 0..0);
    for (name, value) in members {
        if body.len() > 1 {
            body.push(',');
        }
        body.push_str(&serde_json::Value::from(name).to_string());
        body.push(':');
        if name == "model" {
            model_at = body.len()..body.len() + value.len();
        }
        body.push_str(value);
    }
    body.push('}');
    (body.into(), model_at)
}
