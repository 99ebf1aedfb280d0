//! YAML text to a [`Node`] tree, as PyYAML's `safe_load` builds it: anchors, merge keys, the last of two equal keys wins.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::diagnose::Sink;
use super::node::{Entry, Mapping, Node, Value};
use super::scalar;
use super::source::{Place, Source};

/// How what is said of a file begins that is no YAML at all: nobody can say then what of it is a secret.
pub(super) const NOT_YAML: &str = "this is not YAML";

/// More nodes than any config has; it bounds what nested aliases can expand to.
const MAX_NODES: usize = 200_000;
/// Deeper than any config is; it bounds recursion over the tree.
const MAX_DEPTH: usize = 64;

/// A problem that ends the reading of this file.
struct Stop {
    place: Place,
    message: String,
}

/// Reads one document. `None` when it cannot be read (the sink says why) or is empty.
pub(crate) fn read(source: &Arc<Source>, sink: &mut Sink) -> Option<Node> {
    let mut builder = Builder {
        parser: Parser::new_from_str(source.text()),
        source,
        sink,
        anchors: HashMap::new(),
        nodes: 0,
    };
    match builder.document() {
        Ok(node) => node,
        Err(Stop { place, message }) => {
            builder.sink.error(&place, message);
            None
        }
    }
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    source: &'a Arc<Source>,
    sink: &'a mut Sink,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            let Some((event, span)) = self.next()? else { return Ok(root) };
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(self.stop(&span, "a second document starts here; a config is one document"));
                }
                Event::DocumentStart(..) => {
                    let Some((event, span)) = self.next()? else { return Ok(None) };
                    root = Some(self.node(event, &span, 0)?);
                }
                _ => return Ok(root),
            }
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Stop> {
        self.parser.next_event().transpose().map_err(|error| {
            let marker = error.marker();
            let place = Place {
                source: Arc::clone(self.source),
                line: marker.line().max(1),
                column: marker.col() + 1,
                width: 1,
            };
            Stop { place, message: format!("{NOT_YAML}: {}", error.info()) }
        })
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err(self.stop(span, "the config is too large or nested too deeply"));
        }
        let place = self.place(span);
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(&text, style, tag.as_deref(), span)?, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.only_tag(tag.as_deref(), "seq", span)?;
                (self.sequence(depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.only_tag(tag.as_deref(), "map", span)?;
                (self.mapping(depth)?, anchor)
            }
            Event::Alias(id) => return self.alias(id, span, depth),
            _ => return Err(self.stop(span, "a value was expected here")),
        };
        let node = Node { place, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// A copy of the anchored node. Its places stay where the text stands.
    fn alias(&mut self, id: usize, span: &Span, depth: usize) -> Result<Node, Stop> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(self.stop(span, "this alias stands inside the value it names"));
        };
        let (count, deepest) = measure(&node);
        self.nodes += count;
        if self.nodes > MAX_NODES || depth + deepest > MAX_DEPTH {
            return Err(self.stop(span, "the aliases expand to too much"));
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Stop> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
        Ok(Value::Sequence(items))
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Stop> {
        let (mut merged, mut written) = (Vec::new(), Vec::new());
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key_node = self.node(event, &span, depth + 1)?;
            let key_place = key_node.place.clone();
            let key =
                key_text(&key_node, &span).ok_or_else(|| self.stop(&span, "a key must be a plain text"))?;
            let Some((event, span)) = self.next()? else { break };
            let mut node = self.node(event, &span, depth + 1)?;
            if node.is_null() {
                // An empty value has no place of its own.
                node.place = key_place.clone();
            }
            if merges {
                self.merge(node, &mut merged)?;
            } else {
                written.push(Entry { key, key_place, node });
            }
        }
        let mut seen = HashMap::new();
        for entry in &written {
            if let Some(line) = seen.insert(entry.key.as_str(), entry.key_place.line) {
                let message =
                    format!("`{}` is written twice; this one counts, line {line} does not", entry.key);
                self.sink.warn(&entry.key_place, message);
            }
        }
        merged.extend(written);
        Ok(Value::Mapping(last_wins(merged)))
    }

    /// Adds the entries behind a `<<` key: a mapping, or a list of mappings of which the first wins.
    fn merge(&mut self, node: Node, merged: &mut Vec<Entry>) -> Result<(), Stop> {
        let place = node.place.clone();
        let refuse = || Stop {
            place: place.clone(),
            message: "`<<` takes a mapping or a list of mappings".to_owned(),
        };
        match node.value {
            Value::Mapping(mapping) => merged.extend(mapping.entries),
            Value::Sequence(items) => {
                for item in items.into_iter().rev() {
                    let Value::Mapping(mapping) = item.value else { return Err(refuse()) };
                    merged.extend(mapping.entries);
                }
            }
            _ => return Err(refuse()),
        }
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Result<Value, Stop> {
        let Some(tag) = tag else {
            let plain = style == ScalarStyle::Plain;
            return Ok(if plain { scalar::plain(text) } else { Value::String(text.to_owned()) });
        };
        if tag.handle() == "" && tag.suffix() == "!" {
            return Ok(Value::String(text.to_owned()));
        }
        let value = match (tag.core_suffix(), scalar::plain(text)) {
            (Some("str" | "timestamp"), _) => Value::String(text.to_owned()),
            (Some("null"), _) => Value::Null,
            (Some("bool"), value @ Value::Bool(_)) | (Some("int"), value @ Value::Int(..)) => value,
            (Some("float"), value @ Value::Float(..)) => value,
            (Some("float"), Value::Int(value, text)) => Value::Float(value as f64, text),
            _ => return Err(self.stop(span, "this tag is not one of YAML's own, or does not fit the value")),
        };
        Ok(value)
    }

    fn only_tag(&self, tag: Option<&Tag>, allowed: &str, span: &Span) -> Result<(), Stop> {
        match tag {
            Some(tag) if tag.core_suffix() != Some(allowed) => {
                Err(self.stop(span, "this tag is not one of YAML's own, or does not fit the value"))
            }
            _ => Ok(()),
        }
    }

    fn place(&self, span: &Span) -> Place {
        let (start, end) = (span.start, span.end);
        let width = if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { 1 };
        Place {
            source: Arc::clone(self.source),
            line: start.line().max(1),
            column: start.col() + 1,
            width: width.max(1),
        }
    }

    fn stop(&self, span: &Span, message: &str) -> Stop {
        Stop { place: self.place(span), message: message.to_owned() }
    }
}

