//! What can go wrong, each as one sentence that names the plugin.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::hook::Op;

/// Why a plugin was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    path: PathBuf,
    reason: String,
}

impl LoadError {
    /// `reason`: a clause whose subject is the file.
    pub fn new(path: &Path, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into() }
    }

    /// The file that was refused.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The reason alone, a clause such as `it exports no tidegate_plugin_entry_v1`.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the plugin {} is refused: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for LoadError {}

/// Which call of which plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whence {
    /// The plugin's name. Plugins are never unloaded, so it lives as long as the process.
    pub plugin: &'static str,
    /// The function that was called.
    pub op: Op,
}

impl fmt::Display for Whence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the plugin \"{}\", asked to {}", self.plugin, self.op.verb())
    }
}

/// Why a call of a plugin gave nothing usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginError {
    /// It panicked. A stream is poisoned by that; an instance is not.
    Panic(Whence),
    /// The client's request is not valid. The text is the plugin's, meant for the client; never empty.
    Invalid(String),
    /// The request needs what this provider cannot do. The text is the plugin's, meant for the client; never empty.
    Unsupported(String),
    /// The upstream's bytes are malformed.
    Protocol(Whence),
    /// It reached a cap on what one call may write.
    Limit(Whence),
    /// The stream panicked earlier and is not called any more.
    Poisoned(Whence),
    /// Its answer breaks the contract. The text is a clause that says how.
    BadAnswer(Whence, String),
    /// The worker process that served this call ended before it answered. `how` is a clause whose subject is the worker.
    Ended {
        /// The call.
        whence: Whence,
        /// How it ended, such as `was ended by signal 11`.
        how: String,
    },
    /// There is no worker process at the moment: the last ones ended, and the next is not started yet.
    Away(Whence),
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(whence) => write!(f, "{whence}, panicked"),
            Self::Invalid(why) | Self::Unsupported(why) => f.write_str(why),
            Self::Protocol(whence) => write!(f, "{whence}, found the upstream's answer malformed"),
            Self::Limit(whence) => write!(f, "{whence}, wrote more than one call may"),
            Self::Poisoned(whence) => write!(f, "{whence}, had panicked on this stream before"),
            Self::BadAnswer(whence, what) => write!(f, "{whence}, broke its contract: {what}"),
            Self::Ended { whence, how } => write!(f, "{whence}, did not answer: its worker process {how}"),
            Self::Away(whence) => {
                write!(f, "{whence}, has no worker process at the moment: the last ones ended too soon")
            }
        }
    }
}

impl std::error::Error for PluginError {}

/// Why an instance was not created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateError {
    /// The configuration is not usable. The text is the plugin's: what is wrong; never empty.
    Config(String),
    /// The plugin failed.
    Plugin(PluginError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(why) => f.write_str(why),
            Self::Plugin(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CreateError {}

impl From<PluginError> for CreateError {
    fn from(error: PluginError) -> Self {
        Self::Plugin(error)
    }
}
