//! The config as its users see it: what loads, what is refused, and how the refusal is drawn.

mod carets;

mod garbled;
mod limits;
mod policies;
mod semantics;
mod strategies;
mod traces;
mod vendors;
mod wildcards;
mod worst_case;

use std::collections::BTreeMap;
use std::path::Path;

use tidegate::config::{Config, Report, Severity, parse};

/// The environment of a test.
fn env(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A config that must load, with these variables set.
#[track_caller]
fn good_with(text: &str, variables: &[(&str, &str)]) -> Config {
    parse(text, Path::new("config.yaml"), &env(variables)).unwrap_or_else(|report| panic!("{report}"))
}

/// A config that must load.
#[track_caller]
fn good(text: &str) -> Config {
    good_with(text, &[])
}

/// A config that must be refused.
#[track_caller]
fn bad(text: &str) -> Report {
    match parse(text, Path::new("config.yaml"), &env(&[])) {
        Ok(_) => panic!("this config must be refused:\n{text}"),
        Err(report) => report,
    }
}

/// The messages of this severity.
fn messages(config: &Config, severity: Severity) -> Vec<&str> {
    config.notices.iter().filter(|n| n.severity == severity).map(|n| n.message.as_str()).collect()
}

/// The bug report's own config (BerriAI/litellm#26015).
const FOUNDING: &str = "\
model_list:
  - model_name: gemini-3.1-pro-preview
    litellm_params:
      model: vertex_ai/gemini-3.1-pro-preview
      vertex_project: my-project
      vertex_location: global
router_settings:
  num_retries: 0
  allowed_fails: 0
  cooldown_time: 0
";
