//! How many calls to providers one request can come to: its budget, from retries and fallbacks.

use tidegate_engine::MAX_ATTEMPTS;

use super::model::{Config, Group};

impl Config {
    /// Calls to providers that one request to `group` may make in all: 1 + retries for the group and for each group it
    /// can fall back to, at most the engine's `MAX_ATTEMPTS`.
    pub fn attempts(&self, group: &str) -> u32 {
        let groups = self.reach(group).into_iter().filter_map(|name| self.group(name));
        groups.map(|group| self.attempts_within(group)).fold(0, u32::saturating_add).clamp(1, MAX_ATTEMPTS)
    }

    /// The group, then breadth-first every group with a deployment that it can fall back to within `max_fallbacks` steps,
    /// each once, by its own name.
    pub fn reach<'a>(&'a self, group: &'a str) -> Vec<&'a str> {
        let mut reach = vec![self.resolved(group)];
        let mut level = 0..1;
        for _ in 0..self.router.fallback_depth() {
            for at in level.clone() {
                for target in self.fallbacks_of(reach[at]) {
                    let target = self.resolved(target);
                    if !reach.contains(&target) && self.group(target).is_some() {
                        reach.push(target);
                    }
                }
            }
            level = level.end..reach.len();
            if level.is_empty() {
                break;
            }
        }
        reach
    }

    /// The groups tried after this one. litellm's order: the exact group, else without its provider prefix, else
    /// `default_fallbacks` (which it appends as a last `"*"`), else the last `"*"`.
    pub fn fallbacks_of(&self, group: &str) -> &[String] {
        let list = |wanted: &str| self.router.fallbacks.iter().find(|(name, _)| name == wanted);
        let stripped = group.split_once('/').map(|(_, rest)| rest);
        if let Some((_, targets)) = list(group).or_else(|| stripped.and_then(list)) {
            return targets;
        }
        if !self.router.default_fallbacks.is_empty() {
            return &self.router.default_fallbacks;
        }
        let last = self.router.fallbacks.iter().rfind(|(name, _)| name == "*");
        last.map_or(&[], |(_, targets)| targets)
    }

    /// One call and its retries, by the deployment that allows most of them.
    fn attempts_within(&self, group: &Group) -> u32 {
        let router = self.router.retries();
        let retries =
            self.deployments_of(group).map(|deployment| deployment.num_retries.unwrap_or(router)).max();
        retries.unwrap_or(router).saturating_add(1)
    }

    /// The group behind an alias, or the name itself.
    pub fn resolved<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }
}
