//! Plugins that were not built with the workspace: a good one serves, bad ones are refused with a sentence, and serving
//! goes on.

use std::os::unix::fs::PermissionsExt;

use tidegate_sim::{Script, healthy_text};
use tidegate_tests::{DropIn, Proxy, Setup, Terminal};

use crate::world::{sim, told};

fn tokens(tokens: &[&str]) -> Script {
    let events = tokens.iter().map(|token| format!("data: {{\"token\":\"{token}\"}}\n\n"));
    let script = events.fold(Script::sse(), |script, event| script.write(event));
    script.write("data: {\"token\":\"!\",\"end\":true}\n\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_from_outside_the_workspace_serves() {
    let drop_in = DropIn::build();
    let sim = sim().await;
    sim.script("tokens", tokens(&["Ebbe ", "Flut"]));
    sim.script("unended", Script::sse().write("data: {\"token\":\"Ebbe\"}\n\n"));
    let config = Setup::of(&sim)
        .params(
            "mine",
            &format!("model: outside/m, api_base: \"http://{}/v1\", api_key: sim-key", sim.addr()),
        )
        .tidegate(&format!("plugins: {{dirs: [{}]}}", drop_in.path().display()));
    let proxy = Proxy::start(&config.yaml()).await;
    let good = told(&proxy, "mine", "tokens", true).await;
    assert_eq!((good.text.as_str(), good.terminal), ("Ebbe Flut!", Terminal::Done));
    assert_eq!(told(&proxy, "mine", "unended", true).await.terminal, Terminal::Error(502));
    assert_eq!(told(&proxy, "mine", "http-429", true).await.status, 429);
    let metrics = proxy.metrics().await;
    assert!(metrics.sum("tidegate_plugin_calls_total", &[("plugin", "outside")]) > 5.0);
    assert_eq!(metrics.sum("tidegate_plugins_refused", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_plugins_are_refused_with_a_sentence() {
    let drop_in = DropIn::build();
    let open = drop_in.copy("open");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o666)).unwrap();
    drop_in.compile_c("later", "int tidegate_plugin_entry_v2(void) { return 0; }");
    drop_in.compile_c("other", "int unrelated(void) { return 0; }");
    let text = drop_in.copy("text");
    std::fs::write(text, "not a library").unwrap();
    let sim = sim().await;
    let config = Setup::of(&sim).tidegate(&format!("plugins: {{dirs: [{}]}}", drop_in.path().display()));
    let proxy = Proxy::start(&config.yaml()).await;
    let log = proxy.log();
    let suffix = std::env::consts::DLL_SUFFIX;
    for (name, why) in [
        ("open", "writable by everyone"),
        ("later", "v2"),
        ("other", "tidegate_plugin_entry_v1"),
        ("text", ""),
    ] {
        let line = log.lines().find(|line| line.contains(&format!("lib{name}{suffix} is refused: ")));
        let line = line.unwrap_or_else(|| panic!("nothing is said of {name}:\n{log}"));
        assert!(line.contains(why), "{name}: {line}");
    }
    assert!(!log.contains(&format!("liboutside{suffix} is refused")), "{log}");
    assert_eq!(proxy.metrics().await.sum("tidegate_plugins_refused", &[]), 4.0);
    assert_eq!(told(&proxy, "gemini", "fast", true).await.text, healthy_text());
}
