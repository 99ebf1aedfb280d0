//! Reads the few members of a request that Tidegate acts on, and leaves the body as it came.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialects::{Dialect, Request};

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
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

pub(in crate::dialects) fn decode(body: Bytes) -> Result<Request, String> {
    let head: Head<'_> = serde_json::from_slice(&body).map_err(|error| explain(&error))?;
    let raw = head.model.ok_or("the request has no \"model\"")?;
    let model: String = serde_json::from_str(raw.get()).map_err(|_| "\"model\" must be a string")?;
    if !head.messages.is_some_and(|messages| messages.get().starts_with('[')) {
        return Err("\"messages\" must be an array".into());
    }
    let start = raw.get().as_ptr().addr() - body.as_ptr().addr();
    let model_at = start..start + raw.get().len();
    Ok(Request {
        dialect: Dialect::OpenAiChat,
        model,
        model_at,
        stream: head.stream.unwrap_or(false),
        include_usage: head.stream_options.and_then(|options| options.include_usage).unwrap_or(false),
        body,
    })
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
    fn says_what_is_wrong() {
        for (text, words) in [
            ("", "not valid JSON"),
            ("{\"model\":\"a\",", "not valid JSON"),
            ("[]", "not a chat completion"),
            ("{\"messages\":[]}", "no \"model\""),
            ("{\"model\":7,\"messages\":[]}", "must be a string"),
            ("{\"model\":\"a\",\"model\":\"b\",\"messages\":[]}", "duplicate field `model`"),
            ("{\"model\":\"a\"}", "\"messages\""),
            ("{\"model\":\"a\",\"messages\":{}}", "\"messages\""),
            ("{\"model\":\"a\",\"messages\":[],\"stream\":\"yes\"}", "not a chat completion"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
