//! Vendors that are described by files: a few lines dropped into a folder serve requests, bad ones are refused with a
//! caret, and the rest serves on.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;
use tidegate_sim::healthy_text;
use tidegate_tests::{Proxy, Setup, Terminal};

use crate::world::{sim, told};

/// A plugin folder with these vendor files in it.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(format!("{name}.provider.yaml")), text).unwrap();
    }
    folder
}

fn with_folder(setup: Setup, folder: &Path) -> Setup {
    setup.tidegate(&format!("plugins: {{dirs: [{}]}}", folder.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn five_lines_in_a_folder_serve_requests() {
    let sim = sim().await;
    let file = format!(
        "provider: acme\nspeaks: openai\nbase_url: http://{}/v1\nkey: [ACME_KEY, ACME_TOKEN]\nquirks: {{}}\n",
        sim.addr()
    );
    let folder = folder(&[("acme", &file)]);
    for isolation in ["inline", "process"] {
        let setup = Setup::of(&sim).params("mine", "model: acme/m").tidegate(&format!(
            "plugins: {{dirs: [{}], use: {{openai: {{isolation: {isolation}}}}}}}",
            folder.path().display()
        ));
        let proxy = Proxy::start_with(&setup.yaml(), &[("ACME_TOKEN", "sim-key")]).await;
        for stream in [true, false] {
            let answer = told(&proxy, "mine", "fast", stream).await;
            let got = (answer.text, answer.terminal);
            assert_eq!(got, (healthy_text(), Terminal::Done), "{isolation}, stream: {stream}");
        }
        assert_eq!(told(&proxy, "mine", "http-429", true).await.status, 429);
        assert_eq!(proxy.metrics().await.sum("tidegate_plugins_refused", &[]), 0.0);
    }
}

/// The vendors that ship, each with a variable that its key may stand in: the last one of several.
const SHIPPED: [(&str, Option<&str>); 18] = [
    ("custom_openai", None),
    ("openai_like", Some("OPENAI_LIKE_API_KEY")),
    ("litellm_proxy", Some("LITELLM_PROXY_API_KEY")),
    ("mistral", Some("MISTRAL_API_KEY")),
    ("groq", Some("GROQ_API_KEY")),
    ("openrouter", Some("OR_API_KEY")),
    ("deepseek", Some("DEEPSEEK_API_KEY")),
    ("xai", Some("XAI_API_KEY")),
    ("together_ai", Some("TOGETHER_AI_TOKEN")),
    ("fireworks_ai", Some("FIREWORKS_AI_TOKEN")),
    ("cerebras", Some("CEREBRAS_API_KEY")),
    ("perplexity", Some("PERPLEXITY_API_KEY")),
    ("deepinfra", Some("DEEPINFRA_API_KEY")),
    ("nvidia_nim", Some("NVIDIA_NIM_API_KEY")),
    ("sambanova", Some("SAMBANOVA_API_KEY")),
    ("hosted_vllm", Some("HOSTED_VLLM_API_KEY")),
    ("lm_studio", Some("LM_STUDIO_API_KEY")),
    ("llamafile", Some("LLAMAFILE_API_KEY")),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_shipped_vendor_serves_with_its_own_key() {
    let sim = sim().await;
    let mut setup = Setup::of(&sim);
    for (vendor, variable) in SHIPPED {
        // The simulator asks for this key, so an answer says that it came.
        let key = if variable.is_none() { ", api_key: sim-key" } else { "" };
        let base = format!("api_base: \"http://{}/v1\"", sim.addr());
        setup = setup.params(vendor, &format!("model: {vendor}/m, {base}{key}"));
    }
    let keys: Vec<(&str, &str)> =
        SHIPPED.iter().filter_map(|(_, name)| Some(((*name)?, "sim-key"))).collect();
    let proxy = Proxy::start_with(&setup.yaml(), &keys).await;
    for (vendor, _) in SHIPPED {
        for stream in [true, false] {
            let answer = told(&proxy, vendor, "fast", stream).await;
            let got = (answer.status, answer.text, answer.terminal);
            assert_eq!(got, (200, healthy_text(), Terminal::Done), "{vendor}, stream: {stream}");
        }
        let model = if vendor == "fireworks_ai" { "accounts/fireworks/models/m" } else { "m" };
        let sent = sim.log().pop().unwrap();
        assert_eq!(sent.target, "/v1/chat/completions", "{vendor}");
        let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(body["model"], model, "{vendor}");
        let limited = told(&proxy, vendor, "http-429", true).await;
        assert_eq!((limited.status, limited.retry_after.is_some()), (429, true), "{vendor}");
        let broken = told(&proxy, vendor, "429-first", true).await;
        assert_eq!((broken.status, broken.retry_after.is_some()), (429, true), "{vendor}");
    }
}

/// What the simulator gets, when it is the vendor's default address.
#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_address_comes_from_the_environment_and_its_quirks_apply() {
    let sim = sim().await;
    let setup = Setup::of(&sim)
        .params("mistral", "model: mistral/m")
        .params("vllm", "model: hosted_vllm/m")
        .params("router", "model: openrouter/auto");
    let (mistral, base) = (format!("http://{}", sim.addr()), format!("http://{}/v1", sim.addr()));
    let env = [
        ("MISTRAL_AZURE_API_BASE", mistral.as_str()),
        ("MISTRAL_API_KEY", "sim-key"),
        ("HOSTED_VLLM_API_BASE", base.as_str()),
        ("OPENROUTER_API_BASE", base.as_str()),
        ("OPENROUTER_API_KEY", "sim-key"),
        ("OR_SITE_URL", "https://me.example"),
    ];
    let proxy = Proxy::start_with(&setup.yaml(), &env).await;
    let body = serde_json::json!({
        "model": "mistral", "max_completion_tokens": 9, "stream_options": {"include_usage": true}, "stream": true,
        "messages": [{"role": "user", "name": "me", "content": "sim:fast"}],
    });
    let asked = tidegate_sim::strict::client::post("/v1/chat/completions", "", body.to_string().as_bytes());
    let answer = tidegate_tests::client::ask(proxy.data, &asked, crate::world::LONG).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = sim.log().pop().unwrap();
    assert_eq!(sent.target, "/v1/chat/completions", "the path that Mistral's address lacks is added");
    let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
    let want = serde_json::json!({
        "model": "m", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "sim:fast"}],
    });
    assert_eq!(body, want);

    assert_eq!(told(&proxy, "router", "fast", true).await.text, healthy_text());
    let header = |name: &str| {
        let sent = sim.log().pop().unwrap();
        sent.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
    };
    assert_eq!(header("http-referer").as_deref(), Some("https://me.example"));
    assert_eq!(header("x-title"), None, "its variable is not set");
    // A key that vLLM does not need is sent all the same; the simulator wants another one.
    assert_eq!(told(&proxy, "vllm", "fast", true).await.status, 401);
    assert_eq!(header("authorization").as_deref(), Some(tidegate_sim::mask("Bearer fake-api-key").as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_in_the_vendors_words_reaches_the_client_in_openais() {
    let sim = sim().await;
    let chunk = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
             \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let script = tidegate_sim::Script::sse()
        .write(chunk("{\"role\":\"assistant\",\"content\":\"Flut\"}", "null"))
        .write(chunk("{}", "\"eos\""))
        .write("data: [DONE]\n\n");
    sim.script("eos", script);
    let params = format!("model: together_ai/m, api_base: \"http://{}/v1\", api_key: sim-key", sim.addr());
    let proxy = Proxy::start(&Setup::of(&sim).params("together", &params).yaml()).await;
    let answer = told(&proxy, "together", "eos", true).await;
    assert_eq!((answer.text.as_str(), answer.finish.as_deref()), ("Flut", Some("stop")));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_refused_with_a_caret_and_the_rest_serves() {
    let sim = sim().await;
    let good = format!("provider: acme\nbase_url: http://{}/v1\nkey: ACME_KEY\n", sim.addr());
    let groq = format!("provider: groq\nbase_url: http://{}/v1\nkey: ACME_KEY\n", sim.addr());
    let folder = folder(&[
        ("a-good", &good),
        ("b-again", &good),
        ("c-slip", "provider: slip\nbase_url: none\nkey: none\nquirks: {drp: [user]}\n"),
        ("d-open", &good.replace("acme", "open")),
        ("e-groq", &groq),
        ("f-alien", &good.replace("provider", "speaks: nobody\nprovider")),
    ]);
    let open = folder.path().join("d-open.provider.yaml");
    std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o666)).unwrap();
    let setup = Setup::of(&sim).params("mine", "model: acme/m").params("fast", "model: groq/m");
    let proxy =
        Proxy::start_with(&with_folder(setup, folder.path()).yaml(), &[("ACME_KEY", "sim-key")]).await;
    let log = proxy.log();
    for (file, why) in [
        ("b-again", "is described by"),
        ("c-slip", "4 | quirks: {drp: [user]}"),
        ("c-slip", "did you mean `drop`?"),
        ("d-open", "writable by everyone"),
        ("f-alien", "no plugin `nobody` is loaded"),
    ] {
        let line = log.lines().find(|line| line.contains(&format!("{file}.provider.yaml is refused: ")));
        let line = line.unwrap_or_else(|| panic!("nothing is said of {file}:\n{log}"));
        assert!(line.contains(why), "{file}: {line}");
    }
    assert!(log.contains("this vendor file takes the place of the plugin's own provider"), "{log}");
    assert_eq!(proxy.metrics().await.sum("tidegate_plugins_refused", &[]), 4.0);
    // The user's own groq goes before the one that ships.
    for model in ["mine", "fast"] {
        assert_eq!(told(&proxy, model, "fast", true).await.text, healthy_text(), "{model}");
    }
}

/// `POST /api/plugins/reload`: its status and what it says.
async fn reload(proxy: &Proxy) -> (u16, serde_json::Value) {
    let asked = tidegate_sim::strict::client::post("/api/plugins/reload", tidegate_tests::AS_ADMIN, b"");
    let answer = tidegate_tests::client::ask(proxy.admin, &asked, crate::world::LONG).await;
    (answer.status, answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_again_and_a_bad_one_changes_nothing() {
    let (old, new) = (sim().await, sim().await);
    let file =
        |sim: &tidegate_sim::Sim| format!("provider: acme\nbase_url: http://{}/v1\nkey: KEY\n", sim.addr());
    let folder = folder(&[("acme", &file(&old))]);
    let acme = folder.path().join("acme.provider.yaml");
    let setup = with_folder(Setup::of(&old).params("mine", "model: acme/m"), folder.path());
    let proxy = Proxy::start_with(&setup.yaml(), &[("KEY", "sim-key")]).await;
    let asked = async |sim: &tidegate_sim::Sim| {
        let before = sim.counts("fast").started;
        assert_eq!(told(&proxy, "mine", "fast", true).await.text, healthy_text());
        sim.counts("fast").started - before
    };
    assert_eq!(asked(&old).await, 1);
    let (status, changes) = reload(&proxy).await;
    assert_eq!((status, &changes["vendors"]), (200, &serde_json::json!([])), "{changes}");

    std::fs::write(&acme, file(&new)).unwrap();
    let (status, changes) = reload(&proxy).await;
    let loaded = serde_json::json!([{"provider": "acme", "result": "loaded"}]);
    assert_eq!((status, &changes["vendors"]), (200, &loaded), "{changes}");
    assert_eq!(asked(&new).await, 1);

    // A slip, then an address that its plugin refuses, then no file at all: what was in force stays.
    let slip = file(&old).replace("key:", "kye:");
    let refused = file(&old) + "quirks: {base_path: v1}\n";
    for (text, why) in [
        (Some(slip.clone()), "what it said before stays in force: it describes no vendor"),
        (Some(slip), "did you mean `key`?"),
        (Some(refused), "what it said before stays in force"),
        (None, "it is gone, and what it said stays in force"),
    ] {
        match &text {
            Some(text) => std::fs::write(&acme, text).unwrap(),
            None => std::fs::remove_file(&acme).unwrap(),
        }
        let (status, changes) = reload(&proxy).await;
        assert_eq!(status, 422, "{changes}");
        let reason = changes["refused"][0]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(why), "{why}: {changes}");
        assert_eq!(asked(&new).await, 1, "{why}");
    }

    // SIGHUP reads them too, with the configuration that needs them.
    std::fs::write(folder.path().join("beta.provider.yaml"), file(&old).replace("acme", "beta")).unwrap();
    proxy.rewrite(&with_folder(Setup::of(&old).params("mine", "model: beta/m"), folder.path()).yaml());
    proxy.signal(nix::sys::signal::Signal::SIGHUP);
    proxy.logged("the configuration was read again").await;
    assert_eq!(asked(&old).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allow_list_holds_for_vendor_files() {
    let sim = sim().await;
    let file = |name: &str| format!("provider: {name}\nbase_url: http://{}/v1\nkey: none\n", sim.addr());
    let folder = folder(&[("named", &file("named")), ("other", &file("other"))]);
    let setup = Setup::of(&sim).params("mine", "model: named/m, api_key: sim-key").tidegate(&format!(
        "plugins: {{dirs: [{}], allow: [openai, gemini, fallback, named]}}",
        folder.path().display()
    ));
    let proxy = Proxy::start(&setup.yaml()).await;
    assert_eq!(told(&proxy, "mine", "fast", true).await.text, healthy_text());
    let log = proxy.log();
    assert!(log.contains("other.provider.yaml is refused: tidegate.plugins.allow names neither"), "{log}");
    // Beside it those of the plugins that ship which the list does not have.
    let refused = log.matches("is refused: tidegate.plugins.allow names neither").count();
    assert_eq!(proxy.metrics().await.sum("tidegate_plugins_refused", &[]), refused as f64);
    // What the list no longer has goes, though a deployment needs it: the list is about keys.
    let setup = setup.params(
        "usual",
        &format!("model: openai/m, api_base: \"http://{}/v1\", api_key: sim-key", sim.addr()),
    );
    proxy.rewrite(&setup.yaml().replace(", named]", "]"));
    proxy.signal(nix::sys::signal::Signal::SIGHUP);
    proxy.logged("the configuration was read again").await;
    assert_eq!(told(&proxy, "usual", "fast", true).await.text, healthy_text());
    assert_ne!(told(&proxy, "mine", "fast", true).await.status, 200);
}

/// `tidegate check` of a config: its exit code and its report.
pub(crate) fn check(config: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, config).unwrap();
    let output = std::process::Command::new(tidegate_tests::proxy::built().join("tidegate"))
        .arg("check")
        .arg(&file)
        .env_clear()
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn check_knows_the_providers() {
    let folder = folder(&[
        ("acme", "provider: acme\nbase_url: https://acme.example/v1\nkey: none\n"),
        ("slip", "provider: slip\nbase_rul: https://slip.example/v1\nkey: none\n"),
    ]);
    let config = |models: &[&str]| {
        let entry = |model: &&str| format!("  - {{model_name: m, litellm_params: {{model: {model}}}}}\n");
        let models: String = models.iter().map(entry).collect();
        format!("model_list:\n{models}tidegate: {{plugins: {{dirs: [{}]}}}}\n", folder.path().display())
    };
    let (code, report) = check(&config(&["acme/x", "groqq/x", "vllm/x", "gtp-4o", "mistral/x"]));
    assert_eq!(code, Some(0), "{report}");
    for line in [
        "config.yaml:3:45: warning: no plugin offers the provider `groqq`; the deployment is left out",
        "= did you mean `groq`?",
        "config.yaml:4:45: warning: `vllm/` is vLLM inside litellm's own process",
        "= write `hosted_vllm/`",
        "`gtp-4o` names no provider, and none claims it; write `PROVIDER/gtp-4o`",
        "the providers are acme, anthropic, ",
        "config.yaml:6:45: warning: it has no api_key",
        "MISTRAL_API_KEY in the environment",
        "slip.provider.yaml:2:1: error: a vendor file has no key `base_rul`",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
    assert!(!report.contains("config.yaml:2:45"), "acme/ is served:\n{report}");
    // Nothing would be left to serve.
    let (code, report) = check(&config(&["groqq/x"]));
    assert_eq!(code, Some(78), "{report}");
    assert!(report.contains("config.yaml:2:45: error: no plugin offers the provider `groqq`"), "{report}");
    // A key may be there when it is served.
    assert_eq!(check(&config(&["groq/x"])).0, Some(0));
}

#[test]
fn check_knows_the_policies() {
    let config = |policy: &str| {
        format!(
            "model_list: [{{model_name: m, litellm_params: {{model: openai/x, api_key: k}}}}]\ntidegate:\n  {policy}\n"
        )
    };
    assert_eq!(check(&config("policy: fallback")).0, Some(0));
    for (policy, said) in [
        ("policy: falback", "config.yaml:3:11: error: there is no policy `falback` among the plugins"),
        ("policy: openai", "config.yaml:3:11: error: the plugin `openai` is no policy"),
        ("groups: {m: {policy: falback}}", "error: there is no policy `falback` among the plugins"),
        ("policy: {name: fallback, params: {a: 1}}", "refuses the configuration"),
    ] {
        let (code, report) = check(&config(policy));
        assert_eq!(code, Some(78), "{report}");
        assert!(report.contains(said), "{said}\n{report}");
    }
}
