//! What happened in a stream's life, for its incident. Written per attempt, never per piece of an answer.

use std::sync::Arc;
use std::time::Duration;

use crate::report::Event;
use crate::ticks::Ticks;

/// What is kept of a stream; then the oldest go. A request has at most eight attempts.
const KEPT: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Journal(Vec<Note>);

/// Words of the program's own, a number and a label: no text of a request or an answer has a way in here.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) at: u64,
    pub(crate) what: &'static str,
    pub(crate) number: u32,
    pub(crate) unit: &'static str,
    pub(crate) label: Option<Arc<str>>,
}

impl Journal {
    pub(crate) fn push(&mut self, note: Note) {
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push(note);
    }

    pub(crate) fn events(&self, ticks: &Ticks, now: u64) -> Vec<Event> {
        let event = |note: &Note| Event {
            before: Duration::from_nanos(ticks.between(note.at, now)),
            what: note.words(),
        };
        self.0.iter().map(event).collect()
    }
}

impl Note {
    fn words(&self) -> String {
        let number = if self.number == 0 { String::new() } else { self.number.to_string() };
        let words = [self.what, &number, self.unit, self.label.as_deref().unwrap_or_default()];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_and_told_in_words() {
        let mut journal = Journal::default();
        for number in 0..=KEPT as u32 {
            journal.push(Note { at: 0, what: "attempt", number, unit: "", label: Some("a/b".into()) });
        }
        journal.push(Note { at: 0, what: "failed", number: 429, unit: "rate_limit", label: None });
        let words: Vec<_> = journal.events(&Ticks::new(), 0).into_iter().map(|event| event.what).collect();
        assert_eq!(words.len(), KEPT);
        assert_eq!((words[0].as_str(), words[KEPT - 1].as_str()), ("attempt 2 a/b", "failed 429 rate_limit"));
    }
}
