//! YAML to JSON, as far as vendor files need it: mappings, lists, texts, true and false.

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

type Events<'a> = Box<dyn Iterator<Item = Event<'a>> + 'a>;

/// The one document of `text`.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let events = Parser::new_from_str(text)
        .map(|event| event.map(|(event, _)| event).map_err(|error| error.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut events: Events<'_> = Box::new(
        events.into_iter().filter(|event| !matches!(event, Event::StreamStart | Event::DocumentStart(..))),
    );
    let first = events.next().ok_or("it is empty")?;
    value(first, &mut events)
}

fn value<'a>(event: Event<'a>, rest: &mut Events<'a>) -> Result<Value, String> {
    match event {
        Event::Scalar(text, style, ..) => Ok(match text.as_ref() {
            "true" if style == ScalarStyle::Plain => Value::Bool(true),
            "false" if style == ScalarStyle::Plain => Value::Bool(false),
            text => Value::String(text.to_owned()),
        }),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match rest.next().ok_or("a list does not end")? {
                    Event::SequenceEnd => return Ok(Value::Array(items)),
                    event => items.push(value(event, rest)?),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut members = Map::new();
            loop {
                let key = match rest.next().ok_or("a mapping does not end")? {
                    Event::MappingEnd => return Ok(Value::Object(members)),
                    Event::Scalar(key, ..) => key.into_owned(),
                    other => return Err(format!("{other:?} is no key")),
                };
                let event = rest.next().ok_or("a key has no value")?;
                if members.insert(key.clone(), value(event, rest)?).is_some() {
                    return Err(format!("`{key}` is written twice"));
                }
            }
        }
        other => Err(format!("{other:?} is not supported in a vendor file")),
    }
}
