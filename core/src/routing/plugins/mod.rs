//! The plugins in force: those of one look into the folders. Another look makes another [`Plugins`], which goes in force
//! together with its routes; what it has in common with the one before is the same, loaded once.

mod change;
mod find;
mod folders;
mod rules;
mod settle;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tidegate_host::{LoadError, Plugin, ProviderManifest};

use super::vendors;
use crate::config;
pub use change::{Change, Changes, Outcome, Version, refused};
use folders::{DROP_IN_DIR, SYSTEM_DIR};
pub(super) use rules::permitted;
pub use rules::program;
pub use settle::settle;
pub use watch::Snapshot;

/// The loaded plugins by name.
#[derive(Clone, Debug, Default)]
pub struct Plugins {
    by_name: BTreeMap<String, Loaded>,
    /// What vendor files describe; goes before what the plugins' own manifests offer.
    vendors: Vec<vendors::Listed>,
    /// The files that were refused.
    pub refused: Vec<LoadError>,
}

/// A loaded plugin and how it came to be in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// Where its code runs.
    pub isolation: config::Isolation,
    /// How many versions of it were in force in this process, this one included.
    pub generation: u32,
    /// Why it is still in force, where its file is not what it was: a sentence.
    pub kept: Option<String>,
    /// What its process is given; a change of it needs another process.
    run: tidegate_host::Isolation,
}

impl Plugins {
    /// Whether another look found nothing else: routes of the one are routes of the other.
    pub fn is_same(&self, other: &Self) -> bool {
        let state = |loaded: &Loaded| (loaded.generation, loaded.kept.clone());
        self.by_name.keys().eq(other.by_name.keys())
            && self.loaded().map(state).eq(other.loaded().map(state))
            && (&self.vendors, &self.refused) == (&other.vendors, &other.refused)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.loaded().map(|loaded| &loaded.plugin)
    }

    /// All of them, by name, with what is known of each.
    pub fn loaded(&self) -> impl Iterator<Item = &Loaded> {
        self.by_name.values()
    }

    /// The vendors that files describe.
    pub fn vendors(&self) -> &[vendors::Listed] {
        &self.vendors
    }

    /// The one with this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Plugin>> {
        self.by_name.get(name).map(|loaded| &loaded.plugin)
    }

    /// The provider that a deployment names by its prefix, or that claims its bare model.
    pub fn provider<'a>(
        &'a self,
        prefix: &str,
        model: &str,
    ) -> Option<(&'a Arc<Plugin>, &'a ProviderManifest)> {
        if prefix.is_empty() {
            return self
                .offers()
                .find(|(_, offer)| offer.models.iter().any(|pattern| claims(pattern, model)));
        }
        self.offers().find(|(_, offer)| offer.prefix == prefix)
    }

    /// Every provider on offer, each prefix once but for plugins that offer the same one.
    pub(super) fn offers(&self) -> impl Iterator<Item = (&Arc<Plugin>, &ProviderManifest)> {
        let described =
            |offer: &ProviderManifest| self.vendors.iter().any(|own| own.offer.prefix == offer.prefix);
        let vendors = self.vendors.iter().filter_map(|own| Some((self.get(&own.speaks)?, &own.offer)));
        let plugins = self.iter();
        let own =
            plugins.flat_map(|plugin| plugin.manifest().providers.iter().map(move |offer| (plugin, offer)));
        vendors.chain(own.filter(move |(_, offer)| !described(offer)))
    }

    /// The prefixes on offer, in order.
    pub fn prefixes(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.offers().map(|(_, offer)| offer.prefix.as_str()).collect();
        all.sort_unstable();
        all
    }
}

/// Whether a manifest's pattern claims a bare model.
pub(super) fn claims(pattern: &str, model: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => model.starts_with(start),
        None => model == pattern,
    }
}

/// What to say where the plugin that nothing works without is in no folder.
pub(super) fn missing(name: &str) -> String {
    let beside = std::env::current_exe().ok();
    let beside = beside.as_deref().and_then(Path::parent).unwrap_or(Path::new("(unknown)")).display();
    format!(
        "the plugin \"{name}\" was not found. Plugins are looked for in `tidegate.plugins.dirs`, beside the \
         executable ({beside}), in {DROP_IN_DIR} and in {SYSTEM_DIR}; in a checkout, `cargo build --workspace` makes them\n"
    )
}
