//! What of a chat request a Responses API has no word for: refused by name, or left out and named.

use tidegate_plugin_sdk::Fault;

/// One request on its way.
#[derive(Debug, Default)]
pub(super) struct Crossing {
    /// What would change the answer is left out instead of refused.
    pub(super) dropping: bool,
    /// What was left out, by the client's own names.
    pub(super) dropped: Vec<String>,
}

impl Crossing {
    /// `name` changes the answer.
    pub(super) fn cannot(&mut self, name: &str) -> Result<(), Fault> {
        if !self.dropping {
            return Err(Fault::Unsupported(format!(
                "{name} has no counterpart in the Responses API, by which alone this model is asked"
            )));
        }
        self.leave_out(name);
        Ok(())
    }

    /// `name` is a wish that may go unheard.
    pub(super) fn leave_out(&mut self, name: &str) {
        if !self.dropped.iter().any(|dropped| dropped == name) {
            self.dropped.push(name.to_owned());
        }
    }
}
