//! Why an attempt failed.

/// The class of a failure. The numbers are those of `TG_ERR_*` in the plugin ABI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum ErrorClass {
    /// None of the others.
    #[default]
    Unknown = 0,
    /// Too many requests or tokens.
    RateLimit = 1,
    /// The provider has no capacity for now.
    Overloaded = 2,
    /// The key is missing or wrong.
    Auth = 3,
    /// The request is not valid.
    BadRequest = 4,
    /// The prompt is longer than the model takes.
    ContextLength = 5,
    /// The provider's content policy refused it.
    ContentFilter = 6,
    /// A clock ran out.
    Timeout = 7,
    /// Refused, reset, TLS, DNS: no answer came.
    Transport = 8,
    /// The provider's own fault.
    Server = 9,
    /// No such model or path.
    NotFound = 10,
    /// The key may not do this.
    Permission = 11,
    /// The answer ended before its end.
    Truncated = 12,
    /// The answer is not in the provider's dialect.
    Malformed = 13,
}

impl ErrorClass {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Unknown,
        Self::RateLimit,
        Self::Overloaded,
        Self::Auth,
        Self::BadRequest,
        Self::ContextLength,
        Self::ContentFilter,
        Self::Timeout,
        Self::Transport,
        Self::Server,
        Self::NotFound,
        Self::Permission,
        Self::Truncated,
        Self::Malformed,
    ];

    /// Its number in the plugin ABI.
    pub const fn code(self) -> u32 {
        self as u32
    }
}

impl From<u32> for ErrorClass {
    /// An unknown number is [`ErrorClass::Unknown`], as the ABI's header asks.
    fn from(code: u32) -> Self {
        Self::ALL.into_iter().find(|class| class.code() == code).unwrap_or_default()
    }
}

/// One failed attempt, as the provider plugin classified it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// What kind of failure.
    pub class: ErrorClass,
    /// The HTTP status to tell the client: the upstream's own where it gave one.
    pub status: u16,
    /// How long the upstream asked to wait, in milliseconds, if it did.
    pub retry_after_ms: Option<u64>,
    /// The same request may succeed later.
    pub retryable: bool,
    /// A quota that does not come back in minutes.
    pub quota: bool,
}
