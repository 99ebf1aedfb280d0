//! What each item of an upstream's answer is, and what of it goes to the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use serde::de::IgnoredAny;
use tidegate_host::{Answer, Close, End, Events, Note, PluginError, Stream};

use super::classify::Head;
use super::passed::Passed;
use super::translator::Translator;
use crate::dialects::{Chunk, Dialect, Seen, Usage};
use crate::failure::Failure;
use crate::framing::{Block, Broken, Event, Kind};

/// What the next step of a stream is.
#[derive(Debug)]
pub enum Step {
    /// Bytes for the client, whole events of its dialect.
    Data {
        /// The events, framed.
        bytes: Bytes,
        /// One of them carries content.
        content: bool,
    },
    /// The answer is complete and its end has been given out.
    Done,
    /// It is not, and never will be.
    Failed(Failure),
}

/// How a stream ends.
pub(super) enum Ending {
    /// With its normal end.
    Done,
    /// Without.
    Failed(Failure),
    /// With the provider's own error, which its plugin is naming. Nothing can make it a good end any more.
    Upstream(Pin<Box<dyn Future<Output = Failure> + Send>>),
}

/// What a plugin may write for one event.
const MAX_EVENTS: usize = 4096;

/// What the request wants, as the provider was asked.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The dialect that the provider was asked in: the client's, or the canonical one.
    pub dialect: Dialect,
    /// Whether the usage is wanted.
    pub include_usage: bool,
    /// The usage was asked for in the client's stead: events that carry nothing else are kept from it.
    pub hide_usage: bool,
    /// Whether it may have asked for more than one choice.
    pub several: bool,
}

/// Reads the blocks of one answer.
pub(super) struct Reader<T = Stream> {
    /// Turns each event into the client's. `None`: the upstream speaks the client's dialect, and its bytes pass as they
    /// came.
    translator: Option<T>,
    events: Events,
    /// What its plugin noted, and what its events said.
    noted: Usage,
    said: Usage,
    pieces: u32,
    include_usage: bool,
    hide_usage: bool,
    several: bool,
    dialect: Dialect,
    head: Head,
    finish: bool,
    /// The plugin says that the answer is whole unless more comes. It ends the waiting, and is no finish by itself.
    settled: bool,
    /// Something of an answer was seen: content, or why a choice ended.
    answered: bool,
    /// Why a choice ended was seen: without that a terminal marker is none.
    reasoned: bool,
    /// Bytes taken since the last content: a flood of nothing is not an answer.
    empty: usize,
    empty_limit: usize,
}

/// What an answer has cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// As the provider says.
    pub usage: Usage,
    /// Events with content: about as many tokens, where the provider says nothing.
    pub pieces: u32,
}

/// What one block came to.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) bytes: Bytes,
    pub(super) content: bool,
    pub(super) ending: Option<Ending>,
}

impl Batch {
    pub(super) fn failed(failure: Failure) -> Self {
        Self { ending: Some(Ending::Failed(failure)), ..Self::default() }
    }
}

impl<T: Translator> Reader<T> {
    /// A reader of the answer under `head`; see [`super::source::Source::new`].
    pub(super) fn new(head: Head, client: Client, translator: Option<T>, limit: usize) -> Self {
        Self {
            translator,
            events: Events::new(limit, MAX_EVENTS),
            noted: Usage::default(),
            said: Usage::default(),
            pieces: 0,
            include_usage: client.include_usage,
            hide_usage: client.hide_usage,
            several: client.several,
            dialect: client.dialect,
            head,
            finish: false,
            settled: false,
            answered: false,
            reasoned: false,
            empty: 0,
            empty_limit: limit,
        }
    }

    /// So many bytes came.
    pub(super) fn took(&mut self, bytes: usize) {
        self.empty = self.empty.saturating_add(bytes);
    }

    /// The counts that the plugin noted so far.
    pub(super) fn noted(&self) -> Usage {
        self.noted
    }

    /// Whether a plugin turns the events into the client's.
    pub(super) fn is_translated(&self) -> bool {
        self.translator.is_some()
    }

    /// Every choice's end was seen.
    pub(super) fn finished(&self) -> bool {
        self.finish || self.settled
    }

    /// The plugin has seen it, and a connection that breaks takes nothing away.
    pub(super) fn settled(&self) -> bool {
        self.settled
    }

    /// What the answer has cost so far.
    pub(super) fn spent(&self) -> Spent {
        let mut usage = self.noted;
        usage.merge(self.said);
        Spent { usage, pieces: self.pieces }
    }

