//! Reads what a request wants: which dialect, streamed or not, which model, which scenario.

use bytes::Bytes;
use serde_json::Value;

use crate::dialect::{Asked, Dialect, What};
use crate::http::Request;
use crate::scenario::Mode;

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Route {
    Chat(Chat),
    Models(Dialect),
    Token,
    /// A chat request whose body is not JSON.
    NotJson(Dialect, String),
    Nothing,
}

/// A request for an answer.
#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) dialect: Dialect,
    pub(crate) mode: Mode,
    /// The path without what chooses a scenario.
    pub(crate) path: String,
    /// The model as the request names it.
    pub(crate) model: String,
    pub(crate) what: What,
    /// The path has Vertex AI's shape.
    pub(crate) vertex: bool,
    /// The path has the Gemini API's shape.
    pub(crate) gemini_api: bool,
    /// The request's body.
    pub(crate) body: Value,
    /// The scenario it named, by marker, path or model; `None` for the healthy one.
    pub(crate) scenario: Option<String>,
    /// The tag under which it is counted too.
    pub(crate) tag: Option<String>,
}

pub(crate) fn route(request: &Request) -> Route {
    let path = request.path().replace("%3A", ":").replace("%3a", ":");
    let (place, rest) = split_prefix(&path, "/at/");
    let (by_path, rest) = split_prefix(rest, "/s/");
    if rest == "/token" {
        return Route::Token;
    }
    // The last that takes a path: the dialects whose paths many others share come first.
    let mut dialects = Dialect::ALL.iter().rev().copied();
    if request.method == "GET" {
        let listed = dialects.find(|dialect| dialect.wire().is_list(rest, request));
        return listed.map_or(Route::Nothing, Route::Models);
    }
    if request.method != "POST" {
        return Route::Nothing;
    }
    if rest.starts_with("/chat-only/") && !rest.ends_with("/chat/completions") {
        return Route::Nothing;
    }
    let asked = dialects.find_map(|dialect| Some((dialect, dialect.wire().asked(rest, request)?)));
    let Some((dialect, Asked { mode, model, what })) = asked else { return Route::Nothing };
    let body: Value = match serde_json::from_slice(&request.body) {
        Ok(body) => body,
        Err(error) => return Route::NotJson(dialect, format!("the body is not JSON: {error}")),
    };
    let wire = dialect.wire();
    let model = model.unwrap_or_else(|| body["model"].as_str().unwrap_or_default().to_owned());
    let mode = mode.unwrap_or_else(|| if wire.streams(&body) { Mode::Stream } else { Mode::Whole });
    let last_words = wire.last_user_text(&body);
    let marker = marker(&last_words);
    let scenario = marker.as_ref().map(|marker| marker.at(place)).or(by_path).map(str::to_owned);
    let tag = marker.and_then(|marker| marker.tag).map(str::to_owned);
    let vertex = rest.contains("/projects/");
    let gemini_api = !vertex && (rest.starts_with("/v1beta/") || rest.starts_with("/v1/models/"));
    let path = rest.to_owned();
    Route::Chat(Chat { dialect, mode, path, model, what, vertex, gemini_api, body, scenario, tag })
}

/// `/s/NAME/rest` into `NAME` and `/rest`; litellm's `{base}:{endpoint}` form may put a colon after the name.
fn split_prefix<'a>(path: &'a str, prefix: &str) -> (Option<&'a str>, &'a str) {
    let Some(rest) = path.strip_prefix(prefix) else { return (None, path) };
    let end = rest.find(['/', ':']).unwrap_or(rest.len());
    (Some(&rest[..end]), &rest[end..])
}

/// `sim:NAME`, `sim:NAME@PLACE,PLACE`, either with `#TAG` behind it.
#[derive(Debug, PartialEq, Eq)]
struct Marker<'a> {
    name: &'a str,
    /// Where the scenario is played; nothing: everywhere.
    places: Option<&'a str>,
    tag: Option<&'a str>,
}

impl<'a> Marker<'a> {
    /// The scenario of a request that came by way of `place`.
    fn at(&self, place: Option<&str>) -> &'a str {
        match self.places {
            Some(places) if !places.split(',').any(|named| Some(named) == place) => "fast",
            _ => self.name,
        }
    }
}

/// The last marker in a user's message.
fn marker(text: &str) -> Option<Marker<'_>> {
    let (_, rest) = text.rsplit_once("sim:")?;
    let (name, rest) = word(rest, "");
    let (places, rest) = rest.strip_prefix('@').map_or((None, rest), |rest| {
        let (places, rest) = word(rest, ",");
        (Some(places), rest)
    });
    let tag = rest.strip_prefix('#').map(|rest| word(rest, "").0).filter(|tag| !tag.is_empty());
    (!name.is_empty()).then_some(Marker { name, places, tag })
}

/// Lower-case letters, digits and hyphens, or one of `more`; hyphens at the end are punctuation.
fn word<'a>(text: &'a str, more: &str) -> (&'a str, &'a str) {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || more.contains(c);
    let end = text.find(|c| !inside(c)).unwrap_or(text.len());
    (text[..end].trim_end_matches('-'), &text[end..])
}

/// The scenario that a model's name may stand for: `NAME`, `sim-NAME`, either after a provider's prefix.
/// The second is true where the name can only mean a scenario.
pub(crate) fn of_model(model: &str) -> (&str, bool) {
    let name = model.rsplit('/').next().unwrap_or(model);
    name.strip_prefix("sim-").map_or((name, false), |name| (name, true))
}

