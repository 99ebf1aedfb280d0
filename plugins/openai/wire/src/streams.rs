//! A stream in whichever of OpenAI's dialects.

use std::sync::Arc;

use tidegate_plugin_sdk::{Dialect, End, EventIn, Fault, Flow, HeadIn, Stream, StreamOut};

use crate::chat::Translator;
use crate::{Events, FinishReasons, Responses};

/// One stream.
#[derive(Debug)]
pub enum Streams {
    /// Of chat, or of legacy completions.
    Choices(Events),
    /// Of Responses.
    Responses(Responses),
    /// To a client of chat, by whichever API the model is asked: the first event tells.
    Unread(Events, Box<Translator>),
    /// Of Responses, to a client of chat.
    Translated(Box<Translator>),
}

impl Streams {
    /// A stream that has not begun. `reasons`: the vendor's own, see [`FinishReasons`].
    pub fn of(head: &HeadIn<'_>, reasons: Arc<FinishReasons>) -> Self {
        match head.dialect {
            Dialect::OpenAiResponses => Streams::Responses(Responses::default()),
            Dialect::OpenAiCompletions => Streams::Choices(Events::of(reasons)),
            _ => Streams::Unread(Events::of(reasons), Box::new(Translator::new(head))),
        }
    }

    /// An event of Responses has its type as its name, or at least in its data; a chunk of a chat has none.
    fn told(&mut self, event: &EventIn<'_>) {
        let Streams::Unread(events, translator) = self else { return };
        let typed = |text: &str| {
            let data: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
            data["type"].as_str().is_some_and(|kind| kind.starts_with("response."))
        };
        let text = event.text().map(str::trim).unwrap_or_default();
        if event.name.starts_with("response.") || typed(text) {
            let read = std::mem::replace(translator, Box::new(Translator::new(&HeadIn::default())));
            *self = Streams::Translated(read);
        } else if !text.is_empty() {
            *self = Streams::Choices(std::mem::take(events));
        }
    }
}

impl Stream for Streams {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        self.told(event);
        match self {
            Streams::Choices(events) | Streams::Unread(events, _) => events.event(event, out),
            Streams::Responses(responses) => responses.event(event, out),
            Streams::Translated(translator) => translator.event(event, out),
        }
    }

    fn end(&mut self, out: &mut StreamOut<'_>) -> Result<End, Fault> {
        match self {
            Streams::Choices(events) | Streams::Unread(events, _) => events.end(out),
            Streams::Responses(responses) => responses.end(out),
            Streams::Translated(translator) => translator.end(out),
        }
    }
}
