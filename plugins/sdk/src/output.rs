//! The host's sinks as safe wrappers. Each method fails with [`Fault::Limit`] when the host's cap is reached.

use tidegate_plugin_abi::{AuthV1, RequestOutV1, ResponseV1, Str, StreamOutV1, TextOutV1, auth, response};

use crate::{Dialect, Fault, Framing, Note};

/// How the host authenticates the upstream request. `secret` names one of the configuration's secrets: the plugin
/// never sees its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth<'a> {
    /// `authorization: Bearer SECRET`.
    Bearer {
        /// The secret's name.
        secret: &'a str,
    },
    /// `HEADER: PREFIX SECRET`, joined without a space.
    Header {
        /// The secret's name.
        secret: &'a str,
        /// The header's name.
        header: &'a str,
        /// What stands before the secret.
        prefix: &'a str,
    },
    /// A bearer token for `scope`, from the secret's credentials, else from the machine's own.
    GoogleOauth {
        /// The secret's name.
        secret: &'a str,
        /// The OAuth scope.
        scope: &'a str,
    },
    /// AWS signature version 4.
    AwsSigV4 {
        /// The secret's name.
        secret: &'a str,
        /// The service that it is signed for.
        service: &'a str,
        /// The region.
        region: &'a str,
    },
}

/// Where a provider puts the upstream request.
#[derive(Debug)]
pub struct RequestOut<'a> {
    pub(crate) raw: &'a RequestOutV1,
}

impl RequestOut<'_> {
    /// The method and the absolute URL.
    pub fn target(&mut self, method: &str, url: &str) -> Result<(), Fault> {
        let call = self.raw.target.ok_or_else(missing)?;
        // SAFETY: the sink is the host's, lent for the call that `self` lives in; the strings are borrowed for this one.
        Fault::check(unsafe { call(self.raw.ctx, lend(method), lend(url)) })
    }

    /// Adds a header.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let call = self.raw.header.ok_or_else(missing)?;
        // SAFETY: as in `target`.
        Fault::check(unsafe { call(self.raw.ctx, lend(name), lend(value)) })
    }

    /// Tells the client what of its request was left out, by the names of parameters, separated by commas. A client may
    /// call a member what it likes: what no header can hold is put right, and what is too long for one is cut.
    pub fn dropped(&mut self, names: &str) -> Result<(), Fault> {
        let legal = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '_' };
        let names: String = names.chars().take(1024).map(legal).collect();
        self.header("x-tidegate-dropped", &names)
    }

    /// Asks the host to authenticate the request.
    pub fn auth(&mut self, how: Auth<'_>) -> Result<(), Fault> {
        let mut raw = AuthV1 {
            size: size_of::<AuthV1>() as u32,
            scheme: auth::NONE,
            secret: Str::EMPTY,
            header: Str::EMPTY,
            prefix: Str::EMPTY,
            scope: Str::EMPTY,
            region: Str::EMPTY,
        };
        match how {
            Auth::Bearer { secret } => {
                raw.scheme = auth::BEARER;
                raw.secret = lend(secret);
            }
            Auth::Header { secret, header, prefix } => {
                raw.scheme = auth::HEADER;
                raw.secret = lend(secret);
                raw.header = lend(header);
                raw.prefix = lend(prefix);
            }
            Auth::GoogleOauth { secret, scope } => {
                raw.scheme = auth::GOOGLE_OAUTH;
                raw.secret = lend(secret);
                raw.scope = lend(scope);
            }
            Auth::AwsSigV4 { secret, service, region } => {
                raw.scheme = auth::AWS_SIGV4;
                raw.secret = lend(secret);
                raw.scope = lend(service);
                raw.region = lend(region);
            }
        }
        let call = self.raw.auth.ok_or_else(missing)?;
        // SAFETY: as in `target`; `raw` outlives the call.
        Fault::check(unsafe { call(self.raw.ctx, &raw) })
    }

    /// What the upstream will answer with. Not called: [`Dialect::OpenAiChat`], [`Framing::Auto`].
    pub fn response(&mut self, dialect: Dialect, framing: Framing) -> Result<(), Fault> {
        self.describe(dialect, framing, 0)
    }

    /// As [`RequestOut::response`], and the host calls `event` for every event even when the dialect is the client's.
    pub fn response_every_event(&mut self, dialect: Dialect, framing: Framing) -> Result<(), Fault> {
        self.describe(dialect, framing, response::EVERY_EVENT)
    }

    fn describe(&mut self, dialect: Dialect, framing: Framing, flags: u32) -> Result<(), Fault> {
        let raw = ResponseV1 {
            size: size_of::<ResponseV1>() as u32,
            flags,
            dialect: dialect.value(),
            framing: framing.value(),
        };
        let call = self.raw.response.ok_or_else(missing)?;
        // SAFETY: as in `auth`.
        Fault::check(unsafe { call(self.raw.ctx, &raw) })
    }

    /// Appends to the body.
    pub fn body(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let call = self.raw.body.ok_or_else(missing)?;
        // SAFETY: as in `target`.
        Fault::check(unsafe { call(self.raw.ctx, Str::lend(piece)) })
    }
}

/// Where a stream puts the client's events.
#[derive(Debug)]
pub struct StreamOut<'a> {
    pub(crate) raw: &'a StreamOutV1,
}

impl StreamOut<'_> {
    /// One event in the head's dialect if the provider speaks it, else an OpenAI chat chunk. `name` may be empty.
    pub fn event(&mut self, name: &str, data: &[u8]) -> Result<(), Fault> {
        let call = self.raw.event.ok_or_else(missing)?;
        // SAFETY: the sink is the host's, lent for the call that `self` lives in; the bytes are borrowed for this one.
        Fault::check(unsafe { call(self.raw.ctx, lend(name), Str::lend(data)) })
    }

    /// Tells the host something beside the events.
    pub fn note(&mut self, note: Note) -> Result<(), Fault> {
        let (kind, value) = note.parts();
        let call = self.raw.note.ok_or_else(missing)?;
        // SAFETY: as in `event`.
        Fault::check(unsafe { call(self.raw.ctx, kind, value) })
    }
}

/// Where a provider puts a whole body.
#[derive(Debug)]
pub struct TextOut<'a> {
    pub(crate) raw: &'a TextOutV1,
}

impl TextOut<'_> {
    /// Appends a piece.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let call = self.raw.write.ok_or_else(missing)?;
        // SAFETY: the sink is the host's, lent for the call that `self` lives in; the bytes are borrowed for this one.
        Fault::check(unsafe { call(self.raw.ctx, Str::lend(piece)) })
    }
}

fn lend(text: &str) -> Str {
    Str::lend(text.as_bytes())
}

fn missing() -> Fault {
    Fault::Unsupported("the host lacks this sink".to_owned())
}
