//! What a provider leaves out of a chat completion. Nothing is left out in silence: what changes the answer is refused by
//! name, unless the operator wants it left out (`drop_params`); advice, which changes none, is left out; and either is told
//! to the client ([`RequestOut::dropped`]).

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::{Fault, RequestOut};

/// Members that say how a request is passed on, and nothing to the model.
const CONTROL: &[&str] = &["model", "messages", "stream", "stream_options", "drop_params"];

/// Parameters of OpenAI's, and marks of Anthropic's, that change no answer: who asks, what is kept where, at what price and
/// how fast, how long and in which tone if it can be said.
const ADVICE: &[&str] = &[
    "user",
    "store",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prediction",
    "verbosity",
    "cache_control",
];

/// Marks within messages and tools, as [`Dropped::marks`] names them.
const MARKS: &[&str] = &["cache_control", "messages.name", "image_url.detail", "tools.strict"];

/// So many characters of a name, and of all of them, are told.
const LONGEST_NAME: usize = 80;
const LONGEST: usize = 1024;

/// The names of what one request loses, each once, as the client's chat completion has them.
#[derive(Debug, Default)]
pub struct Dropped {
    dropping: bool,
    names: Vec<String>,
    /// The same names: a client may send them by the hundred thousand, too many to look each up in a list.
    known: HashSet<String>,
}

impl Dropped {
    /// `dropping`: what changes the answer is left out, too, instead of refused.
    pub fn new(dropping: bool) -> Self {
        Self { dropping, ..Self::default() }
    }

    /// Leaves out what changes no answer.
    pub fn advice(&mut self, name: &str) {
        if self.known.insert(name.to_owned()) {
            self.names.push(name.to_owned());
        }
    }

    /// Leaves out what changes the answer, if the operator wants that.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] with `why`, a sentence that names it.
    pub fn content(&mut self, name: &str, why: impl Into<String>) -> Result<(), Fault> {
        if !self.dropping {
            return Err(Fault::Unsupported(why.into()));
        }
        self.advice(name);
        Ok(())
    }

    /// A parameter that `provider` has no place for: nothing if it asks for no more than comes anyway.
    ///
    /// # Errors
    /// As [`Dropped::content`].
    pub fn parameter(&mut self, name: &str, value: &Value, provider: &str) -> Result<(), Fault> {
        if CONTROL.contains(&name) || asks_for_nothing(name, value) {
            return Ok(());
        }
        if ADVICE.contains(&name) {
            self.advice(name);
            return Ok(());
        }
        self.content(name, format!("the parameter {name:?} has no counterpart in {provider}"))
    }

    /// `parallel_tool_calls: false`, for a provider that cannot be told so. With one tool it is advice: LangChain sends it
    /// unasked where a tool stands for a structured answer. With several it changes the answer (litellm 1.83.9 refuses it
    /// then, too).
    ///
    /// # Errors
    /// As [`Dropped::content`].
    pub fn parallel_tool_calls(&mut self, body: &Map<String, Value>, provider: &str) -> Result<(), Fault> {
        let count = |name: &str| body.get(name).and_then(Value::as_array).map_or(0, Vec::len);
        let tools = count("tools") + count("functions");
        let none = body.get("tool_choice").is_some_and(|choice| choice == "none");
        if body.get("parallel_tool_calls") != Some(&Value::Bool(false)) || tools == 0 || none {
            return Ok(());
        }
        if tools == 1 {
            self.advice("parallel_tool_calls");
            return Ok(());
        }
        let why = format!("the parameter \"parallel_tool_calls\" has no counterpart in {provider}");
        self.content("parallel_tool_calls", why)
    }

