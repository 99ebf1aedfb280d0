//! Citations: OpenAI's form of a page of the web, and Anthropic's, which has a word for each of Bedrock's kinds.

use serde_json::{Map, Value, json};

/// The `url_citation` of a text that stands between two characters of the answer; `None`: it is not of a page.
pub(super) fn annotation(citation: &Value, start: usize, end: usize) -> Option<Value> {
    let url = citation.pointer("/location/web/url").filter(|url| url.is_string())?;
    let domain = citation.pointer("/location/web/domain");
    let title = citation.get("title").or(domain).and_then(Value::as_str).unwrap_or_default();
    let cited = json!({"url": url, "title": title, "start_index": start, "end_index": end});
    Some(json!({"type": "url_citation", "url_citation": cited}))
}

/// The citation in the words of Anthropic's Messages, as `provider_specific_fields` have it from every provider. One of a
/// kind that is not known stays as it came.
pub(super) fn canonical(citation: Value) -> Value {
    let told = of_kind(&citation);
    told.unwrap_or(citation)
}

fn of_kind(citation: &Value) -> Option<Value> {
    let location = citation.get("location")?.as_object()?;
    let (kind, place) = location.iter().next()?;
    let at = |name: &str| place.get(name).and_then(Value::as_u64).unwrap_or(0);
    let title = || citation.get("title").cloned().unwrap_or_default();
    let words = citation.get("sourceContent").and_then(Value::as_array).into_iter().flatten();
    let words: String = words.filter_map(|content| content.get("text").and_then(Value::as_str)).collect();
    let mut told = Map::new();
    let mut put = |name: &str, value: Value| told.insert(name.to_owned(), value);
    let (kind, from, to) = match kind.as_str() {
        "web" => {
            put("url", place.get("url").filter(|url| url.is_string())?.clone());
            put("title", title());
            // Only Anthropic's own search has one.
            put("encrypted_index", json!(""));
            ("web_search_result_location", None, None)
        }
        "searchResultLocation" => {
            put("search_result_index", json!(at("searchResultIndex")));
            put("source", citation.get("source").cloned().unwrap_or_else(|| json!("")));
            put("title", title());
            ("search_result_location", Some("start_block_index"), Some("end_block_index"))
        }
        "documentChar" | "documentPage" | "documentChunk" => {
            put("document_index", json!(at("documentIndex")));
            put("document_title", title());
            put("file_id", Value::Null);
            match kind.as_str() {
                "documentChar" => ("char_location", Some("start_char_index"), Some("end_char_index")),
                "documentPage" => ("page_location", Some("start_page_number"), Some("end_page_number")),
                _ => ("content_block_location", Some("start_block_index"), Some("end_block_index")),
            }
        }
        _ => return None,
    };
    put("type", json!(kind));
    put("cited_text", json!(words));
    for (name, number) in [(from, at("start")), (to, at("end"))] {
        if let Some(name) = name {
            put(name, json!(number));
        }
    }
    Some(Value::Object(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_anthropics_word() {
        let of = |location: Value| {
            canonical(
                json!({"title": "T", "source": "s", "location": location, "sourceContent": [{"text": "a"}, {"text": "b"}]}),
            )
        };
        let document = |kind: &str, from: &str, to: &str| json!({"type": kind, "cited_text": "ab", "document_index": 1, "document_title": "T", "file_id": null, from: 2, to: 3});
        let place = json!({"documentIndex": 1, "start": 2, "end": 3});
        assert_eq!(
            of(json!({"documentChar": place})),
            document("char_location", "start_char_index", "end_char_index")
        );
        assert_eq!(
            of(json!({"documentPage": place})),
            document("page_location", "start_page_number", "end_page_number")
        );
        assert_eq!(
            of(json!({"documentChunk": place})),
            document("content_block_location", "start_block_index", "end_block_index")
        );
        assert_eq!(
            of(json!({"searchResultLocation": {"searchResultIndex": 4, "start": 0, "end": 1}})),
            json!({"type": "search_result_location", "cited_text": "ab", "search_result_index": 4, "source": "s",
                "title": "T", "start_block_index": 0, "end_block_index": 1})
        );
        assert_eq!(
            of(json!({"web": {"url": "https://h/", "domain": "h"}})),
            json!({"type": "web_search_result_location", "cited_text": "ab", "url": "https://h/", "title": "T", "encrypted_index": ""})
        );
    }

    #[test]
    fn what_is_not_known_stays_as_it_came() {
        for odd in [
            json!({"location": {"tomorrow": {}}}),
            json!({"location": {"web": {}}}),
            json!({"title": "T"}),
            json!(7),
        ] {
            assert_eq!(canonical(odd.clone()), odd);
            assert_eq!(annotation(&odd, 0, 1), None);
        }
    }
}
