//! Citations as what grounds the answer: each page once, and the pieces of the text that it stands behind.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Whether one of Anthropic's citations is of a document that the request brought: OpenAI has no form for it.
pub(super) fn is_of_document(citation: &Value) -> bool {
    let kind = citation.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.ends_with("_location")) && citation.get("url").is_none()
}

/// The `groundingMetadata` of an answer with this text. Citations are the insides of OpenAI's `url_citation`, whose places
/// are characters, or those of documents.
pub(super) fn of(citations: &[Value], text: &str) -> Value {
    let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let place = |citation: &Value, name: &str| {
        let character = usize::try_from(citation.get(name)?.as_u64()?).unwrap_or(usize::MAX);
        Some(bytes.get(character).copied().unwrap_or(text.len()))
    };
    let (mut pages, mut known) = (Vec::new(), BTreeMap::new());
    let (mut pieces, mut places) = (Vec::<Piece>::new(), BTreeMap::new());
    for citation in citations {
        let page = page(citation);
        let at = *known.entry(page.to_string()).or_insert(pages.len());
        if at == pages.len() {
            pages.push(page);
        }
        let (start, end) = (place(citation, "start_index"), place(citation, "end_index"));
        // A piece without any text says nothing that the page does not say.
        let Some((start, end)) = start.zip(end).filter(|(start, end)| start < end) else { continue };
        let piece = *places.entry((start, end)).or_insert(pieces.len());
        if piece == pieces.len() {
            pieces.push(Piece { start, end, pages: BTreeSet::new() });
        }
        pieces[piece].pages.insert(at);
    }
    // Pieces that overlap would make the answer many times as long.
    let mut room = text.len();
    let supports = pieces.into_iter().map(|Piece { start, end, pages }| {
        let mut segment = json!({"startIndex": start, "endIndex": end});
        if let (Some(left), Some(words)) = (room.checked_sub(end - start), text.get(start..end)) {
            room = left;
            segment["text"] = json!(words);
        }
        json!({"segment": segment, "groundingChunkIndices": pages})
    });
    let supports: Vec<Value> = supports.collect();
    json!({"groundingChunks": pages, "groundingSupports": supports})
}

/// A piece of the text, in bytes, and the places of its pages.
struct Piece {
    start: usize,
    end: usize,
    pages: BTreeSet<usize>,
}

fn page(citation: &Value) -> Value {
    let told = |name: &str| citation.get(name).filter(|value| value.is_string()).cloned();
    let members = |named: Vec<(&str, Option<Value>)>| {
        let said = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(said.collect())
    };
    if let url @ Some(_) = told("url") {
        return json!({"web": members(vec![("uri", url), ("title", told("title"))])});
    }
    let title = told("document_title").or_else(|| told("title"));
    let document = vec![("uri", told("source")), ("title", title), ("text", told("cited_text"))];
    json!({"retrievedContext": members(document)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_become_bytes() {
        let cited = |url: &str, start: u64, end: u64| json!({"url": url, "title": "t", "start_index": start, "end_index": end});
        let page = |url: &str| json!({"web": {"uri": url, "title": "t"}});
        let citations = [
            cited("a", 0, 4),
            cited("b", 0, 4),
            cited("b", 0, 4),
            cited("a", 5, 6),
            // Behind the end, and of nothing.
            cited("c", 5, 99),
            cited("d", 3, 3),
        ];
        assert_eq!(
            of(&citations, "Über 潮"),
            json!({"groundingChunks": [page("a"), page("b"), page("c"), page("d")], "groundingSupports": [
                {"segment": {"startIndex": 0, "endIndex": 5, "text": "Über"}, "groundingChunkIndices": [0, 1]},
                {"segment": {"startIndex": 6, "endIndex": 9, "text": "潮"}, "groundingChunkIndices": [0, 2]}]})
        );
    }

    #[test]
    fn the_words_of_pieces_are_no_longer_than_the_text() {
        let citations: Vec<Value> =
            (0..100).map(|start| json!({"url": "a", "start_index": start, "end_index": 100})).collect();
        let told = of(&citations, &"x".repeat(100));
        let supports = told["groundingSupports"].as_array().unwrap();
        assert_eq!(supports.len(), 100);
        let words = supports.iter().filter_map(|support| support["segment"]["text"].as_str());
        assert_eq!(words.map(str::len).sum::<usize>(), 100);
    }

    #[test]
    fn a_document_is_retrieved_context() {
        let page = json!({"type": "page_location", "cited_text": "w", "document_index": 0, "document_title": "Tides",
            "start_page_number": 1, "end_page_number": 2});
        let found =
            json!({"type": "search_result_location", "cited_text": "v", "source": "s3://b/k", "title": null});
        let web = json!({"type": "web_search_result_location", "url": "https://h"});
        assert!(is_of_document(&page) && is_of_document(&found) && !is_of_document(&web));
        assert!(!is_of_document(&json!({"location": {}})) && !is_of_document(&Value::Null));
        assert_eq!(
            of(&[page, found], "x"),
            json!({"groundingChunks": [
                {"retrievedContext": {"title": "Tides", "text": "w"}},
                {"retrievedContext": {"uri": "s3://b/k", "text": "v"}}], "groundingSupports": []})
        );
    }
}