    /// Marks on parts of messages and on tools that change no answer, but for those `taken`: `cache_control`,
    /// `messages.name`, `image_url.detail`, `tools.strict`.
    pub fn marks(&mut self, body: &Map<String, Value>, taken: &[&str]) {
        let mut found = [false; MARKS.len()];
        let mut see = |mark: &str, is: bool| {
            if let Some(at) = MARKS.iter().position(|known| *known == mark) {
                found[at] |= is;
            }
        };
        let cached = |value: &Value| value.get("cache_control").is_some_and(Value::is_object);
        let tools = body.get("tools").and_then(Value::as_array).into_iter().flatten();
        for tool in tools {
            let function = tool.get("function").unwrap_or(tool);
            see("cache_control", cached(tool) || cached(function));
            see("tools.strict", function.get("strict") == Some(&Value::Bool(true)));
        }
        for message in body.get("messages").and_then(Value::as_array).into_iter().flatten() {
            let of_a_tool = message["role"] == "tool" || message["role"] == "function";
            see("messages.name", !of_a_tool && message.get("name").is_some_and(Value::is_string));
            see("cache_control", cached(message));
            let parts = |name: &str| message.get(name).and_then(Value::as_array).into_iter().flatten();
            for part in parts("content").chain(parts("tool_calls")) {
                see("cache_control", cached(part));
                let detail = part.pointer("/image_url/detail").and_then(Value::as_str);
                see("image_url.detail", detail.is_some_and(|detail| detail != "auto"));
            }
        }
        let lost = MARKS.iter().zip(found).filter(|(mark, found)| *found && !taken.contains(mark));
        lost.for_each(|(mark, _)| self.advice(mark));
    }

    /// What was left out so far.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Tells the client.
    ///
    /// # Errors
    /// The host's.
    pub fn tell(&self, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        if self.names.is_empty() { Ok(()) } else { out.dropped(&listed(&self.names)) }
    }
}

/// The names as a header holds them: a client may call a member what it likes, and as long as it likes.
fn listed(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        let legal = |c: char| if c.is_ascii_graphic() && c != ',' { c } else { '_' };
        let between = if text.is_empty() { "" } else { ", " };
        if text.len() + between.len() + LONGEST_NAME > LONGEST {
            break;
        }
        text.push_str(between);
        text.extend(name.chars().take(LONGEST_NAME).map(legal));
    }
    text
}

