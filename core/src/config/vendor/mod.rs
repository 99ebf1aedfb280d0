//! A vendor file, `NAME.provider.yaml`: a provider that another one's plugin serves, described by its address, its key
//! and where it differs.
//!
//! Which quirks there are is the serving plugin's to say, in its manifest: the core knows none of them.

mod quirks;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

use tidegate_host::{Dialect, Prefill, ProviderManifest, StreamUsage, VendorSupport};

use super::diagnose::Sink;
use super::node::{Entry, Mapping, Node, Value};
use super::source::{Place, Source};
use super::tidegate::strict;
use super::{Notice, Report, read, suggest, yaml};
use crate::dialects::narrow::NAMES;

/// How the name of a vendor file ends.
pub const SUFFIX: &str = ".provider.yaml";

/// Who serves a vendor whose file does not say.
const USUAL: &str = "openai";

const KEYS: &[&str] = &[
    "provider",
    "speaks",
    "base_url",
    "key",
    "dialects",
    "extensions",
    "headers",
    "prefill",
    "stream_usage",
    "quirks",
];

/// A vendor, read without an error.
#[derive(Clone, Debug)]
pub struct Vendor {
    /// The plugin that serves it.
    pub speaks: String,
    /// What it offers, as if that plugin's manifest had it.
    pub offer: ProviderManifest,
    /// What there is to say about a file that can be used.
    pub notices: Vec<Notice>,
}

/// The providers that are loaded, by name; `None` for one that serves no vendors.
pub type Speakers<'a> = BTreeMap<&'a str, Option<&'a VendorSupport>>;

/// Reads `text` as the content of `file`.
///
/// # Errors
/// Every problem found, each with its place.
pub fn parse(text: &str, file: &Path, speakers: &Speakers<'_>) -> Result<Vendor, Report> {
    let mut sink = Sink::default();
    let vendor = open(text, file, &mut sink).and_then(|root| vendor(&root, file, text, speakers, &mut sink));
    match vendor {
        Some(vendor) if sink.errors.is_empty() => Ok(Vendor { notices: sink.notices, ..vendor }),
        _ => Err(Report { errors: sink.errors, notices: sink.notices }),
    }
}

fn open(text: &str, file: &Path, sink: &mut Sink) -> Option<Mapping> {
    let source = Source::new(file, text);
    let node = yaml::read(&source, sink);
    match node.map(|node| (node.place, node.value)) {
        Some((_, Value::Mapping(mapping))) => return Some(mapping),
        Some((place, value)) if value != Value::Null => {
            let message = format!("a vendor file is a mapping; this is {}", value.kind());
            sink.error_hint(&place, message, Some("it starts with `provider: NAME`".to_owned()));
        }
        _ if sink.errors.is_empty() => sink.error(&Place::start_of(&source), "the vendor file is empty"),
        _ => {}
    }
    None
}

fn vendor(
    root: &Mapping,
    file: &Path,
    text: &str,
    speakers: &Speakers<'_>,
    sink: &mut Sink,
) -> Option<Vendor> {
    let mut offer = ProviderManifest::default();
    let (speaks, support) = speaks(root.entry("speaks"), file, text, speakers, sink)?;
    offer.dialects = support.dialects.clone();
    offer.stream_usage = support.stream_usage;
    offer.extensions = support.extensions.clone();
    offer.dialects_by_model = support.dialects_by_model.clone();
    offer.extensions_by_model = support.extensions_by_model.clone();
    let mut quirks = serde_json::Map::new();
    for entry in &root.entries {
        let Entry { key, node, .. } = entry;
        match key.as_str() {
            "provider" => offer.prefix = prefix(entry, sink).unwrap_or_default(),
            "speaks" => {}
            "base_url" => {
                offer.params.extend(values::base(node, sink).map(|param| ("api_base".to_owned(), param)));
            }
            "key" => offer.secrets.extend(values::key(node, sink).map(|spec| ("api_key".to_owned(), spec))),
            "dialects" => offer.dialects = dialects(node, &speaks, support, sink),
            "extensions" => offer.extensions = Some(extensions(node, sink)),
            "headers" => offer.headers = values::headers(node, sink),
            "prefill" => offer.prefill = prefill(entry, sink),
            "stream_usage" => {
                let pairs = [StreamUsage::Ask, StreamUsage::Unasked].map(|usage| (usage.name(), usage));
                offer.stream_usage = strict::choice(sink, "stream_usage", node, &pairs).unwrap_or_default();
            }
            "quirks" => quirks = quirks::read(node, &speaks, &support.quirks, sink),
            _ => {
                let hint = suggest::did_you_mean(key, KEYS.iter().copied())
                    .unwrap_or_else(|| format!("its keys are {}", KEYS.join(", ")));
                let message = format!("a vendor file has no key `{key}`");
                sink.error_hint(&entry.key_place, message, Some(hint));
            }
        }
    }
    let start = Place::start_of(&Source::new(file, text));
    for (key, example) in [
        ("provider", "provider: NAME, the part before the `/` of a model"),
        ("base_url", "base_url: https://..., or `base_url: none` where each deployment has its `api_base`"),
        ("key", "key: NAME_OF_A_VARIABLE, or `key: none` for a server that wants none"),
    ] {
        if root.entry(key).is_none_or(|entry| entry.node.is_null()) {
            sink.error_hint(&start, format!("a vendor file needs `{key}`"), Some(example.to_owned()));
        }
    }
    let quirks = serde_json::Value::Object(quirks);
    offer.vendor = Some([("quirks".to_owned(), quirks)].into_iter().collect());
    Some(Vendor { speaks, offer, notices: Vec::new() })
}

