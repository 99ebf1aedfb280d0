//! The items of a request as messages.
//!
//! What the model said in one turn comes as several items: reasoning, a message, calls. They become one message of the
//! assistant's, up to the next thing that somebody else said.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::carry::Carried;
use super::content;
use super::crossing::Crossing;
use super::tools::Tools;

/// The messages of `input`, behind the `instructions`.
pub(super) fn messages(
    request: &Value,
    tools: &Tools,
    crossing: &mut Crossing,
) -> Result<Vec<Value>, String> {
    let mut history =
        History { tools, messages: Vec::new(), called: HashMap::new(), turn: None, calls: Map::new() };
    match &request["instructions"] {
        Value::Null => {}
        Value::String(text) => history.say(json!({"role": "system", "content": text})),
        // As an answer repeats them: a list of items.
        Value::Array(items) => items.iter().try_for_each(|item| history.item(item, crossing))?,
        _ => return Err("\"instructions\" must be text".to_owned()),
    }
    match &request["input"] {
        Value::String(text) => history.say(json!({"role": "user", "content": text})),
        Value::Array(items) => items.iter().try_for_each(|item| history.item(item, crossing))?,
        _ => return Err("\"input\" must be text or an array of items".to_owned()),
    }
    history.end_turn();
    let History { messages, calls, .. } = history;
    let mut messages: Vec<Value> =
        messages.into_iter().flat_map(|(message, results)| std::iter::once(message).chain(results)).collect();
    sign(&mut messages, &calls);
    Ok(messages)
}

struct History<'a> {
    tools: &'a Tools,
    /// Each with the results of its calls: a chat completion wants them directly behind, and here the user may have spoken
    /// in between.
    messages: Vec<(Value, Vec<Value>)>,
    /// The place in `messages` of each call's, by its id.
    called: HashMap<String, usize>,
    /// What the model says.
    turn: Option<Turn>,
    /// The signatures of calls, by the calls' ids.
    calls: Map<String, Value>,
}

#[derive(Default)]
struct Turn {
    reasoning: String,
    thinking_blocks: Vec<Value>,
    thought_signatures: Vec<Value>,
    content: Vec<Value>,
    calls: Vec<Value>,
    images: Vec<Value>,
}

