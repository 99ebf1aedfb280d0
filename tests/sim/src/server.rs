//! The simulator: accepts connections, answers requests by script, keeps count.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::auth::{self, Gate};
use crate::board::{self, Board, Counts, Seen};
use crate::dialect::{Dialect, Meta};
use crate::http::{Conn, ReadError, Request};
use crate::play::{self, Outcome};
use crate::scenario::{Context, Scenario};
use crate::script::Script;
use crate::select::{self, Chat, Route};
use crate::settings::{Settings, TokenBehaviour};
use crate::token::{Tokens, service_account_json};

/// The name that [`Sim::push_script`] queues under.
const CUSTOM: &str = "custom";

/// A running simulator. Dropping it closes its socket and every connection.
#[derive(Debug)]
pub struct Sim {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Sim {
    /// Starts a simulator on the current tokio runtime.
    ///
    /// # Errors
    /// Where the address cannot be bound.
    ///
    /// # Panics
    /// Outside a tokio runtime with IO and time enabled.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.addr).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            tokens: Tokens::new(settings.token),
            settings,
            board: Arc::default(),
            custom: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { addr, shared, accepting })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A service account's JSON (with a public test key) whose tokens this simulator issues and takes.
    pub fn service_account_json(&self) -> String {
        service_account_json(self.addr)
    }

    /// Registers a script under `name` (lower case, digits, hyphens): every request that names it gets it.
    /// It hides a built-in scenario of that name.
    pub fn script(&self, name: &str, script: Script) {
        self.shared.custom.lock().insert(name.to_owned(), Custom::Always(script));
    }

    /// Queues a script for one request that names the scenario `custom`.
    pub fn push_script(&self, script: Script) {
        let mut custom = self.shared.custom.lock();
        match custom.entry(CUSTOM.to_owned()).or_insert_with(|| Custom::Queue(VecDeque::new())) {
            Custom::Queue(queue) => queue.push_back(script),
            always @ Custom::Always(_) => *always = Custom::Queue(VecDeque::from([script])),
        }
    }

    /// Counts of one scenario's requests, zero for one that nobody asked for.
    pub fn counts(&self, scenario: &str) -> Counts {
        self.shared.board.counts(scenario)
    }

    /// Counts of every scenario that was asked for, by name.
    pub fn all_counts(&self) -> BTreeMap<String, Counts> {
        self.shared.board.all_counts()
    }

    /// Counts of the requests that carried this tag: `sim:NAME#TAG`.
    pub fn tagged(&self, tag: &str) -> Counts {
        self.shared.board.counts(&board::tag(tag))
    }

    /// Connections open now.
    pub fn connections_open(&self) -> u64 {
        self.shared.board.connections().0
    }

    /// Connections accepted since the start.
    pub fn connections_total(&self) -> u64 {
        self.shared.board.connections().1
    }

    /// The last 64 requests, oldest first.
    pub fn log(&self) -> Vec<Seen> {
        self.shared.board.log()
    }

    /// Tokens issued since the start.
    pub fn tokens_issued(&self) -> u64 {
        self.shared.tokens.issued()
    }

    /// Changes how the token endpoint answers from now on.
    pub fn token_behaviour(&self, behaviour: TokenBehaviour) {
        self.shared.tokens.behave(behaviour);
    }

