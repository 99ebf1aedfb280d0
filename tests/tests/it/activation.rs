//! Socket activation: the listening sockets are systemd's, and outlive the service.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tidegate_sim::healthy_text;
use tidegate_tests::client::{ask, chat, chat_with, get};
use tidegate_tests::{Proxy, Setup, Told, Unserved};

use crate::handover::Chain;
use crate::world::{LONG, sim, told};

/// What systemd does: descriptors from 3 on, and three variables.
fn activated(count: usize, names: &str) -> String {
    format!(
        "exec 3<&0 4<&1 5<&0 </dev/null >/dev/null; export LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES={names}"
    )
}

fn pair() -> [TcpListener; 2] {
    [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap())
}

async fn start(
    yaml: &str,
    count: usize,
    names: &str,
    sockets: [impl Into<OwnedFd>; 2],
) -> Result<Proxy, Unserved> {
    Proxy::try_start_by(yaml, &[], Some(&activated(count, names)), Some(sockets.map(Into::into)), LONG).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_taken_by_name_and_by_order() {
    let sim = sim().await;
    let yaml = Setup::of(&sim).yaml();
    for (names, turned) in [("tidegate.socket:tidegate.socket", false), ("admin:data", true)] {
        let mine = pair();
        let given = mine.each_ref().map(|socket| socket.try_clone().unwrap());
        let mut addrs = mine.each_ref().map(|socket| socket.local_addr().unwrap());
        let proxy = start(&yaml, 2, names, given).await.unwrap();
        if turned {
            addrs.reverse();
        }
        assert_eq!([proxy.data, proxy.admin], addrs, "{names}");
        assert_eq!(told(&proxy, "openai", "fast", true).await.text, healthy_text());
    }
    let mine = pair();
    let addr = mine[1].local_addr().unwrap();
    let [_, second] = &mine;
    let given = [second.try_clone().unwrap(), mine[0].try_clone().unwrap()];
    let proxy = start(&yaml, 1, "admin", given).await.unwrap();
    assert_eq!(proxy.admin, addr, "one may be given, and the other is bound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_waits_while_the_service_is_restarted() {
    let sim = sim().await;
    let yaml = Setup::of(&sim).yaml();
    let mine = pair();
    let given = || mine.each_ref().map(|socket| socket.try_clone().unwrap());
    let mut first = start(&yaml, 2, "data:admin", given()).await.unwrap();
    // One process after another, then the last one ends: the sockets are none of theirs.
    let mut chain = Chain::of(&first);
    first.signal(Signal::SIGUSR2);
    chain.follow(&first).await;
    assert_eq!(told(&first, "openai", "fast", true).await.text, healthy_text());
    kill(Pid::from_raw(chain.last()), Signal::SIGTERM).unwrap();
    chain.ended(chain.last()).await;
    assert_eq!(first.ended(LONG).await.code(), Some(0));
    let addr = first.data;
    let waiting = tokio::spawn(async move {
        ask(addr, &chat_with("connection: close\r\n", "openai", "fast", true), LONG).await
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished(), "nobody serves, and nobody refuses");
    let _second = start(&yaml, 2, "data:admin", given()).await.unwrap();
    assert_eq!(Told::of(&waiting.await.unwrap(), true).unwrap().text, healthy_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_sockets_are_named_and_are_no_reason_to_start_again() {
    let sim = sim().await;
    let yaml = Setup::of(&sim).yaml();
    let dir = tempfile::tempdir().unwrap();
    let unix = |name: &str| OwnedFd::from(UnixListener::bind(dir.path().join(name)).unwrap());
    let stream = |listener: &TcpListener| {
        OwnedFd::from(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap())
    };
    let [one, two] = pair();
    let cases = [
        (3, "data:admin:more", pair().map(OwnedFd::from), "3 sockets"),
        (2, "data:data", pair().map(OwnedFd::from), "one name"),
        (2, "data:other", pair().map(OwnedFd::from), "name all"),
        (2, "data:admin", [unix("a"), unix("b")], "TCP"),
        (2, "data:admin", [stream(&one), stream(&two)], "does not listen"),
    ];
    for (count, names, sockets, why) in cases {
        let Err(unserved) = start(&yaml, count, names, sockets).await else { panic!("{names} is served") };
        assert_eq!(unserved.ended.and_then(|ended| ended.code()), Some(78), "{}", unserved.log);
        assert!(unserved.log.contains(why), "{why:?} is not in {}", unserved.log);
    }
    // For another process: it binds its own.
    let strange = "exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=1 LISTEN_FDS=2";
    let mine = pair();
    let addr = mine[0].local_addr().unwrap();
    let proxy =
        Proxy::try_start_by(&yaml, &[], Some(strange), Some(mine.map(Into::into)), LONG).await.unwrap();
    assert_ne!(proxy.data, addr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_for_the_world_needs_a_master_key_as_an_address_does() {
    let sim = sim().await;
    let wide = || [(); 2].map(|()| TcpListener::bind("0.0.0.0:0").unwrap());
    let yaml = Setup::of(&sim).yaml();
    let Err(unserved) = start(&yaml, 2, "data:admin", wide()).await else { panic!("it is open to all") };
    assert_eq!(unserved.ended.and_then(|ended| ended.code()), Some(78));
    assert!(unserved.log.contains("no master key"), "{}", unserved.log);
    let proxy =
        start(&Setup::of(&sim).general("master_key: sk-1").yaml(), 2, "data:admin", wide()).await.unwrap();
    let here = (std::net::Ipv4Addr::LOCALHOST, proxy.data.port()).into();
    assert_eq!(ask(here, &chat("openai", "fast", true), LONG).await.status, 401);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn no_worker_process_has_the_sockets() {
    let sim = sim().await;
    let yaml = Setup::of(&sim).isolated(&["openai"]).yaml();
    let mine = pair();
    let given = mine.each_ref().map(|socket| socket.try_clone().unwrap());
    let proxy = start(&yaml, 2, "data:admin", given).await.unwrap();
    assert_eq!(told(&proxy, "openai", "fast", true).await.text, healthy_text());
    let sockets = |pid: u32| {
        let all = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        let links = all.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        links
            .filter(|link| link.to_string_lossy().starts_with("socket:"))
            .collect::<std::collections::BTreeSet<_>>()
    };
    let ours = sockets(std::process::id());
    let listeners: Vec<_> = sockets(proxy.pid()).intersection(&ours).cloned().collect();
    assert_eq!(listeners.len(), 2, "the service has both");
    let workers = proxy.workers();
    assert!(!workers.is_empty());
    for worker in workers {
        assert!(
            listeners.iter().all(|socket| !sockets(worker).contains(socket)),
            "a plugin has a listening socket"
        );
    }
    assert_eq!(ask(proxy.admin, &get("/health/liveness", "connection: close\r\n"), LONG).await.status, 200);
}
