//! The clocks of a request, and how litellm's two timeouts turn into them.

use std::time::Duration;

use super::model::{Config, Deployment};

macro_rules! clocks {
    ($($(#[$doc:meta])* $name:ident = $default:expr;)*) => {
        /// How long each part of a request may take.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Clocks { $($(#[$doc])* pub $name: Duration,)* }

        /// The clocks a file names; `None` where it is silent.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct WrittenClocks { $($(#[$doc])* pub $name: Option<Duration>,)* }

        impl Default for Clocks {
            fn default() -> Self {
                Self { $($name: Duration::from_secs($default),)* }
            }
        }

        impl WrittenClocks {
            /// The keys of a `clocks:` mapping.
            pub(crate) const KEYS: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The clock with this name.
            pub(crate) fn slot(&mut self, name: &str) -> Option<&mut Option<Duration>> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }

            /// This one's clocks, and `below`'s where it is silent.
            pub fn or(self, below: Self) -> Self {
                Self { $($name: self.$name.or(below.$name),)* }
            }

            /// Fills what is silent from `below`.
            pub fn over(self, below: Clocks) -> Clocks {
                Clocks { $($name: self.$name.unwrap_or(below.$name),)* }
            }
        }
    };
}

clocks! {
    /// To open a connection, TLS included.
    connect = 10;
    /// From the request's last byte to the first content for the client.
    first_content = 600;
    /// Between two pieces of content.
    content_idle = 300;
    /// Between two bytes of any kind; starts with the first body byte.
    byte_idle = 120;
    /// The whole request, with its retries and fallbacks.
    total = 3600;
    /// A client that does not read.
    client_idle = 120;
    /// A deployment that is at its limit of parallel calls.
    queue = 10;
    /// What streams in flight get after SIGTERM.
    drain = 30;
}

/// Shortens waits for a rehearsal that cannot wait for them: `total` and the silences by one factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hurry {
    /// What each wait is multiplied with; below 1.
    pub factor: f64,
    /// No wait becomes shorter than this, unless it was.
    pub least: Duration,
    /// What retries wait between attempts, which nothing shortens: added to `total`.
    pub pauses: Duration,
}

impl Clocks {
    fn hurried(self, hurry: Option<Hurry>) -> Self {
        let Some(Hurry { factor, least, pauses }) = hurry else { return self };
        let short = |clock: Duration| clock.mul_f64(factor).max(least).min(clock);
        let total = (short(self.total) + pauses).min(self.total);
        // A stall that takes all of a request's time still does.
        let first_content = if self.first_content < self.total { short(self.first_content) } else { total };
        Self {
            connect: short(self.connect),
            first_content,
            content_idle: short(self.content_idle),
            byte_idle: short(self.byte_idle),
            total,
            client_idle: short(self.client_idle),
            queue: short(self.queue),
            ..self
        }
    }
}

impl Config {
    /// Makes every clock run faster, those of the whole program too.
    pub fn hurry(&mut self, hurry: Hurry) {
        self.hurry = Some(hurry);
        self.tidegate.clocks = self.tidegate.clocks.hurried(self.hurry);
    }

    /// The clocks of a group: the defaults, `tidegate.clocks`, and `tidegate.groups.NAME.clocks` on top.
    pub fn clocks_for(&self, group: &str) -> Clocks {
        self.written_for(group).over(Clocks::default()).hurried(self.hurry)
    }

    /// The clocks of one call to one deployment, litellm's timeouts included.
    ///
    /// A written clock goes first. Where it is silent, `timeout` is the total of a non-streaming request; for a stream,
    /// `stream_timeout` (else `timeout`) is the longest wait for the next content, first or later, which is what
    /// litellm's HTTP client makes of it. It never cuts a stream that flows.
    pub fn clocks_of(&self, deployment: &Deployment, stream: bool) -> Clocks {
        self.unhurried(deployment, stream).hurried(self.hurry)
    }

    fn unhurried(&self, deployment: &Deployment, stream: bool) -> Clocks {
        let written = self.written_for(&deployment.group);
        let mut clocks = Clocks::default();
        let stream_timeout = deployment.stream_timeout.or(self.router.stream_timeout).filter(|_| stream);
        let Some(limit) = stream_timeout.or(deployment.timeout).or(self.router.timeout) else {
            return written.over(clocks);
        };
        clocks.first_content = limit;
        clocks.content_idle = limit;
        // A wait the user allowed must not be cut short by a default.
        clocks.byte_idle = clocks.byte_idle.max(limit);
        if stream {
            clocks.total = clocks.total.max(limit);
        } else {
            clocks.total = limit;
        }
        written.over(clocks)
    }

    /// Silence in a group's stream after which the client gets a comment; zero: none.
    pub fn keep_alive_for(&self, group: &str) -> Duration {
        let own = self.tidegate.groups.get(group).and_then(|overrides| overrides.keep_alive);
        own.unwrap_or(self.tidegate.keep_alive)
    }

    fn written_for(&self, group: &str) -> WrittenClocks {
        let general = self.tidegate.written_clocks;
        self.tidegate.groups.get(group).map_or(general, |overrides| overrides.clocks.or(general))
    }
}
