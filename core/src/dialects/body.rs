//! Bodies that are JSON objects: what of them is the gateway's is taken out, the rest stays as the client wrote it.

use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Request;
use super::options::{self, Options};

/// Takes litellm's request-level options out of the body, and what else is litellm's alone.
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
    let is_option = |name: &str| options::KEYS.contains(&name);
    let has_options = members.iter().any(|(name, _)| is_option(name));
    members.retain(|(name, value)| !is_option(name) && !options::is_litellms(name, value.get()));
    if members.len() < before {
        let members = members.iter().map(|(name, value)| (name.as_str(), value.get()));
        (request.body, request.model_at) = written(members);
        request.options = has_options.then(|| Box::new(options));
    }
    Ok(request)
}

/// The request without these members of its body, and those of them that it had.
pub(super) fn without(request: &Request, names: &[String]) -> Option<(Request, Vec<String>)> {
    let text = std::str::from_utf8(&request.body).ok()?;
    let own = options::members_of(text).ok()?;
    let goes = |name: &str| names.iter().any(|gone| gone == name);
    let gone: Vec<String> = own.iter().map(|(name, _)| name).filter(|name| goes(name)).cloned().collect();
    if gone.is_empty() {
        return None;
    }
    let kept = own.iter().filter(|(name, _)| !goes(name)).map(|(name, value)| (name.as_str(), value.get()));
    let (body, model_at) = written(kept);
    Some((Request { body, model_at, ..request.clone() }, gone))
}

/// The model that a body names, and where its value stands, quotes included. `raw` is the value, lent from the body.
///
/// # Errors
/// A sentence for the client.
pub(super) fn model(body: &[u8], raw: Option<&RawValue>) -> Result<(String, Range<usize>), String> {
    let raw = raw.ok_or("the request has no \"model\"")?;
    let model = serde_json::from_str(raw.get()).map_err(|_| "\"model\" must be a string")?;
    let start = raw.get().as_ptr().addr() - body.as_ptr().addr();
    Ok((model, start..start + raw.get().len()))
}

/// The body with the model that the path names, in the place of its own. One that cannot be read stays as it is: what is
/// wrong with it is said where it is decoded.
pub(super) fn of_model(body: Bytes, model: Option<&str>) -> Bytes {
    let Some(model) = model else { return body };
    let name = serde_json::Value::from(model).to_string();
    let own = std::str::from_utf8(&body).ok().and_then(|text| options::members_of(text).ok());
    let Some(own) = own else { return body };
    let rest = own.iter().filter(|(name, _)| name != "model").map(|(name, raw)| (name.as_str(), raw.get()));
    written(std::iter::once(("model", name.as_str())).chain(rest)).0
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
