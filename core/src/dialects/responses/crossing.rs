//! What of a request does not exist in a chat completion: refused by name, or left out where the operator wants that.

use std::collections::HashSet;

/// One request on its way into the canonical dialect.
#[derive(Debug, Default)]
pub(super) struct Crossing {
    /// What cannot be said is left out.
    pub(super) dropping: bool,
    /// What was left out, by the client's own names.
    pub(super) dropped: Vec<String>,
    /// The same names: a client may send them by the hundred thousand, too many to look each up in a list.
    known: HashSet<String>,
}

impl Crossing {
    pub(super) fn new(dropping: bool) -> Self {
        Self { dropping, ..Self::default() }
    }

    /// `what` changes the answer, and is refused unless the operator wants it left out; `why` is a clause behind its name.
    pub(super) fn cannot(&mut self, what: &str, why: &str) -> Result<(), String> {
        if !self.dropping {
            return Err(refusal(what, why));
        }
        self.leave_out(what);
        Ok(())
    }

    /// `what` is a wish that may go unheard.
    pub(super) fn leave_out(&mut self, what: &str) {
        if self.known.insert(what.to_owned()) {
            self.dropped.push(what.to_owned());
        }
    }
}

/// The sentence for what is refused.
pub(super) fn refusal(what: &str, why: &str) -> String {
    format!("{what} cannot be used with this model, which is not behind a Responses API: {why}")
}

#[cfg(test)]
mod tests {
    use super::Crossing;

    /// Looked up in a list, they would take minutes.
    #[test]
    fn names_by_the_hundred_thousand_are_each_told_once() {
        let mut crossing = Crossing::new(true);
        let name = |number: u32| format!("\"a_member_that_nobody_knows_{number:06}\"");
        for _ in 0..2 {
            for number in (0..200_000).map(name) {
                crossing.cannot(&number, "there is no such parameter").unwrap();
            }
        }
        assert!(crossing.dropped.iter().eq((0..200_000).map(name).collect::<Vec<_>>().iter()));
    }
}
