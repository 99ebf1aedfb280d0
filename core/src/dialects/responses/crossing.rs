//! What of a request does not exist in a chat completion: refused by name, or left out where the operator wants that.

/// One request on its way into the canonical dialect.
#[derive(Debug, Default)]
pub(super) struct Crossing {
    /// What cannot be said is left out.
    pub(super) dropping: bool,
    /// What was left out, by the client's own names.
    pub(super) dropped: Vec<String>,
}

impl Crossing {
    pub(super) fn new(dropping: bool) -> Self {
        Self { dropping, dropped: Vec::new() }
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
        if !self.dropped.iter().any(|dropped| dropped == what) {
            self.dropped.push(what.to_owned());
        }
    }
}

/// The sentence for what is refused.
pub(super) fn refusal(what: &str, why: &str) -> String {
    format!("{what} cannot be used with this model, which is not behind a Responses API: {why}")
}
