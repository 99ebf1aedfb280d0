//! A bound on the series that names can make: a configuration of ten thousand deployments, or a thousand reloads that rename
//! them, must not bring down the Prometheus that watches it.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::OTHER;

/// Names that have series of their own, for the life of the process; a series once scraped cannot be taken back.
#[derive(Debug)]
pub(super) struct Cap {
    limit: usize,
    names: Mutex<HashSet<Arc<str>>>,
}

impl Cap {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, names: Mutex::default() }
    }

    /// The label for `name`: itself, or `other` once there are too many.
    pub(super) fn label(&self, name: &str) -> Arc<str> {
        let mut names = self.names.lock();
        if let Some(known) = names.get(name) {
            return known.clone();
        }
        if names.len() >= self.limit {
            return OTHER.into();
        }
        let name: Arc<str> = name.into();
        names.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let cap = Cap::new(2);
        let labels = ["a", "b", "c", "a", "d"].map(|name| cap.label(name));
        assert_eq!(labels.map(|label| label.to_string()), ["a", "b", OTHER, "a", OTHER]);
    }
}
