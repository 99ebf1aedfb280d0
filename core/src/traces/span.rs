//! Spans as plain data, made when a request has ended.

use std::borrow::Cow;
use std::time::SystemTime;

use http::HeaderValue;

/// What a fact says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Several texts.
    Texts(Vec<String>),
}

/// An attribute, by its name in OpenTelemetry's conventions or, with `tidegate.` before it, of our own.
pub type Fact = (&'static str, Value);

/// Something that happened within a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// When.
    pub at: SystemTime,
    /// What.
    pub name: &'static str,
    /// More of it.
    pub facts: Vec<Fact>,
}

/// Whose work a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client's request, as it is served.
    Server,
    /// A call of a provider.
    Client,
}

/// One span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace.
    pub trace: u128,
    /// Its own id.
    pub id: u64,
    /// The span that it is part of; 0: none.
    pub parent: u64,
    /// That one is another program's.
    pub remote: bool,
    /// W3C flags.
    pub flags: u8,
    /// The trace's state, as it came.
    pub state: Option<HeaderValue>,
    /// A name of few values.
    pub name: String,
    /// Whose work it is.
    pub kind: Kind,
    /// When it began and ended.
    pub time: (SystemTime, SystemTime),
    /// Its attributes.
    pub facts: Vec<Fact>,
    /// What happened in it, in order.
    pub events: Vec<Happened>,
    /// It failed.
    pub failed: bool,
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<std::sync::Arc<str>> for Value {
    fn from(text: std::sync::Arc<str>) -> Self {
        Self::Text(Cow::Owned(text.as_ref().to_owned()))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// Facts, those that are known.
#[derive(Debug, Default)]
pub(super) struct Facts(pub(super) Vec<Fact>);

impl Facts {
    pub(super) fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push((name, value.into()));
    }

    pub(super) fn perhaps(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}
