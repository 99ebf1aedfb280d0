//! The cells to be played: setups (one configuration, one group of it, and where the fault strikes) times faults.

use std::net::SocketAddr;
use std::sync::Arc;

use tidegate_sim::Mode;

use super::configuration::{self, Faults, PRIMARY, PROVIDERS, SPARE};
use super::fault::Fault;
use super::promise::{Promise, Rescue, Terms};
use super::simulated::{Simulated, simulate};
use crate::config::Config;
use crate::routing::Plugins;

/// One group under one configuration, and where the faults strike: a table of the report.
pub(super) struct Setup {
    /// The first part of its cells' ids, and the name of its table.
    pub(super) table: String,
    /// The second part: the provider, where one table shows several.
    pub(super) variant: Option<&'static str>,
    /// A sentence for the table's head.
    pub(super) about: String,
    pub(super) simulated: Arc<Simulated>,
    /// The configuration as it was written: its clocks are the ones to report.
    pub(super) original: Arc<Config>,
    /// The model that the client asks for.
    pub(super) model: String,
    /// The groups that the fault strikes; `None`: all.
    pub(super) struck: Option<Vec<String>>,
    pub(super) terms: Terms,
}

/// One fault in one setup.
#[derive(Clone)]
pub(super) struct Cell {
    pub(super) setup: Arc<Setup>,
    pub(super) fault: Fault,
    pub(super) mode: Mode,
    pub(super) promise: Promise,
}

impl Cell {
    fn of(setup: &Arc<Setup>, fault: Fault, mode: Mode) -> Self {
        let promise = match fault {
            Fault::Client(client) => Promise::of_client(client.attempts(), &setup.terms),
            _ => Promise::of(fault, mode, &setup.terms),
        };
        Self { setup: setup.clone(), fault, mode, promise }
    }

    /// Its name: setup, fault, mode.
    pub(super) fn id(&self) -> String {
        let variant = self.setup.variant.map_or(String::new(), |variant| format!("/{variant}"));
        format!("{}{variant}/{}/{}", self.setup.table, self.fault.name(), mode_name(self.mode))
    }
}

pub(super) fn mode_name(mode: Mode) -> &'static str {
    if mode == Mode::Whole { "whole" } else { "stream" }
}

/// All that is to be played.
pub(super) struct Plan {
    pub(super) setups: Vec<Arc<Setup>>,
    pub(super) cells: Vec<Cell>,
    /// Deployments that are not drilled, and why.
    pub(super) left_out: Vec<String>,
}

/// The built-in matrix. `all`: every provider with every fault under every configuration.
///
/// # Errors
/// A sentence: a provider's plugin is missing.
pub(super) fn built_in(plugins: &Plugins, sim: SocketAddr, all: bool) -> Result<Plan, String> {
    let mut plan = Plan { setups: Vec::new(), cells: Vec::new(), left_out: Vec::new() };
    for configuration in configuration::ALL {
        for provider in PROVIDERS {
            let faults = if all || provider.plays_all {
                configuration.faults
            } else {
                configuration.faults.own_forms()
            };
            let original = Arc::new(configuration.config(provider)?);
            let simulated = Arc::new(simulate((*original).clone(), plugins, sim)?);
            if let Some(left_out) = simulated.left_out.first() {
                return Err(left_out.clone());
            }
            let (own, other) = (simulated.dialects(plugins, PRIMARY), simulated.dialects(plugins, SPARE));
            let setup = Arc::new(Setup {
                table: configuration.name.into(),
                variant: Some(provider.name),
                about: configuration.about.into(),
                original,
                model: PRIMARY.into(),
                struck: (configuration.rescue != Rescue::Failing).then(|| vec![PRIMARY.to_owned()]),
                terms: Terms {
                    rescue: configuration.rescue,
                    budget: simulated.config.attempts(PRIMARY, None),
                    own,
                    others: other,
                    exact: Some(configuration.exact),
                    patient: true,
                },
                simulated,
            });
            plan.add(&setup, faults, configuration.modes);
        }
    }
    Ok(plan)
}

impl Plan {
    /// Adds a setup with all its cells.
    pub(super) fn add(&mut self, setup: &Arc<Setup>, faults: Faults, modes: &[Mode]) {
        self.setups.push(setup.clone());
        for fault in Fault::all().filter(|fault| faults.have(*fault)) {
            self.cells.extend(modes.iter().map(|mode| Cell::of(setup, fault, *mode)));
        }
    }
}

impl Faults {
    /// What of these a provider plays that does not play all.
    fn own_forms(self) -> Self {
        match self {
            Self::All => Self::Upstream,
            Self::Failures => Self::Forms,
            Self::Clients | Self::Upstream | Self::Forms | Self::None => Self::None,
        }
    }

    fn have(self, fault: Fault) -> bool {
        match (self, fault) {
            (Self::None, _) => false,
            (Self::Clients, fault) => matches!(fault, Fault::Client(_)),
            (_, Fault::Client(_)) => false,
            (Self::All, _) => true,
            (Self::Upstream, fault) => !fault.is_heavy() && !matches!(fault, Fault::Link(_)),
            (Self::Failures, fault) => !fault.is_odd_delivery(Mode::Stream) && !fault.is_flood(),
            (Self::Forms, fault) => fault.has_forms(),
        }
    }
}
