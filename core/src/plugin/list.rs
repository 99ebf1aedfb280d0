//! `tidegate plugin list`: what would be loaded, and what would not.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_host::Plugin;

use super::inspect::kinds;
use crate::config::{self, ProcessEnv};
use crate::routing::Plugins;

/// The plugins that the configuration at `file` would load, as text or as JSON.
///
/// # Errors
/// The configuration's report.
pub(super) fn list(file: Option<&Path>, as_json: bool) -> Result<String, String> {
    let settings = match file {
        Some(file) => config::load(file, &ProcessEnv).map_err(|report| report.to_string())?.tidegate.plugins,
        None => config::Plugins::default(),
    };
    let plugins = Plugins::load(&settings);
    Ok(if as_json { format!("{:#}\n", as_value(&plugins)) } else { text(&plugins) })
}

fn as_value(plugins: &Plugins) -> Value {
    let loaded: Vec<Value> = plugins
        .loaded()
        .map(|loaded| {
            let plugin = &loaded.plugin;
            json!({
                "name": plugin.name(),
                "version": plugin.version(),
                "kinds": kinds(plugin),
                "prefixes": prefixes(plugin),
                "isolation": loaded.isolation.as_str(),
                "file": plugin.path(),
            })
        })
        .collect();
    let refused: Vec<Value> =
        plugins.refused.iter().map(|error| json!({"file": error.path(), "why": error.reason()})).collect();
    let vendors: Vec<Value> = plugins
        .vendors()
        .iter()
        .map(|own| json!({"provider": own.offer.prefix, "speaks": own.speaks, "file": own.file}))
        .collect();
    json!({"plugins": loaded, "vendors": vendors, "refused": refused})
}

fn text(plugins: &Plugins) -> String {
    let heads = ["NAME", "VERSION", "KIND", "ISOLATION", "FILE"].map(str::to_owned);
    let rows: Vec<(&Arc<Plugin>, [String; 5])> = plugins
        .loaded()
        .map(|loaded| {
            let plugin = &loaded.plugin;
            let file = plugin.path().display().to_string();
            let (name, version) = (plugin.name().to_owned(), plugin.version().to_owned());
            let kinds = kinds(plugin).join(",");
            (plugin, [name, version, kinds, loaded.isolation.as_str().to_owned(), file])
        })
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|(_, row)| row)
            .chain([&heads])
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [0, 1, 2, 3].map(width);
    let mut text = String::new();
    let mut line = |row: &[String; 5]| {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", row[4]);
    };
    line(&heads);
    for (_, row) in &rows {
        line(row);
    }
    for (plugin, _) in rows.iter().filter(|(plugin, _)| !prefixes(plugin).is_empty()) {
        let _ = writeln!(text, "\n{} serves models of {}", plugin.name(), wrapped(&prefixes(plugin)));
    }
    for own in plugins.vendors() {
        let (prefix, file) = (&own.offer.prefix, own.file.display());
        let _ = writeln!(text, "\n{prefix}/ is described by {file}, and served by {}", own.speaks);
    }
    for error in &plugins.refused {
        let _ = writeln!(text, "\n{error}");
    }
    text
}

fn prefixes(plugin: &Plugin) -> Vec<String> {
    let mut prefixes: Vec<String> =
        plugin.manifest().providers.iter().map(|offer| format!("{}/", offer.prefix)).collect();
    prefixes.sort_unstable();
    prefixes
}

/// Words with commas, at most some 90 columns a line.
fn wrapped(words: &[String]) -> String {
    let (mut text, mut column) = (String::new(), 30);
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            text.push(',');
            let fits = column + word.len() < 90;
            text.push_str(if fits { " " } else { "\n  " });
            column = if fits { column } else { 2 };
        }
        text.push_str(word);
        column += word.len() + 2;
    }
    text
}
