//! A user's parts: text, images, sound, files.

use serde_json::{Value, json};

use super::Crossing;
use crate::dialects::gemini::proto;

/// One text is a text; anything else a list of parts.
pub(super) fn content(mut parts: Vec<Value>) -> Value {
    match parts.as_mut_slice() {
        [one] if one["type"] == "text" => one["text"].take(),
        _ => Value::Array(parts),
    }
}

/// The part in a chat completion's form; `None`: it says nothing, or was left out.
pub(super) fn part(part: &Value, at: &str, crossing: &mut Crossing) -> Result<Option<Value>, String> {
    let mut said = None;
    for (name, value) in proto::members(part) {
        match &*name {
            "text" => {
                let text = value.as_str().ok_or_else(|| format!("{at}: \"text\" must be a string"))?;
                said = Some(json!({"type": "text", "text": text}));
            }
            "inlineData" => match inline(value, at)? {
                Some(part) => said = Some(part),
                None => {
                    let kind = proto::text(value, "mimeType").unwrap_or_default();
                    crossing.cannot(format!("{at}.inlineData of the type {kind:?}"))?;
                }
            },
            "fileData" => match file(value, at)? {
                Some(part) => said = Some(part),
                None => crossing.cannot(format!("{at}.fileData, which only Google can fetch,"))?,
            },
            // Of the model's own parts, which clients send back where they like.
            "thought" | "thoughtSignature" => {}
            other => crossing.cannot(format!("{at}.{other}"))?,
        }
    }
    Ok(said)
}

fn inline(blob: &Value, at: &str) -> Result<Option<Value>, String> {
    let needs = |what: &str| format!("{at}: \"inlineData\" needs \"{what}\"");
    let kind = proto::text(blob, "mimeType").ok_or_else(|| needs("mimeType"))?;
    let data = proto::text(blob, "data").ok_or_else(|| needs("data"))?;
    // SDKs write bytes in the URL-safe alphabet, which Google reads as well as the other.
    let data = data.replace('-', "+").replace('_', "/");
    let name = proto::text(blob, "displayName");
    let family = kind.split('/').next().unwrap_or_default();
    Ok(match family {
        "image" => {
            Some(json!({"type": "image_url", "image_url": {"url": format!("data:{kind};base64,{data}")}}))
        }
        "audio" => Some(json!({"type": "input_audio", "input_audio": {"data": data, "format": sound(kind)}})),
        "video" => None,
        _ => {
            let name = name.map_or_else(|| format!("file.{}", ending(kind)), str::to_owned);
            let data = format!("data:{kind};base64,{data}");
            Some(json!({"type": "file", "file": {"filename": name, "file_data": data}}))
        }
    })
}

/// The name of a sound's format, such as `wav`.
fn sound(kind: &str) -> &str {
    match kind.split(';').next().unwrap_or(kind).trim().trim_start_matches("audio/") {
        "mpeg" | "mp3" => "mp3",
        "x-wav" | "wave" | "wav" => "wav",
        other => other,
    }
}

fn ending(kind: &str) -> &str {
    match kind {
        "text/plain" => "txt",
        "text/markdown" => "md",
        _ => kind.rsplit(['/', '+']).next().unwrap_or("bin"),
    }
}

/// A picture anybody can fetch. Google's own files, and those in its cloud storage, need a key of Google's.
fn file(file: &Value, at: &str) -> Result<Option<Value>, String> {
    let uri = proto::text(file, "fileUri").ok_or_else(|| format!("{at}: \"fileData\" needs \"fileUri\""))?;
    let path = uri.split(['?', '#']).next().unwrap_or(uri).to_ascii_lowercase();
    let picture = proto::text(file, "mimeType").map_or_else(
        || [".png", ".jpg", ".jpeg", ".webp", ".gif"].iter().any(|end| path.ends_with(end)),
        |kind| kind.starts_with("image/"),
    );
    let open = uri.starts_with("https://") && !uri.starts_with("https://generativelanguage.googleapis.com/");
    Ok((picture && open).then(|| json!({"type": "image_url", "image_url": {"url": uri}})))
}
