//! Reads the few members of a request that Tidegate acts on, and says it as a chat completion where the provider does not
//! speak Gemini.

mod chat;
mod contents;
mod defaults;
mod generation;
mod media;
mod schema;
mod tools;

use bytes::Bytes;

pub(in crate::dialects) use chat::to_chat;
pub(in crate::dialects) use defaults::add as add_defaults;
pub(in crate::dialects) use generation::own_name;

use crate::dialects::json::{Invalid, Scan};
use crate::dialects::options;
use crate::dialects::{Request, Route, body};

/// A request to `generateContent` or `streamGenerateContent`. Model and mode stand in the path.
///
/// # Errors
/// A sentence for the client.
pub(in crate::dialects) fn decode(route: &Route, text: Bytes) -> Result<Request, String> {
    let found = read(&text)?;
    if !found.contents {
        return Err("the request has no \"contents\"".into());
    }
    request(route, text, &found)
}

/// A request to `countTokens`: contents, or a request to `generateContent` in `generateContentRequest`.
///
/// # Errors
/// A sentence for the client.
pub(in crate::dialects) fn decode_count(route: &Route, text: Bytes) -> Result<Request, String> {
    let found = read(&text)?;
    if !found.contents && !found.wrapped {
        return Err("the request has neither \"contents\" nor \"generateContentRequest\"".into());
    }
    request(route, text, &found)
}

fn request(route: &Route, text: Bytes, found: &Found) -> Result<Request, String> {
    let model = route.model.clone().ok_or("the path names no model")?;
    let request = Request {
        model,
        model_at: found.model_at.clone().unwrap_or(0..0),
        stream: route.stream.unwrap_or(false),
        array: route.array,
        include_usage: true,
        several: found.several,
        body: text,
        ..Request::of(route.dialect)
    };
    if found.options { body::without_options(request, explain) } else { Ok(request) }
}

#[derive(Default)]
struct Found {
    contents: bool,
    wrapped: bool,
    several: bool,
    options: bool,
    model_at: Option<std::ops::Range<usize>>,
}

fn read(body: &[u8]) -> Result<Found, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the request is not UTF-8")?;
    let mut scan = Scan::new(text);
    let mut found = Found::default();
    let read = scan.object(|scan, name| {
        if name.is_any(&["generationConfig", "generation_config"]) && scan.is_object() {
            return scan.object(|scan, name| {
                let (at, _) = scan.placed()?;
                if name.is_any(&["candidateCount", "candidate_count"]) {
                    found.several = !matches!(&text[at], "1" | "null");
                }
                Ok(())
            });
        }
        let (at, value) = scan.placed()?;
        found.contents |= name.is("contents") && value.is_full();
        found.wrapped |=
            name.is_any(&["generateContentRequest", "generate_content_request"]) && value.is_full();
        let own = |name: &str| options::is_litellms(name, text.get(at.clone()).unwrap_or_default());
        found.options |= name.is_any(&options::KEYS) || name.plain().is_none_or(own);
        if name.is("model") {
            found.model_at = Some(at);
        }
        Ok(())
    });
    match read.and_then(|()| scan.end()) {
        Ok(()) => Ok(found),
        Err(Invalid) => {
            Err(match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body) {
                Err(error) => explain(&error),
                Ok(_) => "the request body is not valid JSON".into(),
            })
        }
    }
}

fn explain(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => format!("the request is not a JSON object: {error}"),
        _ => format!("the request body is not valid JSON: {error}"),
    }
}

/// What cannot be said in a chat completion.
struct Crossing {
    /// It is left out instead of refused.
    dropping: bool,
    /// What was left out.
    dropped: Vec<String>,
}

impl Crossing {
    /// `what` changes no answer, and is left out.
    fn leave_out(&mut self, what: &str) {
        self.dropped.push(what.to_owned());
    }

    /// `what`: the member, by its path.
    fn cannot(&mut self, what: impl Into<String>) -> Result<(), String> {
        let what = what.into();
        if !self.dropping {
            return Err(format!(
                "{what} has no counterpart in an OpenAI chat completion, which is what this model's provider is asked \
                 for; leave it out, or set \"drop_params: true\""
            ));
        }
        self.dropped.push(what);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
