//! Draws the table: one line a row, in a layout for 80 columns and one for 120, in colour only where that is wanted.

use std::time::Duration;

use super::cpu::CALM_PERCENT;
use super::row::{Litellm, Row};
use super::verdict::Verdict;

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// There are 120 columns.
    pub(super) wide: bool,
    /// ANSI colours.
    pub(super) color: bool,
}

#[derive(Clone, Copy)]
enum Color {
    Plain,
    Dim,
    Bold,
    Red,
    Green,
}

struct Cell {
    text: String,
    color: Color,
}

fn cell(text: impl Into<String>, color: Color) -> Cell {
    Cell { text: text.into(), color }
}

/// Columns between two cells.
const GAP: &str = "  ";

impl Style {
    /// The widths of fault, litellm, client, CPU, neighbour, verdict.
    fn widths(self) -> [usize; 6] {
        if self.wide { [41, 24, 24, 5, 9, 5] } else { [27, 10, 15, 5, 9, 2] }
    }

    /// The column titles, and a rule beneath.
    pub(super) fn head(self) -> String {
        let (fault, litellm) = if self.wide {
            ("upstream, after three good chunks", "litellm 1.83.9")
        } else {
            ("upstream, after 3 chunks", "litellm")
        };
        let titles =
            [fault, litellm, "Tidegate", "CPU", "neighbour", ""].map(|title| cell(title, Color::Bold));
        let width = self.widths().iter().sum::<usize>() + 5 * GAP.len();
        format!("{}\n{}", self.line(&titles), self.paint("─".repeat(width), Color::Dim))
    }

    /// A row that is still being played.
    pub(super) fn playing(self, row: &Row) -> String {
        self.paint(format!("{} ...", self.fault(row)), Color::Dim)
    }

    /// A row that was played; what is wrong with it follows on lines of its own.
    pub(super) fn row(self, row: &Row, verdict: &Verdict) -> String {
        let litellm = if self.wide { row.litellm.long() } else { row.litellm.short() };
        let litellm_color = match row.litellm {
            Litellm::Hang => Color::Red,
            Litellm::Http => Color::Plain,
            _ => Color::Dim,
        };
        let good = |good: bool| if good { Color::Plain } else { Color::Red };
        let cpu = verdict.cpu.map_or("gone".to_owned(), |percent| format!("{percent:.0} %"));
        let calm = verdict.cpu.is_some_and(|percent| percent < CALM_PERCENT);
        let neighbour = if verdict.neighbours_whole { milliseconds(verdict.gap) } else { "LOST".to_owned() };
        let mut out = self.line(&[
            cell(self.fault(row), Color::Plain),
            cell(litellm, litellm_color),
            cell(verdict.client(self.wide), good(verdict.clients_right)),
            cell(format!("{cpu:>5}"), good(calm)),
            cell(format!("{neighbour:>9}"), good(verdict.neighbours_whole)),
            if verdict.is_right() { cell("ok", Color::Green) } else { cell("NO", Color::Red) },
        ]);
        for problem in &verdict.problems {
            out.push('\n');
            out.push_str(&self.paint(format!("    {problem}"), Color::Red));
        }
        out
    }

    fn fault(self, row: &Row) -> String {
        match row.scenario.row {
            Some(words) if self.wide => words.replace('`', ""),
            _ => row.fault.to_owned(),
        }
    }

    fn line(self, cells: &[Cell; 6]) -> String {
        let mut out = String::new();
        for (cell, width) in cells.iter().zip(self.widths()) {
            let padding = width.saturating_sub(cell.text.chars().count());
            out.push_str(&self.paint(cell.text.clone(), cell.color));
            out.push_str(&" ".repeat(padding));
            out.push_str(GAP);
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// `text` in `color`, where colours are wanted.
    fn paint(self, text: String, color: Color) -> String {
        let code = match color {
            _ if !self.color => return text,
            Color::Plain => return text,
            Color::Dim => "2",
            Color::Bold => "1",
            Color::Red => "31",
            Color::Green => "32",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// `text`, fainter.
    pub(super) fn dim(self, text: impl Into<String>) -> String {
        self.paint(text.into(), Color::Dim)
    }

    /// `text`, stronger.
    pub(super) fn bold(self, text: impl Into<String>) -> String {
        self.paint(text.into(), Color::Bold)
    }
}

pub(super) fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::super::row;
    use super::*;

    const NARROW: Style = Style { wide: false, color: false };
    const WIDE: Style = Style { wide: true, color: false };

    fn right() -> Verdict {
        Verdict {
            clients: vec![],
            clients_right: true,
            cpu: Some(0.4),
            neighbours_whole: true,
            gap: Duration::from_millis(43),
            problems: vec![],
        }
    }

    fn row(name: &str) -> Row {
        row::all().into_iter().find(|row| row.scenario.name == name).unwrap()
    }

    #[test]
    fn golden() {
        let narrow = format!("{}\n{}", NARROW.head(), NARROW.row(&row("429-event-line"), &right()));
        let expected = "\
upstream, after 3 chunks     litellm     Tidegate         CPU    neighbour
──────────────────────────────────────────────────────────────────────────────
event: error + 429, end      hang        -                  0 %      43 ms  ok";
        assert_eq!(narrow, expected);
        let wide = WIDE.row(&row("429-event-line"), &right());
        let expected = "event: error line before that data, end    hang, 100 % of a core     -                           0 %      43 ms  ok";
        assert_eq!(wide, expected);
    }

    #[test]
    fn a_wrong_row_says_so_and_why() {
        let wrong = Verdict {
            cpu: Some(100.0),
            neighbours_whole: false,
            problems: vec!["vertex_ai/: silence".into()],
            ..right()
        };
        let drawn = NARROW.row(&row("429-cut"), &wrong);
        let expected = "\
429 event cut short, end     hang        -                100 %       LOST  NO
    vertex_ai/: silence";
        assert_eq!(drawn, expected);
        assert!(Style { color: true, ..NARROW }.row(&row("429-cut"), &wrong).contains("\x1b[31mNO\x1b[0m"));
    }

    #[test]
    fn every_row_fits() {
        for row in row::all() {
            for (style, columns) in [(NARROW, 80), (WIDE, 120)] {
                let line = style.row(&row, &right());
                assert!(line.chars().count() <= columns, "{line}");
                let [fault, litellm, ..] = style.widths();
                assert!(style.fault(&row).chars().count() <= fault, "{}", row.fault);
                let words = if style.wide { row.litellm.long() } else { row.litellm.short() };
                assert!(words.chars().count() <= litellm, "{words}");
            }
        }
    }
}
