//! Counting, clients that leave, and the simulator's own end.

use std::time::Duration;

use tidegate_sim::{Counts, Dialect, Settings, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{ask, post, sim};

const SOON: Duration = Duration::from_secs(5);

async fn begin(sim: &Sim, scenario: &str) -> TcpStream {
    let mut stream = TcpStream::connect(sim.addr()).await.unwrap();
    let request = post(&format!("/s/{scenario}/v1/chat/completions"), "", r#"{"stream":true}"#);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_as_cut() {
    let sim = Sim::start(Settings { pace: Duration::from_secs(60), ..Settings::default() }).await.unwrap();
    for scenario in ["healthy", "stall-headers", "stall-mid", "text-flood"] {
        let mut stream = begin(&sim, scenario).await;
        assert!(sim.wait_until(SOON, |sim| sim.counts(scenario).active() == 1).await, "{scenario}");
        if scenario == "healthy" {
            stream.read_exact(&mut [0; 20]).await.unwrap();
        }
        assert_eq!(sim.connections_open(), 1);
        drop(stream);
        let cut = Counts { started: 1, completed: 0, cut: 1 };
        assert!(sim.wait_until(SOON, |sim| sim.counts(scenario) == cut).await, "{scenario}");
        assert!(sim.wait_until(SOON, |sim| sim.connections_open() == 0).await, "{scenario}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_with_unread_bytes_is_noticed() {
    let sim = Sim::start(Settings {
        flood_time: Duration::from_secs(600),
        flood_bytes: u64::MAX,
        ..Settings::default()
    })
    .await
    .unwrap();
    let mut stream = begin(&sim, "comment-flood").await;
    stream.read_exact(&mut [0; 4096]).await.unwrap();
    // The simulator is stuck in a write now: the client reads no more.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(sim.counts("comment-flood").active(), 1);
    drop(stream);
    assert!(sim.wait_until(SOON, |sim| sim.counts("comment-flood").cut == 1).await);
}

#[tokio::test]
async fn a_played_script_is_counted_as_completed() {
    let sim = sim().await;
    for scenario in ["fast", "429-frame-end", "text-cut-fin", "text-cut-rst", "http-429"] {
        ask(&sim, scenario, Dialect::OpenAiChat, "stream").await;
        let completed = Counts { started: 1, completed: 1, cut: 0 };
        assert!(sim.wait_until(SOON, |sim| sim.counts(scenario) == completed).await, "{scenario}");
    }
    assert_eq!(sim.all_counts().len(), 5);
    assert_eq!(sim.counts("never-asked"), Counts::default());
    assert_eq!(sim.connections_total(), 5);
}

#[tokio::test]
async fn dropping_the_simulator_leaves_no_task_and_no_socket() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let sim = sim().await;
    let addr = sim.addr();
    let mut stream = begin(&sim, "stall-mid").await;
    assert!(sim.wait_until(SOON, |sim| sim.counts("stall-mid").active() == 1).await);
    assert_eq!(metrics.num_alive_tasks(), before + 2);
    drop(sim);
    let mut rest = Vec::new();
    // FIN or RST: either way the connection is over.
    let _ = stream.read_to_end(&mut rest).await;
    for _ in 0..1000 {
        if metrics.num_alive_tasks() == before {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(metrics.num_alive_tasks(), before);
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn stop_frees_the_port() {
    let sim = sim().await;
    let addr = sim.addr();
    sim.stop().await;
    let again = Sim::start(Settings { addr, ..Settings::default() }).await.unwrap();
    assert_eq!(again.addr(), addr);
    let taken = Sim::start(Settings { addr, ..Settings::default() }).await;
    assert_eq!(taken.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}
