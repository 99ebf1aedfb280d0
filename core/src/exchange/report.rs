//! Which failure the client is told. It is that of the group it asked for, since that is what it can act upon; what came
//! of the fallbacks stands behind it, as in litellm.

use super::Exchange;
use super::policy::Record;
use crate::failure::Failure;

impl Exchange {
    /// The failure for the client, with the last fallback's words behind its own.
    pub(super) fn reported(&self, record: &Record) -> Failure {
        let mut failure = record.failure.clone();
        let last = self.history.last().filter(|last| self.number(last) != self.number(record));
        if let Some(last) = last {
            let group = &self.deployment(last.target).group;
            failure.message +=
                &format!(". Error doing the fallback to \"{group}\": {}", last.failure.message);
        }
        for name in self.unknown_fallbacks() {
            failure.message += &format!(". The fallback \"{name}\" is no model here");
        }
        failure
    }

    fn number(&self, record: &Record) -> Option<&u16> {
        self.group.numbers.get(usize::from(record.target))
    }
}
