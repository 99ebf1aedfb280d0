//! A model group as a request sees it: every deployment that it could come to, its own first.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tidegate_engine::Limits;

use super::budget::Budget;
use super::deployment::Deployment;
use super::model_name::ModelName;
use super::policy::{Policies, Policy};
use crate::config::{Clocks, Config};
use crate::dialects::Options;
use crate::metrics::{GroupSeries, Metrics};

/// The longest back-off, in milliseconds: litellm honours a Retry-After up to 60 s, and adds up to 0.75 s of jitter.
const MAX_DELAY_MS: u64 = 61_000;

/// A group and the groups it can fall back to.
pub struct Group {
    /// Its name in the configuration, which labels everything.
    pub name: Arc<str>,
    /// What the policy knows each group as, by number: the model, where a setting names one of a wildcard group.
    pub known_as: Vec<Arc<str>>,
    /// Its own deployments, then those of its fallbacks in the order of the configuration.
    pub targets: Vec<Arc<Deployment>>,
    /// The number of each target's group; 0 is this one.
    pub numbers: Arc<[u16]>,
    /// How many of these groups, from number 0, a request can begin in; the others follow certain failures only.
    pub general: u16,
    /// What the provider of each target is asked for.
    pub models: Vec<ModelName>,
    /// Who decides for requests to this group.
    pub policy: Arc<Policy>,
    /// The retry budget of each group, by its number.
    pub budgets: Vec<Arc<Budget>>,
    /// Attempts that one request may make in all.
    pub attempts: u32,
    /// Of them, how many may leave their group.
    pub fallbacks: u32,
    /// Of them, how many may go on with a stream that broke off.
    pub continuations: u32,
    /// Of this group.
    pub clocks: Clocks,
    /// Silence in a stream after which the client gets a comment; zero: none.
    pub keep_alive: Duration,
    /// Of this group.
    pub series: Arc<GroupSeries>,
}

/// What groups are made of.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) deployments: &'a [Arc<Deployment>],
    pub(super) budgets: &'a HashMap<String, Arc<Budget>>,
    pub(super) policies: &'a Policies,
}

impl Group {
    pub(super) fn build(parts: Parts<'_>, name: &str, metrics: &Metrics, options: Option<&Options>) -> Self {
        let Parts { config, deployments, budgets, policies } = parts;
        let reach = config.reach(name, options);
        let (mut targets, mut numbers, mut models) = (Vec::new(), Vec::new(), Vec::new());
        let label = |name| config.group(name).map_or(name, |group| group.name.as_str());
        for (number, group) in reach.groups.iter().enumerate() {
            let of_group = deployments.iter().filter(|deployment| *deployment.group == *label(*group));
            for deployment in of_group {
                let Some(from) = config.deployments.iter().find(|from| *from.id == *deployment.id) else {
                    continue;
                };
                targets.push(deployment.clone());
                models.push(ModelName::of(config, reach.groups[0], group, from));
            }
            numbers.resize(targets.len(), u16::try_from(number).unwrap_or(u16::MAX));
        }
        Self {
            name: label(name).into(),
            known_as: reach.groups.iter().map(|name| (*name).into()).collect(),
            targets,
            budgets: reach
                .groups
                .iter()
                .map(|name| budgets.get(label(*name)).cloned().unwrap_or_default())
                .collect(),
            numbers: numbers.into(),
            models,
            policy: policies.of(config, label(name)),
            general: u16::try_from(reach.general).unwrap_or(u16::MAX),
            attempts: config.attempts(name, options),
            // How deep a chain may go is the policy's rule; no group is worth entering twice.
            fallbacks: u32::try_from(reach.groups.len() - 1).unwrap_or(u32::MAX),
            continuations: config.continuations(name, options),
            clocks: config.clocks_for(label(name)),
            keep_alive: config.keep_alive_for(label(name)),
            series: Arc::new(metrics.group(label(name))),
        }
    }

    /// Whether a deployment of its own, or of a fallback, can be called at all.
    pub fn serves(&self) -> bool {
        !self.targets.is_empty()
    }

    /// What the policy knows a target's group as.
    pub fn name_of(&self, target: u16) -> &str {
        &self.known_as[usize::from(self.numbers[usize::from(target)])]
    }

    /// The budget of one request.
    pub fn limits(&self, total: Duration) -> Limits {
        Limits {
            attempts: self.attempts,
            fallbacks: self.fallbacks,
            continuations: self.continuations,
            max_delay_ms: MAX_DELAY_MS,
            deadline_ms: u64::try_from(total.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// How long a request may take: as long as the most patient of the group's own deployments allows.
    pub fn total(&self, stream: bool) -> Duration {
        self.own().map(|target| target.times(stream).total).max().unwrap_or(self.clocks.total)
    }

    /// The first target of a request: by weight among the available ones of the group, else of its fallbacks.
    pub fn choose(&self, seed: u64) -> Option<u16> {
        (0..self.general).find_map(|number| self.draw(number, seed))
    }

    /// The shortest time until one of its own deployments is back, if all are cooling.
    pub fn cooldown(&self) -> Option<Duration> {
        self.own()
            .map(|target| target.health.cooldown_ms())
            .min()
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis)
    }

    /// The shortest time until one of its own deployments may be asked again, if none may and one is quarantined.
    pub fn quarantine(&self) -> Option<Duration> {
        let own = || self.targets.iter().zip(&*self.numbers).filter(|(_, number)| **number == 0);
        let wait = |target: &Deployment| {
            target.quarantine.wait().max(Duration::from_millis(target.health.cooldown_ms()))
        };
        let away = |target: &Deployment| !target.quarantine.is_open() || target.health.cooldown_ms() > 0;
        let quarantined = own().any(|(target, _)| !target.quarantine.is_open());
        if !quarantined || !own().all(|(target, _)| away(target)) {
            return None;
        }
        own().map(|(target, _)| wait(target)).min()
    }

    /// Its own deployments.
    pub fn own(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.targets.iter().zip(&*self.numbers).filter(|(_, number)| **number == 0).map(|(target, _)| target)
    }

    /// Whether a request could begin at once if a call in flight ended.
    pub fn is_full(&self) -> bool {
        let general = self.targets.iter().zip(&*self.numbers).filter(|(_, number)| **number < self.general);
        let mut full = general.filter(|(target, _)| target.is_full());
        full.any(|(target, _)| {
            target.health.cooldown_ms() == 0 && !target.is_spent() && target.quarantine.is_open()
        })
    }

    fn draw(&self, number: u16, seed: u64) -> Option<u16> {
        let open = || {
            self.targets
                .iter()
                .zip(&*self.numbers)
                .enumerate()
                .filter(move |(_, (target, its))| **its == number && target.is_free())
        };
        let order = open().map(|(_, (target, _))| target.order).min()?;
        let lowest = || open().filter(move |(_, (target, _))| target.order == order);
        let total: u64 = lowest().map(|(_, (target, _))| u64::from(target.weight)).sum();
        let index = if total == 0 {
            // Every weight is 0: litellm divides by it; here they are equal.
            let count = lowest().count() as u64;
            lowest().nth(usize::try_from(seed.checked_rem(count)?).ok()?)
        } else {
            let mut at = seed % total;
            lowest().find(|(_, (target, _))| {
                let weight = u64::from(target.weight);
                let hit = at < weight;
                at = at.saturating_sub(weight);
                hit
            })
        };
        index.and_then(|(index, _)| u16::try_from(index).ok())
    }
}

/// A random number. Not for secrets.
pub fn seed() -> u64 {
    RandomState::new().hash_one(0u8)
}
