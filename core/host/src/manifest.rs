//! What a plugin says that it offers: JSON, read once. Fields that a later minor adds are ignored.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::types::Dialect;

/// A plugin's manifest; a policy's is empty.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Manifest {
    /// The providers behind its one table, by prefix.
    #[serde(default)]
    pub providers: Vec<ProviderManifest>,
    /// Set by a plugin that serves vendors described in files.
    #[serde(default)]
    pub vendors: Option<VendorSupport>,
}

/// What a vendor file may say to the plugin that serves it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct VendorSupport {
    /// The client dialects that its vendors take as they are, where their file does not say.
    #[serde(default, deserialize_with = "dialects")]
    pub dialects: Vec<Dialect>,
    /// Those that a file may list beside them.
    #[serde(default, deserialize_with = "dialects")]
    pub optional: Vec<Dialect>,
    /// What its vendors do with the usage of a stream, where their file does not say.
    #[serde(default, deserialize_with = "stream_usage")]
    pub stream_usage: StreamUsage,
    /// What its vendors take beyond OpenAI's chat completions, where their file does not say; as in [`ProviderManifest`].
    #[serde(default)]
    pub extensions: Option<Vec<String>>,
    /// As in [`ProviderManifest`], for all of its vendors.
    #[serde(default, deserialize_with = "dialects_by_model")]
    pub dialects_by_model: BTreeMap<String, Vec<Dialect>>,
    /// As in [`ProviderManifest`], for all of its vendors.
    #[serde(default)]
    pub extensions_by_model: BTreeMap<String, Vec<String>>,
    /// The quirks it knows, by name, with what each takes.
    #[serde(default)]
    pub quirks: BTreeMap<String, QuirkKind>,
}

/// What a quirk takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuirkKind {
    /// True or false.
    Flag,
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// A mapping of texts to texts.
    Map,
    /// A kind of a later minor: the plugin says whether it can be meant.
    #[serde(other)]
    Any,
}

/// A provider that users name by its prefix.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct ProviderManifest {
    /// What stands before the first `/` of a configured model.
    pub prefix: String,
    /// The client dialects that it takes as they are. Every provider takes the canonical one, listed or not; those
    /// that this host does not know are left out.
    #[serde(default, deserialize_with = "dialects")]
    pub dialects: Vec<Dialect>,
    /// In the place of `dialects` for some models, by their names; `*` at the end stands for any rest. Of several that fit,
    /// the longest holds.
    #[serde(default, deserialize_with = "dialects_by_model")]
    pub dialects_by_model: BTreeMap<String, Vec<Dialect>>,
    /// What it takes beyond OpenAI's chat completions of a request that was another dialect's, by the names of
    /// `tidegate.h`; `None`: all of it.
    #[serde(default)]
    pub extensions: Option<Vec<String>>,
    /// In the place of `extensions` for some models; patterns as in `dialects_by_model`.
    #[serde(default)]
    pub extensions_by_model: BTreeMap<String, Vec<String>>,
    /// The parameters it reads, by name.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// The secrets it names, by name.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSpec>,
    /// Bare model names that it claims; `*` at the end stands for any rest.
    #[serde(default)]
    pub models: Vec<String>,
    /// How its models are made to go on with a text that they, or others, began.
    #[serde(default, deserialize_with = "prefill")]
    pub prefill: Prefill,
    /// In the place of `prefill` for some models; patterns as in `dialects_by_model`.
    #[serde(default, deserialize_with = "prefill_by_model")]
    pub prefill_by_model: BTreeMap<String, Prefill>,
    /// Whether a stream in one of OpenAI's dialects tells its usage unasked.
    #[serde(default, deserialize_with = "stream_usage")]
    pub stream_usage: StreamUsage,
    /// Headers that go with every request, by name, where the configuration has none of that name.
    #[serde(default)]
    pub headers: BTreeMap<String, Param>,
    /// What makes this prefix another vendor than the plugin's others; handed to `create` as it is.
    #[serde(default)]
    pub vendor: Option<Map<String, Value>>,
}

/// How a chat request says that the assistant's last message is the beginning of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefill {
    /// Not at all: the model has to be asked in words.
    #[default]
    None,
    /// `assistant`: a last message of the assistant is gone on with.
    Assistant,
    /// `prefix`: if it has the member `"prefix": true`.
    Prefix,
    /// `continue_final_message`: if the request says so (vLLM's and SGLang's parameter).
    ContinueFinalMessage,
}

impl Prefill {
    /// Its word in a manifest; `none` for no word.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Assistant => "assistant",
            Self::Prefix => "prefix",
            Self::ContinueFinalMessage => "continue_final_message",
        }
    }

    /// The word of a manifest, or of a vendor file, for it.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "assistant" => Some(Self::Assistant),
            "prefix" => Some(Self::Prefix),
            "continue_final_message" => Some(Self::ContinueFinalMessage),
            _ => None,
        }
    }
}

