//! The sink of an upstream request: validated piece by piece, complete or nothing.

use std::ffi::c_void;

use tidegate_plugin_abi::{AuthV1, RequestOutV1, ResponseV1, Status, Str, auth, response};

use crate::error::{PluginError, Whence};
use crate::sinks::{self, Fault, Sink, TextSink};
use crate::types::{Auth, Dialect, Framing, ResponseSpec, UpstreamRequest};
use crate::wire;

/// What a provider may say of one request; bodies have their own cap.
const MAX_HEADERS: usize = 128;
const MAX_HEADER_BYTES: usize = 64 * 1024;
const MAX_URL: usize = 16 * 1024;

pub(crate) struct RequestSink {
    target: Option<(String, String)>,
    headers: Vec<(String, String)>,
    header_bytes: usize,
    auth: Option<Auth>,
    response: Option<ResponseSpec>,
    body: TextSink,
    fault: Option<Fault>,
}

impl Sink for RequestSink {
    fn fault(&mut self) -> &mut Option<Fault> {
        &mut self.fault
    }
}

impl RequestSink {
    pub(crate) fn new(max_body: usize) -> Self {
        Self {
            target: None,
            headers: Vec::new(),
            header_bytes: 0,
            auth: None,
            response: None,
            body: TextSink::whole(max_body),
            fault: None,
        }
    }

    /// The table that a plugin writes through; valid while `self` is neither moved nor touched.
    pub(crate) fn out(&mut self) -> RequestOutV1 {
        RequestOutV1 {
            size: size_of::<RequestOutV1>() as u32,
            reserved: 0,
            ctx: (&raw mut *self).cast(),
            target: Some(target),
            header: Some(header),
            auth: Some(set_auth),
            response: Some(set_response),
            body: Some(body),
        }
    }

    pub(crate) fn taken_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// The request, which must have a target.
    pub(crate) fn finish(self, whence: Whence) -> Result<UpstreamRequest, PluginError> {
        let Some((method, url)) = self.target else {
            return Err(PluginError::BadAnswer(whence, "it set no target".to_owned()));
        };
        Ok(UpstreamRequest {
            method,
            url,
            headers: self.headers,
            auth: self.auth.unwrap_or_default(),
            response: self.response.unwrap_or_default(),
            body: self.body.into_bytes(),
        })
    }

