//! The configuration: a litellm `config.yaml` as it is, plus the optional `tidegate:` section.
//!
//! Read in three steps: YAML to a tree that knows its places (`yaml`, `node`), the tree to a [`Config`] (`litellm`,
//! `tidegate`), and what is said about it on the way (`diagnose`). Nothing is dropped silently: what is not done becomes
//! a [`Notice`] that says what happens instead.

mod budget;
pub mod check;
mod clocks;
mod diagnose;
mod document;
mod env;
mod litellm;
mod loose;
mod mask;
mod mid_stream;
mod model;
mod node;
mod policy;
mod read;
mod retry_budget;
mod scalar;
mod secret;
mod source;
mod strategy;
pub(crate) mod suggest;
mod tidegate;
pub(crate) mod units;
pub mod vendor;
pub mod wildcard;
pub mod worst_case;
mod yaml;

use std::path::Path;

pub use crate::secret::Secret;
pub use budget::Reach;
pub use clocks::{Clocks, Hurry, WrittenClocks};
pub use diagnose::{Notice, Report, Severity};
pub use env::{Env, ProcessEnv};
pub use model::{ByError, Config, Deployment, General, Group, Router};
pub use retry_budget::{RetryBudget, WrittenRetryBudget};
pub(crate) use secret::is_secret_name;
pub use source::{Place, Source};
pub use strategy::{Strategy, Window};
pub use tidegate::{
    AccessLog, Allowed, Backoff, GroupOverrides, Guard, GuardAction, GuardMode, GuardProbe, GuardTarget,
    Incidents, Isolation, Limits, MidStream, PluginUse, Plugins, PolicyChoice, Run, Tidegate, Traces,
    USUAL_POLICY, Watchdog, WatchdogMode,
};
pub(crate) use units::duration;

/// Reads the config file at `path`, the files it includes, and the variables it names.
///
/// # Errors
/// The [`Report`] lists every problem found, each with its place.
pub fn load(path: &Path, env: &dyn Env) -> Result<Config, Report> {
    document::read_file(path).and_then(|text| parse(&text, path, env))
}

/// Reads `text` as the content of `file`; files it includes are looked for beside `file`.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, file: &Path, env: &dyn Env) -> Result<Config, Report> {
    let mut sink = diagnose::Sink::default();
    let config = document::open(text, file, &mut sink).map(|root| litellm::config(&root, env, &mut sink));
    match config {
        Some(mut config) if sink.errors.is_empty() => {
            config.notices = in_order(sink.notices, file);
            Ok(config)
        }
        _ => Err(Report { errors: in_order(sink.errors, file), notices: in_order(sink.notices, file) }),
    }
}

/// Sorts by place: the main file from top to bottom, then the included ones.
fn in_order(mut notices: Vec<Notice>, main: &Path) -> Vec<Notice> {
    notices.sort_by(|a, b| {
        let key = |notice: &'_ Notice| {
            let place = &notice.place;
            (place.source.path() != main, place.source.path().to_owned(), place.line, place.column)
        };
        key(a).cmp(&key(b))
    });
    notices
}
