//! Who asks: what an operator can tell a client by, without its key.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HeaderMap, USER_AGENT};
use ring::digest::{SHA256, digest};

/// So much of the first word of a User-Agent is told.
const LONGEST: usize = 40;

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its address.
    pub address: IpAddr,
    /// The first word of its User-Agent, such as `OpenAI/Python`. What follows tells of machines, and may be long.
    pub agent: Option<String>,
    /// Its key's id.
    pub key: Option<String>,
}

impl Who {
    /// At the head of a request. Its key is not known yet.
    pub fn at(address: IpAddr, headers: &HeaderMap) -> Self {
        let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let word: String =
            agent.split_whitespace().next().unwrap_or_default().chars().take(LONGEST).collect();
        Self { address, agent: (!word.is_empty()).then_some(word), key: None }
    }

    /// Notes by which key it asks, valid or not.
    pub fn has_sent(&mut self, key: Option<&[u8]>) {
        self.key = key.map(key_id);
    }

    /// In one text, for lists and incidents: `127.0.0.1 OpenAI/Python key-1a2b3c4d`.
    pub fn label(&self) -> Arc<str> {
        let mut label = self.address.to_string();
        for (before, part) in [(" ", &self.agent), (" key-", &self.key)] {
            if let Some(part) = part {
                label.push_str(before);
                label.push_str(part);
            }
        }
        label.into()
    }
}

/// What a key is called where it must not be read: the first eight hexadecimal digits of its SHA-256, the same in every
/// process. `printf %s KEY | sha256sum | cut -c1-8` gives it.
fn key_id(key: &[u8]) -> String {
    let digest = digest(&SHA256, key);
    digest.as_ref().iter().take(4).fold(String::with_capacity(8), |mut id, byte| {
        // A String takes everything.
        let _ = write!(id, "{byte:02x}");
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_by_address_agent_and_its_keys_id() {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, "OpenAI/Python 1.99.1 (sk-secret)".parse().unwrap());
        let mut who = Who::at([127, 0, 0, 1].into(), &headers);
        assert_eq!(&*who.label(), "127.0.0.1 OpenAI/Python");
        who.has_sent(Some(b"sk-1234"));
        // printf %s sk-1234 | sha256sum
        assert_eq!(&*who.label(), "127.0.0.1 OpenAI/Python key-88dc28d0");
        assert_eq!(&*Who::at([127, 0, 0, 1].into(), &HeaderMap::new()).label(), "127.0.0.1");
    }
}
