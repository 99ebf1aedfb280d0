//! The plugins of this process: found once at start, and never unloaded.

mod folders;
mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_host::{LoadError, LoadOptions, Plugin, ProviderManifest};

use super::vendors;
use crate::config;
use crate::config::vendor::Speakers;
use folders::{DROP_IN_DIR, SYSTEM_DIR, folders};

/// The loaded plugins by name.
#[derive(Debug, Default)]
pub struct Plugins {
    by_name: BTreeMap<String, Arc<Plugin>>,
    /// What vendor files describe; goes before what the plugins' own manifests offer.
    vendors: Vec<vendors::Listed>,
    /// The files that were refused.
    pub refused: Vec<LoadError>,
}

impl Plugins {
    /// Loads what the configured folders hold, then what stands beside the executable, then the system's folders.
    /// Of two plugins with one name the first found is used.
    pub fn load(settings: &config::Plugins) -> Self {
        let mut plugins = Self::default();
        for dir in settings.dirs.iter().filter(|dir| !dir.is_dir() && !folders::is_built_in(dir)) {
            tracing::warn!(folder = %dir.display(), "a configured plugin folder is not there");
        }
        let folders = folders(&settings.dirs);
        for folder in &folders {
            let found = tidegate_host::survey(std::slice::from_ref(&folder.path));
            for file in found.plugins {
                let pin =
                    settings.uses.get(&rules::file_name(&file)).and_then(|usage| usage.sha256.as_deref());
                let options = LoadOptions { sha256: pin.and_then(parse_sha256), ..LoadOptions::default() };
                match tidegate_host::load(&file, &options) {
                    Ok(plugin) => plugins.add(plugin, settings, folder.isolation),
                    Err(error) => plugins.refuse(error),
                }
            }
            // Beside the executable other libraries are normal.
            for skipped in found.skipped.into_iter().filter(|_| folder.for_plugins) {
                plugins.refuse(skipped.error);
            }
        }
        plugins.read_vendors(folders.iter().flat_map(|folder| vendors::files(&folder.path)));
        for name in settings.uses.keys().filter(|name| !plugins.by_name.contains_key(*name)) {
            tracing::warn!(plugin = name, "tidegate.plugins.use names a plugin that is not loaded");
        }
        plugins
    }

    fn refuse(&mut self, error: LoadError) {
        tracing::error!("{error}");
        self.refused.push(error);
    }

    fn add(&mut self, plugin: Arc<Plugin>, settings: &config::Plugins, default: config::Isolation) {
        let (name, path) = (plugin.name(), plugin.path().display());
        let permitted = plugin.sha256().map_or(Ok(()), |hash| rules::permitted(settings, name, hash));
        if let Err(reason) = permitted {
            self.refuse(LoadError::new(plugin.path(), reason));
            return;
        }
        if let Some(used) = self.by_name.get(name) {
            tracing::debug!(plugin = name, %path, used = %used.path().display(), "plugin found a second time: not used");
            return;
        }
        let isolation = rules::isolation(settings, name, default);
        tracing::debug!(plugin = name, version = plugin.version(), %path, ?isolation, "plugin loaded");
        self.by_name.insert(name.to_owned(), plugin);
    }

    fn read_vendors(&mut self, files: impl Iterator<Item = PathBuf>) {
        for file in files {
            let providers = self.by_name.values().filter(|plugin| plugin.provider().is_some());
            let speakers: Speakers<'_> =
                providers.map(|plugin| (plugin.name(), plugin.manifest().vendors.as_ref())).collect();
            match vendors::read(&file, &speakers, &self.vendors) {
                Ok(vendor) => {
                    let (provider, file) = (&vendor.offer.prefix, vendor.file.display());
                    match self.by_name.values().find(|plugin| plugin.manifest().provider(provider).is_some())
                    {
                        Some(plugin) => tracing::info!(
                            provider, %file, plugin = plugin.name(),
                            "this vendor file takes the place of the plugin's own provider"
                        ),
                        None => tracing::debug!(provider, %file, plugin = vendor.speaks, "vendor file read"),
                    }
                    self.vendors.push(vendor);
                }
                Err(error) => self.refuse(error),
            }
        }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.by_name.values()
    }

    /// The one with this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Plugin>> {
        self.by_name.get(name)
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
        let vendors =
            self.vendors.iter().filter_map(|own| Some((self.by_name.get(&own.speaks)?, &own.offer)));
        let plugins = self.by_name.values();
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

fn parse_sha256(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read() {
        assert_eq!(parse_sha256(&"0f".repeat(32)), Some([15; 32]));
        assert_eq!(parse_sha256("0f"), None);
    }
}