/// A key as text: numbers and words count as they are written.
fn key_text(node: &Node, span: &Span) -> Option<String> {
    match &node.value {
        Value::String(text) | Value::Int(_, text) | Value::Float(_, text) => Some(text.clone()),
        Value::Bool(_) | Value::Null => {
            let line = node.place.source.line(node.place.line);
            let width = span.end.col().saturating_sub(span.start.col());
            Some(line.chars().skip(span.start.col()).take(width).collect())
        }
        Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

/// Keeps the last value of each key, at the position of the first, as a Python dict does.
fn last_wins(entries: Vec<Entry>) -> Mapping {
    let mut index: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        match index.get(&entry.key) {
            Some(&at) => kept[at] = entry,
            None => {
                index.insert(entry.key.clone(), kept.len());
                kept.push(entry);
            }
        }
    }
    Mapping { entries: kept }
}

/// How many nodes there are, and how many levels.
fn measure(node: &Node) -> (usize, usize) {
    let children: Vec<&Node> = match &node.value {
        Value::Sequence(items) => items.iter().collect(),
        Value::Mapping(mapping) => mapping.entries.iter().map(|entry| &entry.node).collect(),
        _ => Vec::new(),
    };
    let mut total = (1, 1);
    for (count, depth) in children.into_iter().map(measure) {
        total = (total.0 + count, total.1.max(depth + 1));
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn json(text: &str) -> (serde_json::Value, Sink) {
        let mut sink = Sink::default();
        let node = read(&Source::new(Path::new("t.yaml"), text), &mut sink);
        (node.map_or(serde_json::Value::Null, |node| node.to_json()), sink)
    }

    #[test]
    fn merge_keys_give_way_to_written_ones() {
        let (value, sink) = json("a: &a {x: 1, y: 2}\nb: &b {x: 3, z: 4}\nc: {<<: [*a, *b], y: 5}\n");
        assert_eq!(value["c"], serde_json::json!({"x": 1, "y": 5, "z": 4}));
        assert!(sink.errors.is_empty() && sink.notices.is_empty(), "{sink:?}");
    }

    #[test]
    fn a_quoted_merge_key_is_a_key() {
        assert_eq!(json("a: {\"<<\": 1}").0["a"]["<<"], 1);
    }

    #[test]
    fn the_last_of_two_keys_wins_and_is_named() {
        let (value, sink) = json("a: 1\nb: 2\na: 3\n");
        assert_eq!(value["a"], 3);
        assert_eq!(sink.notices.len(), 1);
        assert_eq!((sink.notices[0].place.line, sink.notices[0].place.column), (3, 1));
    }

    #[test]
    fn quoted_words_stay_text() {
        let (value, _) = json("a: \"true\"\nb: '1'\nc: true\nd: !!str 5\ne: yes\nyes: 1\n2: x\n");
        assert_eq!(
            value,
            serde_json::json!({"a": "true", "b": "1", "c": true, "d": "5", "e": true, "yes": 1, "2": "x"})
        );
    }

    #[test]
    fn laughs_are_bounded() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let alias = format!("*a{}, ", i - 1).repeat(8);
            text.push_str(&format!("a{i}: &a{i} [{alias}]\n"));
        }
        assert!(json(&text).1.errors[0].message.contains("expand"));
        assert!(!json(&"[".repeat(10_000)).1.errors.is_empty());
        assert!(!json("a: &a [*a]").1.errors.is_empty());
    }

    #[test]
    fn what_is_refused() {
        for text in
            ["a: 1\n---\nb: 2\n", "a: [1", "a: *nobody", "? [x]\n: y", "<<: 5", "a: !!python/object:x {}"]
        {
            let (_, sink) = json(text);
            assert_eq!(sink.errors.len(), 1, "{text}");
        }
    }
}
