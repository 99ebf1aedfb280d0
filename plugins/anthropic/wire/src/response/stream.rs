//! A stream: each event becomes at most one chunk.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{End, EventIn, Fault, Flow, HeadIn, Note, Stream, StreamOut};

use super::Identity;
use super::citation::annotations;
use super::wire::{Delta, Ended, Event, Usage};
use crate::event::{Read, read};
use crate::request::JSON_TOOL;

/// Anthropic has one block open at a time; more than this is no stream of its.
const OPEN: usize = 64;
/// The longest input of one of Anthropic's own tools, which is kept until it is whole. In bytes.
const INPUT: usize = 1 << 20;

/// One Messages stream on its way to chat chunks. It ends well only if `message_stop` came and a stop reason before it; the
/// finish is told no sooner, and the usage after it, in a chunk without choices.
#[derive(Debug)]
pub struct Translator {
    identity: Identity,
    open: Vec<(u64, Block)>,
    usage: Usage,
    counted: bool,
    ended: Ended,
    calls: u32,
    /// Characters of the answer's text so far.
    written: usize,
    begun: bool,
    done: bool,
}

/// A content block that has begun.
#[derive(Debug)]
enum Block {
    Text {
        start: usize,
        citations: Vec<Value>,
    },
    Thinking {
        signature: String,
    },
    Call {
        index: u32,
        input: Value,
        said: bool,
    },
    /// The tool that JSON is written with: its input is the answer's text.
    Json {
        input: Value,
        said: bool,
    },
    /// A call of one of Anthropic's own tools, a result of one, or a block of a kind that is not known.
    Other {
        block: Value,
        input: String,
    },
}

impl Translator {
    /// A stream under `head`, of which the status counts for nothing.
    pub fn new(head: &HeadIn<'_>) -> Self {
        Translator {
            identity: Identity::new(head),
            open: Vec::new(),
            usage: Usage::default(),
            counted: false,
            ended: Ended::default(),
            calls: 0,
            written: 0,
            begun: false,
            done: false,
        }
    }

    fn take(&mut self, event: Event, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        match event {
            Event::MessageStart { message } => {
                if !self.begun {
                    self.identity.name(message.id);
                }
                self.count(message.usage, out)
            }
            Event::ContentBlockStart { index, content_block } => self.start(index, content_block, out),
            Event::ContentBlockDelta { index, delta } => self.delta(index, delta, out),
            Event::ContentBlockStop { index } => self.stop(index, out),
            Event::MessageDelta { delta, usage } => {
                if delta.stop_reason.is_some() {
                    self.ended = delta;
                }
                self.count(usage, out)
            }
            Event::MessageStop => self.finish(out),
            Event::Other => Ok(()),
        }
    }

    fn count(&mut self, usage: Option<Usage>, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let Some(usage) = usage else { return Ok(()) };
        self.usage.merge(usage);
        self.counted = true;
        self.usage.notes().try_for_each(|note| out.note(note))
    }

    fn start(&mut self, index: u64, block: Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        if self.open.len() >= OPEN {
            return Err(Fault::Protocol("it has too many blocks open"));
        }
        let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or("");
        let input = || block.get("input").cloned().unwrap_or_else(|| json!({}));
        let opened = match text("type") {
            "text" => {
                let begun = Block::Text { start: self.written, citations: Vec::new() };
                self.text(text("text"), out)?;
                begun
            }
            "thinking" => {
                self.say("reasoning_content", text("thinking"), out)?;
                Block::Thinking { signature: text("signature").to_owned() }
            }
            "redacted_thinking" => {
                let thought = json!([{"type": "redacted_thinking", "data": text("data")}]);
                self.chunk([("thinking_blocks", thought)], out)?;
                return Ok(());
            }
            "tool_use" if text("name") == JSON_TOOL => Block::Json { input: input(), said: false },
            "tool_use" => {
                let at = self.calls;
                self.calls = self.calls.saturating_add(1);
                let function = json!({"name": text("name"), "arguments": ""});
                let call = json!([{"index": at, "id": text("id"), "type": "function", "function": function}]);
                self.chunk([("tool_calls", call)], out)?;
                Block::Call { index: at, input: input(), said: false }
            }
            "" => return Err(Fault::Protocol("a content block has no type")),
            _ => Block::Other { block, input: String::new() },
        };
        self.open.retain(|(known, _)| *known != index);
        self.open.push((index, opened));
        Ok(())
    }

