//! A request and the quarantine of plugins and deployments.

use std::time::Duration;

use super::Exchange;
use crate::failure::Failure;

impl Exchange {
    /// Whether the attempt in flight may be made. A target can have been quarantined since it was chosen, and of several
    /// requests that chose it for a trial one alone makes it.
    pub(super) fn admitted(&self) -> Result<(), Failure> {
        match &self.running {
            Some(running) if running.passes.is_none() => {
                let deployment = self.serving(running.target);
                let message = format!("the deployment \"{}\" is quarantined", deployment.name);
                Err(Failure::refusal(503, message).retry_after(at_least_one(deployment.quarantine.wait())))
            }
            _ => Ok(()),
        }
    }

    /// The answer when every deployment that is not cooling is quarantined; `None` when none is.
    pub(super) fn quarantined(&self) -> Option<Failure> {
        let wait = self.group.quarantine()?;
        let message = format!("every deployment of the model \"{}\" is quarantined", self.group.name);
        Some(Failure::refusal(503, message).retry_after(at_least_one(wait)))
    }
}

fn at_least_one(wait: Duration) -> Duration {
    wait.max(Duration::from_secs(1))
}
