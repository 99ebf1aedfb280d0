//! One request of the mix: to which group, for which scenario, and what may be true of its answer.

use tidegate_sim::{Dialect, Expect, Mode, Scenario};
use tidegate_tests::config::PROVIDERS;
use tidegate_tests::{Answer, End, Terminal, Told, judge};

use crate::rng::Rng;

/// How a group is configured; each kind exists for each provider, as `PROVIDER` with the suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One deployment, one attempt.
    Plain,
    /// Two attempts.
    Retried,
    /// Falls back to the next provider's plain group.
    Backed,
    /// Falls back to the next provider's ring group, and that in turn to the next: a cycle.
    Ring,
    /// Two deployments that rest for a second after a failure, and a retry.
    Cooled,
    /// Two deployments, the second of which goes on with what the first broke off.
    Continued,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Plain, Self::Retried, Self::Backed, Self::Ring, Self::Cooled, Self::Continued];

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Retried => "-retried",
            Self::Backed => "-backed",
            Self::Ring => "-ring",
            Self::Cooled => "-cooled",
            Self::Continued => "-continued",
        }
    }
}

/// Scenarios that cost either side a core while they last. They are asked for seldom, and few at once.
const HEAVY: [&str; 7] = [
    "huge-event",
    "giant-event",
    "empty-flood",
    "empty-delta-flood",
    "comment-flood",
    "blank-flood",
    "text-flood",
];

/// A request to be made.
pub(crate) struct Job {
    pub(crate) model: String,
    dialect: Dialect,
    kind: Kind,
    pub(crate) scenario: &'static Scenario,
    pub(crate) stream: bool,
}

impl Job {
    /// Half of the mix is healthy and slow, so that most clients are inside a stream at any moment.
    pub(crate) fn any(rng: &mut Rng) -> Self {
        let scenario = if rng.chance(50) { &Scenario::all()[0] } else { rng.pick(Scenario::all()) };
        let scenario =
            if HEAVY.contains(&scenario.name) && !rng.chance(20) { &Scenario::all()[0] } else { scenario };
        let kind = *rng.pick(&Kind::ALL);
        let (provider, dialect) = *rng.pick(&PROVIDERS);
        let stream = rng.chance(80);
        Self { model: format!("{provider}{}", kind.suffix()), dialect, kind, scenario, stream }
    }

    /// A healthy stream to the group that nothing else uses.
    pub(crate) fn canary(number: usize) -> Self {
        let (provider, dialect) = PROVIDERS[number % PROVIDERS.len()];
        let scenario = &Scenario::all()[0];
        Self { model: format!("canary-{provider}"), dialect, kind: Kind::Plain, scenario, stream: true }
    }

    /// A plain stream of this scenario.
    ///
    /// # Panics
    /// There is none of that name.
    pub(crate) fn stream_of(name: &str, rng: &mut Rng) -> Self {
        let scenario = Scenario::find(name).expect("the scenario is in the table");
        let (provider, dialect) = *rng.pick(&PROVIDERS);
        Self { model: provider.to_owned(), dialect, kind: Kind::Plain, scenario, stream: true }
    }

    pub(crate) fn is_heavy(&self) -> bool {
        HEAVY.contains(&self.scenario.name)
    }

    fn mode(&self) -> Mode {
        if self.stream { Mode::Stream } else { Mode::Whole }
    }

    /// Reads a whole answer strictly: one terminal, and a true one.
    ///
    /// # Errors
    /// A sentence on what is wrong with it.
    pub(crate) fn read(&self, answer: &Answer) -> Result<Told, String> {
        if answer.end == End::Open {
            return Err(format!("it hangs: {} bytes came of a {}", answer.body.len(), answer.status));
        }
        let told = Told::of(answer, self.stream)?;
        self.judge(&told).map(|()| told)
    }

    fn judge(&self, told: &Told) -> Result<(), String> {
        // Every other request of this one is refused, and which one that is depends on the order of all.
        if self.scenario.name == "http-429-once" {
            return Ok(());
        }
        let expect = self.scenario.expect(self.dialect, self.mode());
        if matches!(self.kind, Kind::Plain | Kind::Retried) {
            let late = self.scenario.name == "finish-no-done" && expect == Expect::Truncated;
            // The upstream did say it, and it had been passed on when `[DONE]` turned out to be missing.
            let told = if late { &Told { finish: None, ..told.clone() } } else { told };
            return judge(&expect, told);
        }
        // Another group's deployment may have answered, in its own dialect.
        let ends = [Dialect::OpenAiChat, Dialect::Gemini]
            .map(|dialect| ends_normally(&self.scenario.expect(dialect, self.mode())));
        match told.terminal {
            Terminal::Done if ends.contains(&true) => Ok(()),
            Terminal::Done => Err(format!("a normal end was invented after {:?}", told.text)),
            Terminal::Error(429) if self.kind == Kind::Cooled && !told.committed => Ok(()),
            Terminal::Error(_) if ends.contains(&false) => Ok(()),
            Terminal::Error(status) => Err(format!("{status} ({}) to a healthy upstream", told.message)),
        }
    }
}

fn ends_normally(expect: &Expect) -> bool {
    matches!(expect, Expect::Text(_) | Expect::Ending(_) | Expect::Normal | Expect::ToolCalls(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(kind: Kind, scenario: &str) -> Job {
        Job {
            model: "m".into(),
            dialect: Dialect::OpenAiChat,
            kind,
            scenario: Scenario::find(scenario).unwrap(),
            stream: true,
        }
    }

    fn told(terminal: Terminal) -> Told {
        Told {
            status: 200,
            text: String::new(),
            calls: Vec::new(),
            finish: None,
            usage: None,
            terminal,
            message: String::new(),
            committed: false,
            retry_after: None,
        }
    }

    #[test]
    fn every_kind_of_group_tells_a_lie_from_the_truth() {
        for kind in Kind::ALL {
            assert!(job(kind, "no-finish").judge(&told(Terminal::Done)).is_err(), "{kind:?}");
            assert!(job(kind, "healthy").judge(&told(Terminal::Error(500))).is_err(), "{kind:?}");
        }
        assert!(job(Kind::Cooled, "healthy").judge(&told(Terminal::Error(429))).is_ok());
        assert!(job(Kind::Ring, "healthy").judge(&told(Terminal::Error(429))).is_err());
        assert!(job(Kind::Ring, "no-finish").judge(&told(Terminal::Error(502))).is_ok());
    }

    #[test]
    fn the_heavy_are_in_the_table_and_seldom() {
        assert!(HEAVY.iter().all(|name| Scenario::find(name).is_some()));
        let mut rng = Rng::new(1, 1);
        let heavy = (0..10_000).filter(|_| Job::any(&mut rng).is_heavy()).count();
        assert!((1..300).contains(&heavy), "{heavy}");
    }

    #[test]
    fn an_answer_that_is_not_over_is_a_hang() {
        let answer =
            Answer { status: 200, headers: Vec::new(), body: Vec::new(), times: Vec::new(), end: End::Open };
        assert!(job(Kind::Plain, "healthy").read(&answer).unwrap_err().contains("hangs"));
    }
}
