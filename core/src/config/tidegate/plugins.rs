//! `tidegate.plugins`: where plugins are looked for, which of them may be loaded, and where each one runs.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::strict::{choice, strict};
use super::{Tidegate, parts};
use crate::config::diagnose::Sink;
use crate::config::node::Node;
use crate::config::read;

/// Which plugins are loaded, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plugins {
    /// Searched before the built-in places, in this order.
    pub dirs: Vec<PathBuf>,
    /// Settings by plugin name.
    pub uses: BTreeMap<String, PluginUse>,
    /// The whole list of what may be loaded; `None`: whatever passes the checks.
    pub allow: Option<Vec<Allowed>>,
    /// The folders are looked at while serving, and what is new in them is loaded.
    pub watch: bool,
}

/// One entry of the list of what may be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// The plugin of this name.
    Name(String),
    /// The file with this content, in lower-case hex.
    Sha256(String),
}

/// One plugin's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginUse {
    /// Where it runs; `None`: the default for where it was found.
    pub isolation: Option<Isolation>,
    /// The SHA-256 its file must have, in lower-case hex.
    pub sha256: Option<String>,
    /// Child processes that share its calls.
    pub shards: Option<u32>,
    /// CPU time of the child that one frame may take.
    pub deadline: Option<Duration>,
    /// Bytes of memory that a child may have.
    pub memory: Option<u64>,
}

/// Where a plugin runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// In this process.
    Inline,
    /// In a child process.
    Process,
}

impl Isolation {
    /// The word of the configuration and of metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Process => "process",
        }
    }
}

/// More children than this would be a typo, and each has its own memory.
const SHARDS: RangeInclusive<u32> = 1..=64;

/// Below, a busy machine alone would be a fault; above, a fault would be worse than what it is to be kept from.
const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);

/// A child needs some of it before the plugin's code runs.
const LEAST_MEMORY: u64 = 64 << 20;

pub(super) fn plugins(sink: &mut Sink, node: &Node) -> Plugins {
    let mut plugins = Plugins::default();
    strict(sink, "plugins", node, &["dirs", "use", "allow", "watch"], |sink, key, entry| match key {
        "dirs" => plugins.dirs = read::texts(sink, key, &entry.node).into_iter().map(PathBuf::from).collect(),
        "use" => plugins.uses = uses(sink, &entry.node),
        "allow" => plugins.allow = Some(allow(sink, &entry.node)),
        _ => plugins.watch = read::flag(sink, key, &entry.node).unwrap_or_default(),
    });
    plugins
}

/// `allow:` with nothing behind it is an empty list too: a guard that somebody began to write must not be open.
fn allow(sink: &mut Sink, node: &Node) -> Vec<Allowed> {
    let mut allowed = Vec::new();
    for item in read::list(sink, "allow", node) {
        let Some(text) = read::text(sink, "allow", item) else { continue };
        match text {
            hash if is_sha256(&hash) => allowed.push(Allowed::Sha256(hash.to_ascii_lowercase())),
            name if is_name(&name) => allowed.push(Allowed::Name(name)),
            _ => sink.error_hint(
                &item.place,
                "`allow` takes names of plugins and SHA-256 hashes",
                Some("a name is made of a-z, 0-9 and hyphens; a hash has 64 hexadecimal digits".to_owned()),
            ),
        }
    }
    allowed
}

/// An allow-list must have the policies that decide. `section` is complete, and `node` is where it was read from.
pub(super) fn policies_are_allowed(sink: &mut Sink, section: &Tidegate, node: &Node) {
    let Some(allow) = &section.plugins.allow else { return };
    // A hash may be anybody's.
    if !sink.errors.is_empty() || allow.iter().any(|one| matches!(one, Allowed::Sha256(_))) {
        return;
    }
    let of_groups = section.groups.values().filter_map(|group| group.policy.as_ref());
    let mut wanted = of_groups.map(|choice| &*choice.name).chain([section.policy_name()]);
    let missing = wanted.find(|name| !allow.contains(&Allowed::Name((*name).to_owned())));
    let place = read::mapping(sink, "tidegate", node)
        .and_then(|map| map.get("plugins"))
        .and_then(|plugins| read::mapping(sink, "plugins", plugins)?.get("allow"))
        .map(|allow| allow.place.clone());
    if let (Some(name), Some(place)) = (missing, place) {
        sink.error_hint(
            &place,
            format!("`allow` leaves out `{name}`, the policy, without which nothing can be served"),
            Some(format!("it is the whole list of what may be loaded: add {name}, or its file's SHA-256")),
        );
    }
}

fn uses(sink: &mut Sink, node: &Node) -> BTreeMap<String, PluginUse> {
    let mut uses = BTreeMap::new();
    let Some(mapping) = read::mapping(sink, "use", node) else { return uses };
    for entry in &mapping.entries {
        if !is_name(&entry.key) {
            sink.error_hint(
                &entry.key_place,
                format!("`{}` is no name of a plugin", entry.key),
                Some("a name is made of a-z, 0-9 and hyphens".to_owned()),
            );
            continue;
        }
        uses.insert(entry.key.clone(), one(sink, &entry.key, &entry.node));
    }
    uses
}

fn one(sink: &mut Sink, name: &str, node: &Node) -> PluginUse {
    let mut plugin = PluginUse::default();
    let keys = ["isolation", "sha256", "shards", "deadline", "memory"];
    // What has no effect inline: its key and where it stands.
    let mut of_process = Vec::new();
    strict(sink, &format!("plugins.use.{name}"), node, &keys, |sink, key, entry| {
        let value = &entry.node;
        if matches!(key, "shards" | "deadline" | "memory") {
            of_process.push((key.to_owned(), entry.key_place.clone()));
        }
        match key {
            "isolation" => {
                let words = [("inline", Isolation::Inline), ("process", Isolation::Process)];
                plugin.isolation = choice(sink, key, value, &words);
            }
            "sha256" => {
                let Some(text) = read::text(sink, key, value) else { return };
                if is_sha256(&text) {
                    plugin.sha256 = Some(text.to_ascii_lowercase());
                } else {
                    sink.error(&value.place, "`sha256` takes 64 hexadecimal digits");
                }
            }
            "shards" => {
                plugin.shards = read::count(sink, key, value);
                if plugin.shards.is_some_and(|shards| !SHARDS.contains(&shards)) {
                    sink.error(&value.place, "`shards` must be between 1 and 64");
                }
            }
            "deadline" => {
                plugin.deadline = parts::duration(sink, key, value);
                if plugin.deadline.is_some_and(|deadline| !DEADLINE.contains(&deadline)) {
                    sink.error(&value.place, "`deadline` must be between 10ms and 1m");
                }
            }
            _ => {
                plugin.memory = parts::size(sink, key, value);
                if plugin.memory.is_some_and(|memory| memory < LEAST_MEMORY) {
                    sink.error(&value.place, "`memory` must be at least 64MiB");
                }
            }
        }
    });
    if plugin.isolation == Some(Isolation::Inline) {
        for (key, place) in of_process {
            sink.warn(&place, format!("`{key}` has no effect on a plugin with `isolation: inline`"));
        }
    }
    plugin
}

fn is_name(text: &str) -> bool {
    // What is nearly a hash is one with a slip, and no name.
    let hash = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && !hash && text.bytes().all(legal)
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
