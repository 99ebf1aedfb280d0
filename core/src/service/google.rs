//! Google's paths: `/v1beta/models/MODEL:METHOD` of the Gemini API, and Vertex AI's, which name a project and a place
//! before that. SDKs differ in the version that they write, and litellm's users put `/gemini` or `/vertex_ai` before it.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use serde_json::{Value, json};

use super::auth;
use crate::dialects::gemini::Embed;
use crate::dialects::{Dialect, Route};
use crate::exchange::{self, Body};
use crate::failure::Failure;
use crate::gateway::Gateway;

/// What a path of Google's asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A method of a model's.
    Call { model: String, dialect: Dialect, stream: bool, array: bool },
    /// All models.
    List,
    /// What is known of one.
    One(String),
}

const VERSIONS: [&str; 4] = ["v1beta1", "v1beta", "v1alpha", "v1"];

/// Reads a path. `None`: it is none of Google's that is served here.
pub(super) fn read(path: &str, query: &str) -> Option<Asked> {
    let (versioned, place) = place(path)?;
    let Some(name) = place.strip_prefix("models").or_else(|| place.strip_prefix("tunedModels")) else {
        let (_, id) = place.split_once("endpoints/")?;
        return call(&decoded(id)?, query);
    };
    match name.strip_prefix('/') {
        // `/v1/models` is OpenAI's path first of all.
        None => (name.is_empty() && versioned && !path.starts_with("/v1/")).then_some(Asked::List),
        Some(name) => {
            let name = decoded(name)?;
            let own = versioned && !path.starts_with("/v1/") && !name.is_empty();
            call(&name, query).or_else(|| own.then_some(Asked::One(name)))
        }
    }
}

/// Whether a path is one of Google's by its looks, served or not: errors are worded for who would call it.
pub(super) fn is_googles(path: &str) -> bool {
    let versions =
        ["/v1beta/", "/v1beta1/", "/v1alpha/", "/gemini/", "/vertex_ai/", "/v1/projects/", "/v1/publishers/"];
    let method = path.rsplit(['/']).next().and_then(|last| last.rsplit_once(':'));
    versions.iter().any(|start| path.starts_with(start))
        || method.is_some_and(|(_, name)| name.ends_with("Content") || name.ends_with("Contents"))
}

/// The model and the method of a path at which Vertex AI serves Claude, as Anthropic's SDKs call it.
pub(super) fn of_claude(path: &str) -> Option<(String, String)> {
    let (_, place) = place(path)?;
    let (model, method) = place.strip_prefix("models/anthropic/")?.rsplit_once(':')?;
    Some((decoded(model)?, method.to_owned()))
}

/// What follows version, project and place, and whether there was a version. Another publisher's name stays before its
/// model's, as clients write it.
fn place(path: &str) -> Option<(bool, String)> {
    let path = path.strip_prefix("/gemini").or_else(|| path.strip_prefix("/vertex_ai")).unwrap_or(path);
    let path = path.strip_prefix('/')?;
    let rest = VERSIONS.iter().find_map(|version| path.strip_prefix(version)?.strip_prefix('/'));
    let (versioned, rest) = (rest.is_some(), rest.unwrap_or(path));
    let rest = match rest.strip_prefix("projects/") {
        Some(of_project) => {
            let mut parts = of_project.splitn(4, '/');
            let (_, locations, _) = (parts.next()?, parts.next()?, parts.next()?);
            if locations != "locations" {
                return None;
            }
            parts.next()?
        }
        None => rest,
    };
    let Some(rest) = rest.strip_prefix("publishers/") else { return Some((versioned, rest.to_owned())) };
    let (publisher, model) = rest.split_once('/')?;
    if publisher == "google" {
        return Some((versioned, model.to_owned()));
    }
    Some((versioned, format!("models/{publisher}/{}", model.strip_prefix("models/")?)))
}

fn call(name: &str, query: &str) -> Option<Asked> {
    let (model, method) = name.rsplit_once(':')?;
    let sse = query.split('&').any(|pair| pair == "alt=sse");
    let (dialect, stream, array) = match method {
        "generateContent" => (Dialect::GeminiGenerate, false, false),
        "streamGenerateContent" => (Dialect::GeminiGenerate, true, !sse),
        "countTokens" => (Dialect::GeminiCountTokens, false, false),
        "embedContent" => (Dialect::GeminiEmbed(Embed::One), false, false),
        "batchEmbedContents" => (Dialect::GeminiEmbed(Embed::Batch), false, false),
        "predict" => (Dialect::GeminiEmbed(Embed::Predict), false, false),
        _ => return None,
    };
    (!model.is_empty()).then(|| Asked::Call { model: model.to_owned(), dialect, stream, array })
}

/// Percent-decoding. `None`: it is not UTF-8 then.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let digits = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let code = digits.filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let code = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        out.push(code.unwrap_or(*byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).ok()
}

/// Whether one of Google's SDKs asks, or somebody with Google's header for the key.
pub(super) fn is_client<B>(request: &Request<B>) -> bool {
    ["x-goog-api-client", "x-goog-api-key"].iter().any(|name| request.headers().contains_key(*name))
}

/// Whether a dialect is one of Google's.
pub(super) fn speaks(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::GeminiGenerate | Dialect::GeminiCountTokens | Dialect::GeminiEmbed(_))
}

/// The key in a query, where Google's own examples put it.
pub(super) fn key(query: &str) -> Option<String> {
    query.split('&').find_map(|pair| pair.strip_prefix("key=")).and_then(decoded)
}

impl Asked {
    /// Which model is looked at; `None`: all of them.
    pub(super) fn one(self) -> Option<String> {
        match self {
            Self::One(name) => Some(name),
            _ => None,
        }
    }

