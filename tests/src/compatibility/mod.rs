//! What of a request in each client dialect arrives at each provider, what of the provider's answer comes back, and what the
//! client is told of each kind of failure: found by sending requests through the real program to the simulated providers.
//! `docs/compatibility.md` is made of it, by `cargo run -p tidegate-tests --bin compatibility`.
//!
//! A client dialect is an entry of [`clients::CLIENTS`], a provider one of [`PROVIDERS`], a feature one of the tables in
//! [`asked`] and [`answers`], a failure one of those in [`failures`].

pub mod answers;
pub mod asked;
pub mod clients;
pub mod failures;
mod page;

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
        name: "bedrock",
        params: "model: \"bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0\", aws_region_name: us-east-1, \
                 aws_bedrock_runtime_endpoint: \"SIM\", aws_access_key_id: AWSID, aws_secret_access_key: sim-key",
    },
];

/// The longest wait for an answer that must come.
const LONG: Duration = Duration::from_secs(60);

/// Of the group whose clocks are so short that a stall ends soon.
const HASTY: &str = "hasty";

struct World {
    sim: Sim,
    proxy: Proxy,
}

impl World {
    async fn start() -> Self {
        let settings = Settings {
            pace: Duration::ZERO,
            drip: Duration::ZERO,
            require_auth: true,
            ..Settings::default()
        };
        let sim = Sim::start(settings).await.expect("the simulator can listen");
        let mut setup = Setup::default().router("num_retries: 0").router("cooldown_time: 0");
        let mut groups = Vec::new();
        for provider in PROVIDERS {
            let params = provider.params.replace("SIM", &format!("http://{}", sim.addr()));
            let params = params.replace("AWSID", tidegate_sim::AWS_ACCESS_KEY_ID);
            let hasty = format!("{}-{HASTY}", provider.name);
            groups
                .push(format!("{hasty}: {{clocks: {{first_content: 1s, content_idle: 1s, byte_idle: 1s}}}}"));
            setup = setup.params(provider.name, &params).params(&hasty, &params);
            setup = setup.params(&dropping(provider.name), &format!("{params}, drop_params: true"));
        }
        let setup = setup.tidegate(&format!("groups: {{{}}}", groups.join(", ")));
        let proxy = Proxy::start(&setup.yaml()).await;
        Self { sim, proxy }
    }
}

/// The group of a provider under `drop_params`.
fn dropping(provider: &str) -> String {
    format!("{provider}-dropping")
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
    let failures = failures::play(&world).await;
    page::whole(&tables, &failures)
}
