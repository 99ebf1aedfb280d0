//! New versions of plugins go in force while requests are served, and bad ones do not.

mod bad;
mod folder;
mod load;

use std::time::Duration;

use serde_json::Value;
use tidegate_sim::{Script, Sim};
use tidegate_tests::client::{ask, get, post};
use tidegate_tests::{Proxy, Setup, Versions};

use crate::world::{LONG, told};

/// Events of a stream that is there for a few swaps.
const TICKS: usize = 6;

/// Scenarios that the plugin understands: a stream, and a whole answer.
fn scripts(sim: &Sim) {
    let tick = |script: Script, _| script.write("data: tick\n\n").pause(Duration::from_millis(15));
    sim.script("ticks", (0..TICKS).fold(Script::sse(), tick).write("data: end\n\n"));
    sim.script("whole", Script::json(200, "{}"));
}

/// The group "mine" is served by the plugin `versioned` of the folder.
fn setup(sim: &Sim, versions: &Versions, isolation: &str) -> Setup {
    scripts(sim);
    serving(Setup::of(sim), sim, "mine", "versioned").tidegate(&format!(
        "plugins: {{dirs: [{}], use: {{{}}}}}",
        versions.path().display(),
        used(isolation)
    ))
}

/// Adds the group, served by this plugin.
fn serving(setup: Setup, sim: &Sim, group: &str, plugin: &str) -> Setup {
    let base = format!("http://{}/v1", sim.addr());
    setup.params(group, &format!("model: {plugin}/m, api_base: \"{base}\", api_key: sim-key"))
}

fn used(isolation: &str) -> String {
    ["versioned", "other"].map(|name| format!("{name}: {{isolation: {isolation}}}")).join(", ")
}

/// `POST /api/plugins/reload`: its status and what it says.
async fn reload(proxy: &Proxy) -> (u16, Value) {
    let answer = ask(proxy.admin, &post("/api/plugins/reload", tidegate_tests::AS_ADMIN, b""), LONG).await;
    (answer.status, answer.json())
}

/// `GET /api/plugins`.
async fn plugins(proxy: &Proxy) -> Value {
    ask(proxy.admin, &get("/api/plugins", "connection: close\r\n"), LONG).await.json()
}

/// The entry of the plugin in a list.
fn entry<'a>(list: &'a Value, name: &str) -> &'a Value {
    let plugins = list["plugins"].as_array();
    plugins.into_iter().flatten().find(|one| one["name"] == name).unwrap_or(&Value::Null)
}

/// Which version answers.
async fn version(proxy: &Proxy, group: &str) -> String {
    told(proxy, group, "whole", false).await.text
}
