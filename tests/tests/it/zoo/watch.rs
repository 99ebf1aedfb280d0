//! The neighbours of a member: streams that run along, on a provider that we ship and on a well-behaved plugin.

use std::time::Duration;

use tidegate_sim::{Script, Sim};
use tidegate_tests::client::{ask, chat};
use tidegate_tests::{Proxy, Terminal, Told};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::LONG;

/// Pieces of a neighbour's answer.
const PIECES: usize = 20;

/// Between two of them.
const PACE: Duration = Duration::from_millis(40);

/// Lets the simulator answer the neighbours.
pub(super) fn prepare(sim: &Sim) {
    let chunk = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    let finish = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let paced = |script: Script, _| script.write(format!("{chunk}\n\n")).pause(PACE);
    let script = (0..PIECES).fold(Script::sse(), paced).write(format!("{finish}\n\ndata: [DONE]\n\n"));
    sim.script("neighbour", script);
}

/// Neighbours that ask one answer after the other.
pub(super) struct Neighbours {
    stop: watch::Sender<bool>,
    each: Vec<JoinHandle<Result<usize, String>>>,
}

impl Neighbours {
    pub(super) fn of(proxy: &Proxy, models: &[&str]) -> Self {
        let (stop, stopped) = watch::channel(false);
        let each =
            models.iter().map(|model| tokio::spawn(live(proxy.data, (*model).to_owned(), stopped.clone())));
        let each = each.collect();
        Self { stop, each }
    }

    /// How many answers came, all of them whole; or what one of the neighbours saw instead.
    pub(super) async fn end(self) -> Result<usize, String> {
        self.stop.send(true).ok();
        let mut whole = 0;
        for one in self.each {
            whole += one.await.map_err(|error| error.to_string())??;
        }
        Ok(whole)
    }
}

async fn live(
    addr: std::net::SocketAddr,
    model: String,
    stopped: watch::Receiver<bool>,
) -> Result<usize, String> {
    let mut whole = 0;
    while !*stopped.borrow() {
        let answer = ask(addr, &chat(&model, "neighbour", true), LONG).await;
        let told = Told::of(&answer, true).map_err(|why| format!("{model}: {why}"))?;
        if (told.text.len(), &told.terminal) != (PIECES, &Terminal::Done) {
            return Err(format!("{model}: {told:?}"));
        }
        whole += 1;
    }
    Ok(whole)
}
