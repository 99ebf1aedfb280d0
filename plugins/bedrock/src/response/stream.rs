//! A stream: each event becomes at most one chunk.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{End, EventIn, Fault, Flow, HeadIn, Note, Stream, StreamOut};

use super::citation::{annotation, canonical};
use super::finish::{Finish, is_failure};
use super::wire::{BlockDelta, BlockStart, BlockStop, MessageStart, MessageStop, Metadata, Usage};
use super::{Identity, image, is_error};

/// More calls and images than a model makes in one answer.
const BLOCKS: usize = 1024;
/// More citations than a text has.
const CITATIONS: usize = 1024;

/// One stream. It ends well only if the model has said why it stopped.
#[derive(Debug)]
pub struct Translator {
    identity: Identity,
    /// The blocks that are calls or images.
    blocks: Vec<(u32, Block)>,
    calls: u32,
    /// Characters of the answer's text so far.
    written: usize,
    text: Text,
    begun: bool,
    finished: bool,
    usage: Option<Usage>,
}

/// The text block that is being written. Its citations are told when it is whole: they stand for all of it.
#[derive(Debug, Default)]
struct Text {
    index: u32,
    /// Where it begins, in characters.
    start: usize,
    citations: Vec<Value>,
}

#[derive(Debug)]
enum Block {
    Call {
        index: u32,
        has_input: bool,
    },
    /// A tool that Bedrock calls itself: nothing that a client could answer.
    Own,
    Image {
        format: Option<String>,
    },
}

impl Translator {
    pub(crate) fn new(head: &HeadIn<'_>) -> Self {
        Translator {
            identity: Identity::new(head),
            blocks: Vec::new(),
            calls: 0,
            written: 0,
            text: Text::default(),
            begun: false,
            finished: false,
            usage: None,
        }
    }

    fn block(&mut self, index: u32) -> Option<&mut Block> {
        self.blocks.iter_mut().rev().find(|(known, _)| *known == index).map(|(_, block)| block)
    }

    fn begin(&mut self, index: u32, block: Block) -> Result<(), Fault> {
        if self.blocks.len() >= BLOCKS {
            return Err(Fault::Protocol("it has too many blocks"));
        }
        self.blocks.push((index, block));
        Ok(())
    }

    fn start(&mut self, event: BlockStart, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let at = event.content_block_index;
        if let Some(image) = event.start.image {
            return self.begin(at, Block::Image { format: image.format });
        }
        let Some(call) = event.start.tool_use else { return Ok(()) };
        if !call.is_the_clients() {
            return self.begin(at, Block::Own);
        }
        let index = self.calls;
        self.begin(at, Block::Call { index, has_input: false })?;
        self.calls += 1;
        let call = json!({
            "index": index,
            "id": call.tool_use_id,
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        });
        self.delta("tool_calls", json!([call]), out)
    }

    fn piece(&mut self, event: BlockDelta, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let delta = event.delta;
        if let Some(text) = delta.text.filter(|text| !text.is_empty()) {
            self.begin_text(event.content_block_index, out)?;
            self.written = self.written.saturating_add(text.chars().count());
            self.delta("content", json!(text), out)?;
        }
        if let Some(piece) = delta.tool_use {
            let empty = piece.input.is_empty();
            match self.block(event.content_block_index) {
                Some(Block::Call { index, has_input }) => {
                    let index = *index;
                    *has_input |= !empty;
                    if !empty {
                        self.arguments(index, &piece.input, out)?;
                    }
                }
                Some(Block::Own) => {}
                _ => return Err(Fault::Protocol("it has arguments of a call that never began")),
            }
        }
        if let Some(thought) = delta.reasoning_content {
            if let Some(text) = thought.text.filter(|text| !text.is_empty()) {
                self.delta("reasoning_content", json!(text), out)?;
            }
            if let Some(signature) = thought.signature.filter(|signature| !signature.is_empty()) {
                let block = json!({"type": "thinking", "thinking": "", "signature": signature});
                self.delta("thinking_blocks", json!([block]), out)?;
            }
            if let Some(data) = thought.redacted_content {
                let block = json!({"type": "redacted_thinking", "data": data});
                self.delta("thinking_blocks", json!([block]), out)?;
            }
        }
        if let Some(citation) = delta.citation {
            self.begin_text(event.content_block_index, out)?;
            if self.text.citations.len() < CITATIONS {
                self.text.citations.push(citation);
            }
        }
        if let Some(bytes) = delta.image.and_then(|image| image.source?.bytes) {
            let format = match self.block(event.content_block_index) {
                Some(Block::Image { format }) => format.clone(),
                _ => None,
            };
            self.delta("images", json!([image(format.as_deref(), &bytes)]), out)?;
        }
        Ok(())
    }

