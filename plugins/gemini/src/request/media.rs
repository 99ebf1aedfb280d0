//! A message's content as parts: text, images, sound, files.

use serde_json::{Value, json};
use tidegate_plugin_sdk::Fault;

use super::{invalid, unsupported};

/// A content that may hold text alone.
pub(super) fn texts(content: &Value, at: &str) -> Result<Vec<Value>, Fault> {
    let parts = parts(content, at)?;
    match parts.iter().position(|part| part.get("text").is_none()) {
        Some(index) => {
            Err(unsupported(format!("{at}.content[{index}]: only text can stand here for Gemini")))
        }
        None => Ok(parts),
    }
}

/// Any content.
pub(super) fn parts(content: &Value, at: &str) -> Result<Vec<Value>, Fault> {
    match content {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(vec![json!({"text": text})]),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, part)| one(part, &format!("{at}.content[{index}]")))
            .collect(),
        _ => Err(invalid(format!("{at}: \"content\" must be text or a list of parts"))),
    }
}

fn one(part: &Value, at: &str) -> Result<Value, Fault> {
    if let Value::String(text) = part {
        return Ok(json!({"text": text}));
    }
    let text = |path: &str| part.pointer(path).and_then(Value::as_str);
    let needs = |field: &str| invalid(format!("{at} needs {field}"));
    match text("/type") {
        Some("text") => Ok(json!({"text": text("/text").ok_or_else(|| needs("\"text\""))?})),
        Some("refusal") => Ok(json!({"text": text("/refusal").ok_or_else(|| needs("\"refusal\""))?})),
        Some("image_url") => {
            let url = text("/image_url/url").or_else(|| text("/image_url"));
            let mime = text("/image_url/format");
            media(url.ok_or_else(|| needs("\"image_url\" with a \"url\""))?, mime, at)
        }
        Some("input_audio") => {
            let data = text("/input_audio/data").ok_or_else(|| needs("\"input_audio\" with \"data\""))?;
            let format =
                text("/input_audio/format").ok_or_else(|| needs("\"input_audio\" with a \"format\""))?;
            Ok(json!({"inlineData": {"mimeType": format!("audio/{format}"), "data": data}}))
        }
        Some("file") => {
            let source = text("/file/file_data").or_else(|| text("/file/file_id"));
            let mime = text("/file/format");
            media(source.ok_or_else(|| needs("\"file\" with \"file_data\" or \"file_id\""))?, mime, at)
        }
        Some(other) => {
            Err(unsupported(format!("{at}: parts of the type {other:?} cannot be sent to Gemini")))
        }
        None => Err(needs("a \"type\"")),
    }
}

/// A data URL goes inline; any other URL is for Google to fetch, which wants to know its type.
fn media(url: &str, mime: Option<&str>, at: &str) -> Result<Value, Fault> {
    if let Some(rest) = url.strip_prefix("data:") {
        let (kind, data) =
            rest.split_once(',').ok_or_else(|| invalid(format!("{at}: the data URL has no data")))?;
        let kind = kind
            .strip_suffix(";base64")
            .ok_or_else(|| unsupported(format!("{at}: a data URL must be in base64 for Gemini")))?;
        let own = kind.split(';').next().filter(|own| !own.is_empty());
        let mime =
            mime.or(own).ok_or_else(|| invalid(format!("{at}: the data URL does not say its type")))?;
        return Ok(json!({"inlineData": {"mimeType": mime, "data": data}}));
    }
    if !["https://", "http://", "gs://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(invalid(format!("{at}: the URL must begin with data:, https:// or gs://")));
    }
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let mime = mime.or_else(|| mime_of(path)).or_else(|| hosted(url)).ok_or_else(|| {
        unsupported(format!(
            "{at}: the URL does not tell its type by its ending; send a data URL, or say \"format\""
        ))
    })?;
    Ok(json!({"fileData": {"mimeType": mime, "fileUri": url}}))
}

fn mime_of(path: &str) -> Option<&'static str> {
    let ending = path.rsplit('/').next()?.rsplit_once('.')?.1;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" | "md" => "text/plain",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mpeg" | "mpg" => "video/mpeg",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "ogg" => "audio/ogg",
        _ => return None,
    })
}

/// YouTube's links are Google's to resolve.
fn hosted(url: &str) -> Option<&'static str> {
    let youtube = ["https://www.youtube.com/watch", "https://youtu.be/"];
    youtube.iter().any(|start| url.starts_with(start)).then_some("video/mp4")
}
