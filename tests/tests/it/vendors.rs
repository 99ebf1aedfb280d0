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
    let setup = with_folder(Setup::of(&sim).params("mine", "model: acme/m"), folder.path());
    let proxy = Proxy::start_with(&setup.yaml(), &[("ACME_TOKEN", "sim-key")]).await;
    for stream in [true, false] {
        let answer = told(&proxy, "mine", "fast", stream).await;
        assert_eq!((answer.text, answer.terminal), (healthy_text(), Terminal::Done), "stream: {stream}");
    }
    assert_eq!(told(&proxy, "mine", "http-429", true).await.status, 429);
    assert_eq!(proxy.metrics().await.sum("tidegate_plugins_refused", &[]), 0.0);
}
