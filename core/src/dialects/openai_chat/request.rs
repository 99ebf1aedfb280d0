//! Reads the few members of a request that Tidegate acts on, and leaves the body as it came.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialects::json::{Invalid, Scan};
use crate::dialects::{Dialect, Request, body, options};

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(borrow)]
    n: Option<&'a RawValue>,
}

/// `stream_options`, which older completions have too.
#[derive(Deserialize)]
pub(in crate::dialects) struct StreamOptions {
    #[serde(default)]
    pub(in crate::dialects) include_usage: Option<bool>,
}

pub(super) fn decode(bytes: Bytes) -> Result<Request, String> {
    let found = match usual(&bytes) {
        Some(found) => found,
        None => explained(&bytes)?,
    };
    let Found { model, model_at, stream, include_usage, several, options } = found;
    let request = Request {
        model,
        model_at,
        stream,
        include_usage,
        several,
        body: bytes,
        ..Request::of(Dialect::OpenAiChat)
    };
    if options { body::without_options(request, explain) } else { Ok(request) }
}

struct Found {
    model: String,
    model_at: std::ops::Range<usize>,
    stream: bool,
    include_usage: bool,
    several: bool,
    /// It has options, or may have.
    options: bool,
}

/// Reads a request as clients send them. `None`: it is unusual or wrong, and [`explained`] says which.
fn usual(body: &[u8]) -> Option<Found> {
    let text = std::str::from_utf8(body).ok()?;
    let mut scan = Scan::new(text);
    let (mut model, mut messages, mut stream, mut include_usage) = (None, 0, None, None);
    let (mut several, mut options) = (false, false);
    scan.object(|scan, name| {
        if name.is("model") {
            let (at, value) = scan.placed()?;
            let once = model.is_none();
            model = value.plain().map(|text| (text.to_owned(), at));
            return if once && model.is_some() { Ok(()) } else { Err(Invalid) };
        }
        if name.is("messages") {
            messages += 1;
            return if scan.null() { Err(Invalid) } else { scan.array(|scan| scan.value().map(drop)) };
        }
        if name.is("stream") {
            let once = stream.is_none();
            stream = scan.value()?.truth();
            return if once && stream.is_some() { Ok(()) } else { Err(Invalid) };
        }
        if name.is("stream_options") {
            return scan.object(|scan, name| {
                let value = scan.value()?;
                if name.is("include_usage") {
                    include_usage = Some(value.truth().ok_or(Invalid)?);
                }
                Ok(())
            });
        }
        if name.is("n") {
            let (at, _) = scan.placed()?;
            several = is_several(&body[at]);
            return Ok(());
        }
        let (at, _) = scan.placed()?;
        // A name with escapes is read again with care.
        let own = |name: &str| options::is_litellms(name, text.get(at).unwrap_or_default());
        options |= name.is_any(&options::KEYS) || name.plain().is_none_or(own);
        Ok(())
    })
    .ok()?;
    scan.end().ok()?;
    let (model, model_at) = model.filter(|_| messages == 1)?;
    Some(Found {
        model,
        model_at,
        stream: stream.unwrap_or(false),
        include_usage: include_usage.unwrap_or(false),
        several,
        options,
    })
}

/// Whether `n`, as written, may ask for more than one choice.
fn is_several(n: &[u8]) -> bool {
    !matches!(n.trim_ascii(), b"1" | b"null")
}

/// Reads any request, or says what is wrong with it.
fn explained(body: &[u8]) -> Result<Found, String> {
    let head: Head<'_> = serde_json::from_slice(body).map_err(|error| explain(&error))?;
    let raw = head.model.ok_or("the request has no \"model\"")?;
    let model: String = serde_json::from_str(raw.get()).map_err(|_| "\"model\" must be a string")?;
    if !head.messages.is_some_and(|messages| messages.get().starts_with('[')) {
        return Err("\"messages\" must be an array".into());
    }
    let start = raw.get().as_ptr().addr() - body.as_ptr().addr();
    let model_at = start..start + raw.get().len();
    let include_usage = head.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
    let several = head.n.is_some_and(|n| is_several(n.get().as_bytes()));
    Ok(Found { model, model_at, stream: head.stream.unwrap_or(false), include_usage, several, options: true })
}

