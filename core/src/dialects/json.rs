//! A validating scan of JSON (RFC 8259) that stops where it is told to look and allocates nothing.
//!
//! Every event of every stream passes through here, so it is written for that: a deserializer that serves every purpose
//! took a third of the processor time of a relayed stream (callgrind, 12-event streams).

/// The text is not JSON, or not of the form that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

type Result<T> = std::result::Result<T, Invalid>;

/// Nested deeper, a text is refused, as serde_json refuses it.
const DEPTH: u32 = 128;

/// A place in a JSON text.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
}

/// A string as it stands between its quotes.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    bytes: &'a [u8],
    escaped: bool,
}

/// What a value was.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Null,
    String(Raw<'a>),
    /// An array or an object; `empty`: without members.
    Nested {
        empty: bool,
    },
    /// True or false.
    Truth(bool),
    /// A number.
    Number,
}

impl Raw<'_> {
    /// Whether it means `word`, which must be ASCII without quotes, backslashes or control characters.
    pub(super) fn is(self, word: &str) -> bool {
        if !self.escaped {
            return self.bytes == word.as_bytes();
        }
        let quoted = [b"\"", self.bytes, b"\""].concat();
        serde_json::from_slice::<String>(&quoted).is_ok_and(|text| text == word)
    }
}

impl Raw<'_> {
    /// Whether it means one of `words`; see [`Raw::is`].
    pub(super) fn is_any(self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }
}

impl<'a> Raw<'a> {
    /// The text, if it is one without escapes.
    pub(super) fn plain(self) -> Option<&'a str> {
        if self.escaped { None } else { std::str::from_utf8(self.bytes).ok() }
    }
}

impl<'a> Value<'a> {
    /// The text of a string without escapes.
    pub(super) fn plain(self) -> Option<&'a str> {
        match self {
            Value::String(raw) => raw.plain(),
            _ => None,
        }
    }

    /// Which of true and false it is.
    pub(super) fn truth(self) -> Option<bool> {
        match self {
            Value::Truth(truth) => Some(truth),
            _ => None,
        }
    }

    /// Whether it is null.
    pub(super) fn is_null(self) -> bool {
        matches!(self, Value::Null)
    }

    /// Whether it holds anything: neither null nor empty.
    pub(super) fn is_full(self) -> bool {
        match self {
            Value::Null => false,
            Value::String(raw) => !raw.bytes.is_empty(),
            Value::Nested { empty } => !empty,
            Value::Truth(_) | Value::Number => true,
        }
    }

    /// Whether it is the string `word`.
    pub(super) fn is(self, word: &str) -> bool {
        matches!(self, Value::String(raw) if raw.is(word))
    }
}

impl<'a> Scan<'a> {
    /// At the start of `text`, which must hold one document.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, depth: 0 }
    }

    /// Nothing but white space follows.
    pub(super) fn end(mut self) -> Result<()> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(Invalid) }
    }

    /// The value is an object: gives each name to `member`, which must take the value behind it.
    pub(super) fn object(&mut self, mut member: impl FnMut(&mut Self, Raw<'a>) -> Result<()>) -> Result<()> {
        self.enter(b'{')?;
        if self.closes(b'}') {
            return Ok(());
        }
        loop {
            self.expect(b'"')?;
            let name = self.string()?;
            self.expect(b':')?;
            member(self, name)?;
            if !self.goes_on(b'}')? {
                return Ok(());
            }
        }
    }

    /// The value is an array: `element` must take each of its values. Null counts as empty.
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        if self.null() {
            return Ok(());
        }
        self.enter(b'[')?;
        if self.closes(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if !self.goes_on(b']')? {
                return Ok(());
            }
        }
    }

    /// Takes a null, if there is one.
    pub(super) fn null(&mut self) -> bool {
        self.space();
        let found = self.text[self.at..].starts_with(b"null");
        if found {
            self.at += 4;
        }
        found
    }

    /// Takes any value.
    pub(super) fn value(&mut self) -> Result<Value<'a>> {
        self.space();
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string().map(Value::String)
            }
            Some(b'{') => {
                let mut empty = true;
                self.object(|scan, _| {
                    empty = false;
                    scan.value().map(drop)
                })?;
                Ok(Value::Nested { empty })
            }
            Some(b'[') => {
                let mut empty = true;
                self.array(|scan| {
                    empty = false;
                    scan.value().map(drop)
                })?;
                Ok(Value::Nested { empty })
            }
            Some(b'n') => self.word(b"null").map(|()| Value::Null),
            Some(b't') => self.word(b"true").map(|()| Value::Truth(true)),
            Some(b'f') => self.word(b"false").map(|()| Value::Truth(false)),
            _ => self.number().map(|()| Value::Number),
        }
    }

    /// Whether an object is next.
    pub(super) fn is_object(&mut self) -> bool {
        self.space();
        self.peek() == Some(b'{')
    }

    /// Takes any value; the number, if it is a whole one without a sign.
    pub(super) fn count(&mut self) -> Result<Option<u64>> {
        let (at, value) = self.placed()?;
        let text = std::str::from_utf8(&self.text[at]).map_err(|_| Invalid)?;
        Ok(if matches!(value, Value::Number) { text.parse().ok() } else { None })
    }

    /// The value is an object of counts: gives each to `take`. Whatever else it is, it is passed over.
    pub(super) fn counts(&mut self, mut take: impl FnMut(Raw<'a>, Option<u64>)) -> Result<()> {
        if !self.is_object() {
            return self.value().map(drop);
        }
        self.object(|scan, name| {
            take(name, scan.count()?);
            Ok(())
        })
    }

    /// Takes any value, and says where it stands.
    pub(super) fn placed(&mut self) -> Result<(std::ops::Range<usize>, Value<'a>)> {
        self.space();
        let start = self.at;
        let value = self.value()?;
        Ok((start..self.at, value))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        self.space();
        if self.peek() != Some(byte) {
            return Err(Invalid);
        }
        self.at += 1;
        Ok(())
    }

    fn enter(&mut self, open: u8) -> Result<()> {
        self.expect(open)?;
        self.depth += 1;
        if self.depth > DEPTH { Err(Invalid) } else { Ok(()) }
    }

    fn closes(&mut self, close: u8) -> bool {
        self.space();
        let closes = self.peek() == Some(close);
        if closes {
            self.at += 1;
            self.depth -= 1;
        }
        closes
    }

    /// Behind a member: whether another follows.
    fn goes_on(&mut self, close: u8) -> Result<bool> {
        if self.closes(close) {
            return Ok(false);
        }
        self.expect(b',').map(|()| true)
    }

    fn word(&mut self, word: &[u8]) -> Result<()> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Invalid);
        }
        self.at += word.len();
        Ok(())
    }

    /// The rest of a string whose opening quote was taken.
    fn string(&mut self) -> Result<Raw<'a>> {
        let (start, mut escaped) = (self.at, false);
        loop {
            self.at += plain(&self.text[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Raw { bytes: &self.text[start..self.at - 1], escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(Invalid),
            }
        }
    }

    fn escape(&mut self) -> Result<()> {
        let digits = match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return Err(Invalid),
        };
        self.at += 2;
        let code = self.text.get(self.at..self.at + digits).ok_or(Invalid)?;
        self.at += digits;
        if code.iter().all(u8::is_ascii_hexdigit) { Ok(()) } else { Err(Invalid) }
    }

    fn number(&mut self) -> Result<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(Invalid) } else { Ok(()) }
    }
}