    fn count(&mut self, chunk: Chunk) {
        self.pieces = self.pieces.saturating_add(u32::from(chunk.content));
        if let Some(usage) = chunk.usage {
            self.said.merge(usage);
        }
    }

    /// Says how the stream ended to the plugin that translates it.
    pub(super) fn close(self, failed: bool) {
        if let Some(stream) = self.translator {
            stream.close(if failed { Close::Failed } else { Close::End });
        }
    }

    /// Where a worker process translates: sends it all that [`Reader::read`] of this block would ask it, and what
    /// [`Reader::conclude`] would after that. False: there is nothing to wait for.
    pub(super) fn prefetch(&mut self, block: &Block<'_>, conclude: bool) -> bool {
        let Some(stream) = self.translator.as_mut().filter(|stream| stream.is_remote()) else { return false };
        let end = conclude && !block.events().any(|event| Use::of(&event).ends());
        let before = block.events().take_while(|event| !Use::of(event).ends());
        let asked = before.filter(|event| Use::of(event) == Use::Look);
        let mut asked =
            asked.map(|event| (event.name, document(&event), event.kind == Kind::Stray)).peekable();
        let any = end || asked.peek().is_some();
        if any {
            stream.prefetch(asked, end);
        }
        any
    }

    /// Ready when the worker has answered; at once where nothing was sent.
    pub(super) fn poll_prefetched(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.translator.as_mut().map_or(Poll::Ready(()), |stream| stream.poll_prefetched(cx))
    }

    /// Reads the items of one block, up to the first that ends the stream. `last`: the upstream's body has ended.
    pub(super) fn read(&mut self, block: &Block<'_>, last: bool) -> Batch {
        let mut batch = Batch::default();
        let mut out = Vec::new();
        let mut passed = Passed::of(&block.bytes);
        for event in block.events() {
            let mut hidden = false;
            let result = match Use::of(&event) {
                Use::Nothing => Ok(()),
                Use::Error => Err(self.upstream_error(event.name, event.data)),
                Use::Broken(Broken::Cut) => Err(Ending::Failed(Failure::truncated(Broken::Cut.to_string()))),
                Use::Broken(why) => Err(Ending::Failed(Failure::malformed(why.to_string()))),
                Use::Look if self.translator.is_some() => self.translate(&event, last, &mut out, &mut batch),
                Use::Look if event.kind == Kind::Stray => Err(self.stray(event.data, last)),
                Use::Look => self.pass(&event, last, &mut batch).map(|kept| hidden = !kept),
            };
            if hidden {
                passed.replace(event.raw, b"");
            } else if self.translator.is_none() && matches!(result, Ok(()) | Err(Ending::Done)) {
                self.keep(event, &block.bytes, result.is_err(), &mut passed);
            }
            if let Err(ending) = result {
                batch.ending = Some(ending);
                break;
            }
        }
        batch.bytes = if self.translator.is_some() {
            out.into()
        } else {
            if batch.ending.is_none() {
                // Outside the items stand line ends alone.
                passed.keep(block.bytes.len());
            }
            passed.closed()
        };
        if batch.content {
            self.empty = 0;
        } else if self.empty > self.empty_limit {
            let failure = Failure::malformed(format!("{} bytes in a row carried no content", self.empty));
            batch.ending.get_or_insert(Ending::Failed(failure));
        }
        batch
    }

    /// Passes an item on as it came, unless the official SDKs would raise their own parser's error at it: empty data,
    /// text between the events, bytes that are not text, anything around the terminal marker.
    fn keep(&self, event: Event<'_>, bytes: &[u8], done: bool, passed: &mut Passed<'_>) {
        // A line beside the data's own; the data itself has been looked at.
        let more = event.raw.len() > event.data.len() + b"data: \r\n\r\n".len();
        let is_text = || std::str::from_utf8(&bytes[event.raw.clone()]).is_ok();
        match event.kind {
            Kind::Stray => passed.replace(event.raw, b""),
            // Without data a name is no event, and some decoders look for the data all the same.
            Kind::Quiet if !event.name.is_empty() => passed.replace(event.raw, b""),
            Kind::Quiet if !is_text() || !self.dialect.has_comments() => passed.replace(event.raw, b""),
            Kind::Event if done && !self.dialect.is_done(event.data) => {
                passed.replace(event.raw, self.dialect.done());
            }
            Kind::Event if event.data.trim_ascii().is_empty() => passed.replace(event.raw, b""),
            Kind::Event if more && !is_text() => {
                let mut framed = Vec::new();
                self.dialect.frame(event.name, event.data, &mut framed);
                passed.replace(event.raw, &framed);
            }
            // Neither is ever passed on.
            Kind::Error | Kind::Broken(_) => {}
            Kind::Quiet | Kind::Event => passed.keep(event.raw.end),
        }
    }