fn explain(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => format!("the request is not a chat completion: {error}"),
        _ => format!("the request body is not valid JSON: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, String> {
        decode(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn finds_the_model_where_it_stands() {
        let text = r#"{"messages":[{"content":"\"model\": \"x\""}],  "model" : "gém\u0069ni", "stream":true,
                       "stream_options":{"include_usage":true}}"#;
        let request = read(text).expect("valid");
        assert_eq!(request.model, "gémini");
        assert_eq!(&text[request.model_at.clone()], "\"gém\\u0069ni\"");
        assert!(request.stream && request.include_usage);
    }

    #[test]
    fn the_usual_way_and_the_other_agree() {
        for text in [
            r#"{"model":"a","messages":[]}"#,
            r#" {"messages" : [ {"content":"x"} ] , "model" : "a/b-c" , "stream" : true } "#,
            r#"{"model":"a","messages":[1],"stream":false,"stream_options":{"include_usage":true,"x":null}}"#,
            r#"{"model":"é","messages":[],"temperature":0.5,"tools":[{"a":{"model":"no"}}]}"#,
        ] {
            let (one, two) =
                (usual(text.as_bytes()).expect("usual"), explained(text.as_bytes()).expect("valid"));
            assert_eq!(one.model, two.model, "{text}");
            assert_eq!(one.model_at, two.model_at, "{text}");
            assert_eq!((one.stream, one.include_usage), (two.stream, two.include_usage), "{text}");
        }
        for unusual in [
            r#"{"model":"\u0061","messages":[]}"#,
            r#"{"model":"a","messages":[],"stream":null}"#,
            r#"{"model":"a","messages":[],"stream_options":null}"#,
        ] {
            assert!(usual(unusual.as_bytes()).is_none() && read(unusual).is_ok(), "{unusual}");
        }
    }

    #[test]
    fn options_are_taken_out_and_the_rest_stays_as_it_is() {
        let text = r#"{"num_retries":1, "temperature": 0.10 ,"model" : "a", "timeout":null,
            "messages":[{"fallbacks":1}],"n\u0075m_retries":2,"fallbacks":["b",{"model":"c","messages":[]}]}"#;
        let request = read(text).expect("valid");
        assert_eq!(request.body, r#"{"temperature":0.10,"model":"a","messages":[{"fallbacks":1}]}"#);
        assert_eq!(&request.body[request.model_at.clone()], b"\"a\"");
        let options = request.options.as_ref().expect("there are some");
        assert_eq!(options.num_retries, Some(2));
        let Some(options::Fallbacks::Targets(targets)) = &options.fallbacks else { panic!("{options:?}") };
        let changed = body::with(&request, &targets[1].members).expect("an object");
        assert_eq!(changed.body, r#"{"temperature":0.10,"model":"a","messages":[]}"#);
        assert_eq!(&changed.body[changed.model_at.clone()], b"\"a\"");

        for text in [
            r#"{"model":"a","messages":[{"num_retries":1}],"other":{"fallbacks":[],"tags":1}}"#,
            // Not read by the usual way, and without options all the same.
            r#"{"model":"a","messages":[],"stream":null}"#,
        ] {
            let request = read(text).expect("valid");
            assert_eq!((request.body.as_ref(), request.options.is_none()), (text.as_bytes(), true));
        }
        let unusual =
            read(r#"{"model":"a","messages":[],"stream":null,"disable_fallbacks":true}"#).expect("valid");
        assert_eq!(unusual.body, r#"{"model":"a","messages":[],"stream":null}"#);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, words) in [
            ("", "not valid JSON"),
            ("{\"model\":\"a\",", "not valid JSON"),
            ("[]", "not a chat completion"),
            ("{\"messages\":[]}", "no \"model\""),
            ("{\"model\":7,\"messages\":[]}", "must be a string"),
            ("{\"model\":\"a\",\"model\":\"b\",\"messages\":[]}", "duplicate field `model`"),
            ("{\"model\":\"a\"}", "\"messages\""),
            ("{\"model\":\"a\",\"messages\":[],\"messages\":[]}", "duplicate field `messages`"),
            ("{\"model\":\"a\",\"messages\":null}", "\"messages\""),
            ("{\"model\":\"a\",\"messages\":[]} x", "not valid JSON"),
            ("{\"model\":\"a\",\"messages\":{}}", "\"messages\""),
            ("{\"model\":\"a\",\"messages\":[],\"stream\":\"yes\"}", "not a chat completion"),
            ("{\"model\":\"a\",\"messages\":[],\"num_retries\":\"many\"}", "\"num_retries\" must be"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