fn prefix(entry: &Entry, sink: &mut Sink) -> Option<String> {
    let name = read::text(sink, "provider", &entry.node)?;
    if ProviderManifest::is_prefix(&name) {
        return Some(name);
    }
    let message = "`provider` is a name of letters, digits, `_`, `-` and `.`, without the `/`";
    sink.error(&entry.node.place, message);
    None
}

/// The plugin that serves it. Without one nothing else of the file can be judged.
fn speaks<'a>(
    entry: Option<&Entry>,
    file: &Path,
    text: &str,
    speakers: &Speakers<'a>,
    sink: &mut Sink,
) -> Option<(String, &'a VendorSupport)> {
    let place = entry.map_or_else(|| Place::start_of(&Source::new(file, text)), |at| at.node.place.clone());
    let name = match entry {
        Some(entry) => read::text(sink, "speaks", &entry.node)?,
        None => USUAL.to_owned(),
    };
    if let Some(Some(support)) = speakers.get(name.as_str()) {
        return Some((name, support));
    }
    let able = || speakers.iter().filter(|(_, support)| support.is_some()).map(|(name, _)| *name);
    let message = match speakers.contains_key(name.as_str()) {
        true => format!("the plugin `{name}` serves no vendors"),
        false => format!("no plugin `{name}` is loaded"),
    };
    let all: Vec<&str> = able().collect();
    let hint = suggest::did_you_mean(&name, able()).or_else(|| match all.is_empty() {
        true => None,
        false => Some(format!("`speaks` is one of {}", all.join(", "))),
    });
    sink.error_hint(&place, message, hint);
    None
}

/// What the vendor takes as it is, of what its plugin can pass on.
fn dialects(node: &Node, speaks: &str, support: &VendorSupport, sink: &mut Sink) -> Vec<Dialect> {
    let known = || support.dialects.iter().chain(&support.optional);
    let names = || known().map(|dialect| dialect.name());
    let mut listed = Vec::new();
    for item in read::list(sink, "dialects", node) {
        let Some(name) = read::text(sink, "dialects", item) else { continue };
        match known().find(|dialect| dialect.name() == name) {
            Some(dialect) => listed.push(*dialect),
            None => {
                let all = || format!("it takes {}", names().collect::<Vec<_>>().join(", "));
                let hint = suggest::did_you_mean(&name, names()).unwrap_or_else(all);
                sink.error_hint(
                    &item.place,
                    format!("the plugin `{speaks}` takes no dialect `{name}`"),
                    Some(hint),
                );
            }
        }
    }
    listed
}

/// What the vendor takes of a request that was another dialect's, beyond OpenAI's words.
fn extensions(node: &Node, sink: &mut Sink) -> Vec<String> {
    let mut listed = Vec::new();
    for item in read::list(sink, "extensions", node) {
        let Some(name) = read::text(sink, "extensions", item) else { continue };
        if NAMES.contains(&name.as_str()) {
            listed.push(name);
            continue;
        }
        let all = || format!("there are {}", NAMES.join(", "));
        let hint = suggest::did_you_mean(&name, NAMES.iter().copied()).unwrap_or_else(all);
        sink.error_hint(&item.place, format!("there is no extension `{name}`"), Some(hint));
    }
    listed
}

fn prefill(entry: &Entry, sink: &mut Sink) -> Prefill {
    let words = ["assistant", "prefix", "continue_final_message"];
    let pairs = words.map(|word| (word, Prefill::from_name(word).unwrap_or_default()));
    strict::choice(sink, "prefill", &entry.node, &pairs).unwrap_or_default()
}
