//! Every example config inside the litellm 1.83.9 wheel loads, or is refused with a reason and a place.
//!
//! `tests/run` downloads the wheel without installing it and names the unzipped folder in `TIDEGATE_LITELLM_EXAMPLES`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidegate::config::Severity;
use tidegate::config::check::{CheckOutcome, check};

const FOLDER: &str = "TIDEGATE_LITELLM_EXAMPLES";

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml") {
            found.push(path);
        }
    }
}

/// The variables that the file names, so that it is judged and not this machine.
fn named_variables(text: &str) -> BTreeMap<String, String> {
    text.split("os.environ/")
        .skip(1)
        .map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default())
        .map(|name| {
            (name.to_owned(), if name.contains("BASE") { "https://example.com" } else { "1" }.to_owned())
        })
        .collect()
}

fn say(path: &Path, outcome: &CheckOutcome) -> String {
    match &outcome.result {
        Ok(config) => format!(
            "loads    {} ({} deployments, {} notices)",
            path.display(),
            config.deployments.len(),
            config.notices.len()
        ),
        Err(report) => format!("refused  {}\n{report}", path.display()),
    }
}

#[test]
fn every_example_loads_or_is_refused_with_a_reason() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        println!("skipped: {FOLDER} is not set; tests/run sets it to the unzipped wheel of litellm 1.83.9");
        return;
    };
    let mut files = Vec::new();
    yaml_files(Path::new(&folder), &mut files);
    files.sort();
    assert!(files.len() >= 15, "{FOLDER} holds {} YAML files; is it the unzipped wheel?", files.len());
    let mut loaded = 0;
    for path in &files {
        let text = std::fs::read_to_string(path).expect("an example is text");
        let outcome = check(path, &named_variables(&text));
        println!("{}", say(path, &outcome));
        match &outcome.result {
            Ok(config) => {
                loaded += 1;
                let entries =
                    text.lines().filter(|line| line.trim_start().starts_with("- model_name:")).count();
                let skipped = config.notices.iter().any(|notice| notice.severity == Severity::Warning);
                assert!(config.deployments.len() == entries || skipped, "{} lost a model", path.display());
            }
            Err(report) => {
                assert!(!report.errors.is_empty(), "{} is refused without a reason", path.display());
                assert!(report.errors.iter().all(|error| !error.message.is_empty() && error.place.line > 0));
            }
        }
    }
    println!("{loaded} of {} load", files.len());
    assert!(loaded >= 15, "only {loaded} of {} load", files.len());
}
