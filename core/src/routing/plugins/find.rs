//! A look into the folders: what is there, what of it may be loaded, and what is in force already.

use std::path::{Path, PathBuf};

use tidegate_host::{Checked, Found, LoadError, LoadOptions, Plugin};

use super::folders::{Folder, folders, is_built_in};
use super::{Loaded, Plugins, rules};
use crate::config::vendor::Speakers;
use crate::config::{self, Isolation};
use crate::routing::vendors;

impl Plugins {
    /// Loads what the configured folders hold, then what stands beside the executable, then the system's folders.
    /// Of two plugins with one name the first found is used.
    pub fn load(settings: &config::Plugins) -> Self {
        let mut look = Look { settings, before: &Self::default(), found: Self::default() };
        look.run(&|_| false);
        for name in settings.uses.keys().filter(|name| !look.found.by_name.contains_key(*name)) {
            tracing::warn!(plugin = name, "tidegate.plugins.use names a plugin that is not loaded");
        }
        look.found
    }

    /// Looks again. What has not changed is the same; a plugin whose file is now bad stays, and so does one whose file is
    /// gone while it is `used`.
    pub fn look_again(&self, settings: &config::Plugins, used: &dyn Fn(&str) -> bool) -> Self {
        let mut look = Look { settings, before: self, found: Self::default() };
        look.run(used);
        look.found
    }
}

struct Look<'a> {
    settings: &'a config::Plugins,
    before: &'a Plugins,
    found: Plugins,
}

