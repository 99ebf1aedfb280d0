//! Recorded answers: those that come with the program, one a dialect, and the author's own.

use std::path::Path;

use clap::ValueEnum;
use tidegate_host::{Dialect, Framing};

/// How a recording is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecordedFraming {
    /// Server-sent events.
    Sse,
    /// A JSON document a line.
    JsonLines,
    /// One JSON array whose elements are the events.
    JsonArray,
    /// AWS's binary frames.
    AwsEventstream,
}

impl RecordedFraming {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::JsonLines => "json-lines",
            Self::JsonArray => "json-array",
            Self::AwsEventstream => "aws-eventstream",
        }
    }
}

/// The bytes of a 2xx answer that is a stream.
#[derive(Clone, Debug)]
pub(super) struct Transcript {
    /// For people.
    pub(super) name: String,
    /// The dialect it is in; `None`: the plugin's own, because its author recorded it.
    pub(super) dialect: Option<Dialect>,
    pub(super) framing: Framing,
    pub(super) bytes: Vec<u8>,
}

macro_rules! recorded {
    ($($name:literal $dialect:ident $framing:ident $file:literal)+) => {
        [$((concat!("the recorded answer \"", $name, "\""), Dialect::$dialect, Framing::$framing, include_bytes!(concat!("corpus/", $file)) as &[u8])),+]
    };
}

/// What comes with the program.
pub(super) fn shipped() -> Vec<Transcript> {
    let all = recorded! {
        "openai text" OpenaiChat Sse "openai-text.sse"
        "openai tools" OpenaiChat Sse "openai-tools.sse"
        "gemini text" GeminiGenerate Sse "gemini-text.sse"
        "gemini tools" GeminiGenerate Sse "gemini-tools.sse"
        "gemini array" GeminiGenerate JsonArray "gemini-array.json"
        "anthropic text" AnthropicMessages Sse "anthropic-text.sse"
        "bedrock text" BedrockConverse AwsEventstream "bedrock-text.eventstream"
        "bedrock tools" BedrockConverse AwsEventstream "bedrock-tools.eventstream"
        "ollama lines" Unknown JsonLines "ollama-text.jsonl"
    };
    let transcript = |(name, dialect, framing, bytes): (&str, Dialect, Framing, &[u8])| Transcript {
        name: name.to_owned(),
        dialect: Some(dialect),
        framing,
        bytes: bytes.to_vec(),
    };
    all.into_iter().map(transcript).collect()
}

/// The author's own.
///
/// # Errors
/// A sentence.
pub(super) fn read(file: &Path, framing: Option<RecordedFraming>) -> Result<Transcript, String> {
    let framing = match (framing, file.extension().and_then(|ending| ending.to_str())) {
        (Some(RecordedFraming::Sse), _) | (None, Some("sse")) => Framing::Sse,
        (Some(RecordedFraming::JsonLines), _) | (None, Some("jsonl")) => Framing::JsonLines,
        (Some(RecordedFraming::JsonArray), _) | (None, Some("json")) => Framing::JsonArray,
        (Some(RecordedFraming::AwsEventstream), _) | (None, Some("eventstream")) => Framing::AwsEventstream,
        _ => return Err(format!("{}: say with `--framing` how it is framed", file.display())),
    };
    let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Transcript { name: format!("the transcript {}", file.display()), dialect: None, framing, bytes })
}