    /// Whether the event is the client's.
    fn pass(&mut self, event: &Event<'_>, last: bool, batch: &mut Batch) -> Result<bool, Ending> {
        match self.dialect.inspect(event.name, event.data) {
            Seen::Chunk(chunk) => {
                batch.content |= chunk.content;
                self.count(chunk);
                self.answered |= chunk.is_answer();
                self.reasoned |= chunk.finish;
                self.finish = if self.dialect.ends_with_body() {
                    // The last event has both, most often. Content after a reason says that it was not the last.
                    chunk.finish || (self.finish && !chunk.content)
                } else {
                    // Of several choices it is not known here which have ended. Servers that say a reason in every chunk
                    // do not mean it while content comes.
                    !self.several && !chunk.content && (chunk.finish || self.finish)
                };
                Ok(!(self.hide_usage && chunk.usage_only))
            }
            Seen::Done(chunk) => {
                self.count(chunk);
                self.answered |= chunk.is_answer();
                self.reasoned |= chunk.finish;
                Err(if self.reasoned {
                    Ending::Done
                } else if self.answered {
                    // Servers and gateways write the marker behind whatever came, a call with half its arguments too.
                    Ending::Failed(Failure::truncated("it does not say why it ends"))
                } else {
                    Ending::Failed(Failure::truncated("it ended before its answer began"))
                })
            }
            Seen::Error => Err(self.upstream_error(event.name, event.data)),
            Seen::Malformed => Err(Ending::Failed(not_understood(event.data, Kind::Event, last))),
        }
    }

    /// The way of a failure: what it needs is copied, because its plugin may take its time to name it.
    fn upstream_error(&self, name: &[u8], data: &[u8]) -> Ending {
        let (head, name, data) = (self.head.clone(), name.to_vec(), data.to_vec());
        Ending::Upstream(Box::pin(async move { head.classify_event(&name, &data).await }))
    }

    /// A bare document among the events is an error in disguise; anything else there is not the dialect.
    fn stray(&self, text: &[u8], last: bool) -> Ending {
        let document = bare_document(text);
        match self.dialect.inspect_body(document) {
            Seen::Error => self.upstream_error(b"", document),
            _ => Ending::Failed(not_understood(document, Kind::Stray, last)),
        }
    }

    fn translate(
        &mut self,
        event: &Event<'_>,
        last: bool,
        out: &mut Vec<u8>,
        batch: &mut Batch,
    ) -> Result<(), Ending> {
        let Some(stream) = &mut self.translator else { return Ok(()) };
        let (stray, data) = (event.kind == Kind::Stray, document(event));
        self.events.clear();
        match stream.event(event.name, data, stray, &mut self.events) {
            Ok(Answer::Done) => self.emit(out, batch)?,
            Ok(Answer::Pass) => self.inspect(event.name, data, out, batch)?,
            Ok(Answer::Upstream) => {
                self.emit(out, batch)?;
                return Err(self.upstream_error(event.name, data));
            }
            Err(PluginError::Protocol(_)) => {
                return Err(Ending::Failed(not_understood(data, event.kind, last)));
            }
            Err(error) => return Err(Ending::Failed(Failure::plugin_call(&error))),
        }
        let mut done = false;
        for (note, count) in self.events.notes() {
            let place = match note {
                Note::TokensIn => &mut self.noted.input,
                Note::TokensOut => &mut self.noted.output,
                Note::TokensCached => &mut self.noted.cached,
                Note::TokensCacheWrite => &mut self.noted.cache_write,
                Note::TokensReasoning => &mut self.noted.reasoning,
                Note::Done => {
                    done = true;
                    continue;
                }
                Note::Finished => {
                    self.settled = *count != 0;
                    continue;
                }
            };
            *place = Some(*count);
        }
        if done { Err(self.end(out, batch)) } else { Ok(()) }
    }

    /// Writes what the plugin gave for one event, each inspected as the client's dialect.
    fn emit(&mut self, out: &mut Vec<u8>, batch: &mut Batch) -> Result<(), Ending> {
        let events = std::mem::replace(&mut self.events, Events::new(0, 0));
        let result = events.iter().try_for_each(|(name, data)| self.inspect(name, data, out, batch));
        self.events = events;
        result
    }

