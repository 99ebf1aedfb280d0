//! The simulated providers on a thread and a runtime of their own: nothing the proxy does can disturb them.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tidegate_sim::{Settings, Sim};
use tokio::sync::oneshot;

/// Running simulated providers. Dropping it ends them.
pub(super) struct Simulator {
    /// Where they listen.
    pub(super) addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts them.
    ///
    /// # Errors
    /// The address is taken, or there can be no thread.
    pub(super) fn start(settings: Settings) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (started, address) = mpsc::channel();
        let run = async move {
            let sim = match Sim::start(settings).await {
                Ok(sim) => sim,
                Err(error) => return drop(started.send(Err(error))),
            };
            if started.send(Ok(sim.addr())).is_ok() {
                // A sender that is gone says the same as one that sends.
                let _ = stopped.await;
            }
            sim.stop().await;
        };
        let named = std::thread::Builder::new().name("simulated-providers".into());
        let thread = named.spawn(move || runtime.block_on(run))?;
        let addr = address.recv().map_err(io::Error::other)??;
        Ok(Self { addr, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was printed when it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::client;
    use super::*;

    #[tokio::test]
    async fn it_serves_from_its_own_thread_until_it_is_dropped() {
        let simulator = Simulator::start(Settings::default()).unwrap();
        let addr = simulator.addr;
        let (status, body) = client::get(addr, "/v1/models").await.unwrap();
        assert!(status == 200 && body.contains("429-cut"), "{status} {body}");
        assert!(Simulator::start(Settings { addr, ..Settings::default() }).is_err(), "the address is taken");
        drop(simulator);
        assert!(client::get(addr, "/v1/models").await.is_err());
    }
}
