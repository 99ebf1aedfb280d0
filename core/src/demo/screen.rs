//! Standard output, as the demo writes it: a terminal's width and colours, and a line that is taken back.

use std::io::{self, IsTerminal, Write};

use super::row::Row;
use super::table::Style;

/// Standard output.
pub(super) struct Screen {
    /// How the table is drawn here.
    pub(super) style: Style,
    terminal: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let columns = terminal_size::terminal_size().map_or(80, |(width, _)| width.0);
        let style = Style { wide: columns >= 120, color: terminal && !dumb && !set("NO_COLOR") };
        Self { style, terminal: terminal && !dumb }
    }

    /// Writes a line, or several.
    ///
    /// # Errors
    /// Nobody reads.
    pub(super) fn say(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{text}")
    }

    /// Shows which row is under way, where that can be taken back.
    pub(super) fn playing(&self, row: &Row) -> io::Result<()> {
        if !self.terminal {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        write!(out, "{}", self.style.playing(row)).and_then(|()| out.flush())
    }

    /// Puts a row in its place.
    pub(super) fn done(&self, line: &str) -> io::Result<()> {
        let back = if self.terminal { "\r\x1b[K" } else { "" };
        self.say(&format!("{back}{line}"))
    }
}
