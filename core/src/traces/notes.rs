//! What is noted of a recorded request while it runs.

use std::sync::Arc;

use tokio::time::Instant;

use super::span::Fact;
use crate::dialects::Usage;

/// One thing that happened.
pub enum Note {
    /// An upstream call begins.
    Call(Box<Call>),
    /// It is sent to this server.
    Server(String, u16),
    /// The server answered with this status.
    Status(u16),
    /// Its first content came.
    Content,
    /// Its answer, or what there was of it, has cost this, and whether a count of it is a guess.
    Spent(Usage, bool),
    /// Something happened in the call that is in flight, or was last.
    InCall(&'static str, Vec<Fact>),
    /// It ended: `ok`, or a word of `outcome` in docs/metrics.md.
    Ended(&'static str),
    /// Something happened in the request.
    InRequest(&'static str, Vec<Fact>),
}

/// One upstream call.
#[derive(Debug)]
pub struct Call {
    /// Its span.
    pub id: u64,
    /// The deployment, and its group.
    pub deployment: Arc<str>,
    /// Its group.
    pub group: Arc<str>,
    /// The provider, as configurations name it.
    pub provider: String,
    /// The provider's name of the model.
    pub model: String,
    /// What led to it: `first`, `retry`, `fallback`, `continuation`.
    pub cause: &'static str,
    /// When it began.
    pub began: Instant,
}

/// The same with what came of it.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) call: Box<Call>,
    pub(super) server: Option<(String, u16)>,
    pub(super) status: Option<u16>,
    pub(super) content: Option<Instant>,
    pub(super) usage: Option<(Usage, bool)>,
    pub(super) ended: Option<(Instant, &'static str)>,
    pub(super) events: Vec<(Instant, &'static str, Vec<Fact>)>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) calls: Vec<Called>,
    pub(super) events: Vec<(Instant, &'static str, Vec<Fact>)>,
}

/// More events than this are not kept of one span: a policy of somebody else's may pause often.
const EVENTS: usize = 64;

impl Notes {
    pub(super) fn take(&mut self, note: Note) {
        let now = Instant::now();
        let last = self.calls.last_mut();
        match (note, last) {
            (Note::Call(call), _) => self.calls.push(Called {
                call,
                server: None,
                status: None,
                content: None,
                usage: None,
                ended: None,
                events: Vec::new(),
            }),
            (Note::InRequest(name, facts), _) => push(&mut self.events, (now, name, facts)),
            // Without a call there is nothing to say of one.
            (_, None) => {}
            (Note::Server(host, port), Some(last)) => last.server = Some((host, port)),
            (Note::Status(status), Some(last)) => last.status = Some(status),
            (Note::Content, Some(last)) => {
                last.content.get_or_insert(now);
            }
            (Note::Spent(usage, estimated), Some(last)) => last.usage = Some((usage, estimated)),
            (Note::InCall(name, facts), Some(last)) => push(&mut last.events, (now, name, facts)),
            (Note::Ended(how), Some(last)) => {
                last.ended.get_or_insert((now, how));
            }
        }
    }
}

fn push<T>(events: &mut Vec<T>, event: T) {
    if events.len() < EVENTS {
        events.push(event);
    }
}