/// Whether a stream in one of OpenAI's dialects is asked to tell its usage, where the client did not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamUsage {
    /// `unasked`: it tells it anyhow, or never, or takes no such request.
    #[default]
    Unasked,
    /// `ask`: with `stream_options.include_usage`.
    Ask,
}

impl StreamUsage {
    /// Its word in a manifest or in a vendor file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unasked => "unasked",
            Self::Ask => "ask",
        }
    }

    /// The word of a manifest, or of a vendor file, for it.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Unasked, Self::Ask].into_iter().find(|usage| usage.name() == name)
    }
}

/// A parameter of a deployment.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Param {
    /// Environment variables to look at, in this order, when the configuration does not say.
    #[serde(default)]
    pub env: Vec<String>,
    /// The value after that.
    #[serde(default)]
    pub default: Option<Value>,
}

/// A secret of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct SecretSpec {
    /// Environment variables to look at, in this order, when the configuration does not say.
    #[serde(default)]
    pub env: Vec<String>,
    /// The value after that, such as `none` for servers that want any key.
    #[serde(default)]
    pub default: Option<String>,
    /// Without one the deployment cannot be used.
    #[serde(default)]
    pub required: bool,
    /// Other secrets of the provider, of which one is enough in the place of this one.
    #[serde(default)]
    pub or: Vec<String>,
}

impl Manifest {
    /// The error is a clause whose subject is the plugin.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let manifest: Self =
            serde_json::from_str(text).map_err(|e| format!("its manifest cannot be read: {e}"))?;
        for (at, provider) in manifest.providers.iter().enumerate() {
            let prefix = &provider.prefix;
            if !ProviderManifest::is_prefix(prefix) {
                return Err(format!(
                    "its manifest's prefix {prefix:?} is not made of letters, digits, \"_\", \"-\" and \".\""
                ));
            }
            if manifest.providers[..at].iter().any(|other| other.prefix == *prefix) {
                return Err(format!("its manifest lists the prefix {prefix:?} twice"));
            }
        }
        Ok(manifest)
    }

    /// The provider with this prefix.
    pub fn provider(&self, prefix: &str) -> Option<&ProviderManifest> {
        self.providers.iter().find(|p| p.prefix == prefix)
    }
}

impl ProviderManifest {
    /// The client dialects that this model takes as they are.
    pub fn dialects_of(&self, model: &str) -> &[Dialect] {
        longest(&self.dialects_by_model, model).unwrap_or(&self.dialects)
    }

    /// What this model takes beyond OpenAI's chat completions; `None`: all of it.
    pub fn extensions_of(&self, model: &str) -> Option<&[String]> {
        longest(&self.extensions_by_model, model).or(self.extensions.as_ref()).map(Vec::as_slice)
    }

    /// How this model is made to go on with a text.
    pub fn prefill_of(&self, model: &str) -> Prefill {
        longest(&self.prefill_by_model, model).copied().unwrap_or(self.prefill)
    }

    /// Whether users can name a provider so.
    pub fn is_prefix(name: &str) -> bool {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        !name.is_empty() && name.len() <= 64 && name.bytes().all(legal)
    }
}

/// What is said of a model by its name: where several patterns fit, by the longest.
fn longest<'a, T>(by_model: &'a BTreeMap<String, T>, model: &str) -> Option<&'a T> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => model.starts_with(start),
        None => model == pattern,
    };
    let fitting = by_model.iter().filter(|(pattern, _)| fits(pattern));
    fitting.max_by_key(|(pattern, _)| pattern.len()).map(|(_, said)| said)
}

fn dialects_by_model<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, Vec<Dialect>>, D::Error> {
    let names = BTreeMap::<String, Vec<String>>::deserialize(from)?;
    let known = |names: Vec<String>| names.iter().filter_map(|name| Dialect::from_name(name)).collect();
    Ok(names.into_iter().map(|(pattern, names)| (pattern, known(names))).collect())
}

fn dialects<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Dialect>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    Ok(names.iter().filter_map(|name| Dialect::from_name(name)).collect())
}

/// A word of tomorrow counts as none: to ask in words works everywhere.
fn prefill<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Prefill, D::Error> {
    Ok(Prefill::from_name(&String::deserialize(from)?).unwrap_or_default())
}

fn prefill_by_model<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, Prefill>, D::Error> {
    let words = BTreeMap::<String, String>::deserialize(from)?;
    Ok(words
        .into_iter()
        .map(|(model, word)| (model, Prefill::from_name(&word).unwrap_or_default()))
        .collect())
}