    /// A delta of a block that did not begin, or of another kind than its block, says nothing.
    fn delta(&mut self, index: u64, delta: Delta, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let Some((_, block)) = self.open.iter_mut().find(|(known, _)| *known == index) else { return Ok(()) };
        match (block, delta) {
            (Block::Text { .. }, Delta::TextDelta { text }) => self.text(&text, out),
            (Block::Text { citations, .. }, Delta::CitationsDelta { citation }) => {
                citations.push(citation);
                Ok(())
            }
            (Block::Thinking { .. }, Delta::ThinkingDelta { thinking }) => {
                self.say("reasoning_content", &thinking, out)
            }
            (Block::Thinking { signature: known }, Delta::SignatureDelta { signature }) => {
                *known = signature;
                Ok(())
            }
            (_, Delta::InputJsonDelta { partial_json }) if partial_json.is_empty() => Ok(()),
            (Block::Call { index, said, .. }, Delta::InputJsonDelta { partial_json }) => {
                *said = true;
                let index = *index;
                self.arguments(index, &partial_json, out)
            }
            (Block::Json { said, .. }, Delta::InputJsonDelta { partial_json }) => {
                *said = true;
                self.text(&partial_json, out)
            }
            (Block::Other { input, .. }, Delta::InputJsonDelta { partial_json }) => {
                if input.len().saturating_add(partial_json.len()) > INPUT {
                    return Err(Fault::Protocol("the input of a server's tool is too long"));
                }
                input.push_str(&partial_json);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn stop(&mut self, index: u64, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let Some(at) = self.open.iter().position(|(known, _)| *known == index) else { return Ok(()) };
        match self.open.remove(at).1 {
            Block::Text { start, citations } if !citations.is_empty() => {
                let notes = annotations(&citations, start, self.written);
                let raw = json!({"citations": citations});
                if notes.is_empty() {
                    self.chunk([("provider_specific_fields", raw)], out)
                } else {
                    self.chunk([("annotations", json!(notes)), ("provider_specific_fields", raw)], out)
                }
            }
            Block::Thinking { signature } if !signature.is_empty() => {
                let thought = json!([{"type": "thinking", "thinking": "", "signature": signature}]);
                self.chunk([("thinking_blocks", thought)], out)
            }
            // The input came with the beginning, or is empty: the arguments must be JSON all the same.
            Block::Call { index, input, said: false } => self.arguments(index, &input.to_string(), out),
            Block::Json { input, said: false } => self.text(&input.to_string(), out),
            Block::Other { mut block, input } => {
                if !input.is_empty() {
                    let whole = serde_json::from_str(&input);
                    block["input"] =
                        whole.map_err(|_| Fault::Protocol("the input of a server's tool is not JSON"))?;
                }
                self.chunk([("provider_specific_fields", json!({"server_blocks": [block]}))], out)
            }
            Block::Text { .. } | Block::Thinking { .. } | Block::Call { .. } | Block::Json { .. } => Ok(()),
        }
    }

    fn text(&mut self, text: &str, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        self.written = self.written.saturating_add(text.chars().count());
        self.say("content", text, out)
    }

    fn arguments(&mut self, index: u32, piece: &str, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        self.chunk([("tool_calls", json!([{"index": index, "function": {"arguments": piece}}]))], out)
    }

    fn say(&mut self, name: &'static str, text: &str, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        if text.is_empty() { Ok(()) } else { self.chunk([(name, json!(text))], out) }
    }

    fn chunk<const N: usize>(
        &mut self,
        fields: [(&str, Value); N],
        out: &mut StreamOut<'_>,
    ) -> Result<(), Fault> {
        let delta = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.choice(delta, None, out)
    }

    fn choice(
        &mut self,
        mut delta: Map<String, Value>,
        finish: Option<&str>,
        out: &mut StreamOut<'_>,
    ) -> Result<(), Fault> {
        if !core::mem::replace(&mut self.begun, true) {
            delta.insert("role".to_owned(), json!("assistant"));
            delta.entry("content").or_insert_with(|| json!(""));
        }
        let mut choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        if let Some(fields) = finish.and_then(|_| self.ended.fields()) {
            choice["provider_specific_fields"] = fields;
        }
        let chunk = self.identity.object("chat.completion.chunk", vec![choice]);
        out.event("", chunk.to_string().as_bytes())
    }

    /// `message_stop`. Without a stop reason before it the answer has no finish, and is told of as truncated.
    fn finish(&mut self, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let Some(reason) = self.ended.reason(self.calls > 0) else { return Ok(()) };
        self.done = true;
        self.choice(Map::new(), Some(reason), out)?;
        out.note(Note::Done)
    }
}

impl Stream for Translator {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        // Nothing counts after the end.
        if !self.done
            && let Read::Event(event) = read(event)?
        {
            self.take(event, out)?;
        }
        Ok(Flow::Done)
    }

    fn end(&mut self, out: &mut StreamOut<'_>) -> Result<End, Fault> {
        if !self.done {
            return Ok(End::Truncated);
        }
        if core::mem::take(&mut self.counted) {
            let mut chunk = self.identity.object("chat.completion.chunk", Vec::new());
            chunk["usage"] = self.usage.openai();
            out.event("", chunk.to_string().as_bytes())?;
        }
        Ok(End::Done)
    }
}
