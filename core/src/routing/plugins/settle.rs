//! Which of the plugins that a look into the folders found go in force: those that the configuration's own deployments
//! can be made with. A new version that loses one of them is left out, alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Plugins;
use crate::routing::Routes;

/// A deployment's id, and the provider where it serves several.
type Served = BTreeSet<(Arc<str>, String)>;

/// Makes routes of `found`; where that loses a deployment that is in force, of as much of it as loses none. `build` makes
/// the routes of some plugins: every instance is created and tests itself in it. Nothing is in force until the caller puts
/// it there.
///
/// # Errors
/// A sentence: not even the plugins that are in force can serve this configuration.
pub fn settle(
    before: &Routes,
    found: Plugins,
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
        let why = match build(Arc::new(trial)) {
            Ok(routes) => match lost(&accepted, &routes) {
                None => {
                    accepted = routes;
                    continue;
                }
                Some(why) => why,
            },
            Err(why) => why,
        };
        accepted = without(accepted, name, &loaded.plugin, why);
    }
    let vendors = Plugins { vendors: found.vendors, ..(*accepted.plugins).clone() };
    if let Ok(routes) = build(Arc::new(vendors))
        && lost(&accepted, &routes).is_none()
    {
        accepted = routes;
    }
    Ok(accepted)
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
