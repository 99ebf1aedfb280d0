//! Draws the tables on a terminal of some width, in colour where that is wanted.

use std::fmt::Write as _;

use super::report::{Row, Table};
use super::run::Played;
use super::worst;

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Columns of the terminal.
    pub(super) columns: usize,
    /// ANSI colours.
    pub(super) color: bool,
}

const GAP: &str = "  ";
/// From this width on a row says what its fault is.
const WIDE: usize = 120;
/// Below this width words are shortened.
const NARROW: usize = 100;

impl Style {
    fn paint(self, text: &str, code: &str) -> String {
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A table with its heading. On a narrow terminal `+` stands for a Retry-After.
    pub(super) fn table(self, table: &Table) -> String {
        let mut table =
            Table { name: table.name.clone(), about: table.about.clone(), rows: table.rows.clone() };
        if self.columns < NARROW {
            let said = table.rows.iter_mut().flat_map(|row| [&mut row.stream, &mut row.whole]).flatten();
            said.for_each(|(client, _)| *client = client.replace(", Retry-After", "+"));
        }
        let table = &table;
        let whole = table.rows.iter().any(|row| row.whole.is_some());
        let widths = Widths::of(table, whole);
        let mut out = format!("{}\n", self.paint(&table.name, "1"));
        for line in wrapped(&table.about, self.columns) {
            let _ = writeln!(out, "{}", self.paint(&line, "2"));
        }
        let title = |text: &str, width| format!("{text:width$}");
        let mut head =
            vec![title("fault", widths.fault), title("stream: gets", widths.stream), title("calls", 5)];
        if whole {
            head.extend([title("whole: gets", widths.whole), title("calls", 5)]);
        }
        head.push(title("worst", 6));
        out.push('\n');
        let _ = writeln!(out, "{}", self.paint(head.join(GAP).trim_end(), "1"));
        for row in &table.rows {
            let _ = writeln!(out, "{}", self.row(row, &widths, whole));
        }
        out
    }

    fn row(self, row: &Row, widths: &Widths, whole: bool) -> String {
        let got = |got: &Option<(String, u32)>, width: usize| match got {
            Some((client, attempts)) => format!("{client:width$}{GAP}{attempts:>5}"),
            None => format!("{:width$}{GAP}{:>5}", "", ""),
        };
        let mut line =
            format!("{:width$}{GAP}{}", row.label(), got(&row.stream, widths.stream), width = widths.fault);
        if whole {
            let _ = write!(line, "{GAP}{}", got(&row.whole, widths.whole));
        }
        let _ = write!(line, "{GAP}{:>6}", worst::shown(row.worst));
        let used = line.chars().count() + GAP.len() * 2 + 2;
        let verdict = if row.kept { self.paint("ok", "32") } else { self.paint("NO", "31") };
        let _ = write!(line, "{GAP}{verdict}");
        let room = self.columns.saturating_sub(used);
        if self.columns >= WIDE && room >= 20 {
            let _ = write!(line, "{GAP}{}", self.paint(&cut(row.about, room), "2"));
        }
        line
    }

    /// What it all came to.
    pub(super) fn summary(self, played: &Played) -> String {
        let (cells, good) = (played.cells.len(), played.good());
        let verdict = format!("{good} of {cells} cells kept every promise");
        let mut out = format!("{}, in {} s.\n", self.paint(&verdict, "1"), played.took.as_secs());
        let beside = format!(
            "Beside them ran {} healthy streams, one after the other; the longest silence in one was {} ms. /metrics \
             answered {} of {} times, at worst in {} ms.",
            played.beside.streams,
            played.beside.gap.as_millis(),
            played.scrapes.answered,
            played.scrapes.asked,
            played.scrapes.slowest.as_millis(),
        );
        if self.columns < NARROW {
            out.push_str("A + behind a status is a Retry-After.\n");
        }
        for line in wrapped(&beside, self.columns) {
            let _ = writeln!(out, "{line}");
        }
        let broken = played.cells.iter().filter(|(_, outcome)| !outcome.kept());
        for (cell, outcome) in broken {
            let _ = writeln!(
                out,
                "{}",
                self.paint(&format!("\nBROKEN {}: {}", cell.id(), cell.fault.about()), "31")
            );
            for why in &outcome.broken {
                let _ = writeln!(out, "    {why}");
            }
            let _ = writeln!(out, "    the client got: {}; attempts: {}", outcome.client, outcome.attempts);
        }
        for why in &played.broken {
            let _ = writeln!(out, "{}", self.paint(&format!("\nBROKEN: {why}"), "31"));
        }
        out
    }
}

struct Widths {
    fault: usize,
    stream: usize,
    whole: usize,
}

impl Widths {
    fn of(table: &Table, whole: bool) -> Self {
        let longest = |of: fn(&Row) -> usize| table.rows.iter().map(of).max().unwrap_or(0);
        let said = |got: &Option<(String, u32)>| got.as_ref().map_or(0, |(client, _)| client.chars().count());
        let stream = table.rows.iter().map(|row| said(&row.stream)).max().unwrap_or(0);
        let answer = table.rows.iter().map(|row| said(&row.whole)).max().unwrap_or(0);
        Self {
            fault: longest(|row| row.label().chars().count()).max(5),
            stream: stream.max("stream: gets".len()),
            whole: if whole { answer.max("whole: gets".len()) } else { 0 },
        }
    }
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

/// Lines of at most `columns`, broken between words.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
