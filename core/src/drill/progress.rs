//! How far the drill is, on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::outcome::Outcome;
use super::plan::Cell;

/// Between two lines where nobody sees a bar move.
const LINE: Duration = Duration::from_secs(10);
/// Between two drawings of the bar.
const DRAW: Duration = Duration::from_millis(80);
const BAR: usize = 30;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Bar,
    Lines,
    Nothing,
}

/// The progress of one run.
pub(super) struct Progress {
    way: Way,
    total: usize,
    state: Mutex<State>,
}

struct State {
    done: usize,
    broken: usize,
    shown: Instant,
    begun: Instant,
}

impl Progress {
    /// Of `total` cells; `quiet`: shown to nobody.
    pub(super) fn new(total: usize, quiet: bool) -> Self {
        let way = match (quiet, stderr().is_terminal()) {
            (true, _) => Way::Nothing,
            (false, true) => Way::Bar,
            (false, false) => Way::Lines,
        };
        let begun = Instant::now();
        Self { way, total, state: Mutex::new(State { done: 0, broken: 0, shown: begun, begun }) }
    }

    /// A cell is done.
    pub(super) fn played(&self, cell: &Cell, outcome: &Outcome) {
        let mut state = self.state.lock();
        state.done += 1;
        state.broken += usize::from(!outcome.kept());
        let wait = if self.way == Way::Bar { DRAW } else { LINE };
        if state.shown.elapsed() < wait && state.done < self.total {
            return;
        }
        state.shown = Instant::now();
        let text = match self.way {
            Way::Nothing => return,
            Way::Bar => {
                let line = format!("{}  {}", bar(state.done, self.total, state.broken), cell.id());
                // A line that wraps could not be taken back.
                let columns =
                    terminal_size::terminal_size_of(stderr()).map_or(80, |(width, _)| usize::from(width.0));
                let line: String = line.chars().take(columns.saturating_sub(1)).collect();
                format!("\r\x1b[K{line}")
            }
            Way::Lines => {
                format!(
                    "{}, {} s\n",
                    counted(state.done, self.total, state.broken),
                    state.begun.elapsed().as_secs()
                )
            }
        };
        // A standard error that is closed does not keep it from drilling.
        let _ = stderr().lock().write_all(text.as_bytes());
    }

    /// The bar is taken back.
    pub(super) fn end(&self) {
        if self.way == Way::Bar {
            let _ = stderr().lock().write_all(b"\r\x1b[K");
        }
    }
}

fn counted(done: usize, total: usize, broken: usize) -> String {
    let broken = if broken > 0 { format!(", {broken} BROKEN") } else { String::new() };
    format!("{done} of {total} cells{broken}")
}

fn bar(done: usize, total: usize, broken: usize) -> String {
    let filled = (done * BAR).checked_div(total).unwrap_or(BAR);
    format!("[{}{}] {}", "=".repeat(filled), " ".repeat(BAR - filled), counted(done, total, broken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        assert_eq!(bar(0, 0, 0), format!("[{}] 0 of 0 cells", "=".repeat(BAR)));
        assert_eq!(bar(1, 2, 1), format!("[{}{}] 1 of 2 cells, 1 BROKEN", "=".repeat(15), " ".repeat(15)));
    }
}
