//! What there is to say about a config, and how it is drawn: the sentence, the line, a caret, a hint.

use std::fmt;

use super::mask;
use super::source::Place;
use super::{loose, yaml::NOT_YAML};

/// How much a [`Notice`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know; nothing the user wrote is lost.
    Info,
    /// Something the user wrote is not done, or is done otherwise than litellm does it.
    Warning,
    /// The config is refused.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing to say about one place. `Display` draws it over several lines.
#[derive(Clone, Debug)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub place: Place,
    /// A sentence without its full stop; never holds a secret's text.
    pub message: String,
    /// What to do about it, for instance "did you mean `timeout`?".
    pub hint: Option<String>,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.source.text().trim().is_empty() {
            return write!(f, "{}: {}: {}", self.place.source.path().display(), self.severity, self.message);
        }
        writeln!(f, "{}: {}: {}", self.place, self.severity, self.message)?;
        let line = mask::line(&self.place.source, self.place.line);
        let line =
            if self.message.starts_with(NOT_YAML) { loose::values(&line) } else { loose::words(&line) };
        let (shown, column) = window(&line, self.place.column);
        let number = self.place.line.to_string();
        let pad = " ".repeat(number.len());
        writeln!(f, "  {number} | {shown}")?;
        // Tabs are kept so that the caret stands under its character whatever the tab width is.
        let lead: String = shown
            .chars()
            .chain(std::iter::repeat(' '))
            .take(column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let room = shown.chars().count().saturating_sub(column - 1).max(1);
        write!(f, "  {pad} | {lead}{}", "^".repeat(self.place.width.clamp(1, room)))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  {pad} = {hint}")?;
        }
        Ok(())
    }
}

/// Why a config was refused: every error found, and the notices found on the way.
#[derive(Debug)]
pub struct Report {
    /// At least one; each has [`Severity::Error`].
    pub errors: Vec<Notice>,
    /// What else was seen, in the order of the file.
    pub notices: Vec<Notice>,
}

impl fmt::Display for Report {
    /// The errors, drawn one after the other. Notices are left to `tidegate check`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.errors {
            writeln!(f, "{error}")?;
        }
        let (count, s) = (self.errors.len(), if self.errors.len() == 1 { "" } else { "s" });
        write!(f, "{count} problem{s} in the config")
    }
}

impl std::error::Error for Report {}

/// Collects what is found while a config is read.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    pub(crate) errors: Vec<Notice>,
    pub(crate) notices: Vec<Notice>,
}

impl Sink {
    pub(crate) fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.push(Severity::Error, place, message.into(), None);
    }

    pub(crate) fn error_hint(&mut self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        self.push(Severity::Error, place, message.into(), hint);
    }

    pub(crate) fn warn(&mut self, place: &Place, message: impl Into<String>) {
        self.push(Severity::Warning, place, message.into(), None);
    }

    pub(crate) fn warn_hint(&mut self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        self.push(Severity::Warning, place, message.into(), hint);
    }

    pub(crate) fn info(&mut self, place: &Place, message: impl Into<String>) {
        self.push(Severity::Info, place, message.into(), None);
    }

    pub(crate) fn push(&mut self, severity: Severity, place: &Place, message: String, hint: Option<String>) {
        let notice = Notice { severity, place: place.clone(), message, hint };
        if severity == Severity::Error { self.errors.push(notice) } else { self.notices.push(notice) }
    }
}

/// Cuts a very long line to what a terminal shows, keeping the caret's column inside.
fn window(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 160;
    let column = column.max(1);
    let skip = if column > WIDTH / 2 && line.chars().count() > WIDTH { column - WIDTH / 2 } else { 0 };
    let shown = line.chars().skip(skip).take(WIDTH).filter(|c| *c == '\t' || !c.is_control()).collect();
    (shown, column - skip)
}

#[cfg(test)]
mod tests {
    use super::window;

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let (shown, column) = window(&"x".repeat(10_000), 5_000);
        assert!(shown.len() <= 160 && column <= shown.len());
        assert_eq!(window("short", 3), ("short".to_owned(), 3));
    }
}
