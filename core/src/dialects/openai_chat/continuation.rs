//! The request that asks another model to go on with an answer, and which requests must not be asked so.

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tidegate_host::Prefill;

use crate::dialects::{Request, body};

/// litellm has such a note too: a message of the system, before the text so far.
const NOTE: &str = "The answer below was cut off on its way to the user. Write what comes next, from the exact place \
where it stops, with a space first if one is missing. Do not repeat any of it, do not begin anew, and do not mention \
the interruption.";

/// The members that decide.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    #[serde(flatten)]
    others: std::collections::HashMap<String, Value>,
}

#[derive(Deserialize)]
struct Role {
    role: Option<String>,
}

/// Parameters of servers that force the form of an answer.
const FORMS: [&str; 9] = [
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "structured_outputs",
    "json_schema",
    "regex",
    "ebnf",
    "grammar",
];

/// Why the answer to this request cannot be gone on with: a clause whose subject is the request.
pub(super) fn obstacle(body: &[u8]) -> Option<&'static str> {
    let Ok(Members { messages, others }) = serde_json::from_slice(body) else {
        return Some("it cannot be read");
    };
    let set = |name: &str| others.get(name).filter(|value| !value.is_null());
    let role = messages.last().and_then(|last| serde_json::from_str::<Role>(last.get()).ok()?.role);
    if set("n").is_some_and(|n| n.as_u64() != Some(1)) {
        Some("it wants several choices")
    } else if set("response_format").is_some_and(|format| format["type"] != "text")
        || FORMS.iter().any(|name| set(name).is_some())
    {
        Some("it wants a structured output")
    } else if set("logprobs").is_some_and(|wanted| *wanted != Value::Bool(false))
        || set("top_logprobs").is_some_and(|count| count.as_u64() != Some(0))
    {
        Some("it wants logprobs")
    } else if set("audio").is_some() || set("modalities").is_some_and(|wanted| *wanted != json!(["text"])) {
        Some("it wants more than text")
    } else if role.as_deref() == Some("assistant") {
        // A second one behind it would not be gone on with.
        Some("it begins the answer itself")
    } else {
        None
    }
}

/// The request with the text so far. White space at its end is left out: some providers refuse it, and others drop it.
pub(super) fn continued(request: &Request, text: &str, prefill: Prefill) -> Option<Request> {
    let text = text.trim_end();
    if text.is_empty() {
        return Some(request.clone());
    }
    let Members { messages, .. } = serde_json::from_slice(&request.body).ok()?;
    let mut messages: Vec<Box<RawValue>> = messages.into_iter().map(ToOwned::to_owned).collect();
    let mut answer = json!({"role": "assistant", "content": text});
    match prefill {
        Prefill::None => messages.push(to_raw_value(&json!({"role": "system", "content": NOTE})).ok()?),
        Prefill::Prefix => answer["prefix"] = Value::Bool(true),
        Prefill::Assistant | Prefill::ContinueFinalMessage => {}
    }
    messages.push(to_raw_value(&answer).ok()?);
    let mut members = vec![("messages".to_owned(), to_raw_value(&messages).ok()?)];
    if prefill == Prefill::ContinueFinalMessage {
        members.push(("continue_final_message".to_owned(), to_raw_value(&true).ok()?));
        members.push(("add_generation_prompt".to_owned(), to_raw_value(&false).ok()?));
    }
    body::with(request, &members)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::request;
    use super::*;

    fn request(text: &str) -> Request {
        request::decode(Bytes::copy_from_slice(text.as_bytes())).expect(text)
    }

    fn body(request: &Request) -> Value {
        assert_eq!(request.body[request.model_at.clone()], b"\"m\""[..]);
        serde_json::from_slice(&request.body).expect("JSON")
    }

    const ASKED: &str =
        r#"{"messages":[{"role":"user","content":"\u0041?"}],"model":"m","stream":true,"seed":1.0}"#;

    #[test]
    fn each_provider_is_asked_in_its_way() {
        let user = json!({"role": "user", "content": "A?"});
        let begun = json!({"role": "assistant", "content": "So far \"潮\""});
        let ask = |prefill| body(&continued(&request(ASKED), "So far \"潮\" \n", prefill).expect("legal"));

        let asked = ask(Prefill::Assistant);
        assert_eq!(asked["messages"], json!([user, begun]));
        assert_eq!((&asked["stream"], &asked["seed"]), (&json!(true), &json!(1.0)));

        let mut prefix = begun.clone();
        prefix["prefix"] = json!(true);
        assert_eq!(ask(Prefill::Prefix)["messages"], json!([user, prefix]));

        let asked = ask(Prefill::ContinueFinalMessage);
        assert_eq!(asked["messages"], json!([user, begun]));
        assert_eq!(
            (&asked["continue_final_message"], &asked["add_generation_prompt"]),
            (&json!(true), &json!(false))
        );

        let asked = ask(Prefill::None);
        assert_eq!(asked["messages"][0], user);
        assert_eq!(asked["messages"][1]["role"], "system");
        assert_eq!(asked["messages"][2], begun);
        assert!(asked.get("continue_final_message").is_none());
    }

    #[test]
    fn of_nothing_it_is_the_same_request() {
        for text in ["", " \n"] {
            let again = continued(&request(ASKED), text, Prefill::None).expect("legal");
            assert_eq!(again.body, ASKED);
        }
    }

    #[test]
    fn what_must_not_be_continued() {
        let with =
            |more: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{more}}}"#);
        for free in [
            "",
            r#","n":1,"logprobs":false,"top_logprobs":0"#,
            r#","n":null,"response_format":null,"audio":null"#,
            r#","response_format":{"type":"text"},"modalities":["text"]"#,
            r#","tools":[{"type":"function"}],"tool_choice":"auto","max_tokens":5"#,
        ] {
            assert_eq!(obstacle(with(free).as_bytes()), None, "{free}");
        }
        for bound in [
            r#","n":2"#,
            r#","response_format":{"type":"json_object"}"#,
            r#","response_format":{"type":"json_schema","json_schema":{}}"#,
            r#","guided_json":{}"#,
            r#","structured_outputs":{"regex":"a"}"#,
            r#","logprobs":true"#,
            r#","top_logprobs":3"#,
            r#","modalities":["text","audio"]"#,
            r#","audio":{"voice":"v"}"#,
        ] {
            assert!(obstacle(with(bound).as_bytes()).is_some(), "{bound}");
        }
        let own =
            r#"{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}"#;
        assert_eq!(obstacle(own.as_bytes()), Some("it begins the answer itself"));
        assert!(obstacle(b"{").is_some());
    }
}
