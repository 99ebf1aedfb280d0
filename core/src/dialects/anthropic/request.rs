//! Reads the few members of a request that Tidegate acts on, and leaves the body as it came.

use bytes::Bytes;

use crate::dialects::{Request, Route, body, options};

/// What Vertex AI's clients write beside a message, or in the path in its place.
const VERTEX: [&str; 3] = ["anthropic_version", "model", "stream"];

/// A body of Vertex AI's clients as Anthropic's own: with the model and the stream that the path says, and without the
/// version, which each provider has its own of.
fn of_vertex(route: &Route, bytes: &Bytes) -> Option<Bytes> {
    let stream = route.stream?;
    let text = std::str::from_utf8(bytes).ok()?;
    let own = options::members_of(text).ok()?;
    let model = match &route.model {
        Some(model) => serde_json::Value::from(model.as_str()).to_string(),
        None => own.iter().find(|(name, _)| name == "model")?.1.get().to_owned(),
    };
    let rest = own.iter().filter(|(name, _)| !VERTEX.contains(&name.as_str()));
    let rest = rest.map(|(name, value)| (name.as_str(), value.get()));
    let stream = stream.then_some(("stream", "true"));
    Some(body::written(std::iter::once(("model", model.as_str())).chain(rest).chain(stream)).0)
}

pub(super) fn decode(route: &Route, bytes: Bytes) -> Result<Request, String> {
    let bytes = of_vertex(route, &bytes).unwrap_or(bytes);
    let text = std::str::from_utf8(&bytes).map_err(|_| "the request body is not UTF-8")?;
    let members = options::members_of(text).map_err(|error| explain(&error))?;
    let once = |name: &str| {
        let mut found = members.iter().filter(|(known, _)| known == name).map(|(_, value)| *value);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(format!("\"{name}\" is there twice")),
            (value, None) => Ok(value),
        }
    };
    let raw = once("model")?.ok_or("the request has no \"model\"")?;
    let model: String = serde_json::from_str(raw.get()).map_err(|_| "\"model\" must be a string")?;
    if !once("messages")?.is_some_and(|messages| messages.get().starts_with('[')) {
        return Err("\"messages\" must be an array".to_owned());
    }
    let stream = match once("stream")?.map(|stream| stream.get()) {
        None | Some("null" | "false") => false,
        Some("true") => true,
        Some(_) => return Err("\"stream\" must be true or false".to_owned()),
    };
    let is_ours =
        |name: &str, value: &str| options::KEYS.contains(&name) || options::is_litellms(name, value);
    let has_options = members.iter().any(|(name, value)| is_ours(name, value.get()));
    let start = raw.get().as_ptr().addr() - text.as_ptr().addr();
    let model_at = start..start + raw.get().len();
    let request = Request {
        model,
        model_at,
        stream,
        include_usage: true,
        body: bytes.clone(),
        ..Request::of(route.dialect)
    };
    if has_options { body::without_options(request, explain) } else { Ok(request) }
}

fn explain(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => format!("the request is not a JSON object: {error}"),
        _ => format!("the request body is not valid JSON: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::Dialect;

    fn read(text: &str) -> Result<Request, String> {
        decode(&Route::of(Dialect::AnthropicMessages), Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn finds_the_model_where_it_stands() {
        let text = r#"{"max_tokens":1,"messages":[{"content":"\"model\": \"x\""}], "model" : "cl\u0061ude", "stream":true}"#;
        let request = read(text).expect("valid");
        assert_eq!((request.model.as_str(), request.stream), ("claude", true));
        assert_eq!(&text[request.model_at.clone()], "\"cl\\u0061ude\"");
        assert_eq!(request.body, text);
        assert_eq!(request.dialect, Dialect::AnthropicMessages);
        assert!(!read(r#"{"model":"m","messages":[],"stream":null}"#).expect("valid").stream);
    }

    #[test]
    fn a_path_of_vertex_ai_says_model_and_stream() {
        let read = |model: Option<&str>, stream, text: &str| {
            let model = model.map(str::to_owned);
            let route = Route { model, stream: Some(stream), ..Route::of(Dialect::AnthropicMessages) };
            decode(&route, Bytes::copy_from_slice(text.as_bytes()))
        };
        let text = r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":1,"messages":[],"stream":true,"x":1e400}"#;
        let request = read(Some("claude"), true, text).expect("valid");
        assert_eq!(
            request.body,
            r#"{"model":"claude","max_tokens":1,"messages":[],"x":1e400,"stream":true}"#
        );
        assert_eq!((request.model.as_str(), request.stream), ("claude", true));
        assert!(!read(Some("claude"), false, text).expect("valid").stream);
        let count = r#"{"anthropic_version":"v","model":"claude","messages":[]}"#;
        assert_eq!(read(None, false, count).expect("valid").body, r#"{"model":"claude","messages":[]}"#);
        assert!(read(None, false, r#"{"messages":[]}"#).expect_err("no model").contains("no \"model\""));
        assert!(read(Some("claude"), true, "[]").is_err());
    }

    #[test]
    fn options_are_taken_out_and_the_rest_stays_as_it_is() {
        let text = r#"{"num_retries":1,"model":"m", "temperature":0.10,"messages":[],"fallbacks":["b"]}"#;
        let request = read(text).expect("valid");
        assert_eq!(request.body, r#"{"model":"m","temperature":0.10,"messages":[]}"#);
        assert_eq!(&request.body[request.model_at.clone()], b"\"m\"");
        assert_eq!(request.options.expect("there are some").num_retries, Some(1));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, words) in [
            ("", "not valid JSON"),
            ("[]", "not a JSON object"),
            (r#"{"messages":[]}"#, "no \"model\""),
            (r#"{"model":7,"messages":[]}"#, "must be a string"),
            (r#"{"model":"a","model":"b","messages":[]}"#, "\"model\" is there twice"),
            (r#"{"model":"a"}"#, "\"messages\" must be an array"),
            (r#"{"model":"a","messages":{}}"#, "\"messages\" must be an array"),
            (r#"{"model":"a","messages":[],"stream":"yes"}"#, "\"stream\" must be true or false"),
            (r#"{"model":"a","messages":[],"num_retries":"many"}"#, "\"num_retries\" must be"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
