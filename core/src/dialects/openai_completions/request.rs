//! Reads the few members of a completion that Tidegate acts on, and makes a chat of it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::dialects::openai_chat::request::StreamOptions;
use crate::dialects::{Chat, Dialect, Request, Route, body, options};

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(borrow)]
    n: Option<&'a RawValue>,
}

pub(super) fn decode(route: &Route, bytes: Bytes) -> Result<Request, String> {
    let bytes = body::of_model(bytes, route.model.as_deref());
    let head: Head<'_> = serde_json::from_slice(&bytes).map_err(|error| explain(&error))?;
    let (model, model_at) = body::model(&bytes, head.model)?;
    let prompt = head.prompt.ok_or("the request has no \"prompt\"")?.get();
    let many = match prompt.as_bytes().first() {
        Some(b'"') => false,
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(prompt)
            .is_ok_and(|items| items.len() > 1 && !items[0].get().starts_with(|c: char| c.is_ascii_digit())),
        _ => {
            return Err(
                "\"prompt\" must be a text, an array of texts, or tokens as an array of numbers".into()
            );
        }
    };
    let include_usage = head.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
    let several = many || head.n.is_some_and(|n| !matches!(n.get(), "1" | "null"));
    let request = Request {
        model,
        model_at,
        stream: head.stream.unwrap_or(false),
        include_usage,
        several,
        body: bytes.clone(),
        ..Request::of(Dialect::OpenAiCompletions)
    };
    body::without_options(request, explain)
}

fn explain(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => format!("the request is not a completion: {error}"),
        _ => format!("the request body is not valid JSON: {error}"),
    }
}

/// Whether the client wants the usage in its stream.
pub(super) fn wants_usage(body: &[u8]) -> bool {
    let head: Option<Head<'_>> = serde_json::from_slice(body).ok();
    head.and_then(|head| head.stream_options?.include_usage).unwrap_or(false)
}

