//! What a reload did to each plugin.

use serde_json::{Value, json};
use tidegate_host::{LoadError, Plugin};

use super::{Loaded, Plugins};

/// What became of one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is the same as before.
    Unchanged,
    /// A version that was not in force is. `None`: there was none of it before.
    Loaded(Option<Version>),
    /// What was in force stays; a sentence says why.
    Kept(String),
    /// Nothing uses it, and its file is gone or may no longer be loaded.
    Removed,
}

/// One version of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// As it calls itself.
    pub version: String,
    /// Of its file, in hex; empty for one that is linked in.
    pub sha256: String,
}

/// One plugin's part of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// What is in force of it, or was.
    pub version: Version,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a reload did.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// One for each plugin, by name.
    pub plugins: Vec<Change>,
    /// The vendors that are described otherwise than before: the name, and whether it is described at all.
    pub vendors: Vec<(String, bool)>,
    /// The files that are refused.
    pub refused: Vec<LoadError>,
    /// Whether one of them was not refused before, or is for another reason; or is a vendor's, of which an earlier
    /// description is in force.
    pub news: bool,
}

impl Version {
    /// Of a loaded plugin.
    pub fn of(plugin: &Plugin) -> Self {
        let sha256 = plugin.sha256().map(tidegate_host::hex).unwrap_or_default();
        Self { version: plugin.version().to_owned(), sha256 }
    }
}

impl Changes {
    /// Compares what was in force with what is.
    pub fn between(before: &Plugins, after: &Plugins) -> Self {
        let change = |loaded: &Loaded| {
            let (name, version) = (loaded.plugin.name().to_owned(), Version::of(&loaded.plugin));
            let old = before.by_name.get(&name);
            let outcome = match (&loaded.kept, old) {
                (Some(why), _) => Outcome::Kept(why.clone()),
                (None, Some(old)) if old.generation == loaded.generation => Outcome::Unchanged,
                (None, old) => Outcome::Loaded(old.map(|old| Version::of(&old.plugin))),
            };
            Change { name, version, outcome }
        };
        let gone = before.by_name.iter().filter(|(name, _)| !after.by_name.contains_key(*name));
        let removed = gone.map(|(name, old)| Change {
            name: name.clone(),
            version: Version::of(&old.plugin),
            outcome: Outcome::Removed,
        });
        let mut plugins: Vec<Change> = after.loaded().map(change).chain(removed).collect();
        plugins.sort_by(|a, b| a.name.cmp(&b.name));
        let outdated = |error: &LoadError| after.vendors.iter().any(|listed| listed.file == error.path());
        let news = after.refused.iter().any(|error| !before.refused.contains(error) || outdated(error));
        let described = |plugins: &Plugins, prefix: &str| {
            plugins.vendors.iter().find(|listed| listed.offer.prefix == prefix).cloned()
        };
        let prefixes = before.vendors.iter().chain(&after.vendors).map(|listed| listed.offer.prefix.as_str());
        let prefixes: std::collections::BTreeSet<&str> = prefixes.collect();
        let changed =
            prefixes.into_iter().filter(|prefix| described(before, prefix) != described(after, prefix));
        let vendors = changed.map(|prefix| (prefix.to_owned(), described(after, prefix).is_some())).collect();
        Self { plugins, vendors, refused: after.refused.clone(), news }
    }

    /// `ok`; `partly`: something new is in force, and something else that is new was refused; `refused`: nothing new is.
    pub fn result(&self) -> &'static str {
        let any = |what: fn(&Outcome) -> bool| self.plugins.iter().any(|change| what(&change.outcome));
        let bad = self.news || any(|outcome| matches!(outcome, Outcome::Kept(_)));
        let good = any(|outcome| matches!(outcome, Outcome::Loaded(_) | Outcome::Removed))
            || !self.vendors.is_empty();
        match (bad, good) {
            (false, _) => "ok",
            (true, true) => "partly",
            (true, false) => "refused",
        }
    }

    /// As the admin API tells it.
    pub fn to_json(&self) -> Value {
        let plugins: Vec<Value> = self.plugins.iter().map(Change::to_json).collect();
        let vendors = self.vendors.iter().map(
            |(provider, is)| json!({"provider": provider, "result": if *is { "loaded" } else { "removed" }}),
        );
        let vendors: Vec<Value> = vendors.collect();
        json!({"result": self.result(), "plugins": plugins, "vendors": vendors, "refused": refused(&self.refused)})
    }
}

impl Change {
    fn to_json(&self) -> Value {
        let result = match self.outcome {
            Outcome::Unchanged => "unchanged",
            Outcome::Loaded(_) => "loaded",
            Outcome::Kept(_) => "kept",
            Outcome::Removed => "removed",
        };
        let Version { version, sha256 } = &self.version;
        let mut change = json!({"name": self.name, "result": result, "version": version, "sha256": sha256});
        match &self.outcome {
            Outcome::Loaded(old) => {
                change["from"] = old
                    .as_ref()
                    .map_or(Value::Null, |old| json!({"version": old.version, "sha256": old.sha256}));
            }
            Outcome::Kept(why) => change["reason"] = why.as_str().into(),
            Outcome::Unchanged | Outcome::Removed => {}
        }
        change
    }
}

/// Refused files as the admin API tells them.
pub fn refused(errors: &[LoadError]) -> Vec<Value> {
    errors.iter().map(|error| json!({"file": error.path(), "reason": error.reason()})).collect()
}
