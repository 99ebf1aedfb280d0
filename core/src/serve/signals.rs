//! The signals that this process hears. The kernel ends a process that has not registered one, so they are registered before
//! anybody is told that it is there: systemd by READY=1, or the process before.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use super::control::MARGIN;
use crate::gateway::Gateway;
use crate::listener::{Ending, LAST_WORDS};

/// How much longer than the drain a restart that is under way, and the last lines and spans, may take.
const LAST_LINES: Duration = Duration::from_secs(60);

/// sysexits.h EX_SOFTWARE.
const NOT_IN_ORDER: i32 = 70;

/// Each waits here until somebody looks at it.
#[derive(Debug)]
pub(super) struct Signals {
    /// SIGTERM and SIGINT.
    pub(super) end: [Signal; 2],
    /// SIGHUP: read the configuration again.
    pub(super) reload: Signal,
    /// SIGUSR2: restart without downtime.
    pub(super) restart: Signal,
}

impl Signals {
    /// Registers them; inside a runtime.
    ///
    /// # Errors
    /// The machine does not give what is needed.
    pub(super) fn register() -> io::Result<Self> {
        Ok(Self {
            end: [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?],
            reload: signal(SignalKind::hangup())?,
            restart: signal(SignalKind::user_defined2())?,
        })
    }
}

/// Ends the thread of [`listen`] when dropped: there is nobody any more who could be told.
pub(super) struct Listening(#[expect(dead_code, reason = "its drop is what is heard")] oneshot::Sender<()>);

/// Listens for the signals that end it, and for `stop`; says so in `ending`. On a thread of its own that waits for nothing
/// else, so that a signal ends the process whatever became of its other threads.
///
/// # Errors
/// There can be no more threads.
pub(super) fn listen(
    end: [Signal; 2],
    gateway: Arc<Gateway>,
    stop: Option<watch::Receiver<bool>>,
    ending: watch::Sender<Ending>,
) -> io::Result<Listening> {
    let (listening, over) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let heard = hear(end, gateway, stop, ending);
    thread::Builder::new().name("tidegate-signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = heard => {}
                _ = over => {}
            }
        });
    })?;
    Ok(Listening(listening))
}

async fn hear(
    [mut term, mut int]: [Signal; 2],
    gateway: Arc<Gateway>,
    stop: Option<watch::Receiver<bool>>,
    ending: watch::Sender<Ending>,
) {
    let mut stop = stop.unwrap_or_else(|| watch::channel(false).1);
    let mut stoppable = true;
    let (mut asked, mut last) = (false, None);
    loop {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            answer = stop.changed(), if stoppable => {
                stoppable = false;
                if answer.is_ok() {
                    asked = true;
                    end(&gateway, &ending);
                }
                continue;
            }
            () = until(last) => {
                tracing::error!("the drain is over and it has not ended: its main thread is stuck");
                now(NOT_IN_ORDER)
            }
        }
        if std::mem::replace(&mut asked, true) {
            tracing::warn!("a second signal: ending without waiting for requests");
            // Nothing is left to be done in order: the user asked twice.
            now(1)
        }
        let drain = gateway.routes.load().config.tidegate.clocks.drain;
        last = Some(tokio::time::Instant::now() + drain + LAST_WORDS + MARGIN + LAST_LINES);
        end(&gateway, &ending);
    }
}

fn end(gateway: &Gateway, ending: &watch::Sender<Ending>) {
    gateway.drain();
    ending.send_modify(|ending| ending.now = true);
}

/// Not by an exit handler: one could wait for a lock that a stuck thread holds.
fn now(code: i32) -> ! {
    crate::logging::flush();
    tidegate_host::process::exit_at_once(code)
}

async fn until(last: Option<tokio::time::Instant>) {
    match last {
        Some(last) => tokio::time::sleep_until(last).await,
        None => std::future::pending().await,
    }
}
