//! Blocks of content as the parts of a message.

use serde::Serialize;
use serde_json::{Value, json};

use super::Draft;

/// A part of a message's content.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Part(Value);

/// A message's content.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

impl Content {
    /// One text is said as a text, which every server takes, unless something hangs on it.
    pub(super) fn of(mut parts: Vec<Part>) -> Self {
        let alone = match parts.as_slice() {
            [] => return Content::Text(String::new()),
            [Part(Value::Object(part))] => part["type"] == "text" && part.len() == 2,
            _ => false,
        };
        match parts.pop() {
            Some(Part(mut part)) if alone => match part["text"].take() {
                Value::String(text) => Content::Text(text),
                _ => Content::Text(String::new()),
            },
            last => Content::Parts(parts.into_iter().chain(last).collect()),
        }
    }
}

impl Part {
    fn text(text: &str) -> Self {
        Part(json!({"type": "text", "text": text}))
    }

    /// A text without anything that hangs on it.
    pub(super) fn plain(&self) -> Option<&str> {
        self.0.get("text").filter(|_| self.0.get("cache_control").is_none())?.as_str()
    }
}

/// A block that says something: text, an image, a document, a search result. `None`: it is another, which the caller knows
/// or nobody.
pub(super) fn part(block: &Value, at: &str, out: &mut Draft) -> Result<Option<Vec<Part>>, String> {
    let mut parts = match block.get("type").and_then(Value::as_str) {
        Some("text") => vec![Part::text(text_of(block, "text", at)?)],
        Some("image") => image(block, at, out)?,
        Some("document") => document(block, at, out)?,
        Some("search_result") => vec![search_result(block, at)?],
        _ => return Ok(None),
    };
    if let Some(last) = parts.last_mut() {
        last.cached_as(block);
    }
    Ok(Some(parts))
}

impl Part {
    /// A prompt is cached up to this part.
    fn cached_as(&mut self, block: &Value) {
        if let Some(control) = block.get("cache_control").filter(|control| !control.is_null()) {
            self.0["cache_control"] = control.clone();
        }
    }
}

fn text_of<'a>(block: &'a Value, name: &str, at: &str) -> Result<&'a str, String> {
    block.get(name).and_then(Value::as_str).ok_or_else(|| format!("{at} needs \"{name}\", a text"))
}

/// What a block does not have a counterpart for; nothing is in its place.
fn nothing(what: String, out: &mut Draft) -> Result<Vec<Part>, String> {
    out.cannot_cross(what).map(|()| Vec::new())
}

fn image(block: &Value, at: &str, out: &mut Draft) -> Result<Vec<Part>, String> {
    let source = block.get("source").unwrap_or(&Value::Null);
    let url = match source.get("type").and_then(Value::as_str) {
        Some("base64") => data_url(source, at)?,
        Some("url") => text_of(source, "url", &format!("{at}.source"))?.to_owned(),
        Some("file") => return nothing(format!("{at}, an image of the Files API,"), out),
        _ => return Err(format!("{at}.source must have the type base64, url or file")),
    };
    Ok(vec![Part(json!({"type": "image_url", "image_url": {"url": url}}))])
}

fn data_url(source: &Value, at: &str) -> Result<String, String> {
    let at = format!("{at}.source");
    Ok(format!("data:{};base64,{}", text_of(source, "media_type", &at)?, text_of(source, "data", &at)?))
}

/// A document's text is text. Its title and context are said before it: there is no other place for them.
fn document(block: &Value, at: &str, out: &mut Draft) -> Result<Vec<Part>, String> {
    // No other model cites what it is given.
    if block.pointer("/citations/enabled") == Some(&Value::Bool(true)) {
        out.leave_out("messages.content.citations");
    }
    let said = |name: &str| block.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (title, context) = (said("title"), said("context"));
    let source = block.get("source").unwrap_or(&Value::Null);
    let file = |data: String| {
        let name = title.unwrap_or("document.pdf");
        Part(json!({"type": "file", "file": {"file_data": data, "filename": name}}))
    };
    let mut parts = match source.get("type").and_then(Value::as_str) {
        Some("base64") => vec![file(data_url(source, at)?)],
        Some("url") => vec![file(text_of(source, "url", &format!("{at}.source"))?.to_owned())],
        Some("text") => vec![Part::text(text_of(source, "data", &format!("{at}.source"))?)],
        Some("content") => match source.get("content") {
            Some(Value::String(text)) => vec![Part::text(text)],
            Some(Value::Array(blocks)) => {
                let mut parts = Vec::new();
                for (index, block) in blocks.iter().enumerate() {
                    let at = format!("{at}.source.content[{index}]");
                    parts.extend(
                        part(block, &at, out)?.ok_or_else(|| format!("{at} must be text or an image"))?,
                    );
                }
                parts
            }
            _ => return Err(format!("{at}.source needs \"content\", a text or a list of blocks")),
        },
        Some("file") => return nothing(format!("{at}, a document of the Files API,"), out),
        _ => return Err(format!("{at}.source must have the type base64, url, text, content or file")),
    };
    let about: Vec<String> = [title.map(|title| format!("Title: {title}")), context.map(str::to_owned)]
        .into_iter()
        .flatten()
        .collect();
    if !about.is_empty() {
        parts.insert(0, Part::text(&about.join("\n")));
    }
    Ok(parts)
}

fn search_result(block: &Value, at: &str) -> Result<Part, String> {
    let mut lines = vec![
        format!("Title: {}", text_of(block, "title", at)?),
        format!("Source: {}", text_of(block, "source", at)?),
    ];
    let texts = block.get("content").and_then(Value::as_array);
    for (index, text) in texts.into_iter().flatten().enumerate() {
        lines.push(text_of(text, "text", &format!("{at}.content[{index}]"))?.to_owned());
    }
    Ok(Part::text(&lines.join("\n")))
}
