//! From a model's name to the deployments that can answer it. A reload makes new [`Routes`] and swaps them in whole.

mod any;
pub mod budget;
pub mod deployment;
mod dropping;
pub mod group;
pub mod health;
mod instance;
mod model_name;
pub mod plugins;
mod policy;
pub mod quarantine;
pub mod usage;
pub mod vendors;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use tidegate_watchdog::Watchdog;

pub use budget::Budget;
pub use deployment::{Deployment, Times};
pub use group::Group;
pub use health::Health;
pub use instance::left_out;
pub use model_name::ModelName;
pub use plugins::Plugins;
pub use policy::Policy;
pub use policy::refused as refused_policies;
pub use quarantine::{Passes, Quarantine};

use crate::config::wildcard::is_pattern;
use crate::config::{self, Config, Env};
use crate::dialects::Options;
use crate::metrics::{Known, Metrics};
use policy::Policies;

/// One configuration, ready to serve. Streams keep the one they began with.
pub struct Routes {
    /// What it was made of.
    pub config: Config,
    /// `None` where no model is served.
    policies: Option<Policies>,
    /// By name: the groups, and the models of wildcard groups that a setting names.
    groups: HashMap<String, Arc<Group>>,
    /// The bare names that providers claim, with the prefix that a wildcard may have for them.
    claimed: Vec<(String, String)>,
    /// The deployments, in the order of the configuration.
    pub deployments: Vec<Arc<Deployment>>,
    /// The retry budgets, by group.
    pub budgets: HashMap<String, Arc<Budget>>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// What they were made with.
    pub plugins: Arc<Plugins>,
}

/// A deployment that cannot be used.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Its id.
    pub id: String,
    /// A sentence that names it and says why.
    pub reason: String,
}

impl Routes {
    /// What others call each deployment, for `tidegate.compat_metrics`.
    pub fn known(&self) -> Known {
        let own = self.deployments.iter().filter(|deployment| !deployment.series.is_other());
        own.map(|deployment| (deployment.series.label().to_owned(), deployment.facts())).collect()
    }

    /// What Prometheus is told of deployments and groups is of these alone from here on.
    pub fn forget_others(&self, metrics: &Metrics) {
        let there: HashSet<&str> = self.deployments.iter().map(|one| one.series.label()).collect();
        let groups: Vec<&str> = self.budgets.keys().map(String::as_str).collect();
        metrics.forget_others(&there, &groups);
    }

