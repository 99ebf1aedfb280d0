//! The neighbour: a healthy stream beside every fault, again and again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tidegate_sim::healthy_text;
use tidegate_sim::strict::{Terminal, Told, client};
use tokio::task::JoinHandle;

use super::simulated::CANARY;

/// A stream that is not over by then never is: it lasts half a second.
const DEADLINE: Duration = Duration::from_secs(60);
/// The longest silence that a neighbour may see. Its chunks come every 20 ms, and a loaded machine adds to that; a proxy
/// that hangs never comes back.
const SANE_GAP: Duration = Duration::from_secs(10);

/// What the neighbours saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Healthy streams that were asked for.
    pub(super) streams: u64,
    /// The longest silence between two reads of one.
    pub(super) gap: Duration,
    /// What was wrong, a sentence each.
    pub(super) broken: Vec<String>,
}

/// A running neighbour.
pub(super) struct Canary {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Seen>,
}

impl Canary {
    pub(super) fn start(data: SocketAddr, headers: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut seen = Seen::default();
            while !stopped.load(Relaxed) {
                stream(data, &headers, &mut seen).await;
            }
            seen
        });
        Self { stop, task }
    }

    pub(super) async fn stop(self) -> Seen {
        self.stop.store(true, Relaxed);
        self.task.await.unwrap_or_else(|error| Seen { broken: vec![error.to_string()], ..Seen::default() })
    }
}

async fn stream(data: SocketAddr, headers: &str, seen: &mut Seen) {
    let answer = client::ask(data, &client::chat_with(headers, CANARY, "healthy", true), DEADLINE).await;
    seen.streams += 1;
    let gap = answer.gaps().into_iter().max().unwrap_or_default();
    seen.gap = seen.gap.max(gap);
    match Told::of(&answer, true) {
        Ok(told) if told.terminal == Terminal::Done && told.text == healthy_text() && gap < SANE_GAP => {}
        Ok(told) => seen.broken.push(format!(
            "a healthy stream beside the faults ended with {:?} ({}) after {} bytes, its longest silence {gap:.0?}: {}",
            told.terminal,
            told.status,
            told.text.len(),
            told.message
        )),
        Err(why) => seen.broken.push(format!("a healthy stream beside the faults: {why}")),
    }
}
