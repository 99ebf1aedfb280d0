//! Reads the few members of a request for embeddings that Tidegate acts on.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialects::{Dialect, Request, Route, body};

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

pub(super) fn decode(route: &Route, bytes: Bytes) -> Result<Request, String> {
    let bytes = body::of_model(bytes, route.model.as_deref());
    let head: Head<'_> = serde_json::from_slice(&bytes).map_err(|error| explain(&error))?;
    let (model, model_at) = body::model(&bytes, head.model)?;
    let input = head.input.ok_or("the request has no \"input\"")?.get();
    if !input.starts_with(['"', '[']) {
        return Err("\"input\" must be a text, or an array of texts or tokens".into());
    }
    let request = Request { model, model_at, body: bytes.clone(), ..Request::of(Dialect::OpenAiEmbeddings) };
    body::without_options(request, explain)
}

fn explain(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => format!("the request is not one for embeddings: {error}"),
        _ => format!("the request body is not valid JSON: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, String> {
        decode(&Route::of(Dialect::OpenAiEmbeddings), Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn the_body_stays_as_it_came() {
        for input in [r#""a""#, r#"["a", "b"]"#, "[1,2]", "[[1],[2]]", "[]"] {
            let text =
                format!(r#"{{"input": {input} ,"model" : "m", "encoding_format":"base64", "x":1e400}}"#);
            let request = read(&text).expect("valid");
            assert_eq!((request.body.as_ref(), request.model.as_str()), (text.as_bytes(), "m"));
            assert_eq!(&text[request.model_at.clone()], "\"m\"");
            assert!(!request.stream);
        }
        let asked = read(r#"{"timeout":3,"model":"m","input":"a"}"#).expect("valid");
        assert_eq!(asked.body, r#"{"model":"m","input":"a"}"#);
        let route = Route { model: Some("p".into()), ..Route::of(Dialect::OpenAiEmbeddings) };
        let named = decode(&route, Bytes::from_static(br#"{"input":"a"}"#)).expect("valid");
        assert_eq!((named.model.as_str(), named.body.as_ref()), ("p", &br#"{"model":"p","input":"a"}"#[..]));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, words) in [
            ("", "not valid JSON"),
            ("[]", "not one for embeddings"),
            (r#"{"input":"a"}"#, "no \"model\""),
            (r#"{"model":"m"}"#, "no \"input\""),
            (r#"{"model":"m","input":7}"#, "\"input\" must be a text"),
            (r#"{"model":"m","model":"n","input":"a"}"#, "duplicate field `model`"),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
