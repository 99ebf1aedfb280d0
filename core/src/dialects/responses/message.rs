//! A message: text with its annotations and logprobs, and refusals.

use serde_json::{Value, json};

use super::output::{ADDED, DONE, Place};
use super::stream::Writer;

/// One that is open. Its last part may grow.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) place: Place,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text { text: String, annotations: Vec<Value>, logprobs: Vec<Value> },
    Refusal(String),
}

impl Part {
    fn shown(&self) -> Value {
        match self {
            Part::Text { text, annotations, logprobs } => {
                json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs})
            }
            Part::Refusal(refusal) => json!({"type": "refusal", "refusal": refusal}),
        }
    }
}

impl Message {
    pub(super) fn open(place: Place, writer: &mut Writer, out: &mut Vec<u8>) -> Self {
        let message = Self { place, parts: Vec::new() };
        message.place.tell(ADDED, &message.shown("in_progress"), writer, out);
        message
    }

    /// More text. `logprobs`: of its tokens, as a chat completion has them, or null.
    pub(super) fn text(&mut self, piece: &str, logprobs: &Value, writer: &mut Writer, out: &mut Vec<u8>) {
        let tokens = logprobs.as_array().cloned().unwrap_or_default();
        let index = self.text_part(writer, out);
        if let Part::Text { text, logprobs, .. } = &mut self.parts[index] {
            text.push_str(piece);
            logprobs.extend(tokens.iter().cloned());
        }
        self.tell(
            "response.output_text.delta",
            index,
            json!({"delta": piece, "logprobs": tokens}),
            writer,
            out,
        );
    }

    /// More of a refusal.
    pub(super) fn refusal(&mut self, piece: &str, writer: &mut Writer, out: &mut Vec<u8>) {
        if !matches!(self.parts.last(), Some(Part::Refusal(_))) {
            self.end_part(writer, out);
            self.add(Part::Refusal(String::new()), writer, out);
        }
        let index = self.parts.len() - 1;
        if let Part::Refusal(refusal) = &mut self.parts[index] {
            refusal.push_str(piece);
        }
        self.tell("response.refusal.delta", index, json!({"delta": piece}), writer, out);
    }

    /// A note on the text, in a chat completion's form: `{type, url_citation: {..}}`.
    pub(super) fn annotation(&mut self, annotation: &Value, writer: &mut Writer, out: &mut Vec<u8>) {
        let inner =
            annotation["type"].as_str().map(|kind| &annotation[kind]).filter(|inner| inner.is_object());
        let mut flat = inner.unwrap_or(annotation).clone();
        flat["type"] = annotation["type"].clone();
        if flat["type"] == "url_citation" {
            for (name, default) in
                [("start_index", json!(0)), ("end_index", json!(0)), ("title", json!("")), ("url", json!(""))]
            {
                if flat[name].is_null() {
                    flat[name] = default;
                }
            }
        }
        let index = self.text_part(writer, out);
        let Part::Text { annotations, .. } = &mut self.parts[index] else { return };
        annotations.push(flat.clone());
        let members = json!({"annotation_index": annotations.len() - 1, "annotation": flat});
        self.tell("response.output_text.annotation.added", index, members, writer, out);
    }

    pub(super) fn close(self, status: &str, writer: &mut Writer, out: &mut Vec<u8>) -> Value {
        self.end_part(writer, out);
        let item = self.shown(status);
        self.place.tell(DONE, &item, writer, out);
        item
    }

    /// The text that grows.
    fn text_part(&mut self, writer: &mut Writer, out: &mut Vec<u8>) -> usize {
        if !matches!(self.parts.last(), Some(Part::Text { .. })) {
            self.end_part(writer, out);
            let empty = Part::Text { text: String::new(), annotations: Vec::new(), logprobs: Vec::new() };
            self.add(empty, writer, out);
        }
        self.parts.len() - 1
    }

    fn add(&mut self, part: Part, writer: &mut Writer, out: &mut Vec<u8>) {
        let members = json!({"part": part.shown()});
        self.parts.push(part);
        self.tell("response.content_part.added", self.parts.len() - 1, members, writer, out);
    }

    fn end_part(&self, writer: &mut Writer, out: &mut Vec<u8>) {
        let Some(part) = self.parts.last() else { return };
        let index = self.parts.len() - 1;
        match part {
            Part::Text { text, logprobs, .. } => {
                let members = json!({"text": text, "logprobs": logprobs});
                self.tell("response.output_text.done", index, members, writer, out);
            }
            Part::Refusal(refusal) => {
                self.tell("response.refusal.done", index, json!({"refusal": refusal}), writer, out);
            }
        }
        self.tell("response.content_part.done", index, json!({"part": part.shown()}), writer, out);
    }

    fn tell(&self, kind: &str, index: usize, members: Value, writer: &mut Writer, out: &mut Vec<u8>) {
        let mut members = self.place.event(members);
        members["content_index"] = json!(index);
        writer.event(kind, members, out);
    }

    fn shown(&self, status: &str) -> Value {
        let content: Vec<Value> = self.parts.iter().map(Part::shown).collect();
        json!({"id": self.place.id, "type": "message", "status": status, "role": "assistant", "content": content})
    }
}
