//! Where a call goes: an `http` or `https` URL, taken apart once so that sending copies no strings.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::HeaderValue;
use http::uri::{Authority, PathAndQuery, Uri};

/// How bytes travel to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1 over TCP.
    Http,
    /// HTTP/1.1 or HTTP/2 over TLS, as the upstream chooses by ALPN.
    Https,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The part of a URL that decides which connections may carry a call: scheme, host and port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// Whether calls to this origin are encrypted.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{self}", self.scheme.as_str())
    }
}

/// A URL that a call can be sent to. Cloning is a few reference counts.
///
/// `Debug` and `Display` leave the query out: some providers take their key there.
#[derive(Clone)]
pub struct Target {
    origin: Arc<Origin>,
    authority: Authority,
    host_header: HeaderValue,
    absolute: Uri,
    relative: Uri,
    path_and_query: PathAndQuery,
}

/// Why a URL cannot be called. Its `Display` is a sentence that shows no query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// It does not parse as a URL at all.
    Malformed,
    /// Neither `http` nor `https`.
    Scheme,
    /// No host.
    Host,
    /// A port outside 1 to 65535.
    Port,
    /// `user:password@` before the host.
    UserInfo,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the URL is malformed",
            Self::Scheme => "the URL must begin with http:// or https://",
            Self::Host => "the URL has no host",
            Self::Port => "the URL's port must be between 1 and 65535",
            Self::UserInfo => "the URL must not hold a user name or password",
        })
    }
}

impl std::error::Error for TargetError {}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let uri: Uri = url.parse().map_err(|_| TargetError::Malformed)?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(TargetError::Scheme),
        };
        let given = uri.authority().ok_or(TargetError::Host)?;
        if given.as_str().contains('@') {
            return Err(TargetError::UserInfo);
        }
        let bare = given.host();
        let host = bare.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(bare);
        if host.is_empty() {
            return Err(TargetError::Host);
        }
        let port = match (given.port_u16(), given.as_str().len() > bare.len()) {
            (Some(0), _) | (None, true) => return Err(TargetError::Port),
            (Some(port), _) => port,
            (None, false) => scheme.default_port(),
        };
        let authority: Authority = if port == scheme.default_port() {
            bare.parse().map_err(|_| TargetError::Malformed)?
        } else {
            given.clone()
        };
        let host_header = HeaderValue::from_str(authority.as_str()).map_err(|_| TargetError::Malformed)?;
        let path_and_query = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let absolute = Uri::builder()
            .scheme(scheme.as_str())
            .authority(authority.clone())
            .path_and_query(path_and_query.clone())
            .build()
            .map_err(|_| TargetError::Malformed)?;
        Ok(Self {
            origin: Arc::new(Origin { scheme, host: host.to_ascii_lowercase().into(), port }),
            authority,
            host_header,
            absolute,
            relative: Uri::from(path_and_query.clone()),
            path_and_query,
        })
    }
}

impl Target {
    /// Scheme, host and port.
    pub fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// Host, and port where it is not the scheme's own.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What stands after the host; `/` when nothing does.
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }

    pub(super) fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }

    /// The form that HTTP/2 takes its pseudo-headers from.
    pub(super) fn absolute(&self) -> &Uri {
        &self.absolute
    }

    /// The origin form of RFC 9112 section 3.2.1.
    pub(super) fn relative(&self) -> &Uri {
        &self.relative
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.origin.scheme.as_str();
        write!(f, "{scheme}://{}{}", self.authority, self.path_and_query.path())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, TargetError> {
        url.parse()
    }

    #[test]
    fn a_url_is_taken_apart() {
        let t = parse("https://Example.COM/v1/chat?x=1").unwrap();
        assert_eq!(t.origin().host(), "example.com");
        assert_eq!(t.origin().port(), 443);
        assert_eq!(t.path_and_query(), "/v1/chat?x=1");
        assert_eq!(t.host_header(), "Example.COM");
        let t = parse("http://[::1]:8080").unwrap();
        assert_eq!((t.origin().host(), t.origin().port()), ("::1", 8080));
        assert_eq!(t.host_header(), "[::1]:8080");
        assert_eq!(t.relative(), "/");
        assert_eq!(t.absolute(), "http://[::1]:8080/");
        assert_eq!(parse("https://h:443/").unwrap().host_header(), "h");
    }

    #[test]
    fn what_cannot_be_called_is_refused() {
        assert_eq!(parse("ftp://h/").unwrap_err(), TargetError::Scheme);
        assert_eq!(parse("/v1").unwrap_err(), TargetError::Scheme);
        assert_eq!(parse("http://a b/").unwrap_err(), TargetError::Malformed);
        assert_eq!(parse("http://u:p@h/").unwrap_err(), TargetError::UserInfo);
        assert_eq!(parse("http://h:0/").unwrap_err(), TargetError::Port);
        assert_eq!(parse("http://h:99999/").unwrap_err(), TargetError::Port);
        assert!(parse("").is_err());
        assert!(parse("http://").is_err());
        assert!(parse("http://:80/").is_err());
    }

    #[test]
    fn a_key_in_the_query_is_never_shown() {
        let t = parse("https://h/v1?key=hunter2").unwrap();
        assert!(!format!("{t} {t:?}").contains("hunter2"));
        assert!(t.absolute().to_string().contains("hunter2"));
    }
}
