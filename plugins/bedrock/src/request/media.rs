//! A message's content as blocks: text, images, documents, video, sound.

use std::collections::HashMap;

use serde_json::{Value, json};
use tidegate_plugin_sdk::Fault;

use super::{cache_point, invalid, unsupported};
use crate::model::Family;

/// Characters of a document's name.
const LONGEST_NAME: usize = 200;

/// The blocks of a content. Blank text, which Bedrock refuses, is left out.
pub(super) fn blocks(content: &Value, family: Family, at: &str) -> Result<Vec<Value>, Fault> {
    let mut out = Vec::new();
    match content {
        Value::Null => {}
        Value::String(text) => out.extend(text_block(text)),
        Value::Array(list) => {
            for (index, part) in list.iter().enumerate() {
                out.extend(one(part, &format!("{at}.content[{index}]"))?);
                // A point after nothing is refused.
                if !out.is_empty() {
                    out.extend(cache_point(part, family));
                }
            }
        }
        _ => return Err(invalid(format!("{at}: \"content\" must be text or a list of parts"))),
    }
    Ok(out)
}

/// The same, of a content that may hold text alone.
pub(super) fn texts(content: &Value, family: Family, at: &str) -> Result<Vec<Value>, Fault> {
    let blocks = blocks(content, family, at)?;
    match blocks.iter().all(|block| block.get("text").is_some() || block.get("cachePoint").is_some()) {
        true => Ok(blocks),
        false => Err(unsupported(format!("{at}: only text can stand here for Bedrock"))),
    }
}

fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"text": text}))
}

fn one(part: &Value, at: &str) -> Result<Option<Value>, Fault> {
    if let Value::String(text) = part {
        return Ok(text_block(text));
    }
    let text = |path: &str| part.pointer(path).and_then(Value::as_str);
    let needs = |field: &str| invalid(format!("{at} needs {field}"));
    match text("/type") {
        Some("text") => Ok(text_block(text("/text").ok_or_else(|| needs("\"text\""))?)),
        Some("refusal") => Ok(text_block(text("/refusal").ok_or_else(|| needs("\"refusal\""))?)),
        Some("image_url") => {
            let url = text("/image_url/url").or_else(|| text("/image_url"));
            let url = url.ok_or_else(|| needs("\"image_url\" with a \"url\""))?;
            media(url, text("/image_url/format"), None, at).map(Some)
        }
        Some("input_audio") => {
            let data = text("/input_audio/data").ok_or_else(|| needs("\"input_audio\" with \"data\""))?;
            let format =
                text("/input_audio/format").ok_or_else(|| needs("\"input_audio\" with a \"format\""))?;
            Ok(Some(json!({"audio": {"format": format, "source": {"bytes": data}}})))
        }
        Some("file") => {
            let source = text("/file/file_data").or_else(|| text("/file/file_id"));
            let source = source.ok_or_else(|| needs("\"file\" with \"file_data\" or \"file_id\""))?;
            media(source, text("/file/format"), text("/file/filename"), at).map(Some)
        }
        Some(other) => {
            Err(unsupported(format!("{at}: parts of the type {other:?} cannot be sent to Bedrock")))
        }
        None => Err(needs("a \"type\"")),
    }
}

