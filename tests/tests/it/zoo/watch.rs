//! The neighbours of a member: streams that run along, on a provider that we ship and on a well-behaved plugin.

use std::time::Duration;

use tidegate_sim::{Script, Sim};
use tidegate_tests::client::{ask, chat};
use tidegate_tests::{Proxy, Terminal, Told};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::LONG;

/// Pieces of a neighbour's answer.
const PIECES: usize = 30;

/// Between two of them.
const PACE: Duration = Duration::from_millis(40);

/// Before the second piece of what a member is asked to hand on: long enough that the first one is with the client when
/// the member does what it does.
const BEFORE: Duration = Duration::from_millis(400);

/// What members are asked to hand on.
pub(super) const TEXT: &str = "Ebb and flow.";

/// Scenarios of the simulator: for neighbours, and for members.
pub(super) const NEIGHBOUR: &str = "neighbour";
pub(super) const ASKED: &str = "asked";

fn chunk(content: &str) -> String {
    format!(
        r#"data: {{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{{"content":"{content}"}},"finish_reason":null}}]}}"#
    ) + "\n\n"
}

/// Lets the simulator answer both.
pub(super) fn prepare(sim: &Sim) {
    let finish = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let paced = |script: Script, _| script.write(chunk("a")).pause(PACE);
    sim.script(NEIGHBOUR, (0..PIECES).fold(Script::sse(), paced).write(finish));
    let begun = Script::sse().write(chunk("Ebb ")).pause(BEFORE);
    sim.script(ASKED, begun.write(chunk("and ")).write(chunk("flow.")).pause(BEFORE).write(finish));
}

/// What somebody beside a member is to get.
pub(super) fn is_whole(told: &Told) -> bool {
    (told.text.len(), &told.terminal) == (PIECES, &Terminal::Done)
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
    loop {
        let answer = ask(addr, &chat(&model, NEIGHBOUR, true), LONG).await;
        let told = Told::of(&answer, true).map_err(|why| format!("{model}: {why}"))?;
        if !is_whole(&told) {
            return Err(format!("{model}: {told:?}"));
        }
        whole += 1;
        if *stopped.borrow() {
            return Ok(whole);
        }
    }
}
