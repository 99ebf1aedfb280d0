//! The header's enumerations. Each is a `u32` whose 0 is "unknown" or the default.
#![allow(missing_docs, reason = "the header documents each value; the names are its names")]

/// The major version, also in the entry symbol's name.
pub const ABI_MAJOR: u32 = 1;
/// The minor version: structs of a later minor are longer.
pub const ABI_MINOR: u32 = 2;
/// The one symbol that a plugin exports.
pub const ENTRY_SYMBOL: &str = "tidegate_plugin_entry_v1";

macro_rules! values {
    ($(#[$doc:meta])* $module:ident: $ty:ty { $($name:ident = $value:expr),+ $(,)? }) => {
        $(#[$doc])*
        pub mod $module {
            $(pub const $name: $ty = $value;)+
        }
    };
}

values!(/** `tg_status`. */ status: i32 {
    PASS = 1, OK = 0, E_PANIC = -1, E_INVALID = -2, E_CONFIG = -3, E_PROTOCOL = -4, E_LIMIT = -5, E_TRUNCATED = -6,
    E_UNSUPPORTED = -7, E_UPSTREAM = -8,
});
values!(/** Levels of the host's log. */ log: u32 { ERROR = 1, WARN = 2, INFO = 3, DEBUG = 4 });
values!(/** Dialects; `OPENAI_CHAT` is the canonical one. */ dialect: u32 {
    UNKNOWN = 0, OPENAI_CHAT = 1, OPENAI_RESPONSES = 2, ANTHROPIC_MESSAGES = 3, GEMINI_GENERATE = 4,
    OPENAI_COMPLETIONS = 5, OPENAI_EMBEDDINGS = 6, BEDROCK_CONVERSE = 7,
    ANTHROPIC_COUNT_TOKENS = 8, GEMINI_COUNT_TOKENS = 9,
});
values!(/** How events are told apart in a body. */ framing: u32 {
    AUTO = 0, SSE = 1, JSON_LINES = 2, JSON_ARRAY = 3, AWS_EVENTSTREAM = 4,
});
values!(/** How the host authenticates. */ auth: u32 { NONE = 0, BEARER = 1, HEADER = 2, GOOGLE_OAUTH = 3, AWS_SIGV4 = 4 });
values!(/** Flags of a request. */ request: u32 { STREAM = 1 });
values!(/** Flags of a response description. */ response: u32 { EVERY_EVENT = 1 });
values!(/** Flags of an event. */ event: u32 { STRAY = 1 });
values!(/** Kinds of a note. */ note: u32 {
    TOKENS_IN = 1, TOKENS_OUT = 2, TOKENS_CACHED = 3, TOKENS_REASONING = 4, DONE = 5, TOKENS_CACHE_WRITE = 6,
    FINISHED = 7,
});
values!(/** Why a stream is closed. */ close: u32 { END = 0, CANCELLED = 1, FAILED = 2 });
values!(/** Classes of failure. */ error: u32 {
    UNKNOWN = 0, RATE_LIMIT = 1, OVERLOADED = 2, AUTH = 3, BAD_REQUEST = 4, CONTEXT_LENGTH = 5, CONTENT_FILTER = 6,
    TIMEOUT = 7, TRANSPORT = 8, SERVER = 9, NOT_FOUND = 10, PERMISSION = 11, TRUNCATED = 12, MALFORMED = 13,
});
values!(/** Where a failure happened. */ phase: u32 { UNKNOWN = 0, STATUS = 1, STREAM = 2, BODY = 3 });
values!(/** Flags of a class. */ class: u32 { RETRYABLE = 1, QUOTA = 2, HAS_RETRY_AFTER = 4 });
values!(/** Flags of an attempt. */ attempt: u32 { HAS_RETRY_AFTER = 1, COMMITTED = 2, QUOTA = 4, RETRYABLE = 8 });
values!(/** Flags of a target. */ target: u32 { UNAVAILABLE = 1, HAS_INPUT_COST = 2, HAS_OUTPUT_COST = 4, SPECIAL = 8 });
values!(/** Flags of a history. */ history: u32 { STREAM = 1, WHOLE = 2 });
values!(/** A policy's actions. */ action: u32 { RAISE = 0, RETRY = 1, FALLBACK = 2, CONTINUE = 3 });

/// Words of `tg_class_out_v1::code` that mean something to the host.
pub mod code {
    /// The server does not have the dialect's path at all.
    pub const NO_SUCH_PATH: &str = "no_such_path";
}
