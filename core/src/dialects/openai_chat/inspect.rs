//! Says what an event is, in one pass over its JSON and without allocating.
//!
//! The whole event is parsed, not searched for words: a model's text may contain any word, and an event that is not
//! JSON must not pass. Error forms other than OpenAI's own are those seen from servers that speak the dialect: vLLM's
//! `{"object":"error"}`, OpenRouter's `finish_reason: "error"`, Groq's `event: error`.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::dialects::{Chunk, Seen};

pub(in crate::dialects) fn event(name: &[u8], data: &[u8]) -> Seen {
    let data = data.trim_ascii();
    if data.starts_with(b"[DONE]") {
        return Seen::Done;
    }
    if name == b"error" {
        return Seen::Error;
    }
    if data.is_empty() {
        return Seen::Chunk(Chunk::default());
    }
    body(data)
}

pub(in crate::dialects) fn body(data: &[u8]) -> Seen {
    // serde_json does not check the text of members that are skipped.
    let Ok(text) = std::str::from_utf8(data) else { return Seen::Malformed };
    let Ok(document) = serde_json::from_str::<Document>(text) else { return Seen::Malformed };
    if document.error || document.choices.error {
        return Seen::Error;
    }
    Seen::Chunk(Chunk {
        content: document.choices.content,
        finish: document.choices.finish,
        usage_only: document.usage && !document.choices.any,
    })
}

/// A chunk, or a whole completion.
#[derive(Default)]
struct Document {
    error: bool,
    usage: bool,
    choices: Choices,
}

#[derive(Clone, Copy, Default)]
struct Choices {
    any: bool,
    content: bool,
    finish: bool,
    error: bool,
}

/// Deserializes an object by handing each member to a function.
struct Members<T, F>(T, F);

impl<'de, T, F> DeserializeSeed<'de> for Members<T, F>
where
    F: for<'k> FnMut(&mut T, Key<'k>) -> Take,
    T: Sink,
{
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T, F> Visitor<'de> for Members<T, F>
where
    F: for<'k> FnMut(&mut T, Key<'k>) -> Take,
    T: Sink,
{
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<T, A::Error> {
        while let Some(key) = map.next_key::<KeyBuf>()? {
            match (self.1)(&mut self.0, key.as_key()) {
                Take::Skip => {
                    map.next_value::<IgnoredAny>()?;
                }
                Take::Weight(field) => {
                    let weight = map.next_value::<Weight>()?;
                    self.0.weight(field, weight);
                }
                Take::Choices => {
                    let choices = map.next_value::<Choices>()?;
                    self.0.choices(choices);
                }
                Take::Delta => {
                    let content = map.next_value::<Delta>()?.0;
                    self.0.weight(Field::Content, if content { Weight::Full } else { Weight::Empty });
                }
            }
        }
        Ok(self.0)
    }
}

/// What to do with a member's value.
enum Take {
    Skip,
    Weight(Field),
    Choices,
    Delta,
}

#[derive(Clone, Copy)]
enum Field {
    Error,
    Kind,
    Usage,
    Content,
    Finish,
}

trait Sink {
    fn weight(&mut self, field: Field, weight: Weight);
    fn choices(&mut self, _choices: Choices) {}
}

impl Sink for Document {
    fn weight(&mut self, field: Field, weight: Weight) {
        match field {
            Field::Error => self.error |= weight != Weight::Null,
            Field::Kind => self.error |= weight == Weight::ErrorWord,
            Field::Usage => self.usage |= weight == Weight::Full,
            Field::Content | Field::Finish => {}
        }
    }

    fn choices(&mut self, choices: Choices) {
        self.choices = choices;
    }
}

impl Sink for Choices {
    fn weight(&mut self, field: Field, weight: Weight) {
        match field {
            Field::Error => self.error |= weight != Weight::Null,
            Field::Finish => {
                self.finish |= weight != Weight::Null;
                self.error |= weight == Weight::ErrorWord;
            }
            Field::Content => self.content |= weight == Weight::Full,
            Field::Kind | Field::Usage => {}
        }
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Members(Document::default(), |_: &mut Document, key: Key<'_>| match key {
            "error" => Take::Weight(Field::Error),
            "object" | "type" => Take::Weight(Field::Kind),
            "usage" => Take::Weight(Field::Usage),
            "choices" => Take::Choices,
            _ => Take::Skip,
        })
        .deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Choices;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array of choices")
            }
            fn visit_unit<E>(self) -> Result<Choices, E> {
                Ok(Choices::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Choices, A::Error> {
                let mut all = Choices::default();
                while let Some(Choice(one)) = seq.next_element()? {
                    all.any = true;
                    all.content |= one.content;
                    all.finish |= one.finish;
                    all.error |= one.error;
                }
                Ok(all)
            }
        }
        deserializer.deserialize_any(Each)
    }
}

struct Choice(Choices);

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Members(Choices::default(), |_: &mut Choices, key: Key<'_>| match key {
            "delta" | "message" => Take::Delta,
            "text" => Take::Weight(Field::Content),
            "finish_reason" => Take::Weight(Field::Finish),
            "error" => Take::Weight(Field::Error),
            _ => Take::Skip,
        })
        .deserialize(deserializer)
        .map(Choice)
    }
}

