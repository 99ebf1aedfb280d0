//! What of a request in each client dialect arrives at each provider, what of the provider's answer comes back, and what the
//! client is told of each kind of failure: found by sending requests through the real program to the simulated providers.
//! `docs/compatibility.md` is made of it, by `cargo run -p tidegate-tests --bin compatibility`.
//!
//! A client dialect is an entry of [`clients::CLIENTS`], a provider one of [`PROVIDERS`], a feature one of the tables in
//! [`asked`] and [`answers`], a failure one of that in [`failures`], a provider's own form of one an entry in [`forms`].

pub mod answers;
pub mod asked;
pub mod clients;
pub mod counts;
pub mod failures;
pub mod forms;
mod page;
mod wires;

use std::path::PathBuf;
use std::time::Duration;

use tidegate_sim::{Settings, Sim};

use crate::{Proxy, Setup};

/// A provider: its name on the page, and the `litellm_params` of its deployment with `SIM` for the simulator's address.
pub struct Provider {
    /// On the page.
    pub name: &'static str,
    /// In flow style.
    pub params: &'static str,
}

/// The rows.
pub const PROVIDERS: &[Provider] = &[
    Provider { name: "openai", params: "model: openai/gpt-5-mini, api_base: \"SIM/v1\", api_key: sim-key" },
    Provider {
        name: "together_ai",
        params: "model: together_ai/sim, api_base: \"SIM/v1\", api_key: sim-key",
    },
    Provider {
        name: "anthropic",
        params: "model: anthropic/claude-sonnet-4-5, api_base: \"SIM\", api_key: sim-key",
    },
    Provider {
        name: "gemini",
        params: "model: gemini/gemini-2.5-pro, api_base: \"SIM/v1beta\", api_key: sim-key",
    },
    Provider {
        name: "vertex_ai (Gemini)",
        params: "model: vertex_ai/gemini-2.5-pro, VERTEX google/models/gemini-2.5-pro\"",
    },
    Provider {
        name: "vertex_ai (Claude)",
        params: "model: vertex_ai/claude-sonnet-4-5, VERTEX anthropic/models/claude-sonnet-4-5\"",
    },
    Provider {
        name: "azure",
        params: "model: azure/my-gpt, api_base: \"SIM\", api_version: \"2024-10-21\", api_key: sim-key",
    },
    Provider { name: "ollama", params: "model: ollama/llama3.2, api_base: \"SIM\"" },
    Provider {
        name: "bedrock",
        params: "model: \"bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0\", aws_region_name: us-east-1, \
                 aws_bedrock_runtime_endpoint: \"SIM\", aws_access_key_id: AWSID, aws_secret_access_key: sim-key",
    },
];

/// The longest wait for an answer that must come.
const LONG: Duration = Duration::from_secs(60);

struct World {
    sim: Sim,
    /// Of a simulator that asks for no key.
    settings: Settings,
    proxy: Proxy,
}

impl World {
    async fn start() -> Self {
        let settings = Settings { pace: Duration::ZERO, drip: Duration::ZERO, ..Settings::default() };
        let strict = Settings { require_auth: true, ..settings.clone() };
        let sim = Sim::start(strict).await.expect("the simulator can listen");
        let mut setup = Setup::default().router("num_retries: 0").router("cooldown_time: 0");
        let mut groups = Vec::new();
        for provider in PROVIDERS {
            let credentials = sim.service_account_json().replace('\n', " ");
            let params = provider.params.replace("VERTEX ", VERTEX).replace("CREDENTIALS", &credentials);
            let params = params.replace("SIM", &format!("http://{}", sim.addr()));
            let params = params.replace("AWSID", tidegate_sim::AWS_ACCESS_KEY_ID);
            let hasty = hasty(provider.name);
            groups
                .push(format!("{hasty}: {{clocks: {{first_content: 1s, content_idle: 1s, byte_idle: 1s}}}}"));
            setup = setup.params(&group(provider.name), &params).params(&hasty, &params);
            setup = setup.params(&dropping(provider.name), &format!("{params}, drop_params: true"));
        }
        let setup = setup.tidegate(&format!("groups: {{{}}}", groups.join(", ")));
        let proxy = Proxy::start(&setup.yaml()).await;
        Self { sim, settings, proxy }
    }
}

/// What all models of Vertex AI have; the publisher and the model follow.
const VERTEX: &str = "vertex_project: p, vertex_location: l, vertex_credentials: 'CREDENTIALS', \
                      api_base: \"SIM/v1/projects/p/locations/l/publishers/";

/// The group of a provider.
fn group(provider: &str) -> String {
    provider.replace(" (", "-").replace(')', "").to_lowercase()
}

/// The group of a provider under `drop_params`.
fn dropping(provider: &str) -> String {
    format!("{}-dropping", group(provider))
}

/// The group of a provider whose clocks are so short that a stall ends soon.
fn hasty(provider: &str) -> String {
    format!("{}-hasty", group(provider))
}

/// Where the page is.
pub fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/compatibility.md")
}

/// The page, as it should be. Takes some seconds.
///
/// # Panics
/// The program or the simulator cannot be started.
pub async fn made() -> String {
    let world = World::start().await;
    let mut tables = Vec::new();
    for client in clients::CLIENTS {
        let asked = asked::play(&world, client).await;
        let answers = answers::play(&world, client).await;
        tables.push(page::of_client(client, &asked, &answers));
    }
    let counts = counts::play(&world).await;
    let failures = failures::play(&world).await;
    let forms = forms::play(&world).await;
    page::whole(&tables, &counts, &failures, &forms)
}
