//! Vendor files: what they mean, and exactly what is said about bad ones.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use tidegate::config::Report;
use tidegate::config::vendor::{Speakers, Vendor, parse};
use tidegate_host::{Dialect, Prefill, QuirkKind, StreamUsage, VendorSupport};

fn support() -> VendorSupport {
    let quirks = [
        ("drop", QuirkKind::Texts),
        ("rename", QuirkKind::Map),
        ("base_path", QuirkKind::Text),
        ("text_content", QuirkKind::Flag),
    ];
    VendorSupport {
        stream_usage: StreamUsage::Ask,
        dialects: vec![Dialect::OpenaiChat],
        optional: vec![Dialect::OpenaiEmbeddings],
        extensions: Some(Vec::new()),
        extensions_by_model: BTreeMap::from([("responses/*".to_owned(), vec!["thinking".to_owned()])]),
        dialects_by_model: BTreeMap::from([("responses/*".to_owned(), vec![Dialect::OpenaiResponses])]),
        quirks: quirks.map(|(name, kind)| (name.to_owned(), kind)).into(),
    }
}

fn read(text: &str) -> Result<Vendor, Report> {
    let support = support();
    let speakers: Speakers<'_> = BTreeMap::from([("openai", Some(&support)), ("gemini", None)]);
    parse(text, Path::new("a.provider.yaml"), &speakers)
}

#[track_caller]
fn drawn(text: &str, expected: &str) {
    let report = read(text).err().unwrap_or_else(|| panic!("this must be refused:\n{text}"));
    let said: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
    assert_eq!(said.join("\n"), expected.trim_start_matches('\n').trim_end());
}

#[test]
fn five_lines_are_a_provider() {
    let vendor = read(
        "provider: acme\nbase_url: {env: ACME_BASE, default: \"https://acme.example/v1\"}\nkey: [ACME_KEY, ACME_TOKEN]\n\
         prefill: assistant\nstream_usage: unasked\nheaders: {X-Title: {env: TITLE}, x-app: tidegate}\n\
         quirks: {drop: [user], rename: {seed: random_seed}, text_content: yes}\n",
    )
    .unwrap();
    assert_eq!(vendor.speaks, "openai");
    let offer = vendor.offer;
    assert_eq!((offer.prefix.as_str(), offer.prefill), ("acme", Prefill::Assistant));
    assert_eq!(offer.dialects_of("responses/x"), [Dialect::OpenaiResponses]);
    assert_eq!(offer.extensions_of("responses/x").map(<[_]>::len), Some(1));
    assert_eq!(offer.stream_usage, StreamUsage::Unasked);
    assert_eq!(offer.dialects, support().dialects);
    assert_eq!(offer.params["api_base"].env, ["ACME_BASE"]);
    assert_eq!(offer.params["api_base"].default, Some(json!("https://acme.example/v1")));
    assert_eq!(offer.secrets["api_key"].env, ["ACME_KEY", "ACME_TOKEN"]);
    assert!(offer.secrets["api_key"].required);
    assert_eq!(offer.headers["x-title"].env, ["TITLE"]);
    assert_eq!(offer.headers["x-app"].default, Some(json!("tidegate")));
    let quirks = json!({"drop": ["user"], "rename": {"seed": "random_seed"}, "text_content": true});
    assert_eq!(offer.vendor.unwrap()["quirks"], quirks);
}

#[test]
fn a_file_may_list_what_its_plugin_can_pass_on() {
    let vendor = "provider: a\nbase_url: none\nkey: none\n";
    let listed = read(&format!("{vendor}dialects: [openai-chat, openai-embeddings]")).unwrap().offer.dialects;
    assert_eq!(listed, [Dialect::OpenaiChat, Dialect::OpenaiEmbeddings]);
    drawn(
        &format!("{vendor}dialects: [openai-embedding, gemini-generate]"),
        r"
a.provider.yaml:4:12: error: the plugin `openai` takes no dialect `openai-embedding`
  4 | dialects: [openai-embedding, gemini-generate]
    |            ^^^^^^^^^^^^^^^^
    = did you mean `openai-embeddings`?
a.provider.yaml:4:30: error: the plugin `openai` takes no dialect `gemini-generate`
  4 | dialects: [openai-embedding, gemini-generate]
    |                              ^^^^^^^^^^^^^^^
    = it takes openai-chat, openai-embeddings",
    );
}

#[test]
fn a_file_may_list_what_it_takes_beyond_openais_words() {
    let vendor = "provider: a\nbase_url: none\nkey: none\n";
    assert_eq!(read(vendor).unwrap().offer.extensions, Some(Vec::new()), "what its plugin says");
    let listed = read(&format!("{vendor}extensions: [cache_control, thinking]")).unwrap().offer.extensions;
    assert_eq!(listed, Some(vec!["cache_control".to_owned(), "thinking".to_owned()]));
    drawn(
        &format!("{vendor}extensions: [cache_controls]"),
        r"
a.provider.yaml:4:14: error: there is no extension `cache_controls`
  4 | extensions: [cache_controls]
    |              ^^^^^^^^^^^^^^
    = did you mean `cache_control`?",
    );
}