/// The prompt as a user's message, and the parameters that both have. What a chat has no word for is refused, or left out
/// where `dropping`.
pub(super) fn to_chat(request: &Request, dropping: bool) -> Result<Chat, String> {
    let text = std::str::from_utf8(&request.body).map_err(|_| "the request is not UTF-8")?;
    let members = options::members_of(text).map_err(|error| explain(&error))?;
    let mut made: Vec<(String, String)> = Vec::with_capacity(members.len() + 1);
    let mut dropped = Vec::new();
    for (name, value) in &members {
        let value = value.get();
        let goes = match name.as_str() {
            "prompt" => {
                let message = json!([{"role": "user", "content": only_text(value)?}]);
                made.push(("messages".to_owned(), message.to_string()));
                continue;
            }
            "logprobs" if value != "null" => {
                made.extend(logprobs(value)?);
                continue;
            }
            "stream_options" => continue,
            "echo" => value == "true",
            "suffix" => !matches!(value, "null" | "\"\""),
            "best_of" => !matches!(value, "null" | "1"),
            _ => {
                made.push((name.clone(), value.to_owned()));
                continue;
            }
        };
        if goes {
            dropped.push(name.clone());
        }
    }
    if !dropped.is_empty() && !dropping {
        let named: Vec<String> = dropped.iter().map(|name| format!("\"{name}\"")).collect();
        return Err(format!(
            "{} cannot be sent to this model: its provider has no legacy completions, and a chat has no such parameter; \
             drop_params leaves it out",
            named.join(", ")
        ));
    }
    if request.stream {
        made.push(("stream_options".to_owned(), r#"{"include_usage":true}"#.to_owned()));
    }
    let (body, model_at) = body::written(made.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    Ok(Chat { body, model_at, dropped })
}

/// The one text of a prompt.
fn only_text(prompt: &str) -> Result<String, String> {
    let prompt: Value = serde_json::from_str(prompt).map_err(|error| explain(&error))?;
    match prompt {
        Value::String(text) => Ok(text),
        Value::Array(items) => match items.as_slice() {
            [Value::String(text)] => Ok(text.clone()),
            [Value::String(_), ..] => Err(
                "\"prompt\" with several texts cannot be sent to this model: its provider has no legacy completions; send \
                 a request for each"
                    .into(),
            ),
            [] => Err("\"prompt\" is empty".into()),
            _ => Err(
                "\"prompt\" as tokens cannot be sent to this model: its provider has no legacy completions; send the text"
                    .into(),
            ),
        },
        _ => Err("\"prompt\" must be a text".into()),
    }
}

/// A number of likely tokens, which a chat asks for in two members.
fn logprobs(value: &str) -> Result<Vec<(String, String)>, String> {
    let count: u32 =
        value.trim().parse().map_err(|_| "\"logprobs\" must be a whole number from 0 up".to_owned())?;
    let mut made = vec![("logprobs".to_owned(), "true".to_owned())];
    if count > 0 {
        made.push(("top_logprobs".to_owned(), count.to_string()));
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, String> {
        decode(&Route::of(Dialect::OpenAiCompletions), Bytes::copy_from_slice(text.as_bytes()))
    }

    fn chat(text: &str, dropping: bool) -> Result<(Value, Vec<String>), String> {
        let Chat { body, model_at, dropped } = to_chat(&read(text)?, dropping)?;
        assert_eq!(&body[model_at], b"\"m\"");
        Ok((serde_json::from_slice(&body).expect("JSON"), dropped))
    }

    #[test]
    fn the_body_stays_as_it_came() {
        let text = r#"{"prompt": ["a", "b"] ,"model" : "m", "stream":true,"stream_options":{"include_usage":true}, "x":1e400}"#;
        let request = read(text).expect("valid");
        assert_eq!((request.body.as_ref(), request.model.as_str()), (text.as_bytes(), "m"));
        assert_eq!(&text[request.model_at.clone()], "\"m\"");
        assert!(request.stream && request.include_usage && request.several && request.options.is_none());
        for one in [
            r#"{"model":"m","prompt":"a"}"#,
            r#"{"model":"m","prompt":[1,2],"n":1}"#,
            r#"{"model":"m","prompt":["a"]}"#,
        ] {
            assert!(!read(one).expect("valid").several, "{one}");
        }
        assert!(read(r#"{"model":"m","prompt":[[1],[2]]}"#).expect("valid").several);
        let asked = read(r#"{"model":"m","num_retries":3,"prompt":"a"}"#).expect("valid");
        assert_eq!(asked.body, r#"{"model":"m","prompt":"a"}"#);
        assert_eq!(asked.options.expect("there are some").num_retries, Some(3));
    }

    #[test]
    fn a_path_names_the_model() {
        let route = Route { model: Some("by \"path\"".into()), ..Route::of(Dialect::OpenAiCompletions) };
        for (text, want) in [
            (r#"{"prompt":"a"}"#, r#"{"model":"by \"path\"","prompt":"a"}"#),
            (r#"{"prompt":"a","model":"b"}"#, r#"{"model":"by \"path\"","prompt":"a"}"#),
        ] {
            let request = decode(&route, Bytes::from(text)).expect("valid");
            assert_eq!((request.model.as_str(), request.body.as_ref()), ("by \"path\"", want.as_bytes()));
        }
        assert!(decode(&route, Bytes::from("{")).unwrap_err().contains("not valid JSON"));
    }

    #[test]
    fn a_prompt_becomes_a_users_message() {
        let (body, dropped) = chat(
            r#"{"model":"m","prompt":["é\n"],"stream":true,"max_tokens":5,"stop":["a"],"logprobs":2,"echo":false,"top_k":3,
                "suffix":null,"best_of":1}"#,
            false,
        )
        .expect("it can be said");
        assert_eq!(
            body,
            json!({"model": "m", "messages": [{"role": "user", "content": "é\n"}], "stream": true, "max_tokens": 5,
                "stop": ["a"], "logprobs": true, "top_logprobs": 2, "top_k": 3, "stream_options": {"include_usage": true}})
        );
        assert!(dropped.is_empty());
        let (body, _) = chat(r#"{"model":"m","prompt":"a","logprobs":0}"#, false).expect("it can be said");
        assert_eq!(
            body,
            json!({"model": "m", "messages": [{"role": "user", "content": "a"}], "logprobs": true})
        );
    }

    #[test]
    fn what_a_chat_has_no_word_for_is_named() {
        let text = r#"{"model":"m","prompt":"a","echo":true,"suffix":"s","best_of":4}"#;
        let said = chat(text, false).unwrap_err();
        assert!(said.contains("\"echo\", \"suffix\", \"best_of\" cannot be sent"), "{said}");
        let (body, dropped) = chat(text, true).expect("left out");
        assert_eq!(body, json!({"model": "m", "messages": [{"role": "user", "content": "a"}]}));
        assert_eq!(dropped, ["echo", "suffix", "best_of"]);
        for (prompt, why) in [
            (r#"["a","b"]"#, "several texts"),
            ("[1,2]", "as tokens"),
            ("[[1,2]]", "as tokens"),
            ("[]", "is empty"),
        ] {
            let text = format!(r#"{{"model":"m","prompt":{prompt}}}"#);
            let said = chat(&text, true).unwrap_err();
            assert!(said.contains(why), "{prompt}: {said}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, words) in [
            ("", "not valid JSON"),
            ("[]", "not a completion"),
            (r#"{"prompt":"a"}"#, "no \"model\""),
            (r#"{"model":7,"prompt":"a"}"#, "must be a string"),
            (r#"{"model":"m"}"#, "no \"prompt\""),
            (r#"{"model":"m","prompt":{}}"#, "\"prompt\" must be a text"),
            (r#"{"model":"m","prompt":null}"#, "no \"prompt\""),
            (r#"{"model":"m","prompt":"a","stream":"yes"}"#, "not a completion"),
            (r#"{"model":"m","prompt":"a","num_retries":"many"}"#, "\"num_retries\" must be"),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.contains(words), "{text}: {said}");
        }
        let said = chat(r#"{"model":"m","prompt":"a","logprobs":"x"}"#, true).unwrap_err();
        assert!(said.contains("\"logprobs\" must be"), "{said}");
    }
}
