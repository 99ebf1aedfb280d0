//! A request's body as a vendor takes it. What no quirk touches stays as it came, byte for byte.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};
use tidegate_plugin_sdk::{Dropped, Fault};

use crate::call_id;
use crate::quirks::Quirks;

impl Quirks {
    /// The body with the quirks of requests; `None` where there is nothing to change. What is left out is `dropped`, but for
    /// what says nothing.
    pub(crate) fn edited(&self, body: &[u8], dropped: &mut Dropped) -> Result<Option<Vec<u8>>, Fault> {
        let in_messages = self.text_content
            || self.drop_nulls
            || self.call_ids_of_nine
            || !self.drop_in_messages.is_empty();
        let on_top = !self.rename.is_empty() || !self.drop.is_empty() || self.tool_choice_required.is_some();
        if !in_messages && !on_top {
            return Ok(None);
        }
        let mut members: Members<'_> = serde_json::from_slice(body)
            .map_err(|error| Fault::Invalid(format!("the request body is not a JSON object: {error}")))?;
        let mut changed = self.rename(&mut members);
        changed |= members.drop(|name, value| {
            let goes = self.drop.iter().any(|dropped| dropped == name);
            if goes && value != "null" {
                dropped.advice(name);
            }
            goes
        });
        changed |= self.tool_choice(&mut members);
        if in_messages && let Some(messages) = members.get_mut("messages") {
            changed |= self.messages(messages, dropped)?;
        }
        Ok(changed.then(|| members.written().into_bytes()))
    }

    fn rename(&self, members: &mut Members<'_>) -> bool {
        self.rename.iter().fold(false, |changed, (from, to)| members.rename(from, to) | changed)
    }

    fn tool_choice(&self, members: &mut Members<'_>) -> bool {
        let (Some(word), Some(choice)) = (&self.tool_choice_required, members.get_mut("tool_choice")) else {
            return false;
        };
        let required = choice.get() == "\"required\"";
        if required && let Ok(raw) = to_raw_value(word) {
            *choice = Piece::Own(raw);
        }
        required
    }

    /// A list that is none is the vendor's to refuse.
    fn messages(&self, messages: &mut Piece<'_>, dropped: &mut Dropped) -> Result<bool, Fault> {
        let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(messages.get()) else { return Ok(false) };
        let (mut changed, mut made) = (false, Vec::with_capacity(list.len()));
        for message in list {
            let edited = serde_json::from_str::<Members<'_>>(message.get())
                .ok()
                .and_then(|mut members| self.message(&mut members, dropped).then(|| members.written()));
            changed |= edited.is_some();
            made.push(edited.unwrap_or_else(|| message.get().to_owned()));
        }
        if changed {
            let raw = RawValue::from_string(format!("[{}]", made.join(",")));
            *messages = Piece::Own(raw.map_err(|_| Fault::Invalid("the messages are not JSON".to_owned()))?);
        }
        Ok(changed)
    }

    fn message(&self, members: &mut Members<'_>, dropped: &mut Dropped) -> bool {
        let role = members.get_mut("role").and_then(|role| serde_json::from_str::<String>(role.get()).ok());
        let role = role.unwrap_or_default();
        let named = |name: &str| {
            self.drop_in_messages.iter().any(|dropped| match dropped.split_once('.') {
                Some((of, dropped)) => of == role && dropped == name,
                None => dropped == name,
            })
        };
        let mut changed = members.drop(|name, value| {
            let goes = named(name);
            if goes && value != "null" {
                dropped.advice(&format!("messages.{name}"));
            }
            goes || (self.drop_nulls && value == "null")
        });
        if self.text_content
            && let Some(content) = members.get_mut("content")
            && let Some(text) = joined(content.get())
        {
            *content = Piece::Own(text);
            changed = true;
        }
        if self.call_ids_of_nine {
            changed |= call_id::shorten(members);
        }
        changed
    }
}

/// A list of texts as one. With anything else in it, it stays: what cannot be said in a text is not left out.
fn joined(content: &str) -> Option<Box<RawValue>> {
    let parts: Vec<serde_json::Value> = serde_json::from_str(content).ok()?;
    let text = |part: &serde_json::Value| match part["type"] == "text" {
        true => part["text"].as_str().map(str::to_owned),
        false => None,
    };
    let parts: Option<Vec<String>> = parts.iter().map(text).collect();
    to_raw_value(&parts?.concat()).ok()
}

/// The members of an object in their order, their values as they were written.
pub(crate) struct Members<'a>(Vec<(String, Piece<'a>)>);

pub(crate) enum Piece<'a> {
    Lent(&'a RawValue),
    Own(Box<RawValue>),
}

impl Piece<'_> {
    pub(crate) fn get(&self) -> &str {
        match self {
            Piece::Lent(raw) => raw.get(),
            Piece::Own(raw) => raw.get(),
        }
    }
}

impl<'a> Members<'a> {
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Piece<'a>> {
        self.0.iter_mut().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    pub(crate) fn push(&mut self, name: &str, value: Piece<'a>) {
        self.0.push((name.to_owned(), value));
    }

    /// Whether there was a member of that name. It takes the place of one that has the new name already; a null says
    /// nothing, so it takes nothing's place.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(at) = self.0.iter().position(|(name, _)| name == from) else { return false };
        let (_, value) = self.0.remove(at);
        if value.get() != "null" {
            self.drop(|name, _| name == to);
            self.0.push((to.to_owned(), value));
        }
        true
    }

    /// Whether any member went.
    pub(crate) fn drop(&mut self, mut goes: impl FnMut(&str, &str) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|(name, value)| !goes(name, value.get()));
        self.0.len() < before
    }

    pub(crate) fn written(&self) -> String {
        let members = self
            .0
            .iter()
            .map(|(name, value)| format!("{}:{}", serde_json::Value::from(name.as_str()), value.get()));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((name, Piece::Lent(value)));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(InOrder)
    }
}
