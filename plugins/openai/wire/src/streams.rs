//! A stream in whichever of OpenAI's dialects.

use std::sync::Arc;

use tidegate_plugin_sdk::{Dialect, End, EventIn, Fault, Flow, Stream, StreamOut};

use crate::{Events, FinishReasons, Responses};

/// One stream.
#[derive(Debug)]
pub enum Streams {
    /// Of chat, or of legacy completions.
    Choices(Events),
    /// Of Responses.
    Responses(Responses),
}

impl Streams {
    /// A stream that has not begun. `reasons`: the vendor's own, see [`FinishReasons`].
    pub fn of(dialect: Dialect, reasons: Arc<FinishReasons>) -> Self {
        match dialect {
            Dialect::OpenAiResponses => Streams::Responses(Responses::default()),
            _ => Streams::Choices(Events::of(reasons)),
        }
    }
}

impl Stream for Streams {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        match self {
            Streams::Choices(events) => events.event(event, out),
            Streams::Responses(responses) => responses.event(event, out),
        }
    }

    fn end(&mut self, out: &mut StreamOut<'_>) -> Result<End, Fault> {
        match self {
            Streams::Choices(events) => events.end(out),
            Streams::Responses(responses) => responses.end(out),
        }
    }
}
