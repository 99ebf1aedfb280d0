//! The header's enumerations as Rust enums. An unknown value is taken as 0, as the header asks.

use tidegate_plugin_abi as abi;

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident from $module:ident { $($(#[$vdoc:meta])* $variant:ident = $value:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// The ABI's value.
            pub const fn value(self) -> u32 {
                match self { $($name::$variant => abi::$module::$value),+ }
            }

            /// From the ABI's value; an unknown one gives the default.
            pub fn from_value(value: u32) -> Self {
                match value { $(abi::$module::$value => $name::$variant,)+ _ => $name::default() }
            }
        }
    };
}

kinds!(
    /// The JSON that a client and a server agreed on.
    Dialect from dialect {
        /// Not known.
        #[default] Unknown = UNKNOWN,
        /// OpenAI chat completions: the canonical one.
        OpenAiChat = OPENAI_CHAT,
        /// OpenAI responses.
        OpenAiResponses = OPENAI_RESPONSES,
        /// Anthropic messages.
        AnthropicMessages = ANTHROPIC_MESSAGES,
        /// Gemini `generateContent`.
        GeminiGenerate = GEMINI_GENERATE,
        /// OpenAI's older completions.
        OpenAiCompletions = OPENAI_COMPLETIONS,
        /// OpenAI embeddings.
        OpenAiEmbeddings = OPENAI_EMBEDDINGS,
        /// Bedrock converse.
        BedrockConverse = BEDROCK_CONVERSE,
        /// Anthropic `count_tokens`.
        AnthropicCountTokens = ANTHROPIC_COUNT_TOKENS,
        /// Gemini `countTokens`.
        GeminiCountTokens = GEMINI_COUNT_TOKENS,
    }
);

kinds!(
    /// How events are told apart in a body.
    Framing from framing {
        /// By the response's content type.
        #[default] Auto = AUTO,
        /// Server-sent events.
        Sse = SSE,
        /// One JSON document a line.
        JsonLines = JSON_LINES,
        /// One JSON array whose elements are events.
        JsonArray = JSON_ARRAY,
        /// AWS's binary event stream.
        AwsEventStream = AWS_EVENTSTREAM,
    }
);

kinds!(
    /// What kind of failure it was.
    ErrorKind from error {
        /// Not known.
        #[default] Unknown = UNKNOWN,
        /// 429 and its like.
        RateLimit = RATE_LIMIT,
        /// The provider has too much to do.
        Overloaded = OVERLOADED,
        /// The key is missing or wrong.
        Auth = AUTH,
        /// The request is not valid.
        BadRequest = BAD_REQUEST,
        /// The prompt is too long for the model.
        ContextLength = CONTEXT_LENGTH,
        /// Refused by a content filter.
        ContentFilter = CONTENT_FILTER,
        /// No answer in time.
        Timeout = TIMEOUT,
        /// No answer came: refused, reset, TLS, DNS.
        Transport = TRANSPORT,
        /// The provider failed.
        Server = SERVER,
        /// No such model or path.
        NotFound = NOT_FOUND,
        /// The key may not do this.
        Permission = PERMISSION,
        /// The answer ended before its end.
        Truncated = TRUNCATED,
        /// The answer is not in the provider's dialect.
        Malformed = MALFORMED,
    }
);

kinds!(
    /// Where a failure happened.
    Phase from phase {
        /// Not known.
        #[default] Unknown = UNKNOWN,
        /// The HTTP status failed.
        Status = STATUS,
        /// An event of the stream failed.
        Stream = STREAM,
        /// A 2xx body did.
        Body = BODY,
    }
);

kinds!(
    /// Why a stream is closed.
    Close from close {
        /// It came to its end.
        #[default] End = END,
        /// The client went away.
        Cancelled = CANCELLED,
        /// It failed.
        Failed = FAILED,
    }
);

/// What a stream tells the host beside its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Tokens of the prompt.
    TokensIn(u64),
    /// Tokens of the answer.
    TokensOut(u64),
    /// Tokens of the prompt that came from a cache.
    TokensCached(u64),
    /// Tokens spent on reasoning.
    TokensReasoning(u64),
    /// Tokens of the prompt that were written to a cache.
    TokensCacheWrite(u64),
    /// The upstream's terminal marker was seen: nothing follows.
    Done,
    /// For an upstream without such a marker: whether the answer has said why it ended, and is whole unless more comes. The host
    /// then waits for the upstream's end no longer than a grace, and takes a broken connection for it.
    Finished(bool),
}

impl Note {
    /// The ABI's kind and value.
    pub const fn parts(self) -> (u32, u64) {
        match self {
            Note::TokensIn(n) => (abi::note::TOKENS_IN, n),
            Note::TokensOut(n) => (abi::note::TOKENS_OUT, n),
            Note::TokensCached(n) => (abi::note::TOKENS_CACHED, n),
            Note::TokensReasoning(n) => (abi::note::TOKENS_REASONING, n),
            Note::TokensCacheWrite(n) => (abi::note::TOKENS_CACHE_WRITE, n),
            Note::Done => (abi::note::DONE, 0),
            Note::Finished(is) => (abi::note::FINISHED, if is { 1 } else { 0 }),
        }
    }
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something will fail.
    Warn,
    /// Worth knowing once.
    Info,
    /// For whoever looks for a fault.
    Debug,
}

impl Level {
    /// The ABI's value.
    pub const fn value(self) -> u32 {
        match self {
            Level::Error => abi::log::ERROR,
            Level::Warn => abi::log::WARN,
            Level::Info => abi::log::INFO,
            Level::Debug => abi::log::DEBUG,
        }
    }
}
