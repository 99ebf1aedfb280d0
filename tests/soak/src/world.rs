//! The simulated providers, and the proxy in front of them.

use std::time::Duration;

use tidegate_sim::{Ending, Script, Settings, Sim};
use tidegate_tests::config::PROVIDERS;
use tidegate_tests::{Metrics, Proxy, Setup};

use crate::books::{Counts, Snapshot};
use crate::job::Kind;
use crate::process::Process;

/// The scenario that goes on for hours, for the proof that the books see what is left open.
pub(crate) const ENDLESS: &str = "endless";

/// glibc keeps freed buffers for itself, as large as any that was ever freed (up to 32 MiB for each arena): a few events
/// of megabytes then move the resident memory by more than a leak would. With a fixed threshold, its own default, a large
/// buffer goes back when it is freed, and what is resident is what the program holds.
const MALLOC: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");

/// On a machine that this program keeps busy, a call of a debug build may need more than the default.
const ISOLATED: &str = "plugins: {use: {openai: {isolation: process, deadline: 2s, shards: 2}, \
                        gemini: {isolation: process, deadline: 2s}, fallback: {isolation: process, deadline: 2s}}}";

/// Both sides.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) proxy: Proxy,
}

impl World {
    /// # Panics
    /// One of them cannot be started.
    pub(crate) async fn start(isolated: bool) -> Self {
        let settings = Settings {
            pace: Duration::from_millis(150),
            drip: Duration::ZERO,
            flood_bytes: 8 << 20,
            flood_time: Duration::from_secs(4),
            require_auth: true,
            ..Settings::default()
        };
        let sim = Sim::start(settings).await.expect("the simulator can listen");
        sim.script(ENDLESS, endless());
        let mut setup = setup(&sim);
        if isolated {
            setup = setup.tidegate(ISOLATED);
        }
        let proxy = Proxy::start_with(&setup.yaml(), &[MALLOC]).await;
        Self { sim, proxy }
    }

    /// Every group, those with two deployments often enough that each gets its turn.
    pub(crate) fn models(&self) -> Vec<String> {
        let mut models = Vec::new();
        for (provider, _) in PROVIDERS {
            models.push(format!("canary-{provider}"));
            for kind in Kind::ALL {
                let times = if matches!(kind, Kind::Cooled | Kind::Continued) { 20 } else { 1 };
                models.extend(std::iter::repeat_n(format!("{provider}{}", kind.suffix()), times));
            }
        }
        models
    }

    /// # Panics
    /// The admin port does not answer.
    pub(crate) async fn look(&self) -> Snapshot {
        let metrics = Metrics::scrape(self.proxy.admin).await;
        Snapshot {
            proxy: Counts::of(&metrics),
            // The scrape's own connection is closed by now, or will be: the books are looked at again until they balance.
            process: Process::look(self.proxy.pid()),
            sim_connections: self.sim.connections_open() as f64,
            sim_active: self.sim.all_counts().values().map(|counts| counts.active() as f64).sum(),
        }
    }
}

/// Clocks that stalls meet soon and that a busy machine does not.
fn setup(sim: &Sim) -> Setup {
    let mut setup = Setup::of(sim)
        .clock("first_content: 30s")
        .clock("content_idle: 20s")
        .clock("byte_idle: 20s")
        .clock("total: 120s")
        .clock("client_idle: 15s")
        .tidegate("limits: {event: 6MiB}");
    let next = |at: usize| PROVIDERS[(at + 1) % PROVIDERS.len()].0;
    let (mut fallbacks, mut continued) = (Vec::new(), Vec::new());
    for (at, (provider, _)) in PROVIDERS.iter().enumerate() {
        let name = |kind: Kind| format!("{provider}{}", kind.suffix());
        let rests = "cooldown_time: 1, num_retries: 1";
        setup = setup
            .model(&format!("canary-{provider}"), provider, sim, "")
            .model(&name(Kind::Retried), provider, sim, "num_retries: 1")
            .model(&name(Kind::Backed), provider, sim, "")
            .model(&name(Kind::Ring), provider, sim, "")
            .model(&name(Kind::Cooled), provider, sim, rests)
            .model(&name(Kind::Cooled), provider, sim, rests)
            .model(&name(Kind::Continued), provider, sim, "")
            .model(&name(Kind::Continued), provider, sim, "");
        continued.push(format!("{}: {{mid_stream: continue, keep_alive: 1s}}", name(Kind::Continued)));
        fallbacks.push(format!("{{{}: [{}]}}", name(Kind::Backed), next(at)));
        fallbacks.push(format!("{{{}: [{}{}]}}", name(Kind::Ring), next(at), Kind::Ring.suffix()));
    }
    let setup = setup.tidegate(&format!("groups: {{{}}}", continued.join(", ")));
    setup.router(&format!("fallbacks: [{}]", fallbacks.join(", "))).router("allowed_fails: 0")
}

/// A word each 200 ms, for hours, in Gemini's dialect.
fn endless() -> Script {
    let chunk = "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"on \"}]},\"index\":0}],\
                 \"modelVersion\":\"m\"}\r\n\r\n";
    let mut script = Script::sse().ending(Ending::Open);
    for _ in 0..50_000 {
        script = script.write(chunk).pause(Duration::from_millis(200));
    }
    script
}
