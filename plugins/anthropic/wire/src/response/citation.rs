//! Citations: a web page is OpenAI's `url_citation`; what stands in a document has no counterpart there.

use serde_json::{Value, json};

/// The annotations of a cited text that stands between two characters of the answer.
pub(super) fn annotations(citations: &[Value], start: usize, end: usize) -> Vec<Value> {
    let one = |citation: &Value| {
        let url = citation.get("url")?.as_str()?;
        let title = citation.get("title").and_then(Value::as_str).unwrap_or("");
        let cited = json!({"url": url, "title": title, "start_index": start, "end_index": end});
        Some(json!({"type": "url_citation", "url_citation": cited}))
    };
    citations.iter().filter_map(one).collect()
}
