//! Where the lines go: standard error, beside the rest of the log; a file of their own; nowhere.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use prometheus::IntCounter;
use tracing::Level;

use super::file::File;
use super::{End, Line, Visit};
use crate::config::AccessLog;
use crate::logging;

/// By this name `TIDEGATE_LOG` switches the lines on standard error: `info,tidegate::access=off`.
pub(super) const TARGET: &str = "tidegate::access";

/// The access log.
#[derive(Debug)]
pub enum Log {
    /// Lines of the log on standard error.
    Stderr,
    /// Of a file.
    File(File),
    /// None.
    Off,
}

/// Why there is none. Its `Display` is a sentence.
#[derive(Debug)]
pub struct Unopened {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the access log {} cannot be opened: {}", self.path.display(), self.error)
    }
}

impl Log {
    /// As it is configured. `lost` counts the lines that a file did not take.
    ///
    /// # Errors
    /// The file cannot be opened, or there can be no more threads.
    pub fn start(settings: &AccessLog, lost: &IntCounter) -> Result<Self, Unopened> {
        Ok(match settings {
            AccessLog::Stderr => Self::Stderr,
            AccessLog::Off => Self::Off,
            AccessLog::File(path) => {
                let unopened = |error| Unopened { path: path.clone(), error };
                Self::File(File::start(path, lost.clone()).map_err(unopened)?)
            }
        })
    }

    /// The file may have been moved away: opens it anew.
    pub fn reopen(&self) {
        if let Self::File(file) = self {
            file.reopen();
        }
    }

    /// Waits, but not for long, until what was handed over is written.
    pub fn flush(&self) {
        if let Self::File(file) = self {
            file.flush();
        }
    }

    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file.path()),
            Self::Stderr | Self::Off => None,
        }
    }

    pub(super) fn write(&self, visit: &Visit, end: End) {
        match self {
            Self::Off => {}
            Self::File(file) => file.line(Line::of(visit, end).json()),
            Self::Stderr if !tracing::enabled!(target: TARGET, Level::INFO) => {}
            Self::Stderr if logging::is_json() => logging::line(Line::of(visit, end).json()),
            Self::Stderr => Line::of(visit, end).say(),
        }
    }
}
