//! How many calls to providers one request can come to: its budget, from retries and fallbacks.

use std::collections::BTreeSet;

use tidegate_engine::MAX_ATTEMPTS;

use super::model::{Config, Deployment, Group};
use super::wildcard::is_pattern;
use crate::dialects::options::{Fallbacks, List, Options};

/// The groups that a request can come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach<'a> {
    /// The requested group, then each that it can fall back to, once, by its own name.
    pub groups: Vec<&'a str>,
    /// How many of them, from the first, follow any failure. The others follow a prompt that is too long or refused:
    /// a request never begins there.
    pub general: usize,
}

impl Config {
    /// Calls to providers that one request to `group` may make in all: 1 + retries for the group and for each group it
    /// can fall back to, and its continuation, at most the engine's `MAX_ATTEMPTS`. A request's own options count.
    pub fn attempts(&self, group: &str, options: Option<&Options>) -> u32 {
        let reach = self.reach(group, options);
        let groups = reach.groups.into_iter().filter_map(|name| self.group(name).map(|group| (name, group)));
        let attempts = groups.map(|(name, group)| self.attempts_within(name, group, options));
        let attempts = attempts.fold(0, u32::saturating_add);
        attempts.saturating_add(self.continuations(group, options)).clamp(1, MAX_ATTEMPTS)
    }