    /// Waits until `condition` holds, looking every 5 ms; false where it does not within `limit`.
    pub async fn wait_until(&self, limit: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let until = Instant::now() + limit;
        while !condition(self) {
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    }

    /// Stops, and waits until the socket is closed.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // The only outcome is the abort asked for above.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What a request gets.
struct Answer {
    /// The scenario, or what else it is counted as.
    name: String,
    tag: Option<String>,
    script: Script,
}

enum Custom {
    Always(Script),
    Queue(VecDeque<Script>),
}

struct Shared {
    settings: Settings,
    board: Arc<Board>,
    tokens: Tokens,
    custom: Mutex<HashMap<String, Custom>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Connections are tasks of this one, so that they end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // Out of descriptors, most likely: let some connections end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _connected = shared.board.connected();
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut conn = Conn::new(stream);
    loop {
        let request = match conn.request().await {
            Ok(Some(request)) => request,
            Ok(None) | Err(ReadError::Io) => return,
            Err(ReadError::Bad(status, sentence)) => {
                let script = Script::json(status, Dialect::OpenAiChat.wire().error(status, &sentence));
                play::play(&script, &mut conn, true).await;
                play::end(&script, &mut conn, true).await;
                return;
            }
        };
        let Answer { name, tag, script } = shared.answer(&request);
        shared.board.saw(Seen {
            at: Instant::now(),
            scenario: name.clone(),
            method: request.method.clone(),
            target: auth::masked_target(&request),
            headers: auth::masked_headers(&request),
            body: request.body.clone(),
        });
        let close = !request.keep_alive;
        let playing = shared.board.started(&name, tag.as_deref());
        if play::play(&script, &mut conn, close).await == Outcome::Cut {
            return;
        }
        playing.played();
        if !play::end(&script, &mut conn, close).await {
            return;
        }
    }
}

impl Shared {
    fn answer(&self, request: &Request) -> Answer {
        let plain = |name: &str, script| Answer { name: name.to_owned(), tag: None, script };
        match select::route(request) {
            Route::Chat(chat) => {
                let (name, script) = self.chat(request, &chat);
                Answer { name, tag: chat.tag, script }
            }
            Route::Token => plain("token", self.tokens.answer(request)),
            Route::Models(dialect) => {
                let names: Vec<&str> = Scenario::all().iter().map(|scenario| scenario.name).collect();
                plain("models", Script::json(200, dialect.wire().models(&names)))
            }
            Route::NotJson(dialect, sentence) => {
                plain("not-json-request", Script::json(400, dialect.wire().error(400, &sentence)))
            }
            Route::Nothing => {
                let sentence = format!("the simulator has nothing at {} {}", request.method, request.path());
                let error = json!({"error": {"message": sentence, "code": 404}}).to_string();
                plain("not-found", Script::json(404, error))
            }
        }
    }

    fn chat(&self, request: &Request, chat: &Chat) -> (String, Script) {
        let wire = chat.dialect.wire();
        let gate = Gate {
            request,
            chat,
            asked: self.settings.require_auth,
            api_key: &self.settings.api_key,
            is_token: &|token| self.tokens.is_live(token),
        };
        if let Err((name, script)) = wire.admit(&gate) {
            return (name.into(), script);
        }
        let (of_model, only_scenario) = select::of_model(&chat.model);
        let name = match &chat.scenario {
            Some(name) => name,
            None if only_scenario || self.knows(of_model) => of_model,
            None => "healthy",
        };
        if let Some(script) = self.custom_script(name) {
            return (name.to_owned(), script);
        }
        let Some(scenario) = Scenario::find(name) else {
            let names: Vec<&str> = Scenario::all().iter().map(|scenario| scenario.name).collect();
            let sentence = format!("no scenario is called {name:?}; there are: {}", names.join(", "));
            return ("unknown".into(), Script::json(404, wire.error(404, &sentence)));
        };
        let context = Context {
            dialect: chat.dialect,
            mode: chat.mode,
            meta: Meta {
                model: chat.model.clone(),
                include_usage: chat.body["stream_options"]["include_usage"] == true,
                what: chat.what,
                texts: wire.texts(&chat.body),
                base64: chat.body["encoding_format"] == "base64",
            },
            body: &chat.body,
            request,
            settings: &self.settings,
            // Each tag has its own count: the drill's cells do not disturb each other.
            nth: self.board.counts(&chat.tag.as_deref().map_or_else(|| name.to_owned(), board::tag)).started,
        };
        (name.to_owned(), scenario.render(&context))
    }

    fn knows(&self, name: &str) -> bool {
        Scenario::find(name).is_some() || self.custom.lock().contains_key(name)
    }

    fn custom_script(&self, name: &str) -> Option<Script> {
        match self.custom.lock().get_mut(name)? {
            Custom::Always(script) => Some(script.clone()),
            Custom::Queue(queue) => queue.pop_front(),
        }
    }
}
