//! Credentials that expire: always a valid one at hand, renewed before it expires.
//!
//! One task per source, the keeper, fetches; requests only read what it published. So there is never more than one fetch
//! at a time, and a request waits only when nothing valid exists at all.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::token::Token;

/// How long a request waits for a first token.
const WAIT: Duration = Duration::from_secs(10);
/// Pauses after failed fetches: doubled from the first to the second of these.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Where credentials come from. `Debug` shows none of them.
pub(super) trait Source: fmt::Debug + Send + Sync + 'static {
    /// What a call is authorised with.
    type Value: ?Sized + Send + Sync + 'static;
    /// What it is called in a log, and who is asked for it.
    const NAMES: (&'static str, &'static str);

    /// A new one. The error is a clause that shows nothing secret.
    fn fetch(&self) -> impl Future<Output = Result<Token<Self::Value>, String>> + Send;
}

/// The valid credentials of one source.
///
/// Nothing is fetched before the first [`Renewed::get`]; from then on they are renewed 5 minutes before they expire, or at
/// half their life when they live shorter than 10 minutes. Dropping it stops that.
pub(super) struct Renewed<S: Source> {
    shared: Arc<Shared<S>>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<S: Source> {
    source: S,
    state: watch::Sender<State<S::Value>>,
    /// A request found nothing valid.
    wanted: Notify,
}

struct State<V: ?Sized> {
    token: Option<Token<V>>,
    /// Why the latest fetch failed, as long as the next one may not be tried.
    failure: Option<Arc<str>>,
}

impl<V: ?Sized> State<V> {
    fn valid(&self) -> Option<&Token<V>> {
        self.token.as_ref().filter(|token| token.is_valid())
    }

    fn answer(&self) -> Option<Result<Arc<V>, Arc<str>>> {
        match (self.valid(), &self.failure) {
            (Some(token), _) => Some(Ok(token.value())),
            (None, Some(reason)) => Some(Err(Arc::clone(reason))),
            (None, None) => None,
        }
    }
}

impl<S: Source> Renewed<S> {
    pub(super) fn new(source: S) -> Self {
        let state = watch::Sender::new(State { token: None, failure: None });
        let shared = Shared { source, state, wanted: Notify::new() };
        Self { shared: Arc::new(shared), keeper: Mutex::new(None) }
    }

    /// What is valid now. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When nothing is valid and the latest attempt to fetch failed, or takes longer than 10 s: the reason.
    pub(super) async fn get(&self) -> Result<Arc<S::Value>, Arc<str>> {
        if let Some(answer) = self.shared.state.borrow().answer() {
            if answer.is_err() {
                self.ensure_keeper();
            }
            return answer;
        }
        let mut state = self.shared.state.subscribe();
        self.shared.wanted.notify_one();
        self.ensure_keeper();
        let changed = timeout(WAIT, state.wait_for(|state| state.answer().is_some())).await;
        match changed {
            Ok(Ok(state)) => state.answer().unwrap_or_else(|| Err("it expired at once".into())),
            Ok(Err(_)) => Err("its source is shut down".into()),
            Err(_) => Err(format!("{} did not answer within {WAIT:?}", S::NAMES.1).into()),
        }
    }

    pub(super) fn source(&self) -> &S {
        &self.shared.source
    }

    /// The latest, valid or not, for who looks for it in a text.
    pub(super) fn last(&self) -> Option<Arc<S::Value>> {
        self.shared.state.borrow().token.as_ref().map(Token::value)
    }

    /// The next request starts a keeper on its own runtime: the old one's does not run any more.
    pub(super) fn revive(&self) {
        if let Some(keeper) = self.keeper.lock().take() {
            keeper.abort();
        }
    }

    /// Starts the keeper, also when its runtime has gone away under it.
    fn ensure_keeper(&self) {
        let mut keeper = self.keeper.lock();
        if keeper.as_ref().is_none_or(JoinHandle::is_finished) {
            *keeper = Some(tokio::spawn(keep(Arc::clone(&self.shared))));
        }
    }
}

impl<S: Source> Drop for Renewed<S> {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.lock().take() {
            keeper.abort();
        }
    }
}

impl<S: Source> fmt::Debug for Renewed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Renewed").field(&self.shared.source).finish()
    }
}

async fn keep<S: Source>(shared: Arc<Shared<S>>) {
    let mut pause = BACK_OFF.0;
    loop {
        shared.state.send_modify(|state| state.failure = None);
        match shared.source.fetch().await {
            Ok(token) => {
                pause = BACK_OFF.0;
                let renew_in = token.renew_in();
                shared.state.send_replace(State { token: Some(token), failure: None });
                rest(&shared, renew_in).await;
            }
            Err(reason) => {
                tracing::warn!(source = ?shared.source, %reason, "no new {}", S::NAMES.0);
                shared.state.send_modify(|state| state.failure = Some(reason.into()));
                sleep(pause).await;
                pause = (pause * 2).min(BACK_OFF.1);
                if shared.state.borrow().valid().is_none() {
                    // From here on a request waits for the next fetch; until here it got the reason at once.
                    shared.state.send_modify(|state| state.failure = None);
                    shared.wanted.notified().await;
                }
            }
        }
    }
}

/// Sleeps until it is to be renewed, or is missed before: a machine that was suspended finds it expired while this timer
/// stood still.
async fn rest<S: Source>(shared: &Shared<S>, renew_in: Duration) {
    let renewal = sleep(renew_in);
    tokio::pin!(renewal);
    loop {
        tokio::select! {
            () = &mut renewal => return,
            () = shared.wanted.notified() => {
                if shared.state.borrow().valid().is_none() {
                    return;
                }
            }
        }
    }
}
