//! Where an answer has its words from: Google's grounding and citations as OpenAI's annotations.
//!
//! Google says where a supported piece of the text begins and ends in bytes of UTF-8, OpenAI in characters; both count from 0
//! and leave the end out. So the text has to be at hand.

use serde_json::{Map, Value, json};

/// The longest text of an answer in which a piece is looked for. In bytes.
const TEXT: usize = 1 << 18;
/// More pieces than an answer has.
const PIECES: usize = 512;

/// The sources of one candidate.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The answer's text, as far as it is kept.
    text: String,
    /// It is longer than that.
    cut: bool,
    /// Characters of all of it.
    written: usize,
    /// The last list of pages: pieces name them by their places in it.
    listed: Vec<Option<Page>>,
    /// All pages.
    pages: Vec<Page>,
    /// Pieces whose text has not come.
    waiting: Vec<Piece>,
    told: Vec<(Page, usize, usize)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Page {
    url: String,
    title: String,
}

/// A piece of the answer, and a page that stands behind it.
#[derive(Debug)]
struct Piece {
    page: Page,
    start: usize,
    end: usize,
    text: Option<String>,
    /// So many bytes of the answer do not have its words.
    looked: usize,
}

impl Sources {
    /// More of the answer's text.
    pub(crate) fn text(&mut self, text: &str) {
        self.written = self.written.saturating_add(text.chars().count());
        self.cut |= self.text.len().saturating_add(text.len()) > TEXT;
        if !self.cut {
            self.text.push_str(text);
        }
    }

    /// Takes a candidate's `groundingMetadata`. A stream may say it in parts, or again.
    pub(crate) fn ground(&mut self, metadata: &Value) {
        let pages: Vec<Option<Page>> = list(metadata, "groundingChunks").map(Page::of_chunk).collect();
        if !pages.is_empty() {
            for page in pages.iter().flatten() {
                if self.pages.len() < PIECES && !self.pages.contains(page) {
                    self.pages.push(page.clone());
                }
            }
            self.listed = pages;
        }
        for support in list(metadata, "groundingSupports") {
            for at in list(support, "groundingChunkIndices").filter_map(number) {
                if let Some(Some(page)) = self.listed.get(at) {
                    self.piece(page.clone(), &support["segment"]);
                }
            }
        }
    }

    /// Takes a candidate's `citationMetadata`; Vertex AI has another name for its list.
    pub(crate) fn cite(&mut self, metadata: &Value) {
        for citation in list(metadata, "citationSources").chain(list(metadata, "citations")) {
            if let Some(page) = Page::of(citation) {
                self.piece(page, citation);
            }
        }
    }

    fn piece(&mut self, page: Page, place: &Value) {
        if self.waiting.len() + self.told.len() >= PIECES {
            return;
        }
        // A number that is 0 may be left out.
        let (start, end) = (number(&place["startIndex"]), number(&place["endIndex"]));
        let text = place["text"].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (start, end) = (start.unwrap_or(0), end.unwrap_or(0));
        self.waiting.push(Piece { page, start, end, text, looked: 0 });
    }

    /// The annotations that can be told by now, each once. `all`: no text follows; what has no place of its own then stands
    /// for the whole answer.
    pub(crate) fn tell(&mut self, all: bool) -> Vec<Value> {
        let mut notes = Vec::new();
        for mut piece in core::mem::take(&mut self.waiting) {
            match self.place(&piece, all) {
                Some((start, end)) => self.note(piece.page, start, end, &mut notes),
                None if all => self.note(piece.page, 0, self.written, &mut notes),
                None => {
                    if self.has_come(&piece) {
                        piece.looked = self.text.len();
                    }
                    self.waiting.push(piece);
                }
            }
        }
        if all {
            for page in core::mem::take(&mut self.pages) {
                if !self.told.iter().any(|(told, ..)| *told == page) {
                    self.note(page, 0, self.written, &mut notes);
                }
            }
        }
        notes
    }

