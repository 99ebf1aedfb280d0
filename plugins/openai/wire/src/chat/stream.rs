//! A stream: each event becomes at most two chunks.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{End, EventIn, Fault, Flow, HeadIn, Note, Stream, StreamOut};

use super::whole::{Message, fields};
use super::{Identity, carry, finish, item, usage};
use crate::responses::{Read, note_usage, read};

/// One Responses stream on its way to chat chunks. It ends well only with `response.completed` or `response.incomplete`; the
/// finish is told no sooner, and the usage after it, in a chunk without choices.
#[derive(Debug)]
pub struct Translator {
    identity: Identity,
    items: Vec<Item>,
    /// Reasoning that was whole, until it is known which call it led to.
    reasoning: Option<Value>,
    calls: u32,
    /// Characters of the answer's text so far.
    written: usize,
    /// It has told of its reasoning; and another part of that has begun since.
    thought: bool,
    parted: bool,
    usage: Option<Value>,
    begun: bool,
    done: bool,
}

/// An item that has begun.
#[derive(Debug)]
struct Item {
    /// Its `output_index`.
    place: u64,
    kind: Kind,
    /// Something of it was told.
    said: bool,
}

#[derive(Debug)]
enum Kind {
    /// The part that is being written, and where it began.
    Message {
        part: u64,
        start: usize,
    },
    Reasoning,
    Call {
        index: u32,
        custom: bool,
    },
    Other,
}

impl Translator {
    /// A stream under `head`, of which the status counts for nothing.
    pub fn new(head: &HeadIn<'_>) -> Self {
        Translator {
            identity: Identity::new(head),
            items: Vec::new(),
            reasoning: None,
            calls: 0,
            written: 0,
            thought: false,
            parted: false,
            usage: None,
            begun: false,
            done: false,
        }
    }

