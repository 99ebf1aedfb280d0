//! Whether a client was told what is true of the upstream.

use super::told::{Call, Terminal, Told};
use crate::scenario::Expect;
use crate::text::fault_text;

/// Holds an answer against what must be seen.
///
/// # Errors
/// A sentence on the first difference.
pub fn judge(expect: &Expect, told: &Told) -> Result<(), String> {
    match expect {
        Expect::Text(text) => {
            normal(told, "stop")?;
            if told.text == *text { Ok(()) } else { Err(format!("the text differs: {:.300}", told.text)) }
        }
        Expect::Ending(text) => {
            normal(told, "stop")?;
            let whole = told.text.starts_with(&fault_text()) && told.text.ends_with(text.as_str());
            if whole { Ok(()) } else { Err(format!("the text differs: {:.300}", told.text)) }
        }
        Expect::Normal => normal(told, "stop"),
        Expect::ToolCalls(count) => {
            normal(told, "tool_calls")?;
            let whole = |call: &Call| {
                !call.id.is_empty()
                    && !call.name.is_empty()
                    && serde_json::from_str::<serde_json::Value>(&call.arguments)
                        .is_ok_and(|args| args.is_object())
            };
            if told.calls.len() == *count && told.calls.iter().all(whole) {
                Ok(())
            } else {
                Err(format!("{count} tool calls were made, and these came: {:?}", told.calls))
            }
        }
        Expect::Http { status, retry_after } => {
            error(told, false)?;
            if told.status != *status {
                return Err(format!("the status is {}, not {status}: {}", told.status, told.message));
            }
            match (&told.retry_after, retry_after) {
                (None, true) => Err("the upstream's retry hint is lost".into()),
                (Some(wait), _) if wait.parse::<u32>().is_err() => Err(format!("Retry-After is {wait:?}")),
                _ => Ok(()),
            }
        }
        Expect::Error { status, committed } => {
            error(told, *committed)?;
            if told.terminal == Terminal::Error(*status) {
                Ok(())
            } else {
                Err(format!("{:?} instead of {status}: {}", told.terminal, told.message))
            }
        }
        Expect::Truncated => failed(told, &[502], "truncated upstream"),
        Expect::Malformed => failed(told, &[502], "malformed upstream"),
        Expect::Stalled { committed } => {
            error(told, *committed)?;
            if told.terminal == Terminal::Error(504) { Ok(()) } else { Err(format!("{:?}", told.terminal)) }
        }
        Expect::Failed { committed } => error(told, *committed),
    }
}

fn normal(told: &Told, finish: &str) -> Result<(), String> {
    if told.status != 200 || told.terminal != Terminal::Done {
        return Err(format!(
            "{:?} ({}) instead of a normal end: {}",
            told.terminal, told.status, told.message
        ));
    }
    match told.finish.as_deref() {
        Some(found) if found == finish => Ok(()),
        found => Err(format!("the finish reason is {found:?}, not {finish}")),
    }
}

/// One error and no finish; all that the upstream said before it is there.
fn error(told: &Told, committed: bool) -> Result<(), String> {
    if told.terminal == Terminal::Done {
        return Err(format!("a normal end was invented after {:?}", told.text));
    }
    if told.finish.is_some() {
        return Err(format!("the finish reason {:?} was invented", told.finish));
    }
    if told.committed != committed {
        return Err(format!("the error came {}", if committed { "before content" } else { "after content" }));
    }
    if committed && !told.text.starts_with(&fault_text()) {
        return Err(format!("the good text before the fault is not whole: {:?}", told.text));
    }
    Ok(())
}

fn failed(told: &Told, statuses: &[u16], what: &str) -> Result<(), String> {
    error(told, true)?;
    match told.terminal {
        Terminal::Error(status) if statuses.contains(&status) && told.message.starts_with(what) => Ok(()),
        _ => Err(format!("{:?}, {:?} is not {what:?}", told.terminal, told.message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(terminal: Terminal) -> Told {
        Told {
            status: 200,
            text: fault_text(),
            calls: Vec::new(),
            finish: None,
            usage: None,
            terminal,
            message: "truncated upstream response".into(),
            committed: true,
            retry_after: None,
        }
    }

    #[test]
    fn lies_of_every_kind_are_caught() {
        let error_429 = Expect::Error { status: 429, committed: true };
        assert_eq!(judge(&error_429, &told(Terminal::Error(429))), Ok(()));
        assert_eq!(judge(&Expect::Truncated, &told(Terminal::Error(502))), Ok(()));
        let stopped = Told { finish: Some("stop".into()), ..told(Terminal::Done) };
        let cut = Told { text: "Die".into(), ..stopped.clone() };
        let http = Told { status: 429, committed: false, text: String::new(), ..told(Terminal::Error(429)) };
        let refused = |hint| Expect::Http { status: 429, retry_after: hint };
        assert_eq!(judge(&Expect::Text(fault_text()), &stopped), Ok(()));
        assert_eq!(judge(&Expect::Ending(fault_text()), &stopped), Ok(()));
        assert_eq!(judge(&refused(false), &http), Ok(()));
        for (expect, told) in [
            (&error_429, told(Terminal::Done)),
            (&error_429, told(Terminal::Error(500))),
            (&error_429, Told { finish: Some("stop".into()), ..told(Terminal::Error(429)) }),
            (&error_429, Told { text: String::new(), ..told(Terminal::Error(429)) }),
            (&error_429, http.clone()),
            (&Expect::Truncated, stopped.clone()),
            (&Expect::Malformed, told(Terminal::Error(502))),
            (&Expect::Stalled { committed: true }, told(Terminal::Error(502))),
            (&Expect::Failed { committed: true }, stopped.clone()),
            (&Expect::Ending("gate.".into()), stopped.clone()),
            (&Expect::Ending(fault_text()), cut.clone()),
            (&Expect::Ending(fault_text()), told(Terminal::Error(502))),
            (&Expect::Text(fault_text()), cut),
            (&Expect::Text(fault_text()), told(Terminal::Done)),
            (&Expect::ToolCalls(1), stopped),
            (&refused(true), http),
        ] {
            assert!(judge(expect, &told).is_err(), "{expect:?} {told:?}");
        }
    }
}
