//! The admin port of a running process, as the command line asks it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::secret::Secret;

/// How long the port may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a whole answer; there is far less.
const MOST: u64 = 64 << 20;

/// The variable with the admin key. An argument could be read by everybody on the machine.
pub const KEY: &str = "TIDEGATE_ADMIN_KEY";

/// Where to ask, and as whom.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The admin address.
    pub addr: SocketAddr,
    key: Option<Secret>,
}

impl Operator {
    /// With the key of the environment, if there is one.
    pub fn new(addr: SocketAddr) -> Self {
        let key = std::env::var(KEY).ok().filter(|key| !key.is_empty()).map(Secret::new);
        Self { addr, key }
    }

    /// The body of a good answer.
    ///
    /// # Errors
    /// A sentence: nobody answers there, it is not Tidegate, or what it says in place of the answer.
    pub fn ask(&self, method: &str, path: &str) -> Result<String, String> {
        let stream = self.send(method, path, "1.1")?;
        let mut answer = String::new();
        stream.take(MOST).read_to_string(&mut answer).map_err(|error| self.failed(&error))?;
        let head = answer.split_once("\r\n\r\n");
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
        match (head, status) {
            (Some((_, body)), Some(200)) => Ok(body.to_owned()),
            (Some((_, body)), Some(_)) => Err(self.refused(body)),
            _ => Err(format!("{} does not answer as tidegate's admin port does", self.addr)),
        }
    }

    /// The snapshots of `/api/live`, one after another, for as long as `each` wants more and the process lives.
    ///
    /// # Errors
    /// A sentence: nobody answers there, or the key is not right.
    pub fn follow(&self, mut each: impl FnMut(Value) -> bool) -> Result<(), String> {
        // The older version has no chunks: what comes are the events alone.
        let mut lines = BufReader::new(self.send("GET", "/api/live", "1.0")?).lines();
        let status = lines.next().transpose().map_err(|error| self.failed(&error))?.unwrap_or_default();
        if !status.contains(" 200 ") {
            let why =
                lines.map_while(Result::ok).skip_while(|line| !line.is_empty()).nth(1).unwrap_or(status);
            return Err(self.refused(&why));
        }
        for line in lines {
            let line = line.map_err(|error| self.failed(&error))?;
            let snapshot = line.strip_prefix("data: ").and_then(|json| serde_json::from_str(json).ok());
            if snapshot.is_some_and(|snapshot| !each(snapshot)) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn send(&self, method: &str, path: &str, version: &str) -> Result<TcpStream, String> {
        let addr = self.addr;
        let mut stream = TcpStream::connect_timeout(&addr, PATIENCE).map_err(|error| self.failed(&error))?;
        let bounds =
            stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        bounds.map_err(|error| self.failed(&error))?;
        let key = self.key.as_ref();
        let key = key.map_or_else(String::new, |key| format!("authorization: Bearer {}\r\n", key.expose()));
        let request = format!(
            "{method} {path} HTTP/{version}\r\nhost: {addr}\r\nconnection: close\r\ncontent-length: 0\r\n{key}\r\n"
        );
        stream.write_all(request.as_bytes()).map_err(|error| self.failed(&error))?;
        Ok(stream)
    }

    /// What it says may be another program's: no control character of it reaches the terminal.
    fn refused(&self, said: &str) -> String {
        let said: String =
            said.trim_end().chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect();
        format!("{}: {said} (the key is read from {KEY})", self.addr)
    }

    fn failed(&self, error: &std::io::Error) -> String {
        format!("{}: {error}; is tidegate running, and is this its admin address? (--admin)", self.addr)
    }
}