/// How many bytes from the start are neither a quote, a backslash nor a control character; eight are looked at at once.
fn plain(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // The lowest marked byte is exact: a borrow only spoils the bytes above it.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let stops =
            zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\'))) | control;
        if stops != 0 {
            return index * 8 + (stops.trailing_zeros() / 8) as usize;
        }
    }
    let stop = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    words.len() * 8 + rest.iter().position(stop).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_json(text: &str) -> bool {
        let mut scan = Scan::new(text);
        scan.value().is_ok() && scan.end().is_ok()
    }

    #[test]
    fn the_grammar_is_the_standards() {
        for good in [
            "null",
            " true ",
            "-0",
            "0.5e-3",
            "1E9",
            "\"\"",
            "[]",
            "{}",
            "[1,[2],{\"a\":\"\\u00e9\\n\"}]",
            "\"é€😀\"",
            "{\"a\":1,\"a\":2}",
            "\"1234567\\\"\"",
            "\"12345678\u{7f}\"",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "nul",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "-",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u12",
            "[1,]",
            "[,]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "[1 2]",
            "{} {}",
            "\"1234567\n\"",
            "\"\t\"",
            "tru e",
            "]",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
        assert!(is_json(&("[".repeat(128) + &"]".repeat(128))));
        assert!(!is_json(&("[".repeat(129) + &"]".repeat(129))));
    }

    #[test]
    fn a_name_means_what_its_escapes_say() {
        let mut found = 0;
        let mut scan = Scan::new("{\"err\\u006fr\":1,\"error\":2,\"erro\":3}");
        let read = scan.object(|scan, name| {
            found += usize::from(name.is("error"));
            scan.value().map(drop)
        });
        assert_eq!((read, found), (Ok(()), 2));
    }

    proptest! {
        /// It takes what serde_json takes, and nothing else.
        #[test]
        fn it_agrees_with_serde_json(pieces in proptest::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just(":"), Just("\"a\""), Just("\""), Just("\\"),
            Just("\\u0041"), Just("12345678"), Just("0"), Just("-1.5e+3"), Just("null"), Just("true"), Just(" "),
            Just("\n"), Just("\u{1}"), Just("é"), Just("\"delta\":{\"content\":\"x\"}"),
        ], 0..14)) {
            let text = pieces.concat();
            let known = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(is_json(&text), known, "{:?}", text);
        }

        /// Where a string ends does not depend on how it lies among the eight bytes.
        #[test]
        fn strings_end_where_they_end(before in "[a-zé \u{80}-\u{ff}]{0,20}", stop in "[\"\\\\\u{0}-\u{1f}]", after in ".{0,9}") {
            let text = format!("{before}{stop}{after}");
            prop_assert_eq!(plain(text.as_bytes()), before.len());
        }
    }
}