/// A word of tomorrow counts as none: without the usage a stream is still whole.
fn stream_usage<'de, D: serde::Deserializer<'de>>(from: D) -> Result<StreamUsage, D::Error> {
    Ok(StreamUsage::from_name(&String::deserialize(from)?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_own_example_reads() {
        let text = r#"{"providers": [{"prefix": "gemini", "dialects": ["openai-chat", "of-tomorrow"],
            "params":  {"api_base": {"env": ["X_BASE"], "default": "https://a"}},
            "secrets": {"api_key": {"env": ["X_KEY"], "default": "none", "required": true}},
            "models":  ["gemini-*"], "prefill": "assistant", "later": 1},
            {"prefix": "a"}, {"prefix": "b", "prefill": "of-tomorrow"}]}"#;
        let manifest = Manifest::parse(text).unwrap();
        let gemini = manifest.provider("gemini").unwrap();
        assert_eq!(gemini.dialects, [Dialect::OpenaiChat]);
        assert_eq!(gemini.params["api_base"].default, Some(Value::from("https://a")));
        assert!(gemini.secrets["api_key"].required);
        assert_eq!(gemini.models, ["gemini-*"]);
        let prefill = |prefix| manifest.provider(prefix).unwrap().prefill;
        assert_eq!(
            (gemini.prefill, prefill("a"), prefill("b")),
            (Prefill::Assistant, Prefill::None, Prefill::None)
        );
    }

    #[test]
    fn a_model_may_take_other_dialects_than_its_provider() {
        let text = r#"{"providers": [{"prefix": "a", "dialects": ["gemini-generate"], "dialects_by_model": {
            "claude-*": ["anthropic-messages", "of-tomorrow"], "claude-x": ["openai-chat"], "meta/*": []}}]}"#;
        let manifest = Manifest::parse(text).unwrap();
        let of = |model| manifest.provider("a").unwrap().dialects_of(model);
        assert_eq!(of("gemini-2"), [Dialect::GeminiGenerate]);
        assert_eq!(
            (of("claude-y"), of("claude-x")),
            (&[Dialect::AnthropicMessages][..], &[Dialect::OpenaiChat][..])
        );
        assert_eq!((of("meta/llama"), of("meta")), (&[][..], &[Dialect::GeminiGenerate][..]));
    }

    #[test]
    fn a_model_may_take_other_extensions_than_its_provider() {
        let text = r#"{"providers": [
            {"prefix": "a", "extensions": ["thinking"], "extensions_by_model": {"meta/*": [], "meta/x": ["is_error"]},
             "prefill": "assistant", "prefill_by_model": {"meta/*": "none", "mistral-*": "prefix", "m*": "of-tomorrow"}},
            {"prefix": "b", "extensions_by_model": {"x": []}}]}"#;
        let manifest = Manifest::parse(text).unwrap();
        let (a, b) = (manifest.provider("a").unwrap(), manifest.provider("b").unwrap());
        let of = |model| a.extensions_of(model).unwrap().join(" ");
        assert_eq!([of("gemini"), of("meta/y"), of("meta/x")], ["thinking", "", "is_error"]);
        assert_eq!((b.extensions_of("x").map(<[_]>::len), b.extensions_of("y")), (Some(0), None));
        assert_eq!(
            ["gemini", "meta/y", "mistral-large", "mine"].map(|model| a.prefill_of(model)),
            [Prefill::Assistant, Prefill::None, Prefill::Prefix, Prefill::None]
        );
    }

    #[test]
    fn what_a_vendor_file_may_say_reads() {
        let text = r#"{"providers": [{"prefix": "a", "vendor": {"quirks": {"drop": ["x"]}},
            "headers": {"x-title": {"env": ["T"]}}}],
            "vendors": {"dialects": ["openai-chat"], "stream_usage": "ask", "optional": ["openai-embeddings"], "quirks": {"drop": "texts", "new": "of-tomorrow"}}}"#;
        let manifest = Manifest::parse(text).unwrap();
        let vendors = manifest.vendors.as_ref().unwrap();
        assert_eq!(
            (&*vendors.dialects, vendors.stream_usage),
            (&[Dialect::OpenaiChat][..], StreamUsage::Ask)
        );
        assert_eq!(manifest.provider("a").unwrap().stream_usage, StreamUsage::Unasked);
        assert_eq!(vendors.optional, [Dialect::OpenaiEmbeddings]);
        assert_eq!((vendors.quirks["drop"], vendors.quirks["new"]), (QuirkKind::Texts, QuirkKind::Any));
        let vendor = manifest.provider("a").unwrap();
        assert_eq!(vendor.vendor.as_ref().unwrap()["quirks"]["drop"][0], "x");
        assert_eq!(vendor.headers["x-title"].env, ["T"]);
        assert_eq!(Manifest::parse("{}").unwrap().vendors, None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, why) in [
            ("[", "cannot be read"),
            (r#"{"providers": [{}]}"#, "missing field `prefix`"),
            (r#"{"providers": [{"prefix": "a/b"}]}"#, "\"a/b\" is not made of"),
            (r#"{"providers": [{"prefix": ""}]}"#, "is not made of"),
            (r#"{"providers": [{"prefix": "a"}, {"prefix": "a"}]}"#, "\"a\" twice"),
        ] {
            let error = Manifest::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