/// Whether a delta holds anything but its role.
struct Delta(bool);

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Delta;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a delta")
            }
            fn visit_unit<E>(self) -> Result<Delta, E> {
                Ok(Delta(false))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Delta, A::Error> {
                let mut full = false;
                while let Some(key) = map.next_key::<KeyBuf>()? {
                    let weight = map.next_value::<Weight>()?;
                    full |= key.as_key() != "role" && matches!(weight, Weight::Full | Weight::ErrorWord);
                }
                Ok(Delta(full))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

type Key<'k> = &'k str;

/// A member's name. Names longer than any that matters are cut: they equal none of them.
struct KeyBuf([u8; 16], usize);

impl KeyBuf {
    fn as_key(&self) -> Key<'_> {
        std::str::from_utf8(&self.0[..self.1]).unwrap_or("")
    }
}

impl<'de> Deserialize<'de> for KeyBuf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = KeyBuf;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a member's name")
            }
            fn visit_str<E>(self, name: &str) -> Result<KeyBuf, E> {
                let mut key = KeyBuf([0; 16], 0);
                if let Some(slot) = key.0.get_mut(..name.len()) {
                    slot.copy_from_slice(name.as_bytes());
                    key.1 = name.len();
                }
                Ok(key)
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// How much a value holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Null,
    /// An empty string, array or object.
    Empty,
    /// The string "error".
    ErrorWord,
    Full,
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Weight;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any value")
            }
            fn visit_unit<E>(self) -> Result<Weight, E> {
                Ok(Weight::Null)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Weight, E> {
                Ok(Weight::Full)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Weight, E> {
                Ok(Weight::Full)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Weight, E> {
                Ok(Weight::Full)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Weight, E> {
                Ok(Weight::Full)
            }
            fn visit_str<E>(self, text: &str) -> Result<Weight, E> {
                Ok(match text {
                    "" => Weight::Empty,
                    "error" => Weight::ErrorWord,
                    _ => Weight::Full,
                })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Weight, A::Error> {
                let mut weight = Weight::Empty;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    weight = Weight::Full;
                }
                Ok(weight)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Weight, A::Error> {
                let mut weight = Weight::Empty;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    weight = Weight::Full;
                }
                Ok(weight)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(content: bool, finish: bool, usage_only: bool) -> Seen {
        Seen::Chunk(Chunk { content, finish, usage_only })
    }

    #[test]
    fn tells_the_parts_of_an_answer() {
        for (data, expected) in [
            (
                r#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
                chunk(false, false, false),
            ),
            (
                r#"{"choices":[{"delta":{"content":"é \"finish_reason\":\"stop\""}}]}"#,
                chunk(true, false, false),
            ),
            (r#"{"choices":[{"delta":{"content":"error"}}]}"#, chunk(true, false, false)),
            (r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, chunk(true, false, false)),
            (
                r#"{"choices":[{"delta":{"reasoning_content":"hm","tool_calls":[],"content":null}}]}"#,
                chunk(true, false, false),
            ),
            (r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}"#, chunk(false, true, false)),
            (
                r#"{"choices":[{"delta":null},{"delta":{"content":"b"},"finish_reason":"length"}]}"#,
                chunk(true, true, false),
            ),
            (r#"{"choices":[],"usage":{"total_tokens":3}}"#, chunk(false, false, true)),
            (
                r#"{"choices":[{"message":{"content":"whole"},"finish_reason":"stop"}],"usage":{"a":1}}"#,
                chunk(true, true, false),
            ),
            (r#"{"error":null,"choices":null}"#, chunk(false, false, false)),
            ("", chunk(false, false, false)),
            ("[DONE]", Seen::Done),
            (" [DONE] ", Seen::Done),
        ] {
            assert_eq!(event(b"", data.as_bytes()), expected, "{data}");
        }
    }

    #[test]
    fn tells_every_form_of_an_error() {
        for data in [
            r#"{"error":{"code":429}}"#,
            r#"{"error":"overloaded"}"#,
            r#"{"error":{}}"#,
            r#"{"object":"error","message":"m"}"#,
            r#"{"type":"error"}"#,
            r#"{"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
            r#"{"choices":[{"delta":{"content":"x"}}],"error":{"code":502}}"#,
        ] {
            assert_eq!(event(b"", data.as_bytes()), Seen::Error, "{data}");
        }
        assert_eq!(event(b"error", b"anything"), Seen::Error);
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for data in [
            "{",
            r#"{"choices":[{"delta":{"content":"a"#,
            "null",
            "3",
            "[]",
            "text",
            r#"{"choices":7}"#,
            "{} {}",
            "{\"a\":\"\u{1}\"}",
        ] {
            assert_eq!(event(b"", data.as_bytes()), Seen::Malformed, "{data}");
        }
        assert_eq!(event(b"", b"{\"a\":\"\xff\"}"), Seen::Malformed);
    }
}
