//! The first target of a request.

use tidegate_plugin_sdk::{Action, History};

use crate::config::Config;
use crate::decide::Scene;
use crate::options::Options;
use crate::{choose, fallbacks};

/// One of the requested group, else of the first of its fallbacks that has a free one.
pub(crate) fn pick(config: &Config, history: &History<'_>) -> Action {
    let options = Options::parse(history.options);
    let scene = Scene::of(config, history, &options, None);
    let first = fallbacks::order(&scene).into_iter().find_map(|group| {
        let free = scene.free(group).map(|(index, target)| (index, target, 0));
        choose::soonest(&scene, free)
    });
    first.map_or(Action::raise(), |(target, _)| Action::retry(target, 0))
}