    pub(crate) fn set_target(&mut self, method: &str, url: &str) -> Result<(), Fault> {
        if method.is_empty() || method.len() > 32 || !method.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(Fault::Misuse("its HTTP method is not a word in capitals"));
        }
        if url.len() > MAX_URL {
            return Err(Fault::Limit);
        }
        if !(url.starts_with("https://") || url.starts_with("http://")) {
            return Err(Fault::Misuse("its URL is not an absolute http or https URL"));
        }
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Fault::Misuse("its URL holds white space or control characters"));
        }
        once(&mut self.target, (method.to_owned(), url.to_owned()), "it set the request's target twice")
    }

    pub(crate) fn add_header(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        if !is_token(name) {
            return Err(Fault::Misuse("a header's name is not an HTTP token"));
        }
        self.header_bytes += name.len() + value.len();
        if self.headers.len() >= MAX_HEADERS || self.header_bytes > MAX_HEADER_BYTES {
            return Err(Fault::Limit);
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// # Safety
    /// The strings of `raw` must be lent for the duration.
    pub(crate) unsafe fn authenticate(&mut self, raw: AuthV1) -> Result<(), Fault> {
        // SAFETY: the caller's.
        once(&mut self.auth, unsafe { auth_of(raw)? }, "it set the request's authentication twice")
    }

    pub(crate) fn describe(&mut self, raw: &ResponseV1) -> Result<(), Fault> {
        let spec = ResponseSpec {
            dialect: Dialect::from_u32(raw.dialect),
            framing: Framing::from_u32(raw.framing),
            every_event: raw.flags & response::EVERY_EVENT != 0,
        };
        once(&mut self.response, spec, "it described the response twice")
    }

    pub(crate) fn push_body(&mut self, piece: &[u8]) -> Result<(), Fault> {
        self.body.push(piece)
    }
}

fn once<T>(slot: &mut Option<T>, value: T, twice: &'static str) -> Result<(), Fault> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Fault::Misuse(twice)),
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// # Safety
/// The strings of `raw` must be lent for the duration.
unsafe fn auth_of(raw: AuthV1) -> Result<Auth, Fault> {
    // SAFETY: the caller's.
    let text = |s| unsafe { sinks::line(s) }.map(str::to_owned);
    let named = |secret: String| match secret.is_empty() {
        true => Err(Fault::Misuse("its authentication names no secret")),
        false => Ok(secret),
    };
    Ok(match raw.scheme {
        auth::BEARER => Auth::Bearer { secret: named(text(raw.secret)?)? },
        auth::HEADER => {
            let name = text(raw.header)?;
            if !is_token(&name) {
                return Err(Fault::Misuse("its authentication header's name is not an HTTP token"));
            }
            Auth::Header { secret: named(text(raw.secret)?)?, name, prefix: text(raw.prefix)? }
        }
        auth::GOOGLE_OAUTH => Auth::GoogleOauth { secret: text(raw.secret)?, scope: text(raw.scope)? },
        auth::AWS_SIGV4 => Auth::AwsSigV4 {
            secret: named(text(raw.secret)?)?,
            service: text(raw.scope)?,
            region: text(raw.region)?,
        },
        _ => Auth::None,
    })
}

unsafe extern "C" fn target(ctx: *mut c_void, method: Str, url: Str) -> Status {
    // SAFETY: `ctx` is the RequestSink of the call under way; the strings are lent for this write.
    unsafe {
        sinks::write::<RequestSink>(ctx, |sink| sink.set_target(sinks::line(method)?, sinks::line(url)?))
    }
}

unsafe extern "C" fn header(ctx: *mut c_void, name: Str, value: Str) -> Status {
    // SAFETY: as in `target`.
    unsafe {
        sinks::write::<RequestSink>(ctx, |sink| sink.add_header(sinks::line(name)?, sinks::line(value)?))
    }
}

unsafe extern "C" fn set_auth(ctx: *mut c_void, raw: *const AuthV1) -> Status {
    // SAFETY: as in `target`; zeros are a valid AuthV1, and its strings are lent for this write too.
    unsafe {
        sinks::write::<RequestSink>(ctx, |sink| {
            let raw = wire::sized(raw).map_err(|_| Fault::Misuse("its authentication cannot be read"))?;
            sink.authenticate(raw)
        })
    }
}

unsafe extern "C" fn set_response(ctx: *mut c_void, raw: *const ResponseV1) -> Status {
    // SAFETY: as in `target`; zeros are a valid ResponseV1.
    unsafe {
        sinks::write::<RequestSink>(ctx, |sink| {
            let raw = wire::sized(raw).map_err(|_| Fault::Misuse("its response cannot be read"))?;
            sink.describe(&raw)
        })
    }
}

unsafe extern "C" fn body(ctx: *mut c_void, piece: Str) -> Status {
    // SAFETY: as in `target`.
    unsafe { sinks::write::<RequestSink>(ctx, |sink| sink.push_body(sinks::written(piece)?)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misuse(result: Result<(), Fault>) -> bool {
        matches!(result, Err(Fault::Misuse(_)))
    }

    #[test]
    fn a_target_is_a_method_and_an_absolute_url_set_once() {
        let mut sink = RequestSink::new(10);
        assert!(misuse(sink.set_target("post", "https://a/")));
        assert!(misuse(sink.set_target("POST", "/v1/chat")));
        assert!(misuse(sink.set_target("POST", "file:///etc/passwd")));
        assert!(misuse(sink.set_target("POST", "https://a/ HTTP/1.1")));
        assert_eq!(sink.set_target("POST", &format!("https://{}", "a".repeat(MAX_URL))), Err(Fault::Limit));
        assert_eq!(sink.set_target("POST", "https://a/"), Ok(()));
        assert!(misuse(sink.set_target("POST", "https://a/")));
    }

    #[test]
    fn headers_are_tokens_and_capped() {
        let mut sink = RequestSink::new(10);
        assert!(misuse(sink.add_header("", "x")));
        assert!(misuse(sink.add_header("a b", "x")));
        for _ in 0..MAX_HEADERS {
            assert_eq!(sink.add_header("x-a", "1"), Ok(()));
        }
        assert_eq!(sink.add_header("x-a", "1"), Err(Fault::Limit), "count");
        let mut sink = RequestSink::new(10);
        assert_eq!(sink.add_header("x-a", &"v".repeat(MAX_HEADER_BYTES)), Err(Fault::Limit), "bytes");
    }

    #[test]
    fn without_a_target_there_is_no_request() {
        let whence = Whence { plugin: "p", op: crate::Op::Request };
        assert!(matches!(RequestSink::new(10).finish(whence), Err(PluginError::BadAnswer(..))));
    }
}
