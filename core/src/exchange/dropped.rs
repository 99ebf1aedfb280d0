//! What was left out of a request on its way to a provider: told to the client in a header, and now and then to the log.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::Exchange;
use crate::routing::Deployment;

/// With this name a plugin tells among the upstream's headers what it left out; it is not sent. The client gets it under
/// the same name.
pub(super) const DROPPED: HeaderName = HeaderName::from_static("x-tidegate-dropped");

/// So much of the names is told.
const LONGEST: usize = 1024;

impl Exchange {
    /// The names that the attempt in flight has left out.
    pub(super) fn drops(&self, deployment: &Deployment, names: impl IntoIterator<Item = String>) {
        let mut all = self.dropped.lock();
        let before = all.len();
        all.extend(names.into_iter().map(|name| bare(&name)));
        if all.len() == before || !deployment.may_warn_of_drops() {
            return;
        }
        let names = all.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let names: String = names.chars().take(LONGEST).collect();
        drop(all);
        tracing::warn!(
            group = %self.group.name, deployment = %deployment.name, names,
            "parameters were left out of a request; for this deployment it is said once a minute"
        );
    }

    /// A new attempt leaves out what it has to.
    pub(super) fn forget_drops(&self) {
        self.dropped.lock().clear();
    }

    /// Tells the client.
    pub(super) fn tell_drops(&self, headers: &mut HeaderMap) {
        let all = self.dropped.lock();
        let mut told = String::new();
        // A name that is no text of a header is in the log alone.
        for name in all.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '))
        {
            let more = if told.is_empty() { name.len() } else { name.len() + 2 };
            if told.len() + more > LONGEST {
                break;
            }
            if !told.is_empty() {
                told.push_str(", ");
            }
            told.push_str(name);
        }
        if let Some(value) = HeaderValue::try_from(told).ok().filter(|value| !value.is_empty()) {
            headers.insert(DROPPED, value);
        }
    }
}

/// A name out of a sentence: without quotes, and without what is said about it behind a comma.
fn bare(name: &str) -> String {
    name.split(", ").next().unwrap_or(name).chars().filter(|c| *c != '"').collect()
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn a_name_is_told_without_its_sentence() {
        for (said, name) in [
            ("seed", "seed"),
            ("\"speed\"", "speed"),
            ("tools[0], the tool of the type \"bash_20250124\",", "tools[0]"),
            ("\"truncation\": \"auto\"", "truncation: auto"),
        ] {
            assert_eq!(bare(said), name);
        }
    }
}
