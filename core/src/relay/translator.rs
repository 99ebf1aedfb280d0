//! What turns an upstream's events into the client's: a plugin's stream, here or in a worker process.

use std::task::{Context, Poll};

use tidegate_host::{Answer, Close, End, Events, PluginError, Stream};

/// A stream in a plugin's hands. The reader and all around it are made for any, so that tests can have one that takes
/// its time.
pub trait Translator: Send {
    /// See [`Stream::is_remote`].
    fn is_remote(&self) -> bool;
    /// See [`Stream::prefetch`].
    fn prefetch<'a>(&mut self, events: impl Iterator<Item = (&'a [u8], &'a [u8], bool)>, end: bool);
    /// See [`Stream::poll_prefetched`].
    fn poll_prefetched(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// See [`Stream::event`].
    ///
    /// # Errors
    /// Its own.
    fn event(
        &mut self,
        name: &[u8],
        data: &[u8],
        stray: bool,
        out: &mut Events,
    ) -> Result<Answer, PluginError>;
    /// See [`Stream::end`].
    ///
    /// # Errors
    /// Its own.
    fn end(&mut self, out: &mut Events) -> Result<End, PluginError>;
    /// See [`Stream::close`].
    fn close(self, why: Close);
}

impl Translator for Stream {
    fn is_remote(&self) -> bool {
        Stream::is_remote(self)
    }

    fn prefetch<'a>(&mut self, events: impl Iterator<Item = (&'a [u8], &'a [u8], bool)>, end: bool) {
        Stream::prefetch(self, events, end);
    }

    fn poll_prefetched(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Stream::poll_prefetched(self, cx)
    }

    fn event(
        &mut self,
        name: &[u8],
        data: &[u8],
        stray: bool,
        out: &mut Events,
    ) -> Result<Answer, PluginError> {
        Stream::event(self, name, data, stray, out)
    }

    fn end(&mut self, out: &mut Events) -> Result<End, PluginError> {
        Stream::end(self, out)
    }

    fn close(self, why: Close) {
        Stream::close(self, why);
    }
}
