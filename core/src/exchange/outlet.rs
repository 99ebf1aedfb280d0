//! Tells the task that carries a stream whether its client takes what it is given.
//!
//! Over HTTP/2 a client can keep its window shut while its connection lives: hyper then no longer polls the stream's
//! body, and none of the clocks behind it. What polls the task can still see since when the body was not asked.

use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tidegate_watchdog::Kill;
use tokio::time::Instant;

tokio::task_local! {
    static GIVEN: Cell<Option<Instant>>;
    static PATIENCE: Cell<Option<Duration>>;
    static HANDLE: OnceCell<Arc<Handle>>;
}

/// One of a connection's streams, as the watchdog has it in hand.
struct Handle {
    connection: Weak<dyn Kill>,
    hurried: AtomicBool,
}

impl Kill for Handle {
    fn shut(&self) {
        if let Some(connection) = self.connection.upgrade() {
            connection.shut();
        }
    }

    fn hurry(&self) {
        self.hurried.store(true, Relaxed);
    }
}

/// Runs `stream`, the whole task of one stream, so that [`given_since`] works in it.
pub async fn watched<F: Future>(stream: F) -> F::Output {
    let stream = GIVEN.scope(Cell::new(None), stream);
    HANDLE.scope(OnceCell::new(), PATIENCE.scope(Cell::new(None), stream)).await
}

/// What ends this stream: its own handle where it is one of several, the connection's otherwise.
pub fn handle(connection: Weak<dyn Kill>) -> Weak<dyn Kill> {
    let own = HANDLE.try_with(|handle| {
        let new = || Arc::new(Handle { connection: connection.clone(), hurried: AtomicBool::new(false) });
        let own: Arc<dyn Kill> = handle.get_or_init(new).clone();
        Arc::downgrade(&own)
    });
    own.unwrap_or(connection)
}

/// The stream was ended by hand.
pub fn is_hurried() -> bool {
    let hurried = |handle: &Arc<Handle>| handle.hurried.load(Relaxed);
    HANDLE.try_with(|handle| handle.get().is_some_and(hurried)).unwrap_or(false)
}

/// How long this stream's client may take, once its model group is known.
pub fn patience() -> Option<Duration> {
    PATIENCE.try_with(Cell::get).ok().flatten()
}

/// Sets it.
pub fn be_patient(time: Duration) {
    let _ = PATIENCE.try_with(|patience| patience.set(Some(time)));
}

/// Since when the client has had bytes and not come for more; `None` while it waits for the stream.
pub fn given_since() -> Option<Instant> {
    GIVEN.try_with(Cell::get).ok().flatten()
}

/// The client has come for more.
pub(super) fn asked() {
    let _ = GIVEN.try_with(|given| given.set(None));
}

/// It has been given bytes, or the head of its answer. Costs a read of the time for HTTP/2 clients alone.
pub fn given() {
    let _ = GIVEN.try_with(|given| given.set(Some(Instant::now())));
}