#[test]
fn a_key_may_be_needless_optional_or_fixed() {
    let key = |key: &str| {
        let vendor = read(&format!("provider: a\nbase_url: none\nkey: {key}\n")).unwrap();
        let spec = vendor.offer.secrets["api_key"].clone();
        (spec.env.len(), spec.default, spec.required)
    };
    assert_eq!(key("none"), (0, None, false));
    assert_eq!(key("A_KEY"), (1, None, true));
    assert_eq!(key("{env: A_KEY, optional: true}"), (1, None, false));
    assert_eq!(key("{env: [A_KEY, B_KEY], default: any}"), (2, Some("any".to_owned()), false));
}

#[test]
fn slips_are_drawn() {
    drawn(
        "provider: acme\nbase_ulr: https://acme.example/v1\nbase_url: https://acme.example/v1\nkey: none\n",
        "
a.provider.yaml:2:1: error: a vendor file has no key `base_ulr`
  2 | base_ulr: https://acme.example/v1
    | ^^^^^^^^
    = did you mean `base_url`?",
    );
    drawn(
        "provider: acme\nbase_url: none\nkey: none\nquirks: {dorp: [user]}\n",
        "
a.provider.yaml:4:10: error: the plugin `openai` knows no quirk `dorp`
  4 | quirks: {dorp: [user]}
    |          ^^^^
    = did you mean `drop`?",
    );
    drawn(
        "provider: acme\nspeaks: opnai\n",
        "
a.provider.yaml:2:9: error: no plugin `opnai` is loaded
  2 | speaks: opnai
    |         ^^^^^
    = did you mean `openai`?",
    );
    drawn(
        "provider: acme\nspeaks: gemini\n",
        "
a.provider.yaml:2:9: error: the plugin `gemini` serves no vendors
  2 | speaks: gemini
    |         ^^^^^^
    = `speaks` is one of openai",
    );
}

/// What stands at `key` may be the key itself; a report goes to logs.
#[test]
fn a_key_in_the_file_is_refused_and_not_repeated() {
    let report = read("provider: a\nbase_url: none\nkey: sk-live-123\n").unwrap_err();
    let said = report.to_string();
    assert!(said.contains("`key` names a variable of the environment"), "{said}");
    assert!(!said.contains("sk-live-123"), "{said}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (text, why) in [
        ("", "the vendor file is empty"),
        ("[a]", "a vendor file is a mapping"),
        ("provider: a/b\nbase_url: none\nkey: none\n", "without the `/`"),
        ("base_url: none\nkey: none\n", "a vendor file needs `provider`"),
        ("provider: a\nkey: none\n", "a vendor file needs `base_url`"),
        ("provider: a\nbase_url: none\n", "a vendor file needs `key`"),
        ("provider: a\nbase_url: acme.example\nkey: none\n", "starts with http://"),
        ("provider: a\nbase_url: {defualt: \"http://h\"}\nkey: none\n", "did you mean `default`"),
        ("provider: a\nbase_url: {}\nkey: none\n", "neither `env` nor `default`"),
        ("provider: a\nbase_url: none\nkey: {default: 1, optional: x}\n", "takes true or false"),
        ("provider: a\nbase_url: none\nkey: none\nprefill: asistant\n", "did you mean `assistant`"),
        ("provider: a\nbase_url: none\nkey: none\nstream_usage: aks\n", "did you mean `ask`"),
        ("provider: a\nbase_url: none\nkey: none\nheaders: {\"a b\": c}\n", "not a header's name"),
        ("provider: a\nbase_url: none\nkey: none\nheaders: {Authorization: c}\n", "`key` says where"),
        ("provider: a\nbase_url: none\nkey: none\nquirks: {drop: {a: b}}\n", "takes a list"),
        ("provider: a\nbase_url: none\nkey: none\nquirks: {rename: [a]}\n", "takes a mapping"),
        ("provider: [\n", "this is not YAML"),
    ] {
        let report = read(text).err().unwrap_or_else(|| panic!("this must be refused:\n{text}"));
        assert!(report.to_string().contains(why), "{text}\n{report}");
    }
}

/// The core's reader and the plugin's build read the shipped files alike: one form, whoever reads it.
#[test]
fn the_shipped_files_are_what_their_plugin_offers() {
    let name = format!("libtidegate_plugin_openai{}", std::env::consts::DLL_SUFFIX);
    let beside = std::env::current_exe().unwrap().parent().unwrap().join(name);
    let plugin = tidegate_host::load(&beside, &tidegate_host::LoadOptions::default()).unwrap();
    let manifest = plugin.manifest();
    let speakers: Speakers<'_> = BTreeMap::from([("openai", manifest.vendors.as_ref())]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/openai/vendors");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let vendor = parse(&std::fs::read_to_string(&file).unwrap(), &file, &speakers)
            .unwrap_or_else(|report| panic!("{report}"));
        assert!(vendor.notices.is_empty(), "{:?}", vendor.notices);
        assert_eq!(
            file.file_name().unwrap().to_str().unwrap(),
            format!("{}.provider.yaml", vendor.offer.prefix)
        );
        assert_eq!(Some(&vendor.offer), manifest.provider(&vendor.offer.prefix), "{}", file.display());
        read += 1;
    }
    // Beside them there is OpenAI itself, under two names.
    assert_eq!(read + 2, manifest.providers.len());
    for prefix in "custom_openai openai_like litellm_proxy mistral groq openrouter deepseek xai together_ai fireworks_ai \
                   cerebras perplexity deepinfra nvidia_nim sambanova hosted_vllm lm_studio llamafile"
        .split_whitespace()
    {
        assert!(manifest.provider(prefix).is_some(), "{prefix}");
    }
}