impl History<'_> {
    fn item(&mut self, item: &Value, crossing: &mut Crossing) -> Result<(), String> {
        let Value::Object(_) = item else { return Err("an item of \"input\" must be an object".to_owned()) };
        let text = |name: &str| {
            let text = item[name].as_str();
            text.ok_or_else(|| format!("an item {} of \"input\" needs \"{name}\", a text", item["type"]))
        };
        let kind = match (&item["type"], &item["role"]) {
            (Value::Null, Value::Null) => "item_reference",
            (Value::Null, _) => "message",
            (kind, _) => kind.as_str().unwrap_or_default(),
        };
        match kind {
            "message" => self.message(item, crossing)?,
            "reasoning" => self.reasoning(item),
            "function_call" => {
                let function = self.tools.function_of(text("name")?, item["namespace"].as_str());
                self.call(text("call_id")?, &function, text("arguments")?);
            }
            "custom_tool_call" => {
                let function = self.tools.function_of(text("name")?, item["namespace"].as_str());
                self.call(text("call_id")?, &function, &json!({"input": text("input")?}).to_string());
            }
            "tool_search_call" if item["execution"] != "server" => {
                let function = self.tools.function_of("tool_search", None);
                self.call(text("call_id")?, &function, &item["arguments"].to_string());
            }
            "function_call_output" | "custom_tool_call_output" => {
                let content = content::of(&item["output"], crossing)?;
                self.result(text("call_id")?, content);
            }
            "tool_search_output" if item["execution"] != "server" => {
                let content = json!({"tools": self.found(&item["tools"])}).to_string();
                self.result(text("call_id")?, Value::String(content));
            }
            // Its tools are listed with the others.
            "additional_tools" => {}
            "image_generation_call" if item["result"].is_string() => {
                let url = format!("data:image/png;base64,{}", text("result")?);
                self.turn().images.push(json!({"type": "image_url", "image_url": {"url": url}}));
            }
            "item_reference" => {
                return Err("an \"item_reference\" of \"input\" cannot be followed: this gateway stores no answers, so \
                            send the item itself"
                    .to_owned());
            }
            other if crossing.dropping => crossing.leave_out(&format!("input.{other}")),
            other => return Err(content::no_such_item(other)),
        }
        Ok(())
    }

    fn message(&mut self, item: &Value, crossing: &mut Crossing) -> Result<(), String> {
        let made = content::of(&item["content"], crossing)?;
        match item["role"].as_str() {
            Some("assistant") => {
                let turn = self.turn();
                match made {
                    Value::Array(parts) => turn.content.extend(parts),
                    text => turn.content.push(json!({"type": "text", "text": text})),
                }
            }
            Some("user") => self.say(json!({"role": "user", "content": made})),
            // The newer word for the same; most providers know the older one alone.
            Some("system" | "developer") => {
                self.say(json!({"role": "system", "content": content::joined(made)}));
            }
            other => {
                let other = other.unwrap_or("none");
                return Err(format!(
                    "\"role\" of a message must be user, assistant, system or developer, not {other}"
                ));
            }
        }
        Ok(())
    }

    /// Ours gives back what was put into it. Another provider's is of no use here but for what can be read of it.
    fn reasoning(&mut self, item: &Value) {
        let carried = item["encrypted_content"].as_str().and_then(Carried::of);
        if carried.is_none() && item["encrypted_content"].is_string() {
            return;
        }
        let parts = |name: &str| item[name].as_array().map_or(&[][..], Vec::as_slice).iter();
        let text: Vec<&str> =
            parts("content").chain(parts("summary")).filter_map(|part| part["text"].as_str()).collect();
        let carried = carried.unwrap_or_default();
        self.calls.extend(carried.calls);
        if text.is_empty() && carried.thinking_blocks.is_empty() && carried.thought_signatures.is_empty() {
            return;
        }
        let turn = self.turn();
        if !turn.reasoning.is_empty() && !text.is_empty() {
            turn.reasoning.push_str("\n\n");
        }
        turn.reasoning.push_str(&text.join("\n\n"));
        turn.thinking_blocks.extend(carried.thinking_blocks);
        turn.thought_signatures.extend(carried.thought_signatures);
    }

    fn call(&mut self, id: &str, function: &str, arguments: &str) {
        let call =
            json!({"id": id, "type": "function", "function": {"name": function, "arguments": arguments}});
        self.turn().calls.push(call);
    }

    fn result(&mut self, id: &str, content: Value) {
        let result = json!({"role": "tool", "tool_call_id": id, "content": content});
        self.end_turn();
        match self.called.get(id) {
            Some(at) => self.messages[*at].1.push(result),
            None => self.messages.push((result, Vec::new())),
        }
    }

    /// The functions' names of tools that a search has found.
    fn found(&self, tools: &Value) -> Vec<String> {
        let list = tools.as_array().map_or(&[][..], Vec::as_slice).iter();
        list.flat_map(|tool| match tool["tools"].as_array() {
            Some(inner) => inner.iter().map(|each| (each, tool["name"].as_str())).collect(),
            None => vec![(tool, None)],
        })
        .filter_map(|(tool, namespace)| Some(self.tools.function_of(tool["name"].as_str()?, namespace)))
        .collect()
    }

    fn turn(&mut self) -> &mut Turn {
        self.turn.get_or_insert_default()
    }

    fn say(&mut self, message: Value) {
        self.end_turn();
        self.messages.push((message, Vec::new()));
    }

    fn end_turn(&mut self) {
        if let Some(turn) = self.turn.take() {
            let ids = turn.calls.iter().filter_map(|call| call["id"].as_str());
            self.called.extend(ids.map(|id| (id.to_owned(), self.messages.len())));
            self.messages.push((turn.message(), Vec::new()));
        }
    }
}

impl Turn {
    fn message(self) -> Value {
        let mut message = json!({"role": "assistant", "content": null});
        let texts: Option<Vec<&str>> = self.content.iter().map(|part| part["text"].as_str()).collect();
        match texts {
            Some(texts) if texts.is_empty() && !self.calls.is_empty() => {}
            Some(texts) => message["content"] = json!(texts.concat()),
            None => message["content"] = json!(self.content),
        }
        let mut put = |name: &str, value: Value| message[name] = value;
        if !self.reasoning.is_empty() {
            put("reasoning_content", json!(self.reasoning));
        }
        if !self.thinking_blocks.is_empty() {
            put("thinking_blocks", json!(self.thinking_blocks));
        }
        if !self.thought_signatures.is_empty() {
            put("provider_specific_fields", json!({"thought_signatures": self.thought_signatures}));
        }
        if !self.images.is_empty() {
            put("images", json!(self.images));
        }
        if !self.calls.is_empty() {
            put("tool_calls", json!(self.calls));
        }
        message
    }
}

/// Gives the calls their signatures back, which may have come behind them.
fn sign(messages: &mut [Value], signatures: &Map<String, Value>) {
    if signatures.is_empty() {
        return;
    }
    let calls =
        messages.iter_mut().filter_map(|message| message.get_mut("tool_calls")?.as_array_mut()).flatten();
    for call in calls {
        let Some(signature) = call["id"].as_str().and_then(|id| signatures.get(id)).cloned() else {
            continue;
        };
        call["extra_content"] = json!({"google": {"thought_signature": signature}});
        call["provider_specific_fields"] = json!({"thought_signature": signature});
    }
}