/// The body as JSON where it is JSON, else as text.
pub(crate) fn body_value(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(target: &str, body: &str) -> Chat {
        let request = Request {
            method: "POST".into(),
            target: target.into(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            ..Request::default()
        };
        match route(&request) {
            Route::Chat(chat) => chat,
            other => panic!("{target}: {other:?}"),
        }
    }

    #[test]
    fn google_paths_name_model_and_mode() {
        for (target, model, mode, vertex) in [
            (
                "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
                "gemini-2.5-pro",
                Mode::Stream,
                false,
            ),
            ("/v1beta/models/m:streamGenerateContent", "m", Mode::Array, false),
            ("/v1/projects/p/locations/l/publishers/google/models/m:generateContent", "m", Mode::Whole, true),
            (
                "/v1/projects/p/locations/l/endpoints/123%3AstreamGenerateContent?alt=sse",
                "123",
                Mode::Stream,
                true,
            ),
            ("/models/m:streamGenerateContent?key=k&alt=sse", "m", Mode::Stream, false),
            ("/s/fast:streamGenerateContent?alt=sse", "", Mode::Stream, false),
        ] {
            let chat = chat(target, "{}");
            assert_eq!((chat.model.as_str(), chat.mode, chat.vertex), (model, mode, vertex), "{target}");
        }
    }

    #[test]
    fn anthropics_paths_are_its_own_and_vertexs() {
        let vertex = "/v1/projects/p/locations/l/publishers/anthropic/models";
        let stream = r#"{"model":"claude-x","stream":true}"#;
        for (target, body, model, mode, count, on_vertex) in [
            ("/v1/messages", "{}", "", Mode::Whole, false, false),
            ("/s/fast/v1/messages?beta=true", stream, "claude-x", Mode::Stream, false, false),
            ("/v1/messages/count_tokens", stream, "claude-x", Mode::Whole, true, false),
            (
                &format!("{vertex}/claude-y@1:streamRawPredict"),
                stream,
                "claude-y@1",
                Mode::Stream,
                false,
                true,
            ),
            (&format!("{vertex}/claude-y:rawPredict"), "{}", "claude-y", Mode::Whole, false, true),
            (&format!("{vertex}/count-tokens:rawPredict"), "{}", "count-tokens", Mode::Whole, true, true),
        ] {
            let chat = chat(target, body);
            assert_eq!(chat.dialect, Dialect::Anthropic, "{target}");
            let seen = (chat.model.as_str(), chat.mode, chat.what == What::Count, chat.vertex);
            assert_eq!(seen, (model, mode, count, on_vertex), "{target}");
        }
    }

    #[test]
    fn the_marker_wins_over_the_path() {
        let body = r#"{"messages":[{"role":"user","content":"sim:fast"},{"role":"user","content":"x sim:429-cut."}]}"#;
        assert_eq!(chat("/s/drip/v1/chat/completions", body).scenario.as_deref(), Some("429-cut"));
        assert_eq!(chat("/s/drip/v1/chat/completions", "{}").scenario.as_deref(), Some("drip"));
        assert_eq!(chat("/s/drip:generateContent", "{}").scenario.as_deref(), Some("drip"));
        assert_eq!(chat("/v1/chat/completions", r#"{"messages":[]}"#).scenario, None);
        assert_eq!(marker("sim: nothing"), None);
    }

    #[test]
    fn a_marker_may_say_where_and_be_counted_by_a_tag() {
        let asked = |path: &str, marker: &str| {
            let body = format!(r#"{{"messages":[{{"role":"user","content":"Hi sim:{marker}"}}]}}"#);
            let chat = chat(path, &body);
            (chat.scenario.unwrap_or_default(), chat.tag.unwrap_or_default())
        };
        let said = |name: &str, tag: &str| (name.to_owned(), tag.to_owned());
        assert_eq!(asked("/at/a/v1/chat/completions", "drip@a,b#t-1."), said("drip", "t-1"));
        assert_eq!(asked("/at/b/v1/chat/completions", "drip@a,b"), said("drip", ""));
        assert_eq!(asked("/at/c/v1/chat/completions", "drip@a,b#t"), said("fast", "t"));
        assert_eq!(asked("/v1/chat/completions", "drip@a#t"), said("fast", "t"));
        assert_eq!(asked("/at/c/v1/chat/completions", "drip#t"), said("drip", "t"));
        assert_eq!(asked("/at/c/s/lf/v1/chat/completions", "drip"), said("drip", ""));
    }

    #[test]
    fn only_the_last_user_message_counts() {
        let body = r#"{"messages":[{"role":"user","content":"sim:fast"},{"role":"user","content":[{"type":"text","text":"hi"}]}]}"#;
        assert_eq!(chat("/chat/completions", body).scenario, None);
        let body = r#"{"contents":[{"role":"user","parts":[{"text":"a"},{"text":"sim:bom b"}]},{"role":"model","parts":[{"text":"sim:x"}]}]}"#;
        assert_eq!(chat("/m:generateContent", body).scenario.as_deref(), Some("bom"));
    }

    #[test]
    fn models_may_carry_a_prefix() {
        assert_eq!(of_model("openai/sim-429-first"), ("429-first", true));
        assert_eq!(of_model("gemini-2.5-pro"), ("gemini-2.5-pro", false));
    }
}
