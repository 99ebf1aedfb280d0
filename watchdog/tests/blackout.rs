//! The fault that the poke is for, over the network: one task that never returns from its poll holds the worker that
//! waited for IO, and a whole tokio runtime goes silent although other workers are idle (tokio-rs/tokio#4730).
//!
//! The fault must come in through a socket: a task spawned from the test's thread wakes another worker, which hides it.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tidegate_watchdog::{Config, Hooks, Incident, Kill, Labels, Rule, Watchdog, plugin_enter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Handle, Runtime};

struct Poker(Arc<OnceLock<Handle>>);

impl Hooks for Poker {
    fn poke(&self) {
        if let Some(runtime) = self.0.get() {
            runtime.spawn(async {});
        }
    }
    fn incident(&self, _: &Arc<Incident>) {}
    fn warn(&self, _: &Incident) {}
}

struct Socket(TcpStream);

impl Kill for Socket {
    fn shut(&self) {
        self.0.shutdown(Shutdown::Both).ok();
    }
}

/// An echo server whose connections are watched. An `s` makes a connection's poll spin until the server is dropped.
struct Server {
    watchdog: Watchdog,
    runtime: Option<Runtime>,
    release: Arc<AtomicBool>,
    address: SocketAddr,
}

impl Server {
    fn start(workers: usize, config: Config) -> Self {
        let handle = Arc::new(OnceLock::new());
        let watchdog = Watchdog::start(config, Poker(Arc::clone(&handle))).unwrap();
        watchdog.name_plugin(1, "endless");
        let (enter, leave) = (watchdog.clone(), watchdog.clone());
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .on_thread_start(move || enter.register_worker())
            .on_thread_stop(move || leave.unregister_worker())
            .build()
            .unwrap();
        handle.set(runtime.handle().clone()).unwrap();
        let release = Arc::new(AtomicBool::new(false));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (accepting, spinning) = (watchdog.clone(), Arc::clone(&release));
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket.into_std().unwrap(), accepting.clone(), Arc::clone(&spinning)));
            }
        });
        Self { watchdog, runtime: Some(runtime), release, address }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.release.store(true, Relaxed);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(socket: std::net::TcpStream, watchdog: Watchdog, release: Arc<AtomicBool>) {
    let kill = Arc::new(Socket(socket.try_clone().unwrap()));
    let weak: Weak<dyn Kill> = Arc::<Socket>::downgrade(&kill);
    let probe = watchdog.open(Labels::default(), Some(weak));
    let mut socket = tokio::net::TcpStream::from_std(socket).unwrap();
    let inner = probe.clone();
    let mut stream = pin!(async move {
        let mut byte = [0];
        while socket.read_exact(&mut byte).await.is_ok() {
            if byte[0] == b's' {
                let _plugin = plugin_enter(1);
                while !release.load(Relaxed) {}
            }
            if socket.write_all(&byte).await.is_err() {
                return;
            }
            inner.progress(1);
        }
    });
    poll_fn(|context| probe.poll(|| stream.as_mut().poll(context))).await;
}

fn echoed(client: &mut TcpStream) -> bool {
    client.write_all(b"e").unwrap();
    let mut byte = [0];
    client.read_exact(&mut byte).is_ok()
}

fn a_stuck_poll_leaves_others_served(workers: usize) {
    let server = Server::start(workers, Config::default());
    let mut open: Vec<_> = (0..3).map(|_| server.connect()).collect();
    assert!(open.iter_mut().all(echoed));
    let mut victim = server.connect();
    assert!(echoed(&mut victim));
    victim.write_all(b"s").unwrap();
    for round in 0..20 {
        assert!(echoed(&mut server.connect()), "new connection {round}");
        assert!(open.iter_mut().all(echoed), "open connections, round {round}");
    }
    let mut byte = [0];
    let end = victim.read(&mut byte);
    assert!(matches!(end, Ok(0)), "the stuck stream's client must be let go: {end:?}");
    // The socket is shut first, the incident is told after.
    let incidents = (0..2_000)
        .find_map(|_| {
            std::thread::park_timeout(Duration::from_millis(10));
            Some(server.watchdog.incidents()).filter(|incidents| !incidents.is_empty())
        })
        .unwrap();
    let verdicts = incidents.iter().filter(|incident| incident.verdict.is_some());
    assert_eq!(verdicts.count(), 1);
    let rule = incidents[0].verdict.as_ref().map(|verdict| verdict.rule);
    assert_eq!((rule, incidents[0].plugin.as_deref()), (Some(Rule::StuckPoll), Some("endless")));
    assert!(open.iter_mut().all(echoed));
    assert!(server.watchdog.stats().pokes > 0);
}

#[test]
fn a_stuck_poll_leaves_others_served_on_2_workers() {
    a_stuck_poll_leaves_others_served(2);
}

#[test]
fn a_stuck_poll_leaves_others_served_on_4_workers() {
    a_stuck_poll_leaves_others_served(4);
}

/// The mutant: if this ever fails, the two tests above prove nothing any more.
#[test]
fn without_the_poke_the_same_fault_is_a_blackout() {
    let blackout = || {
        let mut config = Config::default();
        config.rules.poke.after = Duration::from_secs(3_600);
        let server = Server::start(2, config);
        let mut victim = server.connect();
        assert!(echoed(&mut victim));
        // The fault must meet a runtime at rest and be its only event: a second one wakes the other worker.
        std::thread::park_timeout(Duration::from_millis(50));
        victim.write_all(b"s").unwrap();
        let spins = (0..4_000).any(|_| {
            std::thread::park_timeout(Duration::from_millis(5));
            server.watchdog.streams().iter().any(|stream| stream.plugin.is_some())
        });
        assert!(spins);
        let mut client = server.connect();
        client.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        client.write_all(b"e").unwrap();
        let answer = client.read(&mut [0]);
        answer.is_err_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    };
    assert!((0..10).any(|_| blackout()));
}