    /// As a request for a model.
    ///
    /// # Errors
    /// It asks for no answer.
    pub(super) fn route(self) -> Result<Route, Self> {
        match self {
            Self::Call { model, dialect, stream, array } => {
                Ok(Route { model: Some(model), stream: Some(stream), array, ..Route::of(dialect) })
            }
            other => Err(other),
        }
    }
}

/// `GET /v1beta/models`, and one of them. Nothing is known of a model but its name: what else Google tells is left out.
pub(super) fn models<B>(
    gateway: &Gateway,
    request: &Request<B>,
    one: Option<&str>,
    seed: u64,
) -> Response<Body> {
    let routes = gateway.routes.load();
    let key = request.uri().query().and_then(key);
    if let Err(failure) = auth::check_or(&routes.config.general, request.headers(), key.as_deref()) {
        return exchange::error_of(Dialect::GeminiGenerate, &failure, seed);
    }
    let of = |name: &str| {
        let methods = ["generateContent", "streamGenerateContent", "countTokens"];
        json!({
            "name": format!("models/{name}"),
            "baseModelId": name,
            "version": "1",
            "displayName": name,
            "supportedGenerationMethods": methods,
        })
    };
    let body = match one {
        None => json!({"models": routes.names().map(of).collect::<Vec<Value>>()}),
        Some(name) if routes.group(name).is_some() => of(name),
        Some(name) => {
            let failure = Failure::refusal(404, format!("there is no model \"{name}\""));
            return exchange::error_of(Dialect::GeminiGenerate, &failure, seed);
        }
    };
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_path_names_model_and_method() {
        for (path, query, model, stream, array) in [
            ("/v1beta/models/gemini-2.5-pro:generateContent", "", "gemini-2.5-pro", false, false),
            ("/v1beta/models/m:streamGenerateContent", "alt=sse", "m", true, false),
            ("/v1alpha/models/m:streamGenerateContent", "key=k&alt=sse", "m", true, false),
            ("/v1/models/m:streamGenerateContent", "alt=json", "m", true, true),
            ("/models/m:streamGenerateContent", "", "m", true, true),
            (
                "/v1beta/models/gemini/gemini-2.5-pro:generateContent",
                "",
                "gemini/gemini-2.5-pro",
                false,
                false,
            ),
            ("/v1beta/models/a%2Fb%20%C3%A9%3Ac:generateContent", "", "a/b é:c", false, false),
            ("/v1beta/models/m%3AgenerateContent", "", "m", false, false),
            ("/v1beta/tunedModels/mine:generateContent", "", "mine", false, false),
            ("/gemini/v1beta/models/m:generateContent", "", "m", false, false),
            (
                "/v1beta1/projects/p/locations/l/publishers/google/models/m:streamGenerateContent",
                "alt=sse",
                "m",
                true,
                false,
            ),
            (
                "/vertex_ai/v1/projects/p/locations/global/publishers/google/models/m:generateContent",
                "",
                "m",
                false,
                false,
            ),
            ("/v1/projects/p/locations/l/endpoints/123:generateContent", "", "123", false, false),
            (
                "/v1/projects/p/locations/l/publishers/meta/models/llama:generateContent",
                "",
                "meta/llama",
                false,
                false,
            ),
            ("/v1beta1/publishers/google/models/m:generateContent", "", "m", false, false),
        ] {
            let dialect = Dialect::GeminiGenerate;
            let want = Asked::Call { model: model.into(), dialect, stream, array };
            assert_eq!(read(path, query), Some(want), "{path}");
            assert!(is_googles(path) || path.contains("%3A"), "{path}");
        }
        for (method, form) in
            [("embedContent", Embed::One), ("batchEmbedContents", Embed::Batch), ("predict", Embed::Predict)]
        {
            let read =
                read(&format!("/v1beta1/projects/p/locations/l/publishers/google/models/m:{method}"), "");
            let want = Asked::Call {
                model: "m".into(),
                dialect: Dialect::GeminiEmbed(form),
                stream: false,
                array: false,
            };
            assert_eq!(read, Some(want), "{method}");
        }
        let count = read("/v1beta/models/m:countTokens", "");
        assert!(matches!(count, Some(Asked::Call { dialect: Dialect::GeminiCountTokens, .. })), "{count:?}");
    }

    #[test]
    fn models_are_listed_where_google_lists_them() {
        assert_eq!(read("/v1beta/models", ""), Some(Asked::List));
        assert_eq!(read("/v1beta1/publishers/google/models", ""), Some(Asked::List));
        assert_eq!(read("/v1beta/models/a/b", ""), Some(Asked::One("a/b".into())));
        for path in [
            "/v1/models",
            "/models",
            "/v1/chat/completions",
            "/v1beta/models/m:embedContent/x",
            "/v1beta/models/:generateContent",
            "/v1beta/files",
            "/v1/projects/p/places/l/endpoints/1:generateContent",
            "/v1/projects/p",
            "/v1beta/models/%FF:generateContent",
            "",
            "/",
        ] {
            let read = read(path, "");
            assert!(matches!(read, None | Some(Asked::One(_))), "{path}: {read:?}");
        }
        assert_eq!(read("/v1/projects/p", ""), None);
    }

    #[test]
    fn a_key_may_stand_in_the_query() {
        assert_eq!(key("alt=sse&key=sk%2D1").as_deref(), Some("sk-1"));
        assert_eq!(key("monkey=1").as_deref(), None);
        assert_eq!(decoded("%zz%4%").as_deref(), Some("%zz%4%"));
    }
}