    /// Else it is yet to come, though the same words may stand before it.
    fn has_come(&self, piece: &Piece) -> bool {
        piece.end <= self.text.len()
    }

    fn note(&mut self, page: Page, start: usize, end: usize, notes: &mut Vec<Value>) {
        let told = (page, start, end);
        if self.told.contains(&told) {
            return;
        }
        let Page { url, title } = &told.0;
        let cited = json!({"url": url, "title": title, "start_index": start, "end_index": end});
        notes.push(json!({"type": "url_citation", "url_citation": cited}));
        self.told.push(told);
    }

    /// Where a piece stands, in characters. Its offsets count from the beginning of a part of the answer, which need not be
    /// that of the text; the piece's own words decide, where they are said.
    fn place(&self, piece: &Piece, all: bool) -> Option<(usize, usize)> {
        if !all && !self.has_come(piece) {
            return None;
        }
        let said = self.text.get(piece.start..piece.end).filter(|said| !said.is_empty());
        let (start, text) = match &piece.text {
            Some(text) if said != Some(text) => {
                // Each byte is looked at once, but for those before the last end, across which the words may stand.
                let new = self.text.floor_char_boundary(piece.looked.saturating_sub(text.len()));
                let from = |at: usize| Some(at + self.text.get(at..)?.find(text.as_str())?);
                (from(piece.start.max(new)).or_else(|| from(new))?, text.as_str())
            }
            _ => (piece.start, said?),
        };
        let start = self.text.get(..start)?.chars().count();
        Some((start, start + text.chars().count()))
    }
}

impl Page {
    /// Of a `GroundingChunk`: a page of the web, a document, a place on the map. One without an address is no page.
    fn of_chunk(chunk: &Value) -> Option<Self> {
        ["web", "retrievedContext", "maps"].iter().find_map(|kind| Self::of(chunk.get(kind)?))
    }

    fn of(named: &Value) -> Option<Self> {
        let text = |name: &str| named.get(name).and_then(Value::as_str);
        let url = text("uri").filter(|url| !url.is_empty())?.to_owned();
        let title = text("title").or_else(|| text("domain")).unwrap_or_default().to_owned();
        Some(Page { url, title })
    }
}

/// What Google said of sources, as it said it: a client that knows Google's words finds there what annotations have no
/// place for, such as the searches.
pub(crate) fn fields(grounding: Option<Value>, citations: Option<Value>) -> Map<String, Value> {
    let says = |value: &Value| value.as_object().is_some_and(|members| !members.is_empty());
    let named = [("grounding_metadata", grounding), ("citation_metadata", citations)];
    let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.filter(says)?)));
    named.collect()
}