/// Whether a value asks for no more than what comes without it.
fn asks_for_nothing(name: &str, value: &Value) -> bool {
    // Of a name that nobody knows, an empty value may say something.
    let known = ADVICE.contains(&name) || name == "logit_bias" || name == "modalities";
    let empty = match value {
        Value::Null => true,
        _ if !known => false,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    empty
        || match name {
            "n" => value.as_u64() == Some(1),
            "top_logprobs" | "presence_penalty" | "frequency_penalty" => value.as_f64() == Some(0.0),
            "logprobs" | "store" => *value == Value::Bool(false),
            "parallel_tool_calls" => *value == Value::Bool(true),
            "modalities" => value.as_array().is_some_and(|list| list.iter().all(|one| one == "text")),
            "service_tier" => value == "auto" || value == "default",
            "verbosity" => value == "medium",
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameter(dropping: bool, name: &str, value: Value) -> Result<Vec<String>, Fault> {
        let mut dropped = Dropped::new(dropping);
        dropped.parameter(name, &value, "X")?;
        Ok(dropped.names)
    }

    #[test]
    fn content_is_refused_and_advice_is_not_and_both_are_named() {
        for name in ADVICE {
            assert_eq!(parameter(false, name, json!({"x": 1})), Ok(vec![(*name).to_owned()]));
        }
        for (name, value) in [("n", json!(2)), ("logprobs", json!(true)), ("of_tomorrow", json!(0))] {
            let refused = parameter(false, name, value.clone()).unwrap_err();
            assert_eq!(
                refused,
                Fault::Unsupported(format!("the parameter {name:?} has no counterpart in X"))
            );
            assert_eq!(parameter(true, name, value), Ok(vec![name.to_owned()]));
        }
    }

    #[test]
    fn names_are_told_as_a_header_holds_them() {
        let names = ["n", "a\r\nx: y", "b,ü c"].map(str::to_owned);
        assert_eq!(listed(&names), "n, a__x:_y, b___c");
        let many: Vec<String> = (0..99).map(|at| format!("{at}{}", "x".repeat(200))).collect();
        let told = listed(&many);
        assert!(told.len() <= LONGEST && told.split(", ").all(|name| name.len() == LONGEST_NAME), "{told}");
        assert!(told.len() > LONGEST - 2 * LONGEST_NAME);
    }

    /// Looked up in a list, they would take minutes.
    #[test]
    fn names_by_the_hundred_thousand_are_each_told_once() {
        let mut dropped = Dropped::new(true);
        let name = |number: u32| format!("a_member_that_nobody_knows_{number:06}");
        for _ in 0..2 {
            for number in (0..200_000).map(name) {
                dropped.parameter(&number, &json!(1), "X").unwrap();
            }
        }
        assert!(dropped.names().iter().eq((0..200_000).map(name).collect::<Vec<_>>().iter()));
    }

    #[test]
    fn what_asks_for_nothing_is_not_lost() {
        for (name, value) in [
            ("n", json!(1)),
            ("logprobs", json!(false)),
            ("presence_penalty", json!(0)),
            ("modalities", json!(["text"])),
            ("service_tier", json!("auto")),
            ("store", json!(false)),
            ("metadata", json!({})),
            ("logit_bias", json!({})),
            ("stream_options", json!({"include_usage": true})),
            ("of_tomorrow", json!(null)),
        ] {
            assert_eq!(parameter(false, name, value), Ok(vec![]), "{name}");
        }
        assert!(parameter(false, "modalities", json!(["text", "audio"])).is_err());
        assert!(parameter(false, "of_tomorrow", json!({})).is_err());
        assert_eq!(parameter(false, "service_tier", json!("flex")).unwrap(), ["service_tier"]);
    }

    #[test]
    fn one_call_at_a_time_is_content_where_there_are_tools_to_choose_from() {
        let asked = |tools: usize, more: Value| {
            let mut body = json!({"tools": vec![json!({}); tools], "parallel_tool_calls": false});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut dropped = Dropped::new(false);
            dropped.parallel_tool_calls(body.as_object().unwrap(), "X").map(|()| dropped.names.len())
        };
        assert_eq!((asked(0, json!({})), asked(1, json!({}))), (Ok(0), Ok(1)));
        assert!(asked(2, json!({})).is_err() && asked(1, json!({"functions": [{}]})).is_err());
        assert_eq!(asked(2, json!({"parallel_tool_calls": true})), Ok(0));
        assert_eq!(asked(2, json!({"tool_choice": "none"})), Ok(0));
    }

    #[test]
    fn marks_are_found_wherever_they_may_stand() {
        let names = |body: Value, taken: &[&str]| {
            let mut dropped = Dropped::default();
            dropped.marks(body.as_object().unwrap(), taken);
            dropped.names
        };
        let mark = json!({"type": "ephemeral"});
        for body in [
            json!({"messages": [{"role": "user", "content": "x", "cache_control": mark}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "text", "cache_control": mark}]}]}),
            json!({"messages": [{"role": "assistant", "tool_calls": [{"cache_control": mark}]}]}),
            json!({"tools": [{"function": {}, "cache_control": mark}]}),
            json!({"tools": [{"function": {"cache_control": mark}}]}),
        ] {
            assert_eq!(names(body.clone(), &[]), ["cache_control"], "{body}");
            assert!(names(body, &["cache_control"]).is_empty());
        }
        let rest = json!({
            "tools": [{"function": {"strict": true}}],
            "messages": [
                {"role": "user", "name": "ann", "content": [{"type": "image_url", "image_url": {"detail": "low"}}]}],
        });
        assert_eq!(names(rest, &[]), ["messages.name", "image_url.detail", "tools.strict"]);
        let none = json!({
            "tools": [{"function": {"strict": false}, "cache_control": null}],
            "messages": [
                {"role": "tool", "name": "f", "content": "x"},
                {"role": "user", "content": [{"image_url": {"detail": "auto"}}, "x"]}],
        });
        assert_eq!(names(none, &[]), Vec::<String>::new());
    }
}
