//! Google OAuth access tokens: always one at hand, renewed before it expires.
//!
//! One task per source, the keeper, fetches; requests only read what it published. So there is never more than one fetch
//! at a time, and a request waits only when no valid token exists at all.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::AuthError;
use super::google_source::Source;
use super::google_token::Token;

/// How long a request waits for a first token.
const WAIT: Duration = Duration::from_secs(10);
/// Pauses after failed fetches: doubled from the first to the second of these.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A source of access tokens for one set of credentials and one scope.
///
/// Nothing is fetched before the first [`GoogleToken::token`]; from then on a token is renewed 5 minutes before it
/// expires, or at half its life when it lives shorter than 10 minutes. Dropping the source stops that.
pub struct GoogleToken {
    shared: Arc<Shared>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    source: Source,
    scope: Box<str>,
    state: watch::Sender<State>,
    /// A request found no valid token.
    wanted: Notify,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// Why the latest fetch failed, as long as the next one may not be tried.
    failure: Option<Arc<str>>,
}

impl State {
    fn valid(&self) -> Option<&Token> {
        self.token.as_ref().filter(|token| token.is_valid())
    }

    fn answer(&self) -> Option<Result<Arc<str>, AuthError>> {
        match (self.valid(), &self.failure) {
            (Some(token), _) => Some(Ok(token.text())),
            (None, Some(reason)) => Some(Err(AuthError::Google(Arc::clone(reason)))),
            (None, None) => None,
        }
    }
}

impl GoogleToken {
    /// `credentials` is a service account's JSON key, or the path of one; a file is read again at each renewal. `None`
    /// means application default credentials, then the metadata server.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the credentials. It shows nothing of the key.
    pub fn new(credentials: Option<String>, scope: &str) -> Result<Self, String> {
        let shared = Shared {
            source: Source::new(credentials)?,
            scope: scope.into(),
            state: watch::Sender::default(),
            wanted: Notify::new(),
        };
        Ok(Self { shared: Arc::new(shared), keeper: Mutex::new(None) })
    }

    /// A token that is valid now. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When there is no valid token and the latest attempt to fetch one failed, or takes longer than 10 s.
    pub async fn token(&self) -> Result<Arc<str>, AuthError> {
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
            Ok(Ok(state)) => {
                let gone = || Err(AuthError::Google("the token expired at once".into()));
                state.answer().unwrap_or_else(gone)
            }
            Ok(Err(_)) => Err(AuthError::Google("the token source is shut down".into())),
            Err(_) => {
                Err(AuthError::Google(format!("the token endpoint did not answer within {WAIT:?}").into()))
            }
        }
    }

    /// The next request starts a keeper on its own runtime: the old one's does not run any more.
    pub fn revive(&self) {
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

impl Drop for GoogleToken {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.lock().take() {
            keeper.abort();
        }
    }
}

impl fmt::Debug for GoogleToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleToken").field("source", &self.shared.source).finish_non_exhaustive()
    }
}

async fn keep(shared: Arc<Shared>) {
    let mut pause = BACK_OFF.0;
    loop {
        shared.state.send_modify(|state| state.failure = None);
        match shared.source.fetch(&shared.scope).await {
            Ok(token) => {
                pause = BACK_OFF.0;
                let renew_in = token.renew_in();
                shared.state.send_replace(State { token: Some(token), failure: None });
                rest(&shared, renew_in).await;
            }
            Err(reason) => {
                tracing::warn!(source = ?shared.source, %reason, "no new Google access token");
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

/// Sleeps until the token is to be renewed, or is missed before: a machine that was suspended finds it expired while
/// this timer stood still.
async fn rest(shared: &Shared, renew_in: Duration) {
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
