//! The child's line to its parent: what it is about to call, and at the end what it found.
//!
//! Lines on standard output, because they are there whatever becomes of the process. A plugin may print lines of its
//! own; those do not begin with the marks.

use std::io::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::verdict::Verdict;

const STEP: &str = "tidegate-check-step ";
const VERDICT: &str = "tidegate-check-verdict ";

/// What is about to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    /// The function of the plugin's table.
    pub(super) called: String,
    /// What it is given.
    pub(super) with: String,
}

/// Writes the trail; clones write the same.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    /// The plugin's last line in the log: a panic's words arrive there.
    logged: Arc<Mutex<String>>,
}

static LOGGED: std::sync::OnceLock<Arc<Mutex<String>>> = std::sync::OnceLock::new();

impl Trail {
    /// Begins, and takes the plugin's log.
    pub(super) fn start() -> Self {
        let logged = LOGGED.get_or_init(Arc::default).clone();
        // Set once a process: a second trail shares the first one's.
        let _ = tidegate_host::set_log(|_, _, message| {
            if let Some(logged) = LOGGED.get() {
                message.clone_into(&mut logged.lock());
            }
        });
        Self { logged }
    }

    /// Says what is about to be called.
    pub(super) fn at(&self, called: &str, with: &str) {
        say(STEP, &Step { called: called.to_owned(), with: with.to_owned() });
    }

    /// Says what was found.
    pub(super) fn conclude(&self, verdict: &Verdict) {
        say(VERDICT, verdict);
    }

    /// The plugin's last line in the log, once.
    pub(super) fn take_logged(&self) -> Option<String> {
        Some(std::mem::take(&mut *self.logged.lock())).filter(|line| !line.is_empty())
    }
}

/// The parent is gone if this fails: then nobody is told.
fn say(mark: &str, what: &impl Serialize) {
    let line = format!("\n{mark}{}\n", serde_json::to_string(what).unwrap_or_default());
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

/// One line of a child, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Step(Step),
    Verdict(Box<Verdict>),
}

/// Reads one line; `None`: it is none of the trail's.
pub(super) fn read(line: &str) -> Option<Line> {
    if let Some(step) = line.strip_prefix(STEP) {
        return serde_json::from_str(step).ok().map(Line::Step);
    }
    serde_json::from_str(line.strip_prefix(VERDICT)?).ok().map(Line::Verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_of_the_trail_are_read() {
        let step = Step { called: "create".to_owned(), with: "an \"empty\"\nobject".to_owned() };
        let line = format!("{STEP}{}", serde_json::to_string(&step).unwrap());
        assert_eq!(read(&line), Some(Line::Step(step)));
        assert_eq!(read(&line[..line.len() - 3]), None);
        assert_eq!(read("hello from a plugin"), None);
        assert!(matches!(
            read(&format!("{VERDICT}{}", serde_json::to_string(&Verdict::default()).unwrap())),
            Some(Line::Verdict(_))
        ));
    }
}