    fn take(&mut self, kind: &str, event: &Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let delta = event["delta"].as_str().unwrap_or_default();
        match kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                if !self.begun {
                    self.identity.of(&event["response"]);
                }
                Ok(())
            }
            "response.output_item.added" => self.added(event, out),
            "response.output_item.done" => self.whole_item(event, out),
            "response.output_text.delta" => self.text(event, delta, out),
            "response.refusal.delta" => {
                self.saying(event);
                self.say("refusal", delta, out)
            }
            "response.output_text.annotation.added" => self.annotation(event, out),
            "response.reasoning_summary_part.added" => {
                self.parted = self.thought;
                Ok(())
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.saying(event);
                self.think(delta, out)
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                match self.saying(event).map(|item| &item.kind) {
                    Some(Kind::Call { index, custom }) => {
                        let (index, custom) = (*index, *custom);
                        self.input(index, custom, delta, out)
                    }
                    _ => Ok(()),
                }
            }
            "response.completed" | "response.incomplete" => self.finish(&event["response"], out),
            _ => Ok(()),
        }
    }

    /// The item that an event belongs to, of which something is told now.
    fn saying(&mut self, event: &Value) -> Option<&mut Item> {
        let place = event["output_index"].as_u64();
        let item = self.items.iter_mut().rev().find(|item| place.is_none_or(|place| item.place == place))?;
        item.said = true;
        Some(item)
    }

    fn added(&mut self, event: &Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let item = &event["item"];
        let called = item::call(item);
        self.reason(called.as_ref(), out)?;
        let kind = match (item["type"].as_str(), called) {
            (Some("message"), _) => Kind::Message { part: 0, start: self.written },
            (Some("reasoning"), _) => {
                self.parted = self.thought;
                Kind::Reasoning
            }
            (_, Some(mut call)) => {
                let index = self.calls;
                self.calls = self.calls.saturating_add(1);
                let custom = call["type"] == "custom";
                call["index"] = json!(index);
                // What it is called with comes in pieces, or at its end.
                call[if custom { "custom" } else { "function" }][input_name(custom)] = json!("");
                self.chunk([("tool_calls", json!([call]))], out)?;
                Kind::Call { index, custom }
            }
            _ => Kind::Other,
        };
        self.items.push(Item { place: event["output_index"].as_u64().unwrap_or(0), kind, said: false });
        Ok(())
    }

    /// An item is whole: what of it was not told in pieces is told now.
    fn whole_item(&mut self, event: &Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let place = event["output_index"].as_u64();
        let known = |item: &Item| place.is_none_or(|place| item.place == place);
        // The last ones first: there may be very many.
        if !self.items.iter().rev().any(known) {
            self.added(event, out)?;
        }
        let Some(known) = self.items.iter().rev().find(|item| known(item)) else { return Ok(()) };
        let (item, said) = (&event["item"], known.said);
        match known.kind {
            Kind::Message { .. } if !said => self.late(item, out),
            Kind::Message { .. } => Ok(()),
            Kind::Reasoning => {
                let summary = carry::summary(item);
                if !said {
                    self.think(&summary, out)?;
                }
                self.reasoning = Some(item.clone());
                Ok(())
            }
            Kind::Call { index, custom } if !said => {
                let input = item[if custom { "input" } else { "arguments" }].as_str().unwrap_or_default();
                self.input(index, custom, input, out)
            }
            Kind::Call { .. } => Ok(()),
            Kind::Other => match item::image(item) {
                Some(image) => self.chunk([("images", json!([image]))], out),
                None => self.aside(vec![item.clone()], Vec::new(), out),
            },
        }
    }

    /// A message of which no piece came.
    fn late(&mut self, item: &Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let message = Message::of(&json!([item]));
        let logprobs = message.logprobs();
        let mut told = message.told();
        told.retain(|name, value| name != "role" && !value.is_null());
        if told.is_empty() {
            return Ok(());
        }
        let shift = self.written as u64;
        for note in told.get_mut("annotations").and_then(Value::as_array_mut).into_iter().flatten() {
            for name in ["start_index", "end_index"] {
                let at = note["url_citation"][name].as_u64().unwrap_or(0);
                note["url_citation"][name] = json!(at.saturating_add(shift));
            }
        }
        let length = told.get("content").and_then(Value::as_str).map_or(0, |text| text.chars().count());
        self.written = self.written.saturating_add(length);
        self.choice(told, logprobs, None, out)
    }

    fn text(&mut self, event: &Value, delta: &str, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let (now, written) = (event["content_index"].as_u64().unwrap_or(0), self.written);
        if let Some(Item { kind: Kind::Message { part, start }, .. }) = self.saying(event)
            && *part != now
        {
            (*part, *start) = (now, written);
        }
        self.written = self.written.saturating_add(delta.chars().count());
        let logprobs = match item::logprobs(&event["logprobs"]) {
            list if list.is_empty() => Value::Null,
            list => json!({"content": list, "refusal": null}),
        };
        if delta.is_empty() && logprobs.is_null() {
            return Ok(());
        }
        self.choice(Map::from_iter([("content".to_owned(), json!(delta))]), logprobs, None, out)
    }

    fn annotation(&mut self, event: &Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let shift = match self.saying(event).map(|item| &item.kind) {
            Some(Kind::Message { start, .. }) => *start,
            _ => 0,
        };
        match item::annotation(&event["annotation"], shift) {
            Some(cited) => self.chunk([("annotations", json!([cited]))], out),
            None => self.aside(Vec::new(), vec![event["annotation"].clone()], out),
        }
    }

    fn think(&mut self, text: &str, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        self.thought = true;
        let parted = std::mem::take(&mut self.parted);
        let text = format!("{}{text}", if parted { carry::PARAGRAPH } else { "" });
        self.say("reasoning_content", &text, out)
    }

    /// Tells the reasoning that was kept, which led to `call`.
    fn reason(&mut self, call: Option<&Value>, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let Some(item) = self.reasoning.take() else { return Ok(()) };
        let before = call.and_then(|call| call["id"].as_str());
        match carry::sealed(&item, before, true) {
            Some(block) => self.chunk([("thinking_blocks", json!([block]))], out),
            None => Ok(()),
        }
    }

    fn input(&mut self, index: u32, custom: bool, piece: &str, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        if piece.is_empty() {
            return Ok(());
        }
        let of = if custom { "custom" } else { "function" };
        self.chunk([("tool_calls", json!([{"index": index, of: {input_name(custom): piece}}]))], out)
    }

    fn say(&mut self, name: &'static str, text: &str, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        if text.is_empty() { Ok(()) } else { self.chunk([(name, json!(text))], out) }
    }

    fn aside(&mut self, items: Vec<Value>, notes: Vec<Value>, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        self.chunk([("provider_specific_fields", Value::Object(fields(items, notes)))], out)
    }

    fn chunk<const N: usize>(
        &mut self,
        fields: [(&str, Value); N],
        out: &mut StreamOut<'_>,
    ) -> Result<(), Fault> {
        let delta = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.choice(delta, Value::Null, None, out)
    }

    fn choice(
        &mut self,
        mut delta: Map<String, Value>,
        logprobs: Value,
        finish: Option<&str>,
        out: &mut StreamOut<'_>,
    ) -> Result<(), Fault> {
        if !std::mem::replace(&mut self.begun, true) {
            delta.insert("role".to_owned(), json!("assistant"));
            delta.entry("content").or_insert_with(|| json!(""));
        }
        let choice = json!({"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish});
        let chunk = self.identity.object("chat.completion.chunk", vec![choice]);
        out.event("", chunk.to_string().as_bytes())
    }

    /// The last event. What none of the events before it told, from a server that streams no pieces, is told now.
    fn finish(&mut self, response: &Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        self.reason(None, out)?;
        if self.items.is_empty() && !self.begun {
            self.identity.of(response);
            let items = response["output"].as_array().map_or(&[][..], Vec::as_slice);
            for (place, item) in items.iter().enumerate() {
                self.whole_item(&json!({"output_index": place, "item": item}), out)?;
            }
            self.reason(None, out)?;
        }
        let reason = finish(response, self.calls > 0);
        let reason = reason.ok_or(Fault::Protocol("the last event does not say why the answer ended"))?;
        self.usage = usage(response);
        self.done = true;
        self.choice(Map::new(), Value::Null, Some(reason), out)?;
        out.note(Note::Done)
    }
}

/// What a call's input is called.
fn input_name(custom: bool) -> &'static str {
    if custom { "input" } else { "arguments" }
}

impl Stream for Translator {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        if !self.done
            && let Read::Event(kind, event) = read(event)?
        {
            note_usage(&event, out)?;
            self.take(&kind, &event, out)?;
        }
        Ok(Flow::Done)
    }

    fn end(&mut self, out: &mut StreamOut<'_>) -> Result<End, Fault> {
        if !self.done {
            return Ok(End::Truncated);
        }
        if let Some(usage) = self.usage.take() {
            let mut chunk = self.identity.object("chat.completion.chunk", Vec::new());
            chunk["usage"] = usage;
            out.event("", chunk.to_string().as_bytes())?;
        }
        Ok(End::Done)
    }
}
