//! A conversation that another provider had a part in, for Anthropic itself: thoughts that nobody signed, which Anthropic
//! refuses, the signatures of others in the ids of calls, and pages that its own search did not find are taken out.

use serde_json::Value;
use serde_json::value::RawValue;

use super::ids;
use crate::dialects::{Request, body, options};

/// What another provider's thought looks like in a history, in the two ways in which clients write it.
const UNSIGNED: [&str; 2] = ["\"signature\":\"\"", "\"signature\": \"\""];
/// And its citation of a page.
const UNINDEXED: [&str; 2] = ["\"encrypted_index\":\"\"", "\"encrypted_index\": \"\""];

/// The request without what only Tidegate can read. `None`: there is nothing of the kind in it.
pub(super) fn without_ours(request: &Request) -> Option<Request> {
    let text = std::str::from_utf8(&request.body).ok()?;
    let ours = text.contains(ids::MARK) || UNSIGNED.iter().chain(&UNINDEXED).any(|mark| text.contains(mark));
    if !ours {
        return None;
    }
    let members = options::members_of(text).ok()?;
    let (_, list) = members.iter().find(|(name, _)| name == "messages")?;
    let messages: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    let mut changed = false;
    let messages: Vec<String> = messages
        .into_iter()
        .map(|raw| {
            let own = message(raw);
            changed |= own.is_some();
            own.unwrap_or_else(|| raw.get().to_owned())
        })
        .collect();
    if !changed {
        return None;
    }
    let messages = RawValue::from_string(format!("[{}]", messages.join(","))).ok()?;
    body::with(request, &[("messages".to_owned(), messages)])
}

/// `None`: it stays as it is.
fn message(raw: &RawValue) -> Option<String> {
    let members = options::members_of(raw.get()).ok()?;
    let (_, content) = members.iter().find(|(name, _)| name == "content")?;
    let blocks: Vec<&RawValue> = serde_json::from_str(content.get()).ok()?;
    let mut changed = false;
    let kept: Vec<String> = blocks
        .iter()
        .filter_map(|raw| match block(raw) {
            Block::Same => Some(raw.get().to_owned()),
            Block::Other(other) => {
                changed = true;
                Some(other)
            }
            Block::Gone => {
                changed = true;
                None
            }
        })
        .collect();
    // A turn must have content: one of thoughts alone says nothing without them, and stays for Anthropic to judge.
    if !changed || kept.is_empty() {
        return None;
    }
    let content = format!("[{}]", kept.join(","));
    let (written, _) = body::written(members.iter().map(|(name, value)| {
        (name.as_str(), if name == "content" { content.as_str() } else { value.get() })
    }));
    String::from_utf8(written.to_vec()).ok()
}

enum Block {
    Same,
    Other(String),
    Gone,
}

fn block(raw: &RawValue) -> Block {
    let Ok(members) = options::members_of(raw.get()) else { return Block::Same };
    let said = |wanted: &str| {
        let value = members.iter().find(|(name, _)| name == wanted)?.1;
        serde_json::from_str::<Value>(value.get()).ok()?.as_str().map(str::to_owned)
    };
    let id = match said("type").as_deref() {
        Some("thinking") if said("signature").is_none_or(|signature| signature.is_empty()) => {
            return Block::Gone;
        }
        Some("text") => return uncited(&members).map_or(Block::Same, Block::Other),
        Some("tool_use") => "id",
        Some("tool_result") => "tool_use_id",
        _ => return Block::Same,
    };
    let Some(sealed) = said(id).filter(|sealed| sealed.contains(ids::MARK)) else { return Block::Same };
    let bare = Value::from(ids::opened(&sealed).0).to_string();
    let (written, _) = body::written(
        members
            .iter()
            .map(|(name, value)| (name.as_str(), if name == id { bare.as_str() } else { value.get() })),
    );
    String::from_utf8(written.to_vec()).map_or(Block::Same, Block::Other)
}

/// A text without citations that nobody can look up. `None`: it has none of these.
fn uncited(members: &[(String, &RawValue)]) -> Option<String> {
    let (_, list) = members.iter().find(|(name, _)| name == "citations")?;
    let all: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    let is_own = |raw: &&&RawValue| {
        let citation: Value = serde_json::from_str(raw.get()).unwrap_or_default();
        citation.get("encrypted_index").is_none_or(|index| index != "")
    };
    let kept: Vec<&str> = all.iter().filter(is_own).map(|raw| raw.get()).collect();
    if kept.len() == all.len() {
        return None;
    }
    let list = format!("[{}]", kept.join(","));
    let members = members.iter().filter(|(name, _)| name != "citations" || !kept.is_empty());
    let (written, _) =
        body::written(members.map(|(name, value)| {
            (name.as_str(), if name == "citations" { list.as_str() } else { value.get() })
        }));
    String::from_utf8(written.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::dialects::{Dialect, Route};

    fn cleaned(body: &str) -> Option<String> {
        let route = Route::of(Dialect::AnthropicMessages);
        let request =
            super::super::request::decode(&route, Bytes::copy_from_slice(body.as_bytes())).expect("valid");
        let cleaned = without_ours(&request)?;
        assert_eq!(&cleaned.body[cleaned.model_at.clone()], b"\"m\"");
        Some(String::from_utf8(cleaned.body.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn what_others_left_is_taken_out_and_the_rest_stays_as_it_is_written() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"thinking","thinking":"so","signature":"S"},{"type":"tool_use","id":"call_1__thought__QUI","name":"f","input":{"z":1, "a":2}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1__thought__QUI","content":"7"}]}],"max_tokens":9}"#;
        let expected = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"so","signature":"S"},{"type":"tool_use","id":"call_1","name":"f","input":{"z":1, "a":2}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"7"}]}]}"#;
        assert_eq!(cleaned(body).as_deref(), Some(expected));
    }

    #[test]
    fn pages_that_anthropic_did_not_find_are_taken_out() {
        let cited = |index: &str| {
            format!(r#"{{"type":"web_search_result_location","url":"u", "encrypted_index":"{index}"}}"#)
        };
        for (citations, kept) in [
            (cited(""), String::new()),
            (format!("{},{}", cited("X"), cited("")), format!(r#","citations":[{}]"#, cited("X"))),
        ] {
            let body = |text: &str| {
                format!(r#"{{"model":"m","messages":[{{"role":"assistant","content":[{text}]}}]}}"#)
            };
            let asked = body(&format!(r#"{{"type":"text","text":"é","citations":[{citations}]}}"#));
            let told = body(&format!(r#"{{"type":"text","text":"é"{kept}}}"#));
            assert_eq!(cleaned(&asked).as_deref(), Some(told.as_str()));
        }
    }

    #[test]
    fn where_nothing_of_the_kind_is_there_nothing_is_touched() {
        for content in [
            r#""a text with __thought__ and \"signature\":\"\" in it""#,
            r#"[{"type":"text","text":"__thought__"},{"type":"thinking","thinking":"hm","signature":"S"}]"#,
            r#"[{"type":"thinking","thinking":"alone","signature":""}]"#,
            r#"[{"type":"tool_use","id":"toolu_1","name":"f","input":{"signature":""}}]"#,
            r#"[{"type":"text","text":"\"encrypted_index\":\"\"","citations":[{"encrypted_index":"X"}]}]"#,
        ] {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"assistant","content":{content}}}]}}"#);
            assert_eq!(cleaned(&body), None, "{content}");
        }
    }
}
