//! Takes out of a continuation what it repeats of the text before it.
//!
//! A model that is asked to go on often begins with the whole text again, or with its last sentence. It is held back
//! while it may still turn out to be such an echo, which the first word nearly always decides.

/// A repetition of the text's end counts from this many bytes on: less happens by itself.
const TAIL: usize = 16;
/// A repetition of the whole text counts from here on.
const WHOLE: usize = 4;
/// How far back from the text's end a repetition may begin, in bytes, if not at its start. Bounds the search too.
const WINDOW: usize = 2048;

/// Reads the continuation of a text, piece by piece.
#[derive(Debug)]
pub(super) struct Echo {
    /// The text without the white space at its end. Models leave it out and repeat it as they like.
    said: String,
    /// That white space.
    gap: String,
    state: State,
}

#[derive(Debug)]
enum State {
    /// So far it may repeat the text from any of these places on.
    Open {
        places: Vec<usize>,
        /// The continuation so far.
        held: Vec<u8>,
        /// Bytes of it that are a repetition for certain.
        repeated: usize,
    },
    /// It has repeated what it does, but for these bytes of the gap.
    Gap { seen: usize },
    /// Everything is new.
    Through,
}

impl Echo {
    /// For the continuation of `text`.
    pub(super) fn new(mut text: String) -> Self {
        let gap = text.split_off(text.trim_end().len());
        let length = text.len();
        let tails = length.saturating_sub(WINDOW).max(1)..(length + 1).saturating_sub(TAIL).max(1);
        let whole = (length >= WHOLE).then_some(0);
        let places = whole.into_iter().chain(tails.filter(|at| text.is_char_boundary(*at))).collect();
        let state = State::Open { places, held: Vec::new(), repeated: 0 };
        Self { said: text, gap, state }
    }

    /// Takes the next piece; gives what is new for the client, of this and of earlier pieces.
    pub(super) fn push(&mut self, piece: &str) -> String {
        match &mut self.state {
            State::Open { places, held, repeated } => {
                let said = self.said.as_bytes();
                for byte in piece.bytes() {
                    let at = held.len();
                    held.push(byte);
                    places.retain(|place| said.get(place + at) == Some(&byte));
                    // A repetition is one when it has come to the text's end.
                    let Some(found) = places.iter().position(|place| place + at + 1 == said.len()) else {
                        continue;
                    };
                    let place = places.swap_remove(found);
                    if !goes_round(said, place) {
                        *repeated = at + 1;
                    }
                }
                if places.is_empty() { self.decide() } else { String::new() }
            }
            State::Gap { seen } => {
                let rest = &self.gap[*seen..];
                let same = common(rest, piece);
                if same == piece.len() && same < rest.len() {
                    *seen += same;
                    return String::new();
                }
                self.state = State::Through;
                piece[same..].to_owned()
            }
            State::Through => piece.to_owned(),
        }
    }

    /// The continuation has ended, or goes on with something else: what was still held back.
    pub(super) fn finish(&mut self) -> String {
        let rest = if matches!(self.state, State::Open { .. }) { self.decide() } else { String::new() };
        self.state = State::Through;
        rest
    }

    fn decide(&mut self) -> String {
        let gap = State::Gap { seen: 0 };
        let State::Open { mut held, repeated, .. } = std::mem::replace(&mut self.state, gap) else {
            return String::new();
        };
        self.said = String::new();
        // Whole pieces were held, and a repetition ends with a whole character.
        let new = String::from_utf8(held.split_off(repeated)).unwrap_or_default();
        self.push(&new)
    }
}

/// Bytes that both begin with, whole characters.
fn common(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

/// The text had said it twice in a row by then, "ha ha": it may well go on like this.
fn goes_round(said: &[u8], place: usize) -> bool {
    let echo = &said[place..];
    // The failure function of Knuth, Morris and Pratt: its last value is the longest border.
    let mut borders = vec![0; echo.len()];
    for at in 1..echo.len() {
        let mut border = borders[at - 1];
        while border > 0 && echo[at] != echo[border] {
            border = borders[border - 1];
        }
        borders[at] = if echo[at] == echo[border] { border + 1 } else { 0 };
    }
    let round = echo.len() - borders.last().copied().unwrap_or(0);
    let last = said.len() - round;
    last >= round && said[last - round..last] == said[last..]
}
