//! What the configuration says about one plugin file: whether it may be loaded, which content it must have, where it
//! runs.
//!
//! Asked twice. Before any code of a file runs, by the name of the file; and again by the name that the plugin gives
//! itself, so that a file under another name gets round no rule.

use std::path::{Path, PathBuf};

use tidegate_host::ProcessOptions;

use crate::config::{Allowed, Isolation, PluginUse, Plugins};

/// The name that the configuration knows a file by: without `libtidegate_plugin_` and its ending.
pub(super) fn file_name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
    let stem = stem.strip_prefix("lib").unwrap_or(&stem);
    stem.strip_prefix("tidegate-plugin-").unwrap_or(stem).to_owned()
}

/// Whether the plugin `name` with this content may be loaded; the error is a clause whose subject is the file.
pub(in crate::routing) fn permitted(settings: &Plugins, name: &str, sha256: &[u8; 32]) -> Result<(), String> {
    let hash = tidegate_host::hex(sha256);
    if let Some(pin) = settings.uses.get(name).and_then(|usage| usage.sha256.as_ref())
        && *pin != hash
    {
        return Err(format!("its sha256 is {hash}, and tidegate.plugins.use.{name}.sha256 wants {pin}"));
    }
    let listed = |one: &Allowed| match one {
        Allowed::Name(allowed) => allowed == name,
        Allowed::Sha256(allowed) => *allowed == hash,
    };
    match &settings.allow {
        Some(allow) if !allow.iter().any(listed) => {
            Err(format!("tidegate.plugins.allow names neither \"{name}\" nor its sha256, which is {hash}"))
        }
        _ => Ok(()),
    }
}

/// Where the plugin `name` runs.
pub(super) fn isolation(settings: &Plugins, name: &str, default: Isolation) -> Isolation {
    settings.uses.get(name).and_then(|usage: &PluginUse| usage.isolation).unwrap_or(default)
}

/// The same with what its process is given.
pub(super) fn run(settings: &Plugins, name: &str, default: Isolation) -> tidegate_host::Isolation {
    match isolation(settings, name, default) {
        Isolation::Inline => tidegate_host::Isolation::Inline,
        Isolation::Process => {
            let mut options = ProcessOptions::new(program());
            let written = settings.uses.get(name).cloned().unwrap_or_default();
            options.shards = written.shards.unwrap_or(options.shards);
            options.deadline = written.deadline.unwrap_or(options.deadline);
            options.memory = written.memory.unwrap_or(options.memory);
            tidegate_host::Isolation::Process(options)
        }
    }
}

/// The program that is a worker: the one that runs, whatever has taken its place on disk since it was started.
pub fn program() -> PathBuf {
    let ours = Path::new("/proc/self/exe");
    // Without a path to it there can be no process, and that is said where one is started.
    if ours.exists() { ours.to_owned() } else { std::env::current_exe().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_files() {
        assert_eq!(file_name(Path::new("/x/libtidegate_plugin_openai.so")), "openai");
        assert_eq!(file_name(Path::new("/x/libmy_provider.so")), "my-provider");
    }

    #[test]
    fn a_list_is_the_whole_list() {
        let (ours, other) = ([0xab; 32], [0xcd; 32]);
        let mut settings = Plugins::default();
        assert_eq!(permitted(&settings, "any", &other), Ok(()));
        settings.allow = Some(vec![Allowed::Name("openai".into()), Allowed::Sha256("ab".repeat(32))]);
        assert_eq!(permitted(&settings, "openai", &other), Ok(()));
        assert_eq!(permitted(&settings, "any", &ours), Ok(()));
        let refusal = permitted(&settings, "any", &other).unwrap_err();
        assert!(refusal.contains("\"any\"") && refusal.contains(&"cd".repeat(32)), "{refusal}");
        settings.allow = Some(Vec::new());
        assert!(permitted(&settings, "openai", &ours).is_err());
    }

    #[test]
    fn a_pin_holds_whatever_the_list_says() {
        let pinned = PluginUse { sha256: Some("ab".repeat(32)), ..PluginUse::default() };
        let mut settings = Plugins { uses: [("openai".to_owned(), pinned)].into(), ..Plugins::default() };
        settings.allow = Some(vec![Allowed::Name("openai".into()), Allowed::Sha256("cd".repeat(32))]);
        assert_eq!(permitted(&settings, "openai", &[0xab; 32]), Ok(()));
        assert!(permitted(&settings, "openai", &[0xcd; 32]).unwrap_err().contains("use.openai.sha256"));
    }

    #[test]
    fn the_plugins_own_setting_goes_before_its_folders() {
        let inline = PluginUse { isolation: Some(Isolation::Inline), ..PluginUse::default() };
        let settings = Plugins { uses: [("mine".to_owned(), inline)].into(), ..Plugins::default() };
        assert_eq!(isolation(&settings, "mine", Isolation::Process), Isolation::Inline);
        assert_eq!(isolation(&settings, "other", Isolation::Process), Isolation::Process);
    }
}
