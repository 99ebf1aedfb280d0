//! A call as it is handed in and its answer as it is handed out.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Request, StatusCode, Version};
use http_body_util::Full;

use super::body::Body;
use super::target::Target;

/// One prepared request: keys and signatures are already among its headers.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request method.
    pub method: Method,
    /// Where it goes.
    pub url: Target,
    /// Header fields. `Host`, `Content-Length` and what concerns one connection only are set by the sender; what stands
    /// here under those names is ignored.
    pub headers: HeaderMap,
    /// The whole body; cloning it copies nothing.
    pub body: Bytes,
}

/// The head of a response, and its body to come.
#[derive(Debug)]
pub struct Response {
    /// The final status; informational ones (1xx) are passed over.
    pub status: StatusCode,
    /// The header fields as the upstream sent them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

/// Fields that belong to one connection (RFC 9110 section 7.6.1, RFC 9113 section 8.2.2), or that the sender derives
/// from the URL and the body.
const NOT_FORWARDED: [HeaderName; 9] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

impl Call {
    pub(super) fn request(&self, version: Version) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        for name in &NOT_FORWARDED {
            headers.remove(name);
        }
        if version == Version::HTTP_2 {
            *request.uri_mut() = self.url.absolute().clone();
        } else {
            headers.insert(header::HOST, self.url.host_header().clone());
            *request.uri_mut() = self.url.relative().clone();
        }
        *request.version_mut() = version;
        request
    }
}
