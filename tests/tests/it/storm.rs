//! Hundreds of clients at an upstream that refuses them all: the proxy must not multiply the load that the upstream
//! cannot take.

use std::time::{Duration, Instant};

use tidegate_tests::client::{ask, chat};
use tidegate_tests::{Terminal, Told};
use tokio::task::JoinSet;

use crate::world::world;

/// Clients at once, each with two sockets in this process.
const CLIENTS: u64 = 400;

/// Longer than any wait of a request here.
const PATIENCE: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread")]
async fn a_429_to_all_is_answered_with_a_fifth_more_calls_and_no_more() {
    // The control is the same without the budget.
    for (budget, bounded) in [("{}", true), ("{ratio: 10}", false)] {
        let budget = format!("retry_budget: {budget}");
        let (sim, proxy) = world(|s| s.router("num_retries: 3").clock("total: 120s").tidegate(&budget)).await;
        let (began, request) = (Instant::now(), chat("gemini", "http-429-bare", true));
        let mut asking = JoinSet::new();
        for _ in 0..CLIENTS {
            let (data, request) = (proxy.data, request.clone());
            asking.spawn(async move { ask(data, &request, PATIENCE).await });
        }
        let answers = asking.join_all().await;
        for answer in &answers {
            let told = Told::of(answer, true).unwrap();
            assert_eq!((told.status, told.terminal), (429, Terminal::Error(429)));
            assert!(told.retry_after.is_some(), "a client must know when to come back");
        }
        let calls = sim.counts("http-429-bare").started;
        if bounded {
            // The floor of the default: one a second, over windows of ten.
            let floor = 10 * (began.elapsed().as_secs() / 10 + 1);
            assert!(calls <= CLIENTS * 12 / 10 + floor, "{calls} calls for {CLIENTS} requests");
        } else {
            assert!(calls > CLIENTS * 3, "{calls}: what the budget stops is not there");
        }
        proxy.metrics_when("all is quiet", |m| m.sum("tidegate_active_streams", &[]) == 0.0).await;
    }
}