impl Look<'_> {
    fn run(&mut self, used: &dyn Fn(&str) -> bool) {
        for dir in self.settings.dirs.iter().filter(|dir| !dir.is_dir() && !is_built_in(dir)) {
            tracing::warn!(folder = %dir.display(), "a configured plugin folder is not there");
        }
        let folders = folders(&self.settings.dirs);
        for folder in &folders {
            match tidegate_host::libraries(&folder.path) {
                Ok(files) => files.iter().for_each(|file| self.file(file, folder)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.refuse(LoadError::new(&folder.path, format!("the folder cannot be read: {error}")));
                }
            }
        }
        for (name, gone) in self.before.by_name.iter().filter(|(name, _)| used(name)) {
            if !self.found.by_name.contains_key(name) {
                let why = format!("{} is gone, and the configuration uses it", gone.plugin.path().display());
                self.keep(gone, why);
            }
        }
        self.vendors(folders.iter().flat_map(|folder| vendors::files(&folder.path)));
    }

    fn file(&mut self, file: &Path, folder: &Folder) {
        match Found::at(file) {
            Found::Plugin(checked) => self.plugin(&checked, folder.isolation),
            Found::Refused(error) => self.bad(error),
            // Beside the executable other libraries are normal, but for one that was a plugin.
            Found::Other(error) if folder.for_plugins || self.was(error.path()).is_some() => self.bad(error),
            Found::Other(_) => {}
        }
    }

    fn plugin(&mut self, checked: &Checked, default: Isolation) {
        let (path, sha256) = (checked.path(), checked.sha256());
        let named = rules::file_name(path);
        if let Err(reason) = rules::permitted(self.settings, &named, sha256) {
            return self.bad(LoadError::new(path, reason));
        }
        let same = self.was(path).filter(|old| old.plugin.sha256() == Some(sha256));
        if let Some(same) = same
            && same.run == rules::run(self.settings, same.plugin.name(), default)
        {
            let same = Loaded { kept: None, ..same.clone() };
            return self.add(same);
        }
        match self.load(checked, &named, default) {
            Ok((plugin, run)) => {
                let generation =
                    self.before.by_name.get(plugin.name()).map_or(1, |old| old.generation.saturating_add(1));
                let isolation = rules::isolation(self.settings, plugin.name(), default);
                tracing::debug!(plugin = plugin.name(), version = plugin.version(), path = %path.display(), ?isolation, "plugin loaded");
                self.add(Loaded { plugin, isolation, generation, kept: None, run });
            }
            Err(error) => self.bad(error),
        }
    }

    /// Where it runs can be set by the name that it gives itself, which is known once it was asked.
    fn load(
        &self,
        checked: &Checked,
        named: &str,
        default: Isolation,
    ) -> Result<(std::sync::Arc<Plugin>, tidegate_host::Isolation), LoadError> {
        let run = rules::run(self.settings, named, default);
        let load = |isolation: &tidegate_host::Isolation| {
            checked.load(&LoadOptions { sha256: None, isolation: isolation.clone() })
        };
        let plugin = load(&run)?;
        let wanted = rules::run(self.settings, plugin.name(), default);
        if wanted == run { Ok((plugin, run)) } else { Ok((load(&wanted)?, wanted)) }
    }

    fn add(&mut self, loaded: Loaded) {
        let plugin = &loaded.plugin;
        let (name, path) = (plugin.name(), plugin.path());
        let permitted = plugin.sha256().map_or(Ok(()), |hash| rules::permitted(self.settings, name, hash));
        if let Err(reason) = permitted {
            return self.bad(LoadError::new(path, reason));
        }
        if let Some(used) = self.found.by_name.get(name) {
            let (path, used) = (path.display(), used.plugin.path().display());
            tracing::debug!(plugin = name, %path, %used, "plugin found a second time: not used");
            return;
        }
        self.found.by_name.insert(name.to_owned(), loaded);
    }

    /// The file is refused; the plugin that was loaded from it stays.
    fn bad(&mut self, error: LoadError) {
        if let Some(old) = self.was(error.path()).cloned() {
            self.keep(&old, format!("the new file is refused: {}", error.reason()));
        }
        self.refuse(error);
    }

    fn keep(&mut self, old: &Loaded, why: String) {
        let name = old.plugin.name();
        let permitted =
            old.plugin.sha256().is_none_or(|hash| rules::permitted(self.settings, name, hash).is_ok());
        if permitted && !self.found.by_name.contains_key(name) {
            self.found.by_name.insert(name.to_owned(), Loaded { kept: Some(why), ..old.clone() });
        }
    }

    /// What is in force from this file.
    fn was(&self, file: &Path) -> Option<&Loaded> {
        let real = file.canonicalize();
        let real = real.as_deref().unwrap_or(file);
        self.before.by_name.values().find(|old| old.plugin.path() == real)
    }

    /// Says it once, and not again for as long as nothing about it changes.
    fn refuse(&mut self, error: LoadError) {
        if self.before.refused.contains(&error) {
            tracing::debug!("{error}");
        } else {
            tracing::error!("{error}");
        }
        self.found.refused.push(error);
    }

    fn vendors(&mut self, files: impl Iterator<Item = PathBuf>) {
        for file in files {
            let providers = self.found.iter().filter(|plugin| plugin.provider().is_some());
            let speakers: Speakers<'_> =
                providers.map(|plugin| (plugin.name(), plugin.manifest().vendors.as_ref())).collect();
            match vendors::read(&file, &speakers, &self.found.vendors, self.settings) {
                Ok(vendor) => {
                    let (provider, file) = (&vendor.offer.prefix, vendor.file.display());
                    match self.found.iter().find(|plugin| plugin.manifest().provider(provider).is_some()) {
                        Some(plugin) => tracing::info!(
                            provider, %file, plugin = plugin.name(),
                            "this vendor file takes the place of the plugin's own provider"
                        ),
                        None => tracing::debug!(provider, %file, plugin = vendor.speaks, "vendor file read"),
                    }
                    self.found.vendors.push(vendor);
                }
                Err(error) => {
                    let taken = |old: &&vendors::Listed| {
                        self.found.vendors.iter().any(|new| new.offer.prefix == old.offer.prefix)
                    };
                    let old = self.before.vendors.iter().find(|old| old.file == file);
                    let old = old.filter(|old| old.is_permitted(self.settings) && !taken(old));
                    let Some(old) = old.filter(|old| self.found.get(&old.speaks).is_some()).cloned() else {
                        self.refuse(error);
                        continue;
                    };
                    self.found.vendors.push(old);
                    let reason = format!("what it said before stays in force: {}", error.reason());
                    let error = LoadError::new(&file, reason);
                    self.refuse(error);
                }
            }
        }
    }
}