    /// The names of the deployments of `before` that are none of these.
    pub fn gone_since<'a>(&self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        let there: HashSet<String> = self.deployments.iter().map(|one| one.name.to_string()).collect();
        before.deployments.iter().map(|one| &*one.name).filter(move |name| !there.contains(*name))
    }

    /// Of a process that serves no model, and loads no plugin.
    pub fn none(config: Config) -> Self {
        Self {
            config,
            policies: None,
            groups: HashMap::new(),
            claimed: Vec::new(),
            deployments: Vec::new(),
            budgets: HashMap::new(),
            skipped: Vec::new(),
            plugins: Arc::default(),
        }
    }

    /// Makes the instances of every deployment. A deployment that cannot be used is left out, as litellm does, and
    /// named in `skipped`; `before` lends its knowledge of deployments that stay.
    ///
    /// # Errors
    /// A sentence: no deployment is left, or there is no policy.
    pub fn build(
        config: Config,
        plugins: &Arc<Plugins>,
        env: &dyn Env,
        metrics: &Metrics,
        watchdog: &Watchdog,
        before: Option<&Routes>,
    ) -> Result<Self, String> {
        let policies = Policies::build(&config, plugins, watchdog)?;
        let means = deployment::Means { plugins, env, metrics, watchdog };
        let (mut deployments, mut skipped) = (Vec::new(), Vec::new());
        for (from, name) in config.deployments.iter().zip(names(&config.deployments)) {
            let known = before.and_then(|routes| routes.deployments.iter().find(|old| *old.id == *from.id));
            let health = known.map(|old| old.health.clone()).unwrap_or_default();
            let built = if from.is_any() {
                any::build(&config, from, &name, means, &health)
            } else {
                Deployment::build(&config, from, name, means, health)
            };
            match built {
                Ok(deployment) => deployments.push(Arc::new(deployment)),
                Err(reason) => {
                    let reason = format!("{}: {reason}", from.place);
                    skipped.push(Skipped { id: from.id.clone(), reason });
                }
            }
        }
        if deployments.is_empty() && !config.deployments.is_empty() {
            let reasons: Vec<&str> = skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
            return Err(format!("no deployment can be used:\n  {}", reasons.join("\n  ")));
        }
        let budgets = budgets(&config, before);
        let parts = group::Parts {
            config: &config,
            deployments: &deployments,
            budgets: &budgets,
            policies: &policies,
        };
        let groups = config
            .groups
            .iter()
            .map(|group| group.name.as_str())
            .chain(config.named_models())
            .map(|name| {
                let group = Group::build(parts, name, metrics, None);
                (name.to_owned(), Arc::new(group))
            })
            .collect();
        let claims = plugins.offers().flat_map(|(_, offer)| {
            offer.models.iter().map(|pattern| (pattern.clone(), offer.prefix.clone()))
        });
        let claimed = claims.collect();
        Ok(Self {
            config,
            policies: Some(policies),
            groups,
            claimed,
            deployments,
            budgets,
            skipped,
            plugins: plugins.clone(),
        })
    }

    /// The deployments that can be used, each with the provider where it serves several.
    fn served(&self) -> BTreeSet<(Arc<str>, String)> {
        let each = self.deployments.iter().flat_map(|deployment| {
            deployment.each().map(|(prefix, _)| (deployment.id.clone(), prefix.to_owned()))
        });
        each.collect()
    }

    /// Takes over the tokens of routes that were made of the same configuration, so that no request waits for one anew.
    pub fn keep_tokens(&self, before: &Routes) {
        for deployment in &self.deployments {
            let Some(old) = before.deployments.iter().find(|old| old.id == deployment.id) else { continue };
            for (prefix, own) in deployment.each() {
                if let Some((_, old)) = old.each().find(|(known, _)| *known == prefix) {
                    own.keep_tokens(old);
                }
            }
        }
    }

    /// Whether a deployment or a policy is of the plugin `name`.
    pub fn uses(&self, name: &str) -> bool {
        let mut own = self.deployments.iter().flat_map(|deployment| deployment.others().chain([deployment]));
        self.policies.as_ref().is_some_and(|policies| policies.uses(name))
            || own.any(|deployment| deployment.provider.plugin().name() == name)
    }

    /// The group that a client's model name means.
    pub fn group(&self, model: &str) -> Option<&Arc<Group>> {
        self.find(model).map(|(group, _)| group)
    }

    /// What the provider of a group's target is asked for, when the client asks for `model`.
    pub fn upstream_model<'a>(&self, group: &'a Group, target: u16, model: &str) -> Cow<'a, str> {
        match &group.models[usize::from(target)] {
            ModelName::Fixed(name) => Cow::Borrowed(name),
            wild => self.find(model).map_or(Cow::Borrowed(""), |(_, name)| wild.fill(&name)),
        }
    }

    /// The group, and the model's name as the group knows it. litellm's order: the alias, the exact name, the wildcard that
    /// is most specific, and the same with the prefix of the provider that claims the name.
    fn find<'s: 'm, 'm>(&'s self, model: &'m str) -> Option<(&'s Arc<Group>, Cow<'m, str>)> {
        let model = self.config.general.completion_model.as_deref().unwrap_or(model);
        let model = self.config.resolved(model);
        if let Some(group) = self.groups.get(model).filter(|_| !is_pattern(model)) {
            return Some((group, Cow::Borrowed(model)));
        }
        if let Some(group) = self.config.wildcard_for(model) {
            return self.groups.get(&group.name).map(|group| (group, Cow::Borrowed(model)));
        }
        let (_, prefix) = self.claimed.iter().find(|(pattern, _)| plugins::claims(pattern, model))?;
        let full = format!("{prefix}/{model}");
        let group = self.config.wildcard_for(&full)?;
        self.groups.get(&group.name).map(|group| (group, Cow::Owned(full)))
    }

    /// The group as a request with options of its own sees it.
    pub fn view(&self, group: &Arc<Group>, options: Option<&Options>, metrics: &Metrics) -> Arc<Group> {
        match options.filter(|options| options.reroutes()).zip(self.policies.as_ref()) {
            None => group.clone(),
            Some((options, policies)) => {
                let Self { config, deployments, budgets, .. } = self;
                let parts = group::Parts { config, deployments, budgets, policies };
                Arc::new(Group::build(parts, &group.known_as[0], metrics, Some(options)))
            }
        }
    }

    /// The names that `/v1/models` lists: those that some deployment serves.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let aliases = self.config.aliases.keys().filter(|alias| !self.config.hidden_aliases.contains(*alias));
        let served =
            |name: &&String| self.groups.get(self.config.resolved(name)).is_some_and(|group| group.serves());
        self.config.groups.iter().map(|group| &group.name).chain(aliases).filter(served).map(String::as_str)
    }
}

/// The budget of each group: the one before, if nothing about it changes.
fn budgets(config: &Config, before: Option<&Routes>) -> HashMap<String, Arc<Budget>> {
    let make = |name: &String| {
        let (settings, floor) = (config.retry_budget_for(name), config.retry_floor(name));
        let kept = before.and_then(|routes| routes.budgets.get(name)).filter(|old| old.is(settings, floor));
        kept.cloned().unwrap_or_else(|| Arc::new(Budget::new(settings, floor)))
    };
    config.groups.iter().map(|group| (group.name.clone(), make(&group.name))).collect()
}

/// A short name for each: its own id where the configuration gives one, else its model; numbered where two would be alike.
/// litellm's generated ids are 64 hexadecimal digits, which nobody reads on a graph.
fn names(deployments: &[config::Deployment]) -> Vec<String> {
    let mut taken: HashMap<String, u32> = HashMap::new();
    let mut name = |from: &config::Deployment| {
        let generated = from.id.len() == 64 && from.id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let base = match (generated, from.provider.as_str()) {
            (false, _) => from.id.clone(),
            (true, "") => from.model.clone(),
            (true, provider) => format!("{provider}/{}", from.model),
        };
        let count = taken.entry(base.clone()).and_modify(|count| *count += 1).or_insert(1);
        if *count == 1 { base } else { format!("{base}#{count}") }
    };
    deployments.iter().map(&mut name).collect()
}
