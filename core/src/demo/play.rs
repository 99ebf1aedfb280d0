//! Plays the rows: three faulty streams and three healthy ones at a time, through one proxy.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tidegate_sim::{Dialect, Expect, Mode, healthy_text};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::client;
use super::config::GROUPS;
use super::cpu::Meter;
use super::outcome::Outcome;
use super::proxy::Proxy;
use super::row::Row;
use super::scrape::{self, Scraper, Scrapes};
use super::transcript::Reader;
use super::verdict::{Measured, Verdict};
use crate::serve::Error;

/// The silence between two chunks of a healthy stream.
pub(super) const PACE: Duration = Duration::from_millis(40);
/// How long a neighbour streams before the faults begin.
const LEAD: Duration = Duration::from_millis(100);
/// A stream that is not over by then never is: the longest lasts a second.
const DEADLINE: Duration = Duration::from_secs(10);

/// The proxy under test, and those who watch it.
pub(super) struct Stage {
    data: SocketAddr,
    meter: Meter,
    scraper: Scraper,
    /// All scrapes of all rows.
    pub(super) scrapes: Scrapes,
}

impl Stage {
    /// Begins to watch. Each provider must pass a healthy answer before any fault is played.
    ///
    /// # Errors
    /// One of them does not.
    pub(super) async fn set(proxy: &Proxy) -> Result<Self, Error> {
        for (provider, group) in GROUPS {
            let (outcome, _) = stream(proxy.data, group, "fast").await;
            if !outcome.is(&Expect::Text(healthy_text())) {
                let words = proxy.last_words();
                return Err(Error::System(format!(
                    "a healthy answer does not pass on {provider}/: {outcome}. The proxy's last words:\n{words}"
                )));
            }
        }
        let meter = Meter::new(proxy.pid()).map_err(|error| Error::System(error.to_string()))?;
        let scraper = Scraper::start(proxy.admin, scrape::LIMIT);
        Ok(Self { data: proxy.data, meter, scraper, scrapes: Scrapes::default() })
    }

    /// Plays one row.
    pub(super) async fn play(&mut self, row: &Row) -> Verdict {
        self.scrapes.add(self.scraper.take());
        let neighbours = GROUPS.map(|(provider, group)| (provider, self.begin(group, "healthy")));
        sleep(LEAD).await;
        let faulty = GROUPS.map(|(provider, group)| (provider, self.begin(group, row.scenario.name)));

        let mut clients = Vec::new();
        for (provider, task) in faulty {
            let dialect = if provider == "openai" { Dialect::OpenAiChat } else { Dialect::Gemini };
            clients.push((provider, row.scenario.expect(dialect, Mode::Stream), joined(task).await.0));
        }
        let cpu = self.meter.settle().await;
        let mut served = Vec::new();
        for (provider, task) in neighbours {
            let (outcome, gap) = joined(task).await;
            served.push((provider, outcome, gap));
        }
        let scrapes = self.scraper.take();
        self.scrapes.add(scrapes);
        Verdict::of(Measured { clients, neighbours: served, cpu, scrapes })
    }

    fn begin(&self, group: &'static str, scenario: &'static str) -> JoinHandle<(Outcome, Duration)> {
        tokio::spawn(stream(self.data, group, scenario))
    }
}

async fn joined(task: JoinHandle<(Outcome, Duration)>) -> (Outcome, Duration) {
    task.await
        .unwrap_or_else(|error| (Outcome::Broken(format!("the demo's client: {error}")), Duration::ZERO))
}

/// One stream of `scenario` through the proxy: its outcome and its longest silence.
async fn stream(proxy: SocketAddr, group: &str, scenario: &str) -> (Outcome, Duration) {
    let body = json!({
        "model": group,
        "stream": true,
        "messages": [{"role": "user", "content": format!("How does the tide rise? sim:{scenario}")}],
    });
    let mut reader = Reader::default();
    let failed = match timeout(DEADLINE, client::chat(proxy, &body.to_string(), &mut reader)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no end within {DEADLINE:?}")),
    };
    let gap = reader.seen.gap;
    (Outcome::of(reader.seen, failed), gap)
}