fn list<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    object.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn number(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|number| usize::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(url: &str) -> Value {
        json!({"web": {"uri": url, "title": "t"}})
    }

    fn support(start: u64, end: u64, text: Option<&str>, at: &[u64]) -> Value {
        let mut segment = json!({"startIndex": start, "endIndex": end});
        if let Some(text) = text {
            segment["text"] = json!(text);
        }
        json!({"segment": segment, "groundingChunkIndices": at})
    }

    fn told(notes: &[Value]) -> Vec<(&str, u64, u64)> {
        let one = |note: &'static str| move |cited: &Value| cited[note].as_u64().unwrap();
        let cited = notes.iter().map(|note| &note["url_citation"]);
        cited
            .map(|cited| (cited["url"].as_str().unwrap(), one("start_index")(cited), one("end_index")(cited)))
            .collect()
    }

    #[test]
    fn bytes_become_characters() {
        let mut sources = Sources::default();
        sources.text("Über Ebbe, 潮. Und");
        sources.ground(&json!({"groundingChunks": [chunk("a"), {"retrievedContext": {"title": "no address"}}, chunk("b")],
            "groundingSupports": [
                support(0, 11, Some("Über Ebbe,"), &[0, 1, 2, 9]),
                support(12, 15, None, &[2]),
                // As in a second part of the answer, and in an API that counts characters.
                support(0, 3, Some("Und"), &[0]),
                support(11, 12, Some("潮"), &[0]),
            ]}));
        assert_eq!(
            told(&sources.tell(false)),
            [("a", 0, 10), ("b", 0, 10), ("b", 11, 12), ("a", 14, 17), ("a", 11, 12)]
        );
        assert_eq!(sources.tell(true), Vec::<Value>::new(), "each once");
    }

    #[test]
    fn what_has_no_place_stands_for_the_whole() {
        let mut sources = Sources::default();
        sources.text("Ebbe");
        sources.ground(&json!({"groundingChunks": [chunk("a"), chunk("b")],
            // Inside a character, behind the end, turned around.
            "groundingSupports": [support(0, 99, None, &[0]), support(3, 1, None, &[0])]}));
        sources.cite(
            &json!({"citations": [{"uri": "c", "startIndex": 7, "endIndex": 8}, {"title": "no address"}]}),
        );
        assert_eq!(told(&sources.tell(false)), []);
        sources.text("ü und");
        assert_eq!(told(&sources.tell(false)), [("c", 6, 7)]);
        assert_eq!(told(&sources.tell(true)), [("a", 0, 9), ("b", 0, 9)]);
    }

    #[test]
    fn what_is_said_again_is_told_once() {
        let mut sources = Sources::default();
        sources.text("Ebbe und Flut");
        let first =
            json!({"groundingChunks": [chunk("a")], "groundingSupports": [support(0, 4, None, &[0])]});
        sources.ground(&first);
        assert_eq!(told(&sources.tell(false)), [("a", 0, 4)]);
        sources.ground(&json!({}));
        // The list goes on counting for a piece that comes without one.
        sources.ground(&json!({"groundingSupports": [support(9, 13, None, &[0])]}));
        sources.ground(&first);
        assert_eq!(told(&sources.tell(true)), [("a", 9, 13)]);
    }

    #[test]
    fn a_piece_that_is_ahead_of_its_text_waits_for_it() {
        let mut sources = Sources::default();
        sources.text("Tag um ");
        let supports = [support(7, 10, Some("Tag"), &[0])];
        sources.ground(&json!({"groundingChunks": [chunk("a")], "groundingSupports": supports}));
        assert_eq!(told(&sources.tell(false)), []);
        sources.text("Tag");
        assert_eq!(told(&sources.tell(false)), [("a", 7, 10)]);
    }

    #[test]
    fn words_that_come_late_and_in_pieces_are_found() {
        for cut in 1.."Ebbe 潮 und Flut".chars().count() {
            let mut sources = Sources::default();
            sources.text("Über ");
            // Where Google says that they stand, there is something else.
            let supports = [support(0, 3, Some("潮 und Flut"), &[0]), support(0, 3, Some("nowhere"), &[0])];
            sources.ground(&json!({"groundingChunks": [chunk("a")], "groundingSupports": supports}));
            assert_eq!(told(&sources.tell(false)), []);
            let words: Vec<char> = "Ebbe 潮 und Flut".chars().collect();
            sources.text(&words[..cut].iter().collect::<String>());
            let mut notes = sources.tell(false);
            sources.text(&words[cut..].iter().collect::<String>());
            notes.extend(sources.tell(false));
            assert_eq!(told(&notes), [("a", 10, 20)], "{cut}");
        }
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut sources = Sources::default();
        (0..1000).for_each(|_| sources.text(&"x".repeat(1000)));
        let supports: Vec<Value> = (0..10_000).map(|at| support(at, at + 1, None, &[0])).collect();
        sources.ground(&json!({"groundingChunks": [chunk("a")], "groundingSupports": supports}));
        assert!(sources.text.len() <= TEXT && sources.waiting.len() <= PIECES);
        assert_eq!(sources.tell(true).len(), PIECES);
        sources.ground(
            &json!({"groundingChunks": [chunk("b")], "groundingSupports": [support(0, 1, None, &[0])]}),
        );
        assert_eq!(told(&sources.tell(true)), [("b", 0, 1_000_000)]);
    }
}