    fn arguments(&mut self, index: u32, piece: &str, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        self.delta("tool_calls", json!([{"index": index, "function": {"arguments": piece}}]), out)
    }

    /// Text and citations do not say that their block begins.
    fn begin_text(&mut self, index: u32, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        if self.text.index == index {
            return Ok(());
        }
        self.cite(out)?;
        self.text = Text { index, start: self.written, citations: Vec::new() };
        Ok(())
    }

    /// Tells the citations of the text that is written.
    fn cite(&mut self, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let citations = core::mem::take(&mut self.text.citations);
        if citations.is_empty() {
            return Ok(());
        }
        let (start, end) = (self.text.start, self.written);
        let pages: Vec<Value> =
            citations.iter().filter_map(|citation| annotation(citation, start, end)).collect();
        let mut fields = Map::new();
        if !pages.is_empty() {
            fields.insert("annotations".to_owned(), json!(pages));
        }
        let citations: Vec<Value> = citations.into_iter().map(canonical).collect();
        fields.insert("provider_specific_fields".to_owned(), json!({"citations": citations}));
        self.chunk(fields, None, out)
    }

    /// A call without any input has none in the stream, and `""` is no JSON.
    fn stop(&mut self, event: &BlockStop, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        if event.content_block_index == self.text.index {
            self.cite(out)?;
        }
        match self.block(event.content_block_index) {
            Some(Block::Call { index, has_input: has @ false }) => {
                *has = true;
                let index = *index;
                self.arguments(index, "{}", out)
            }
            _ => Ok(()),
        }
    }

    fn delta(&mut self, name: &str, value: Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let mut delta = Map::new();
        delta.insert(name.to_owned(), value);
        self.chunk(delta, None, out)
    }

    fn chunk(
        &mut self,
        mut delta: Map<String, Value>,
        finish: Option<&Finish>,
        out: &mut StreamOut<'_>,
    ) -> Result<(), Fault> {
        if !core::mem::replace(&mut self.begun, true) {
            delta.insert("role".to_owned(), json!("assistant"));
            delta.entry("content").or_insert_with(|| json!(""));
        }
        let mut choice = json!({
            "index": 0,
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish.map(|finish| finish.reason),
        });
        if let Some(fields) = finish.and_then(Finish::fields) {
            choice["provider_specific_fields"] = fields;
        }
        let chunk = self.identity.object("chat.completion.chunk", vec![choice]);
        out.event("", chunk.to_string().as_bytes())
    }

    /// Nothing follows the counts, which come last.
    fn done(&self, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        if self.finished && self.usage.is_some() { out.note(Note::Done) } else { Ok(()) }
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|_| Fault::Protocol("the event is not in the form of its type"))
}

impl Stream for Translator {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        let text = event.text()?;
        match event.name {
            "messageStart" => {
                read::<MessageStart>(text)?;
                if !self.begun {
                    self.chunk(Map::new(), None, out)?;
                }
            }
            "contentBlockStart" => self.start(read(text)?, out)?,
            "contentBlockDelta" => self.piece(read(text)?, out)?,
            "contentBlockStop" => self.stop(&read(text)?, out)?,
            "messageStop" => {
                let stop: MessageStop = read(text)?;
                if is_failure(&stop.stop_reason) {
                    return Err(Fault::Upstream);
                }
                // The model stops once.
                if !core::mem::replace(&mut self.finished, true) {
                    self.cite(out)?;
                    let more = stop.additional_model_response_fields.as_ref();
                    let finish = Finish::of(&stop.stop_reason, self.calls > 0, more);
                    self.chunk(Map::new(), Some(&finish), out)?;
                }
                self.done(out)?;
            }
            "metadata" => {
                let metadata: Metadata = read(text)?;
                let usage = metadata.usage.unwrap_or_default();
                usage.notes().try_for_each(|note| out.note(note))?;
                self.usage = Some(usage);
                self.done(out)?;
            }
            // The framing marks exceptions itself; this is one that came in another framing.
            name if name == "error" || name.to_ascii_lowercase().ends_with("exception") => {
                return Err(Fault::Upstream);
            }
            // No frame: a document where a stream was to come.
            "" => match serde_json::from_str::<Value>(text) {
                Ok(document) if is_error(&document) => return Err(Fault::Upstream),
                _ => return Err(Fault::Protocol("it is no event of ConverseStream")),
            },
            // Of tomorrow.
            _ => {}
        }
        Ok(Flow::Done)
    }

    fn end(&mut self, out: &mut StreamOut<'_>) -> Result<End, Fault> {
        if !self.finished {
            return Ok(End::Truncated);
        }
        if let Some(usage) = self.usage.take() {
            let mut chunk = self.identity.object("chat.completion.chunk", Vec::new());
            chunk["usage"] = usage.openai();
            out.event("", chunk.to_string().as_bytes())?;
        }
        Ok(End::Done)
    }
}
