//! The contract's enumerations, and a plugin's answers as Rust values.

use tidegate_plugin_abi as abi;

macro_rules! enumeration {
    ($(#[$doc:meta])* $name:ident { $zero:ident, $($variant:ident = $value:expr),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[allow(missing_docs, reason = "the header documents each value")]
        #[repr(u32)]
        pub enum $name { #[default] $zero = 0, $($variant = $value),+ }

        impl $name {
            /// From its number; one that this minor does not know is the 0 value.
            pub fn from_u32(value: u32) -> Self {
                match value {
                    $(v if v == $value => Self::$variant,)+
                    _ => Self::$zero,
                }
            }
        }
    };
}

enumeration!(/** The JSON that a client and a server agreed on. */ Dialect {
    Unknown,
    OpenaiChat = abi::dialect::OPENAI_CHAT,
    OpenaiResponses = abi::dialect::OPENAI_RESPONSES,
    AnthropicMessages = abi::dialect::ANTHROPIC_MESSAGES,
    GeminiGenerate = abi::dialect::GEMINI_GENERATE,
    OpenaiCompletions = abi::dialect::OPENAI_COMPLETIONS,
    OpenaiEmbeddings = abi::dialect::OPENAI_EMBEDDINGS,
    BedrockConverse = abi::dialect::BEDROCK_CONVERSE,
    AnthropicCountTokens = abi::dialect::ANTHROPIC_COUNT_TOKENS,
    GeminiCountTokens = abi::dialect::GEMINI_COUNT_TOKENS,
});

enumeration!(/** How events are told apart in a body. */ Framing {
    Auto,
    Sse = abi::framing::SSE,
    JsonLines = abi::framing::JSON_LINES,
    JsonArray = abi::framing::JSON_ARRAY,
    AwsEventstream = abi::framing::AWS_EVENTSTREAM,
});

enumeration!(/** What of an attempt failed. */ Phase {
    Unknown,
    Status = abi::phase::STATUS,
    Stream = abi::phase::STREAM,
    Body = abi::phase::BODY,
});

impl Dialect {
    /// Its name in a manifest: the header's, in lower case with hyphens.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "openai-chat" => Self::OpenaiChat,
            "openai-responses" => Self::OpenaiResponses,
            "anthropic-messages" => Self::AnthropicMessages,
            "gemini-generate" => Self::GeminiGenerate,
            "openai-completions" => Self::OpenaiCompletions,
            "openai-embeddings" => Self::OpenaiEmbeddings,
            "bedrock-converse" => Self::BedrockConverse,
            "anthropic-count-tokens" => Self::AnthropicCountTokens,
            "gemini-count-tokens" => Self::GeminiCountTokens,
            _ => return None,
        })
    }

    /// The name that [`Dialect::from_name`] knows; `unknown` for the 0 value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::OpenaiChat => "openai-chat",
            Self::OpenaiResponses => "openai-responses",
            Self::AnthropicMessages => "anthropic-messages",
            Self::GeminiGenerate => "gemini-generate",
            Self::OpenaiCompletions => "openai-completions",
            Self::OpenaiEmbeddings => "openai-embeddings",
            Self::BedrockConverse => "bedrock-converse",
            Self::AnthropicCountTokens => "anthropic-count-tokens",
            Self::GeminiCountTokens => "gemini-count-tokens",
        }
    }
}

/// The HTTP request that a provider wants sent. Strings hold no CR, LF or NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamRequest {
    /// The method, an HTTP token.
    pub method: String,
    /// An absolute `http` or `https` URL.
    pub url: String,
    /// Header names (not yet checked to be tokens) and values.
    pub headers: Vec<(String, String)>,
    /// How the host authenticates it.
    pub auth: Auth,
    /// What the answer will be.
    pub response: ResponseSpec,
    /// The body.
    pub body: Vec<u8>,
}

/// How the host authenticates an upstream request; `secret` names one of the configuration's secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// `authorization: Bearer SECRET`.
    Bearer {
        /// The secret's name.
        secret: String,
    },
    /// `NAME: PREFIXSECRET`.
    Header {
        /// The secret's name.
        secret: String,
        /// The header's name.
        name: String,
        /// What stands before the secret, often empty.
        prefix: String,
    },
    /// A bearer token for `scope`.
    GoogleOauth {
        /// The secret that holds the credentials, when the host has it.
        secret: String,
        /// The OAuth scope.
        scope: String,
    },
    /// AWS signature version 4.
    AwsSigV4 {
        /// The secret's name.
        secret: String,
        /// The AWS service.
        service: String,
        /// The AWS region.
        region: String,
    },
}

/// What an upstream will answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseSpec {
    /// Of a 2xx body.
    pub dialect: Dialect,
    /// Of a 2xx body that is a stream.
    pub framing: Framing,
    /// Call the plugin for each event even when the dialect is the client's.
    pub every_event: bool,
}

impl Default for ResponseSpec {
    fn default() -> Self {
        Self { dialect: Dialect::OpenaiChat, framing: Framing::Auto, every_event: false }
    }
}

/// What a provider made of a whole 2xx body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Forward the upstream's bytes as they are.
    Pass,
    /// Send this, UTF-8, in their place.
    Body(Vec<u8>),
    /// The body is the provider's error form: classify it, with [`Phase::Body`].
    Upstream,
}

/// The class of a failure: what to tell the client, and whether another attempt can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// One of [`crate::abi::error`].
    pub error: u32,
    /// The status to tell the client, 400 to 599.
    pub http_status: u16,
    /// The same request may succeed later.
    pub retryable: bool,
    /// A quota that does not come back in minutes.
    pub quota: bool,
    /// What the upstream asked to wait, when it did.
    pub retry_after_ms: Option<u64>,
}

/// A failure as its provider named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// Its class.
    pub class: Class,
    /// For people; `None`: the host words it.
    pub message: Option<String>,
    /// The provider's own word, such as `insufficient_quota`.
    pub code: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_number_is_the_zero_value() {
        assert_eq!(Dialect::from_u32(9), Dialect::GeminiCountTokens);
        assert_eq!(Dialect::from_u32(10), Dialect::Unknown);
        assert_eq!(Framing::from_u32(99), Framing::Auto);
        assert_eq!(Phase::from_u32(3), Phase::Body);
    }

    #[test]
    fn a_dialect_has_the_name_that_it_is_known_by() {
        for dialect in (1..10).map(Dialect::from_u32) {
            assert_eq!(Dialect::from_name(dialect.name()), Some(dialect));
        }
        assert_eq!(Dialect::from_name(Dialect::Unknown.name()), None);
    }
}
