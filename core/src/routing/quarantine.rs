//! What stands between a request and a target: the watchdog's gates of its plugin and of the deployment itself.

use std::time::Duration;

use tidegate_watchdog::{Gate, Pass, Suspected, Watchdog};

/// The gates of one deployment.
#[derive(Clone, Debug, Default)]
pub struct Quarantine {
    plugin: Gate,
    deployment: Gate,
}

/// A request's way through both.
#[derive(Debug)]
pub struct Passes {
    plugin: Pass,
    deployment: Pass,
}

impl Quarantine {
    /// The gates under these names; one of a name is the same after a reload.
    pub(super) fn new(watchdog: &Watchdog, plugin: &str, deployment: &str) -> Self {
        Self {
            plugin: watchdog.gate(Suspected::Plugin, plugin),
            deployment: watchdog.gate(Suspected::Deployment, deployment),
        }
    }

    /// Whether a request would be let through now.
    pub fn is_open(&self) -> bool {
        self.plugin.is_open() && self.deployment.is_open()
    }

    /// Lets a request through, as a trial if there is one to make.
    pub fn enter(&self) -> Option<Passes> {
        Some(Passes { plugin: self.plugin.enter()?, deployment: self.deployment.enter()? })
    }

    /// How long until a trial may be made; zero when it is open.
    pub fn wait(&self) -> Duration {
        self.plugin.wait().max(self.deployment.wait())
    }
}

impl Passes {
    /// The request was served well.
    pub fn succeed(self) {
        self.plugin.succeed();
        self.deployment.succeed();
    }
}
