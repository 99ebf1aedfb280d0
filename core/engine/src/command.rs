//! What the engine tells the driver.

use crate::Failure;

/// The one thing to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Call the upstream; after content, to go on with it. Ends in [`crate::Event::Content`], [`crate::Event::Ended`] or
    /// [`crate::Event::Failed`].
    Attempt {
        /// Which deployment.
        target: u16,
    },
    /// Show the policy the history. Ends in [`crate::Event::Decided`], within the policy's own time limit.
    AskPolicy,
    /// Wait. Ends in [`crate::Event::Slept`].
    Sleep {
        /// Milliseconds, at least 1.
        ms: u64,
    },
    /// The request is committed from here, if it was not: send the content and go on relaying.
    Relay,
    /// Tell the client this and stop. Given exactly once.
    Finish(Terminal),
    /// The event does not belong to this state or came late. Nothing changed.
    Ignore,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Terminal {
    /// The dialect's normal end.
    Complete,
    /// The dialect's error form.
    Error(Reason),
    /// Nobody is there to be told.
    Gone,
}

/// Which error the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The upstream's own failure.
    Upstream {
        /// Of which attempt, counted from 0.
        attempt: u32,
        /// The failure, unchanged.
        failure: Failure,
    },
    /// The request's total time was over.
    Deadline,
    /// The watchdog or a shutdown ended it.
    Aborted,
    /// No deployment was available for the first attempt.
    NoTarget,
}
