//! The fault matrix, as `tidegate drill` plays it: every promise of the built-in one, its published form, somebody's own
//! configuration, and the control that a broken promise is seen.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tidegate_tests::proxy::built;
use tokio::process::Command;
use tokio::time::timeout;

/// The whole matrix takes a minute on two free cores.
const LIMIT: Duration = Duration::from_secs(540);

async fn drill(args: &[&str]) -> Output {
    let mut command = Command::new(built().join("tidegate"));
    command.arg("drill").args(args).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    timeout(LIMIT, command.output()).await.unwrap().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_matrix_keeps_every_promise_and_is_the_published_one() {
    let output = drill(&["--markdown", "--no-progress"]).await;
    let (said, broken) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{broken}");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/fault-matrix.md");
    let page = std::fs::read_to_string(page).unwrap();
    let differs = said.lines().find(|line| !page.lines().any(|published| published == *line));
    assert_eq!(
        differs, None,
        "not as docs/fault-matrix.md has it: CONTRIBUTING.md says how it is written anew"
    );
    assert!(page.contains(&said), "docs/fault-matrix.md has lines that the drill no longer gives");
    let cells = said.lines().find_map(|line| line.split_once(" cells: ")).map(|(count, _)| count);
    assert!(cells.and_then(|count| count.parse().ok()).unwrap_or(0) >= 250, "{cells:?}");
}

const OWN: &str = "
model_list:
  - model_name: gpt
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/NOT_SET_API_KEY, timeout: 600}
  - model_name: pro
    litellm_params:
      model: vertex_ai/gemini-2.5-pro
      vertex_project: mine
      vertex_credentials: os.environ/NOT_SET_CREDENTIALS
  - {model_name: other, litellm_params: {model: nobody-offers-this/x, api_key: k}}
router_settings: {num_retries: 1, fallbacks: [{gpt: [pro]}]}
general_settings: {master_key: sk-mine}
";

#[tokio::test(flavor = "multi_thread")]
async fn somebodys_own_configuration_is_drilled() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, OWN).unwrap();
    let file = file.to_str().unwrap();
    let only = ["--only", "429", "--only", "stall", "--only", "tls-", "--only", "client-leaves"];
    let output = drill(&[&["-c", file, "--json", "--no-progress"], &only[..]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stderr), text(&output.stdout));
    let report = json(&output);
    assert_eq!((&report["format"], &report["kept"]), (&1.into(), &true.into()));
    let left_out = report["not_drilled"].to_string();
    assert!(left_out.contains("nobody-offers-this") && !left_out.contains("gpt"), "{left_out}");
    let cells = report["cells"].as_array().unwrap();
    let find =
        |id: &str| cells.iter().find(|cell| cell["id"] == id).unwrap_or_else(|| panic!("no cell {id}"));
    // The budget: two calls each for the group and for its fallback.
    assert!(cells.iter().all(|cell| cell["attempts"].as_u64().unwrap() <= 4));
    for (id, client, attempts) in [
        ("gpt/fallbacks-good/http-429/stream", "whole text", 3),
        ("gpt/fallbacks-failing/http-429/stream", "HTTP 429, Retry-After", 4),
        ("gpt/fallbacks-good/429-frame-end/stream", "text, error 429", 1),
        ("pro/alone/stall-headers/whole", "HTTP 504", 2),
        ("gpt/clients/client-leaves-mid/stream", "upstream released", 1),
    ] {
        let cell = find(id);
        assert_eq!((&cell["client"], &cell["attempts"]), (&client.into(), &attempts.into()), "{id}: {cell}");
    }
    // By the configured clocks, which are not waited for: 600 s twice, and a back-off of up to 1.25 s.
    assert_eq!(find("gpt/fallbacks-good/stall-headers/stream")["worst_ms"], 4 * 600_000 + 1_250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_promise_is_seen() {
    // None that leaves its connection open: without a proxy it would have to be waited for.
    let faults = [
        "text-cut*",
        "no-finish*",
        "429-frame-end*",
        "429-first*",
        "http-4*",
        "http-5*",
        "connect-*",
        "tls-p*",
    ];
    let patterns = faults.map(|fault| format!("failing-fallback/openai/{fault}"));
    let mut only = vec!["--json", "--no-progress"];
    only.extend(patterns.iter().flat_map(|pattern| ["--only", pattern.as_str()]));
    let with = json(&drill(&only).await);
    assert_eq!(with["summary"]["broken"], 0, "{with:#}");
    let output = drill(&[&only[..], &["--without-proxy"]].concat()).await;
    assert_eq!(output.status.code(), Some(1));
    let (report, said) = (json(&output), text(&output.stderr));
    let cells = report["cells"].as_array().unwrap();
    let kept: Vec<_> = cells.iter().filter(|cell| cell["kept"] == true).map(|cell| &cell["id"]).collect();
    assert!(kept.is_empty(), "kept without a proxy: {kept:?}");
    assert!(said.contains("BROKEN failing-fallback/openai/text-cut-fin/stream"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_drilled_is_said_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, "model_list: 7\n").unwrap();
    assert_eq!(drill(&["-c", file.to_str().unwrap()]).await.status.code(), Some(78));
    std::fs::write(&file, "model_list: [{model_name: a, litellm_params: {model: nobody-offers-this/x}}]\n")
        .unwrap();
    let nothing = drill(&["-c", file.to_str().unwrap()]).await;
    assert_eq!(nothing.status.code(), Some(78));
    assert!(
        text(&nothing.stderr).contains("nobody-offers-this/x of group \"a\""),
        "{}",
        text(&nothing.stderr)
    );
    assert_eq!(drill(&["--only", "no-such-fault"]).await.status.code(), Some(2));
    assert_eq!(drill(&["--json", "--list"]).await.status.code(), Some(2));
    // What has a form of its own in each dialect is played with every provider; the rest where all is asked for.
    let every = ["openai", "gemini", "vertex", "anthropic", "bedrock", "ollama", "azure"];
    for (fault, all, providers) in
        [("429-first", false, &every[..]), ("html-page", false, &every[..3]), ("html-page", true, &every)]
    {
        let only = format!("cycle/*/{fault}/*");
        let args = ["--list", "--only", &only, "--all"];
        let list = drill(if all { &args } else { &args[..3] }).await;
        let expected: String =
            providers.iter().map(|provider| format!("cycle/{provider}/{fault}/stream\n")).collect();
        assert_eq!((list.status.code(), text(&list.stdout)), (Some(0), expected));
    }
}
