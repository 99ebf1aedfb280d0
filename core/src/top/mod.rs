//! `tidegate top`: a running process in a terminal, by the snapshots that its admin port gives.

mod model;
#[cfg(test)]
mod tests;
mod view;

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEventKind};
use serde_json::Value;

use crate::operator::Operator;
use model::{Act, Top};

/// How long a key is waited for before news are looked for.
const FRAME: Duration = Duration::from_millis(100);

/// Between two tries to reach a process that is gone.
const AGAIN: Duration = Duration::from_secs(1);

/// What the thread that asks has to say.
enum News {
    Snapshot(Box<Value>),
    /// Why there is none.
    Lost(String),
    /// What became of what the user asked for.
    Done(String),
}

/// Draws until the user has seen enough.
///
/// # Errors
/// A sentence: there is no terminal, or nobody answers at the address from the start.
pub fn run(operator: Operator) -> Result<(), String> {
    // Before the screen is taken: a wrong address is told on it.
    operator.ask("GET", "/api/status")?;
    let (tell, news) = mpsc::channel();
    follow(operator.clone(), tell.clone());
    let mut terminal =
        ratatui::try_init().map_err(|error| format!("there is no terminal to draw on: {error}"))?;
    let ended = draw(&mut terminal, &operator, &tell, &news);
    ratatui::restore();
    ended.map_err(|error| format!("the terminal: {error}"))
}

fn draw(
    terminal: &mut ratatui::DefaultTerminal,
    operator: &Operator,
    tell: &Sender<News>,
    news: &Receiver<News>,
) -> std::io::Result<()> {
    let mut top = Top::new(operator.addr.to_string());
    // A screen of thousands of streams is work: it is drawn when something came, a key or another size included.
    let mut is_stale = true;
    loop {
        for news in news.try_iter() {
            is_stale = true;
            match news {
                News::Snapshot(snapshot) => top.take(*snapshot),
                News::Lost(why) => top.lost(why),
                News::Done(what) => top.say(what),
            }
        }
        if std::mem::take(&mut is_stale) {
            terminal.draw(|frame| view::draw(frame, &top))?;
        }
        if !event::poll(FRAME)? {
            continue;
        }
        is_stale = true;
        let Event::Key(key) = event::read()? else { continue };
        if key.kind != KeyEventKind::Press {
            continue;
        }
        match top.key(key) {
            Act::Nothing => {}
            Act::Quit => return Ok(()),
            Act::Abort(stream) => abort(operator.clone(), tell.clone(), stream),
        }
    }
}

/// Threads, because asking waits, and keys must not.
fn follow(operator: Operator, tell: Sender<News>) {
    thread::spawn(move || {
        loop {
            let followed = operator.follow(|snapshot| tell.send(News::Snapshot(Box::new(snapshot))).is_ok());
            // The port ends them now and then; where it is gone, the next try says so.
            if let Err(why) = followed
                && tell.send(News::Lost(why)).is_err()
            {
                return;
            }
            thread::park_timeout(AGAIN);
        }
    });
}

fn abort(operator: Operator, tell: Sender<News>, stream: u64) {
    thread::spawn(move || {
        let told = match operator.ask("POST", &format!("/api/streams/{stream}/abort")) {
            Ok(_) => format!("stream {stream} was told to end"),
            Err(why) => format!("stream {stream}: {why}"),
        };
        let _ = tell.send(News::Done(told));
    });
}