/// A data URL's bytes go along; of other URLs Bedrock fetches those of S3 alone.
fn media(url: &str, mime: Option<&str>, name: Option<&str>, at: &str) -> Result<Value, Fault> {
    let (mime, source) = if let Some(rest) = url.strip_prefix("data:") {
        let (kind, data) =
            rest.split_once(',').ok_or_else(|| invalid(format!("{at}: the data URL has no data")))?;
        let kind = kind
            .strip_suffix(";base64")
            .ok_or_else(|| unsupported(format!("{at}: a data URL must be in base64 for Bedrock")))?;
        let own = kind.split(';').next().filter(|own| !own.is_empty());
        let mime =
            mime.or(own).ok_or_else(|| invalid(format!("{at}: the data URL does not say its type")))?;
        (mime.to_owned(), json!({"bytes": data}))
    } else if url.starts_with("s3://") {
        let ending = url.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map(|(_, ending)| ending);
        let kind = mime.or(ending).ok_or_else(|| {
            unsupported(format!("{at}: the URL does not tell its type by its ending; say \"format\""))
        })?;
        (kind.to_ascii_lowercase(), json!({"s3Location": {"uri": url}}))
    } else {
        return Err(unsupported(format!(
            "{at}: Bedrock fetches nothing from the web and knows no file ids; send a data URL, or one of S3"
        )));
    };
    let (member, format) = format_of(&mime)
        .ok_or_else(|| unsupported(format!("{at}: media of the type {mime:?} cannot be sent to Bedrock")))?;
    let mut block = json!({"format": format, "source": source});
    if member == "document" {
        block["name"] = json!(document_name(name, at));
    }
    Ok(json!({member: block}))
}

/// The member and the format, by media type or ending.
fn format_of(mime: &str) -> Option<(&'static str, &'static str)> {
    let short = mime.rsplit('/').next().unwrap_or(mime);
    Some(match (mime, short) {
        (_, "png") => ("image", "png"),
        (_, "jpeg" | "jpg") => ("image", "jpeg"),
        (_, "gif") => ("image", "gif"),
        (_, "webp") => ("image", "webp"),
        (_, "pdf") => ("document", "pdf"),
        (_, "csv") => ("document", "csv"),
        (_, "msword" | "doc") => ("document", "doc"),
        (_, "vnd.openxmlformats-officedocument.wordprocessingml.document" | "docx") => ("document", "docx"),
        (_, "vnd.ms-excel" | "xls") => ("document", "xls"),
        (_, "vnd.openxmlformats-officedocument.spreadsheetml.sheet" | "xlsx") => ("document", "xlsx"),
        (_, "html") => ("document", "html"),
        (_, "markdown" | "md") => ("document", "md"),
        ("text/plain" | "txt", _) => ("document", "txt"),
        ("video/mp4" | "mp4", _) => ("video", "mp4"),
        ("video/quicktime" | "mov", _) => ("video", "mov"),
        ("video/x-matroska" | "mkv", _) => ("video", "mkv"),
        ("video/webm" | "webm", _) => ("video", "webm"),
        ("video/mpeg" | "mpeg" | "mpg", _) => ("video", "mpeg"),
        ("video/x-flv" | "flv", _) => ("video", "flv"),
        ("video/x-ms-wmv" | "wmv", _) => ("video", "wmv"),
        ("video/3gpp" | "3gp", _) => ("video", "three_gp"),
        _ => return None,
    })
}

/// Numbers the documents that have one name: Bedrock refuses a request with two of it.
pub(super) fn number_documents<'a>(blocks: impl Iterator<Item = &'a mut Value>) {
    let mut known: HashMap<String, u32> = HashMap::new();
    for block in blocks {
        let Some(Value::String(name)) =
            block.get_mut("document").and_then(|document| document.get_mut("name"))
        else {
            continue;
        };
        let mut number = known.get(name).copied().unwrap_or(0);
        let mut made = name.clone();
        while number > 0 && (number == 1 || known.contains_key(&made)) {
            number += 1;
            let start: String = name.chars().take(LONGEST_NAME - 10).collect();
            made = format!("{start} {number}");
        }
        known.insert(name.clone(), number.max(1));
        known.entry(made.clone()).or_insert(1);
        *name = made;
    }
}

/// Bedrock takes letters, digits, single spaces, hyphens and brackets: where it stands is its name, unless it has its own.
fn document_name(name: Option<&str>, at: &str) -> String {
    let name = name.map(|name| name.rsplit_once('.').map_or(name, |(stem, _)| stem)).unwrap_or(at);
    let kept: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-()[]".contains(c) { c } else { ' ' })
        .collect();
    let kept = kept.split_whitespace().collect::<Vec<_>>().join(" ");
    if kept.is_empty() { "document".to_owned() } else { kept.chars().take(LONGEST_NAME).collect() }
}