    fn inspect(
        &mut self,
        name: &[u8],
        data: &[u8],
        out: &mut Vec<u8>,
        batch: &mut Batch,
    ) -> Result<(), Ending> {
        let Seen::Chunk(chunk) = self.dialect.inspect(name, data) else {
            let failure = Failure::plugin(
                &"the provider plugin wrote an event that is not in the dialect that it was asked in",
            );
            return Err(Ending::Failed(failure));
        };
        batch.content |= chunk.content;
        self.count(chunk);
        self.finish |= chunk.finish;
        if self.include_usage || !chunk.usage_only {
            self.dialect.frame(name, data, out);
        }
        Ok(())
    }

    /// The upstream is through: asks whether the answer is, and writes the client's end.
    fn end(&mut self, out: &mut Vec<u8>, batch: &mut Batch) -> Ending {
        let unfinished = || Ending::Failed(Failure::truncated("it ended without its terminal marker"));
        let Some(stream) = &mut self.translator else {
            return if self.dialect.ends_with_body() && self.finish { Ending::Done } else { unfinished() };
        };
        self.events.clear();
        match stream.end(&mut self.events) {
            Ok(End::Done) => {}
            Ok(End::Truncated) => return unfinished(),
            Err(error) => return Ending::Failed(Failure::plugin_call(&error)),
        }
        if let Err(failed) = self.emit(out, batch) {
            return failed;
        }
        if !self.finish {
            return unfinished();
        }
        out.extend_from_slice(self.dialect.done());
        Ending::Done
    }

    pub(super) fn conclude(&mut self, mut batch: Batch) -> Batch {
        if batch.ending.is_none() {
            let mut out = Vec::from(std::mem::take(&mut batch.bytes));
            let ending = self.end(&mut out, &mut batch);
            batch.bytes = out.into();
            batch.ending = Some(ending);
        }
        batch
    }
}

/// What an item asks for, before a dialect or a plugin has looked at it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Nobody reads it.
    Nothing,
    /// It ends the stream.
    Error,
    /// It ends the stream too, and no plugin can say more of it.
    Broken(Broken),
    /// A dialect or a plugin has to look at it.
    Look,
}

impl Use {
    /// By its framing alone.
    pub(crate) fn of(event: &Event<'_>) -> Self {
        match event.kind {
            Kind::Stray if is_punctuation(event.data) => Use::Nothing,
            // The standard drops an event without data, and with it an error that says no more than that.
            Kind::Quiet if event.name == b"error" => Use::Error,
            Kind::Error => Use::Error,
            Kind::Broken(why) => Use::Broken(why),
            Kind::Quiet => Use::Nothing,
            Kind::Stray | Kind::Event => Use::Look,
        }
    }

    /// Whether nothing that follows it is read.
    fn ends(self) -> bool {
        matches!(self, Use::Error | Use::Broken(_))
    }
}

/// What a plugin is given of an item.
pub(crate) fn document<'a>(event: &Event<'a>) -> &'a [u8] {
    if event.kind == Kind::Stray { bare_document(event.data) } else { event.data }
}

/// The tail of a JSON array whose elements came as events.
fn is_punctuation(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'[' | b']' | b',') || byte.is_ascii_whitespace())
}

/// The document in `,{...}` or `[{...}]`, the forms that the tail of a JSON array has.
pub fn bare_document(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b",").unwrap_or(text).trim_ascii_start();
    let Some(inner) = text.strip_prefix(b"[") else { return text };
    inner.strip_suffix(b"]").unwrap_or(inner).trim_ascii()
}

/// A document that breaks off was cut; any other text was never the dialect's.
fn not_understood(data: &[u8], kind: Kind, last: bool) -> Failure {
    let cut = match serde_json::from_slice::<IgnoredAny>(data) {
        Err(error) => error.is_eof() || (last && error.classify() != serde_json::error::Category::Syntax),
        Ok(_) => false,
    };
    if cut || (last && std::str::from_utf8(data).is_err_and(|error| error.error_len().is_none())) {
        return Failure::truncated("it broke off inside an event");
    }
    if kind == Kind::Stray {
        // Most likely the words of a middlebox, which the client can use. They may be anything, and so belong into no log;
        // an event's data may be the answer itself, and is told to nobody.
        let shown: String = String::from_utf8_lossy(&data[..data.len().min(80)]).escape_debug().collect();
        let failure = Failure::malformed(format!("text that is no event: \"{shown}\""));
        return Failure { quotes: true, ..failure };
    }
    Failure::malformed(format!("an event of {} bytes that is not in its dialect", data.len()))
}
