//! One small request to this machine or its link, in plain HTTP: where containers and instances get credentials.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::upstream::{Scheme, Target, TargetError};

/// Of the whole exchange. Off AWS nobody answers, not even with a refusal.
const LONGEST: Duration = Duration::from_secs(3);
const LARGEST: usize = 64 * 1024;

/// Where credentials are handed out.
pub(super) struct Address(Target);

impl Address {
    /// # Errors
    /// It is not an address that credentials may be asked of in plain HTTP: a clause.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let target: Target = url.parse().map_err(|error: TargetError| error.to_string())?;
        let host = target.origin().host();
        let near = host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|ip| match ip {
                IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
                // The addresses of EKS and of the metadata service.
                IpAddr::V6(ip) => ip.is_loopback() || ip.segments()[..2] == [0xfd00, 0x0ec2],
            });
        match target.origin().scheme() {
            Scheme::Http if near => Ok(Self(target)),
            Scheme::Http => Err("only this machine or its link may be asked over plain HTTP".to_owned()),
            Scheme::Https => Err("https is not supported here".to_owned()),
        }
    }

    /// With its query.
    pub(super) fn path(&self) -> &str {
        self.0.path_and_query().as_str()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.origin(), f)
    }
}

/// The body of a 200.
///
/// # Errors
/// A clause that shows nothing of the body.
pub(super) async fn fetch(
    method: &str,
    at: &Address,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<String, String> {
    match timeout(LONGEST, exchange(method, at, path, headers)).await {
        Ok(answer) => answer.map_err(|why| format!("{at}: {why}")),
        Err(_) => Err(format!("{at} did not answer within {LONGEST:?}")),
    }
}

async fn exchange(
    method: &str,
    at: &Address,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<String, String> {
    let origin = at.0.origin();
    let text = |error: &dyn fmt::Display| error.to_string();
    let stream = TcpStream::connect((origin.host(), origin.port())).await.map_err(|error| text(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    // Ends with the sender.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let mut request = Request::builder().method(method).uri(path).header("host", at.0.authority().as_str());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request =
        request.body(Empty::<Bytes>::new()).map_err(|_| "what is to be sent is not legal".to_owned())?;
    let answer = sender.send_request(request).await.map_err(|error| text(&error))?;
    if answer.status() != 200 {
        return Err(format!("it answered with HTTP status {}", answer.status().as_u16()));
    }
    let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| text(&error))?;
    String::from_utf8(body.to_bytes().to_vec()).map_err(|_| "its answer is not text".to_owned())
}
