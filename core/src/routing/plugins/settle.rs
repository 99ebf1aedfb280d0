//! Which of the plugins that a look into the folders found go in force: those that the configuration's own deployments
//! can be made with. A new version that loses one of them is left out, alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Plugins;
use crate::config;
use crate::routing::Routes;
use crate::routing::vendors::Listed;

/// A deployment's id, and the provider where it serves several.
type Served = BTreeSet<(Arc<str>, String)>;

/// Makes routes of `found`; where that loses a deployment that is in force, of as much of it as loses none. `build` makes
/// the routes of some plugins: every instance is created and tests itself in it. What the `settings` no longer permit does
/// not stay. Nothing is in force until the caller puts
/// it there.
///
/// # Errors
/// A sentence: not even the plugins that are in force can serve this configuration.
pub fn settle(
    before: &Routes,
    found: Plugins,
    settings: &config::Plugins,
    build: &dyn Fn(Arc<Plugins>) -> Result<Routes, String>,
) -> Result<Routes, String> {
    let all = build(Arc::new(found.clone()));
    let still = |routes: &Routes| -> Served {
        let configured: BTreeSet<&str> =
            routes.config.deployments.iter().map(|from| from.id.as_str()).collect();
        before.served().into_iter().filter(|(id, _)| configured.contains(&**id)).collect()
    };
    if let Ok(routes) = &all
        && still(routes).is_subset(&routes.served())
    {
        return all;
    }
    // The configuration may be what is wrong: then the plugins that are in force have the same losses.
    let is_new = |name: &String| {
        let (old, new) = (before.plugins.by_name.get(name), found.by_name.get(name));
        old.map(|old| old.generation) != new.map(|new| new.generation)
    };
    let mut old = Plugins { vendors: before.plugins.vendors.clone(), ..found.clone() };
    old.vendors.retain(|vendor| vendor.is_permitted(settings));
    old.by_name.retain(|name, _| !is_new(name));
    let replaced =
        before.plugins.by_name.iter().filter(|(name, _)| found.by_name.contains_key(*name) && is_new(name));
    old.by_name.extend(replaced.map(|(name, old)| (name.clone(), old.clone())));
    let mut accepted = match build(Arc::new(old)) {
        Ok(routes) => routes,
        Err(_) => return all,
    };
    for (name, loaded) in found.by_name.iter().filter(|(name, _)| is_new(name)) {
        let mut trial = (*accepted.plugins).clone();
        trial.by_name.insert(name.clone(), loaded.clone());
        accepted = match better(&accepted, trial, build) {
            Ok(routes) => routes,
            Err(why) => without(accepted, name, &loaded.plugin, why),
        };
    }
    for (prefix, new) in vendors_to_try(&accepted.plugins.vendors, &found.vendors) {
        let mut trial = (*accepted.plugins).clone();
        let old = trial.vendors.iter().position(|old| old.offer.prefix == prefix);
        let old = old.map(|at| trial.vendors.remove(at));
        trial.vendors.extend(new.clone());
        accepted = match better(&accepted, trial, build) {
            Ok(routes) => routes,
            Err(why) => as_described_before(accepted, new.as_ref(), old.as_ref(), &why),
        };
    }
    Ok(accepted)
}

/// The routes of a trial that loses nothing of what is accepted; or why there are none.
fn better(
    accepted: &Routes,
    trial: Plugins,
    build: &dyn Fn(Arc<Plugins>) -> Result<Routes, String>,
) -> Result<Routes, String> {
    let routes = build(Arc::new(trial))?;
    lost(accepted, &routes).map_or(Ok(routes), Err)
}

/// The prefixes that are described otherwise than before, and how; `None`: not any more.
fn vendors_to_try(before: &[Listed], found: &[Listed]) -> Vec<(String, Option<Listed>)> {
    let same = |one: &Listed| before.contains(one);
    let gone = |old: &&Listed| !found.iter().any(|new| new.offer.prefix == old.offer.prefix);
    let changed =
        found.iter().filter(|new| !same(new)).map(|new| (new.offer.prefix.clone(), Some(new.clone())));
    changed.chain(before.iter().filter(gone).map(|old| (old.offer.prefix.clone(), None))).collect()
}

/// What a vendor file says now is left out of what is accepted, or what it said stays, with the reason beside it.
fn as_described_before(
    mut accepted: Routes,
    new: Option<&Listed>,
    old: Option<&Listed>,
    why: &str,
) -> Routes {
    let Some(file) = new.or(old).map(|listed| &listed.file) else { return accepted };
    let reason = match (new, old) {
        (None, _) => format!("it is gone, and what it said stays in force: {why}"),
        (_, None) => format!("it would take over: {why}"),
        _ => format!("what it said before stays in force: {why}"),
    };
    tracing::error!(file = %file.display(), "the vendor file is left out: {reason}");
    let mut plugins = (*accepted.plugins).clone();
    plugins.refused.push(tidegate_host::LoadError::new(file, reason));
    accepted.plugins = Arc::new(plugins);
    accepted
}

/// The new version is left out of what is accepted, with the reason beside the one that stays.
fn without(mut accepted: Routes, name: &str, plugin: &tidegate_host::Plugin, why: String) -> Routes {
    let version = plugin.version();
    let mut plugins = (*accepted.plugins).clone();
    match plugins.by_name.get_mut(name) {
        Some(old) => old.kept = Some(format!("version {version} cannot take its place: {why}")),
        None => plugins
            .refused
            .push(tidegate_host::LoadError::new(plugin.path(), format!("it would take over: {why}"))),
    }
    tracing::error!(plugin = name, version, "the new version is left out: {why}");
    accepted.plugins = Arc::new(plugins);
    accepted
}

/// Why deployments that the one has are not in the other.
fn lost(accepted: &Routes, trial: &Routes) -> Option<String> {
    let has = trial.served();
    let lost: Vec<(Arc<str>, String)> =
        accepted.served().into_iter().filter(|one| !has.contains(one)).collect();
    let (first, _) = lost.first()?;
    let reasons = trial.skipped.iter().filter(|skipped| lost.iter().any(|(id, _)| **id == *skipped.id));
    let reasons: Vec<&str> = reasons.map(|skipped| skipped.reason.as_str()).collect();
    Some(if reasons.is_empty() {
        format!("the deployment {first} would lose a provider")
    } else {
        reasons.join("; ")
    })
}
