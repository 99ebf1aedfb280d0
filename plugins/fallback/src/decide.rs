//! The order of the rules.

use tidegate_plugin_sdk::{Action, Attempt, History, Target};

use crate::config::Config;
use crate::options::Options;
use crate::{continuation, cooldown, fallbacks, retry};

/// One question, with what follows from the last failure.
pub(crate) struct Scene<'a> {
    pub(crate) config: &'a Config,
    pub(crate) history: &'a History<'a>,
    pub(crate) options: &'a Options,
    /// The target that this very answer puts aside.
    cooled: Option<u32>,
}

pub(crate) fn decide(config: &Config, history: &History<'_>) -> Action {
    let cooldown_ms = history.last().map_or(0, |last| cooldown::after(config, history, last));
    let cooled = history.last().filter(|_| cooldown_ms > 0).map(|last| last.target);
    let options = Options::parse(history.options);
    let scene = Scene::of(config, history, &options, cooled);
    let committed = history.last().is_some_and(|last| last.committed);
    let next = if history.attempts_left == 0 {
        None
    } else if committed {
        continuation::next(&scene)
    } else {
        retry::next(&scene).or_else(|| fallbacks::next(&scene))
    };
    next.unwrap_or_default().cooldown(cooldown_ms)
}

impl<'a> Scene<'a> {
    pub(crate) fn of(
        config: &'a Config,
        history: &'a History<'a>,
        options: &'a Options,
        cooled: Option<u32>,
    ) -> Self {
        Self { config, history, options, cooled }
    }

    /// The targets of a group that can be called now, with their indices.
    pub(crate) fn free(&self, group: &str) -> impl Iterator<Item = (u32, &'a Target<'a>)> {
        (0..).zip(&self.history.targets).filter(move |(index, target)| {
            let cooling = target.cooldown_ms > 0 || self.cooled == Some(*index);
            target.group == group && !target.unavailable && !cooling
        })
    }

    /// The last attempt of this request on a target.
    pub(crate) fn last_on(&self, target: u32) -> Option<&'a Attempt> {
        self.history.attempts.iter().rev().find(|attempt| attempt.target == target)
    }
}
