//! A message's content as content blocks: text, images, documents.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::{Platform, base64, invalid, unsupported};

/// Anthropic's own blocks, which pass as they are: litellm's clients put them among OpenAI's parts.
const OWN: &[&str] = &["image", "document", "search_result", "container_upload", "tool_reference"];

/// A content that may hold text alone.
pub(super) fn texts(content: &Value, platform: Platform, at: &str) -> Result<Vec<Value>, Fault> {
    let blocks = blocks(content, platform, at)?;
    match blocks.iter().position(|block| block["type"] != "text") {
        Some(index) => {
            Err(unsupported(format!("{at}.content[{index}]: only text can stand here for Claude")))
        }
        None => Ok(blocks),
    }
}

/// Any content. Blank texts are left out: Anthropic refuses them ("text content blocks must contain non-whitespace text"),
/// and OpenAI's clients send them beside tool calls. A message that holds nothing else is left out with them.
pub(super) fn blocks(content: &Value, platform: Platform, at: &str) -> Result<Vec<Value>, Fault> {
    match content {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(text_block(text).into_iter().collect()),
        Value::Array(list) => {
            let one = |(index, part)| one(part, platform, &format!("{at}.content[{index}]"));
            list.iter().enumerate().filter_map(|numbered| one(numbered).transpose()).collect()
        }
        _ => Err(invalid(format!("{at}: \"content\" must be text or a list of parts"))),
    }
}

fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}))
}

fn one(part: &Value, platform: Platform, at: &str) -> Result<Option<Value>, Fault> {
    if let Value::String(text) = part {
        return Ok(text_block(text));
    }
    let text = |path: &str| part.pointer(path).and_then(Value::as_str);
    let needs = |field: &str| invalid(format!("{at} needs {field}"));
    let mut block = match text("/type") {
        Some("text") => text_block(text("/text").ok_or_else(|| needs("\"text\""))?),
        Some("refusal") => text_block(text("/refusal").ok_or_else(|| needs("\"refusal\""))?),
        Some("image_url") => {
            let url = text("/image_url/url").or_else(|| text("/image_url"));
            let url = url.ok_or_else(|| needs("\"image_url\" with a \"url\""))?;
            Some(json!({"type": "image", "source": image(url, text("/image_url/format"), platform, at)?}))
        }
        Some("file") => Some(file(part.get("file").unwrap_or(&Value::Null), platform, at)?),
        Some(own) if OWN.contains(&own) => return Ok(Some(part.clone())),
        Some(other) => {
            return Err(unsupported(format!("{at}: parts of the type {other:?} cannot be sent to Claude")));
        }
        None => return Err(needs("a \"type\"")),
    };
    if let Some(block) = &mut block {
        keep_cache_control(part, block);
    }
    Ok(block)
}

/// A mark for Anthropic's prompt cache stays where the client put it.
pub(super) fn keep_cache_control(from: &Value, to: &mut Value) {
    if let Some(mark) = from.get("cache_control").filter(|mark| mark.is_object()) {
        to["cache_control"] = mark.clone();
    }
}

fn image(url: &str, mime: Option<&str>, platform: Platform, at: &str) -> Result<Value, Fault> {
    let Some((own, data)) = data_url(url, at)? else { return fetched(url, platform, at) };
    let mime = match mime.unwrap_or(own) {
        "image/jpg" => "image/jpeg",
        mime => mime,
    };
    if !matches!(mime, "image/jpeg" | "image/png" | "image/gif" | "image/webp") {
        return Err(unsupported(format!(
            "{at}: Claude reads images as JPEG, PNG, GIF and WebP, not as {mime:?}"
        )));
    }
    Ok(json!({"type": "base64", "media_type": mime, "data": data}))
}

/// A source that the platform is to fetch.
fn fetched(url: &str, platform: Platform, at: &str) -> Result<Value, Fault> {
    if !url.starts_with("https://") {
        return Err(unsupported(format!("{at}: the URL must begin with data: or https:// for Claude")));
    }
    if platform == Platform::Vertex {
        return Err(unsupported(format!("{at}: Vertex AI fetches nothing for Claude; send a data URL")));
    }
    Ok(json!({"type": "url", "url": url}))
}

/// The media type and the data of a data URL; `None` for another URL.
fn data_url<'a>(url: &'a str, at: &str) -> Result<Option<(&'a str, &'a str)>, Fault> {
    let Some(rest) = url.strip_prefix("data:") else { return Ok(None) };
    let (kind, data) =
        rest.split_once(',').ok_or_else(|| invalid(format!("{at}: the data URL has no data")))?;
    let kind = kind
        .strip_suffix(";base64")
        .ok_or_else(|| unsupported(format!("{at}: a data URL must be in base64 for Claude")))?;
    Ok(Some((kind.split(';').next().unwrap_or(kind), data)))
}

/// OpenAI's `file` part: a PDF or a plain text as a document, an image as an image, an id of Anthropic's Files API.
fn file(file: &Value, platform: Platform, at: &str) -> Result<Value, Fault> {
    let text = |name: &str| file.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let source = if let Some(id) =
        text("file_id").filter(|id| !id.contains("://") && !id.starts_with("data:"))
    {
        json!({"type": "file", "file_id": id})
    } else {
        let url = text("file_data").or_else(|| text("file_id"));
        let url =
            url.ok_or_else(|| invalid(format!("{at} needs \"file\" with \"file_data\" or \"file_id\"")))?;
        match data_url(url, at)? {
            None => fetched(url, platform, at)?,
            Some((own, data)) => match text("format").unwrap_or(own) {
                mime @ "application/pdf" => json!({"type": "base64", "media_type": mime, "data": data}),
                mime if mime.starts_with("text/") => {
                    let said = base64::decode(data).and_then(|bytes| String::from_utf8(bytes).ok());
                    let said =
                        said.ok_or_else(|| invalid(format!("{at}: the file's data is not UTF-8 in base64")))?;
                    json!({"type": "text", "media_type": "text/plain", "data": said})
                }
                mime if mime.starts_with("image/") => {
                    return Ok(json!({"type": "image", "source": image(url, Some(mime), platform, at)?}));
                }
                mime => {
                    let sentence = "Claude reads files as PDF, plain text and images, not as";
                    return Err(unsupported(format!("{at}: {sentence} {mime:?}")));
                }
            },
        }
    };
    let mut block = Map::new();
    block.insert("type".to_owned(), json!("document"));
    block.insert("source".to_owned(), source);
    if let Some(name) = text("filename") {
        block.insert("title".to_owned(), json!(name));
    }
    Ok(Value::Object(block))
}