    /// The group, then breadth-first every group with a deployment that it can fall back to within `max_fallbacks`
    /// steps: those that follow any failure before the others. A model of a wildcard group counts as a group. A wildcard's
    /// own name among the fallbacks takes what the `*` of the requested model stood for, so that only another wildcard leads
    /// there.
    pub fn reach<'a>(&'a self, group: &'a str, options: Option<&'a Options>) -> Reach<'a> {
        let mut groups = vec![self.resolved(group)];
        self.spread(&mut groups, options, |name| self.general_fallbacks(name, options));
        let general = groups.len();
        self.spread(&mut groups, options, |name| {
            let mut targets = self.general_fallbacks(name, options);
            targets.extend(self.special_fallbacks(name, options));
            targets
        });
        Reach { groups, general }
    }

    fn spread<'a>(
        &'a self,
        groups: &mut Vec<&'a str>,
        options: Option<&Options>,
        fallbacks: impl Fn(&str) -> Vec<&'a str>,
    ) {
        let depth = options.and_then(|options| options.max_fallbacks).unwrap_or(self.router.fallback_depth());
        let mut level = vec![groups[0]];
        let mut seen: BTreeSet<&str> = level.iter().copied().collect();
        // Ends sooner than `depth` says: a level holds groups that no level before it held.
        for _ in 0..depth {
            let mut next = Vec::new();
            for name in level {
                for target in fallbacks(name) {
                    let target = self.resolved(target);
                    let fits = !is_pattern(target) || self.is_wild(groups[0]);
                    // A name that no group has is passed over; its own fallbacks are not, in litellm either.
                    if fits && seen.insert(target) {
                        next.push(target);
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            for name in &next {
                if self.group(name).is_some() && !groups.contains(name) {
                    groups.push(name);
                }
            }
            level = next;
        }
    }

    /// The groups tried after any failure of this one.
    fn general_fallbacks<'a>(&'a self, group: &str, options: Option<&'a Options>) -> Vec<&'a str> {
        let names = |targets: &'a [String]| targets.iter().map(String::as_str).collect();
        match options {
            Some(options) if options.disable_fallbacks => Vec::new(),
            Some(Options { fallbacks: Some(Fallbacks::Targets(targets)), .. }) => {
                targets.iter().map(|target| target.model.as_str()).collect()
            }
            Some(Options { fallbacks: Some(Fallbacks::Lists(lists)), .. }) => {
                names(self.listed(lists, &[], group))
            }
            _ => names(self.fallbacks_of(group)),
        }
    }

    /// The groups tried after a prompt that is too long for this one, or that it refuses. No `*` here, in litellm either.
    fn special_fallbacks<'a>(&'a self, group: &str, options: Option<&'a Options>) -> Vec<&'a str> {
        if options.is_some_and(|options| options.disable_fallbacks) {
            return Vec::new();
        }
        let own = |lists: Option<&'a Vec<List>>, configured: &'a [List]| {
            let lists = lists.map_or(configured, Vec::as_slice);
            let list = lists.iter().find(|(name, _)| self.resolved(name) == group);
            list.map_or(&[][..], |(_, targets)| targets).iter().map(String::as_str)
        };
        let context = options.and_then(|options| options.context_window_fallbacks.as_ref());
        let content = options.and_then(|options| options.content_policy_fallbacks.as_ref());
        own(context, &self.router.context_window_fallbacks)
            .chain(own(content, &self.router.content_policy_fallbacks))
            .collect()
    }

    /// Whether an answer of this group that a filter refused is given up for a fallback: one is written for it, or none for
    /// any group, and there are `default_fallbacks`.
    pub fn leaves_refusals(&self, group: &str, options: Option<&Options>) -> bool {
        if options.is_some_and(|options| options.disable_fallbacks) {
            return false;
        }
        let own = options.and_then(|options| options.content_policy_fallbacks.as_ref());
        let lists = own.unwrap_or(&self.router.content_policy_fallbacks);
        if own.is_none() && lists.is_empty() {
            return !self.router.default_fallbacks.is_empty();
        }
        lists.iter().any(|(name, targets)| self.resolved(name) == group && !targets.is_empty())
    }

    /// The groups tried after this one by the configuration. A wildcard group's list is that of its models which have none.
    pub fn fallbacks_of(&self, group: &str) -> &[String] {
        let name = match self.wildcard_for(group).filter(|_| !self.has_group(group)) {
            Some(wildcard) if self.own(&self.router.fallbacks, group).is_none() => &wildcard.name,
            _ => group,
        };
        self.listed(&self.router.fallbacks, &self.router.default_fallbacks, name)
    }

    /// One call and its retries, for each `order` that the group's deployments have.
    pub(super) fn attempts_within(&self, name: &str, group: &Group, options: Option<&Options>) -> u32 {
        let orders = self.orders_of(group);
        let of = |order| {
            let deployments = self.deployments_of(group).filter(move |deployment| deployment.rank() == order);
            deployments.map(|deployment| self.retries_of(name, deployment, options)).max().unwrap_or(0)
        };
        orders.into_iter().map(|order| of(order).saturating_add(1)).fold(0, u32::saturating_add).max(1)
    }

    /// The values of `order` in a group.
    pub(super) fn orders_of(&self, group: &Group) -> BTreeSet<u32> {
        self.deployments_of(group).map(Deployment::rank).collect()
    }

    /// The most retries after a call of this deployment for the model `name`.
    pub fn retries_of(&self, name: &str, deployment: &Deployment, options: Option<&Options>) -> u32 {
        let request = options.and_then(|options| options.num_retries);
        let plain = deployment.num_retries.or(request).unwrap_or(self.router.retries());
        let policy = self.retry_policy(name).and_then(|policy| policy.values().max());
        plain.max(policy.copied().unwrap_or(0))
    }

    /// What fallbacks know the group of this name as: the group's own name, or the model of a wildcard group.
    pub fn known_as<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.group(name).map(|_| self.resolved(name))
    }

    /// The group behind an alias, or the name itself.
    pub fn resolved<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }

    /// litellm's order: the exact group, else without its provider prefix, else `default_fallbacks` (which it appends as a
    /// last `"*"`), else the last `"*"`.
    fn listed<'a>(&self, lists: &'a [List], default: &'a [String], group: &str) -> &'a [String] {
        if let Some((_, targets)) = self.own(lists, group) {
            return targets;
        }
        if !default.is_empty() {
            return default;
        }
        lists.iter().rfind(|(name, _)| name == "*").map_or(&[], |(_, targets)| targets)
    }

    /// The list of this group alone: the first under its name or an alias, else the last under its name without the
    /// provider. `*` is none of these, though a wildcard group may be called so.
    fn own<'a>(&self, lists: &'a [List], group: &str) -> Option<&'a List> {
        let is = |list: &&List, wanted: &str| self.resolved(&list.0) == wanted && list.0 != "*";
        let bare = group.split_once('/').map(|(_, bare)| bare);
        let exact = lists.iter().find(|list| is(list, group));
        exact.or_else(|| bare.and_then(|bare| lists.iter().rfind(|list| is(list, bare))))
    }
}
