//! `tidegate plugin inspect`: one file, what it is and what it offers.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_host::abi::{ABI_MAJOR, ABI_MINOR};
use tidegate_host::{Examined, Isolation, LoadError, LoadOptions, Plugin, ProcessOptions};

use crate::routing::plugins::program;

/// What was found.
pub(super) struct Inspection {
    file: Examined,
    plugin: Result<Arc<Plugin>, String>,
}

/// Looks at a file, and loads it when nothing is against it.
pub(super) fn inspect(path: &Path) -> Result<Inspection, LoadError> {
    let file = tidegate_host::examine(path)?;
    // Whoever looks at a file does not trust it yet: its code runs in a process that can do nothing.
    let isolation = Isolation::Process(ProcessOptions::new(program()));
    let options = LoadOptions { isolation, ..LoadOptions::default() };
    let plugin = tidegate_host::load(path, &options).map_err(|error| error.reason().to_owned());
    Ok(Inspection { file, plugin })
}

/// What a plugin is: `provider`, `policy`, or both.
pub(super) fn kinds(plugin: &Arc<Plugin>) -> Vec<&'static str> {
    let provider = plugin.provider().map(|_| "provider");
    let policy = plugin.policy().map(|_| "policy");
    provider.into_iter().chain(policy).collect()
}

impl Inspection {
    /// Whether Tidegate would load it.
    pub(super) fn is_usable(&self) -> bool {
        self.plugin.is_ok()
    }

    /// The same as the text, for programs.
    pub(super) fn json(&self) -> Value {
        let sha256: String = self.sha256();
        let mut told = json!({
            "file": self.file.path,
            "size": self.file.size,
            "sha256": sha256,
            "entry_majors": self.file.majors.as_ref().unwrap_or(&Vec::new()),
            "guarded": self.file.guarded.is_ok(),
            "usable": self.is_usable(),
            "host_abi": format!("{ABI_MAJOR}.{ABI_MINOR}"),
        });
        match &self.plugin {
            Err(why) => told["refused"] = json!(why),
            Ok(plugin) => {
                told["name"] = json!(plugin.name());
                told["version"] = json!(plugin.version());
                told["abi"] = json!(format!("{ABI_MAJOR}.{}", plugin.abi_minor()));
                told["kinds"] = json!(kinds(plugin));
                told["providers"] = plugin.manifest().providers.iter().map(provider).collect();
            }
        }
        told
    }

    fn sha256(&self) -> String {
        tidegate_host::hex(self.file.sha256)
    }
}

fn provider(offer: &tidegate_host::ProviderManifest) -> Value {
    let params: serde_json::Map<String, Value> = offer
        .params
        .iter()
        .map(|(name, param)| (name.clone(), json!({"env": param.env, "default": param.default})))
        .collect();
    let secrets: serde_json::Map<String, Value> = offer
        .secrets
        .iter()
        .map(|(name, secret)| {
            let has_default = secret.default.is_some();
            (
                name.clone(),
                json!({"env": secret.env, "has_default": has_default, "required": secret.required}),
            )
        })
        .collect();
    json!({
        "prefix": offer.prefix,
        "dialects": offer.dialects.iter().map(|dialect| dialect.name()).collect::<Vec<_>>(),
        "dialects_by_model": offer
            .dialects_by_model
            .iter()
            .map(|(pattern, dialects)| (pattern.clone(), json!(dialects.iter().map(|one| one.name()).collect::<Vec<_>>())))
            .collect::<serde_json::Map<_, _>>(),
        "extensions": offer.extensions,
        "extensions_by_model": offer.extensions_by_model,
        "models": offer.models,
        "params": params,
        "secrets": secrets,
        "prefill": offer.prefill.name(),
        "prefill_by_model": offer
            .prefill_by_model
            .iter()
            .map(|(pattern, prefill)| (pattern.clone(), json!(prefill.name())))
            .collect::<serde_json::Map<_, _>>(),
        "stream_usage": offer.stream_usage.name(),
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "file      {}", self.file.path.display())?;
        writeln!(f, "size      {} bytes", self.file.size)?;
        writeln!(f, "sha256    {}", self.sha256())?;
        match &self.file.guarded {
            Ok(()) => writeln!(f, "security  only its owner, this user and root can change it")?,
            Err(why) => writeln!(f, "security  REFUSED: {why}")?,
        }
        match &self.file.majors {
            Ok(majors) if majors.is_empty() => writeln!(f, "symbols   no entry symbol of a Tidegate plugin")?,
            Ok(majors) => {
                let symbols: Vec<String> =
                    majors.iter().map(|major| format!("tidegate_plugin_entry_v{major}")).collect();
                writeln!(f, "symbols   {}", symbols.join(", "))?;
            }
            Err(why) => writeln!(f, "symbols   none: {why}")?,
        }
        let plugin = match &self.plugin {
            Ok(plugin) => plugin,
            Err(why) => return writeln!(f, "\nTidegate does not load it: {why}"),
        };
        writeln!(f, "name      {}", plugin.name())?;
        writeln!(f, "version   {}", plugin.version())?;
        let minor = plugin.abi_minor();
        let compared = match minor.cmp(&ABI_MINOR) {
            std::cmp::Ordering::Equal => "the same as this Tidegate's",
            std::cmp::Ordering::Less => "older than this Tidegate's: it works, without what came later",
            std::cmp::Ordering::Greater => {
                "newer than this Tidegate's: it works, and what came later is not used"
            }
        };
        writeln!(f, "ABI       {ABI_MAJOR}.{minor}, {compared} ({ABI_MAJOR}.{ABI_MINOR})")?;
        writeln!(f, "kind      {}", kinds(plugin).join(", "))?;
        plugin.manifest().providers.iter().try_for_each(|offer| offered(f, offer))
    }
}

fn offered(f: &mut fmt::Formatter<'_>, offer: &tidegate_host::ProviderManifest) -> fmt::Result {
    writeln!(f, "\nprovider  {}/", offer.prefix)?;
    let dialects: Vec<&str> = offer.dialects.iter().map(|dialect| dialect.name()).collect();
    if !dialects.is_empty() {
        writeln!(f, "  dialects  {}", dialects.join(", "))?;
    }
    for (pattern, dialects) in &offer.dialects_by_model {
        let dialects: Vec<&str> = dialects.iter().map(|dialect| dialect.name()).collect();
        let dialects =
            if dialects.is_empty() { "none but openai-chat".to_owned() } else { dialects.join(", ") };
        writeln!(f, "  of        {pattern}: {dialects}")?;
    }
    if !offer.models.is_empty() {
        writeln!(f, "  models    {}", offer.models.join(", "))?;
    }
    for (name, param) in &offer.params {
        let default = param.default.as_ref().map(|value| format!(", else {value}")).unwrap_or_default();
        writeln!(f, "  param     {name}{}{default}", from_env(&param.env))?;
    }
    for (name, secret) in &offer.secrets {
        let default = if secret.default.is_some() { ", else a fixed word" } else { "" };
        let required = if secret.required { ", required" } else { "" };
        writeln!(f, "  secret    {name}{}{default}{required}", from_env(&secret.env))?;
    }
    match offer.prefill {
        tidegate_host::Prefill::None => Ok(()),
        prefill => writeln!(f, "  prefill   {}", prefill.name()),
    }
}

fn from_env(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" (or ${})", names.join(", $")) }
}
