//! The bug report's table (BerriAI/litellm#26015), row by row: the right terminal, the processor free again, a healthy
//! stream beside it undisturbed, and `/metrics` answering all the while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use tidegate_sim::{Dialect, Mode, Scenario, Settings, Sim, healthy_text};
use tidegate_tests::config::hasty;
use tidegate_tests::{Metrics, Proxy, Setup, Standstill, Terminal, Told, cpu, judge};

use crate::world::{fetch, percentile};

/// A stream of a chunk each 50 ms whose client waits this long, and no longer than the machine itself stood still, was not
/// served beside the others.
const SILENCE: Duration = Duration::from_secs(1);

/// `/metrics` has to answer within this, and the same holds for it.
const ANSWER: Duration = Duration::from_secs(2);

/// Between two scrapes. An unoptimised build takes 3 ms for one: more of them would be the load that is looked for.
const SCRAPE: Duration = Duration::from_millis(200);

async fn every_row(provider: &'static str, dialect: Dialect, isolated: &[&str]) {
    let sim = Sim::start(Settings { require_auth: true, ..Settings::default() }).await.unwrap();
    let proxy = Arc::new(
        Proxy::start(&Setup::of(&sim).hasty_and_patient(provider, &sim).isolated(isolated).yaml()).await,
    );
    let (watching, scrapes) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
    let scraper = {
        let (proxy, watching, scrapes) = (proxy.clone(), watching.clone(), scrapes.clone());
        tokio::spawn(async move {
            while watching.load(SeqCst) {
                let standstill = Standstill::watch();
                let scraped = Metrics::try_scrape(proxy.admin, ANSWER).await;
                let stood = standstill.longest();
                assert!(
                    scraped.is_some() || stood > ANSWER / 4,
                    "/metrics did not answer within {ANSWER:?}, while the machine stood still for {stood:?} at most"
                );
                scrapes.fetch_add(u32::from(scraped.is_some()), SeqCst);
                tokio::time::sleep(SCRAPE).await;
            }
        })
    };
    for row in Scenario::founding() {
        let case = format!("{provider}, {}", row.name);
        let standstill = Standstill::watch();
        let neighbour = {
            let proxy = proxy.clone();
            tokio::spawn(async move { fetch(&proxy, provider, "healthy", true).await })
        };
        let expect = row.expect(dialect, Mode::Stream);
        let model = hasty(&expect).unwrap_or(provider);
        let told = Told::of(&fetch(&proxy, model, row.name, true).await, true);
        let told = told.unwrap_or_else(|why| panic!("{case}: {why}"));
        judge(&expect, &told).unwrap_or_else(|why| panic!("{case}: {why}"));
        tokio::time::sleep(Duration::from_millis(600)).await;
        let share = cpu::share(proxy.pid(), Duration::from_millis(400)).await;
        // A spin takes a whole core. A debug build that streams to the neighbour takes 5 % of one on a busy machine.
        assert!(share < 0.25, "{case}: a second later the process uses {:.1} % of a core", share * 100.0);

        let beside = neighbour.await.unwrap();
        let read = Told::of(&beside, true).unwrap();
        assert_eq!((read.text, read.terminal), (healthy_text(), Terminal::Done), "{case}");
        let gap = percentile(&beside.gaps(), 1.0);
        let stood = standstill.longest();
        assert!(
            gap < SILENCE + stood,
            "{case}: the stream beside it was silent for {gap:?}, the machine for {stood:?} at most"
        );
        assert!(beside.times.len() > 10, "{case}: the chunks came in {} reads", beside.times.len());
    }
    watching.store(false, SeqCst);
    scraper.await.unwrap();
    assert!(scrapes.load(SeqCst) > 50);
    // Nothing holds on to an upstream that was left open.
    let open = sim.counts("429-frame-open");
    assert!(sim.wait_until(SILENCE * 5, |sim| sim.counts("429-frame-open").active() == 0).await, "{open:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openai() {
    every_row("openai", Dialect::OpenAiChat, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini() {
    every_row("gemini", Dialect::Gemini, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vertex() {
    every_row("vertex", Dialect::Gemini, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_in_a_process() {
    every_row("gemini", Dialect::Gemini, &["gemini", "fallback"]).await;
}
