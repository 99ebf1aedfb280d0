//! Where something is written: a file's text, and a place in it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One config file as it was read. Its text may hold keys, so `Debug` shows the path alone.
pub struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Keeps `text` as the content of `path`.
    pub(crate) fn new(path: &Path, text: &str) -> Arc<Self> {
        Arc::new(Self { path: path.to_owned(), text: text.to_owned() })
    }

    /// The file's path as the user gave it (an included file: joined to the main file's folder).
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The line with this 1-based number, without its line end.
    pub(crate) fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number.saturating_sub(1)).unwrap_or("")
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A stretch of one line in one file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// The line, from 1.
    pub line: usize,
    /// The first character's column, from 1.
    pub column: usize,
    /// How many characters the caret underlines; at least 1.
    pub width: usize,
}

impl Place {
    /// The very start of a file: for problems that are about the file as a whole.
    pub(crate) fn start_of(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), line: 1, column: 1, width: 1 }
    }
}

impl fmt::Display for Place {
    /// `file:line:column`, which editors and terminals turn into a link.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source.path.display(), self.line, self.column)
    }
}
