//! The round over all live streams. Only the few that look suspicious are remembered from one round to the next.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::incident::{Action, Rule, Sample};
use crate::ladder::{Case, Ladder};
use crate::record::{Slab, Snapshot, StreamRef};
use crate::rules::{Judgement, NoProgressMemory, Streak, StrikeCount, Use};
use crate::shared::Shared;
use crate::worker::Sight;

/// The suspicious streams.
#[derive(Debug, Default)]
pub(crate) struct Streams(HashMap<StreamRef, Suspect>);

#[derive(Debug, Default)]
struct Suspect {
    /// The progress that all of this is counted from.
    progress_at: u64,
    /// Thread CPU since then, by sampling.
    cpu: u64,
    /// The plugin it was last seen in.
    plugin: Option<u32>,
    polls: NoProgressMemory,
    cpu_strikes: StrikeCount,
    warned: [bool; 2],
    /// One a round since it was first suspected; the latest are kept.
    seen: VecDeque<Seen>,
    outcome: Option<Action>,
}

impl Streams {
    /// A worker was seen with a stream, and its thread has used so many nanoseconds of CPU since the last tick.
    pub(crate) fn credit(&mut self, slab: &Slab, sight: Sight, used: u64) {
        let Some(stream) = StreamRef::unpack(sight.current) else { return };
        let Some(record) = slab.snapshot(stream) else { return };
        if record.progressed {
            self.0.remove(&stream);
            return;
        }
        let suspect = self.0.entry(stream).or_default();
        if suspect.progress_at != record.progress_at {
            // Some of this CPU was before the progress; none of it counts.
            *suspect = Suspect { progress_at: record.progress_at, ..Suspect::default() };
        } else {
            suspect.cpu += used;
        }
        suspect.plugin = sight.plugin.or(suspect.plugin);
    }

    /// What was seen of a stream while it was near a threshold.
    pub(crate) fn samples(&self, stream: StreamRef, now: u64) -> Vec<Sample> {
        self.0.get(&stream).map(|suspect| suspect.samples(now)).unwrap_or_default()
    }

    pub(crate) fn round(&mut self, shared: &Shared, ladder: &mut Ladder, reading: u64, now: Duration) {
        self.0.retain(|stream, suspect| {
            shared
                .slab
                .snapshot(*stream)
                .is_some_and(|record| !record.progressed && record.progress_at == suspect.progress_at)
        });
        let rules = &shared.config.rules;
        for stream in shared.slab.streams() {
            let Some(record) = shared.slab.snapshot(stream) else { continue };
            if record.verdict.is_some() {
                continue;
            }
            if record.no_progress >= rules.r1.warn_polls {
                self.0
                    .entry(stream)
                    .or_insert_with(|| Suspect { progress_at: record.progress_at, ..Suspect::default() });
            }
            if let Some(suspect) = self.0.get_mut(&stream) {
                suspect.see(shared, &record, now);
                suspect.judge(shared, ladder, stream, &record, reading, now);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What one round saw.
#[derive(Debug)]
struct Seen {
    at: Duration,
    sample: Sample,
}

/// Rounds that are kept of a suspect: five seconds.
const KEPT: usize = 20;

impl Suspect {
    fn see(&mut self, shared: &Shared, record: &Snapshot, now: Duration) {
        if self.seen.len() == KEPT {
            self.seen.pop_front();
        }
        let sample = Sample {
            before: Duration::ZERO,
            polls: record.polls,
            no_progress: record.no_progress,
            busy: Duration::from_nanos(shared.ticks.nanos(record.busy)),
            cpu: Duration::from_nanos(self.cpu),
            bytes: record.bytes,
            chunks: record.chunks,
        };
        self.seen.push_back(Seen { at: now, sample });
    }

    fn samples(&self, now: u64) -> Vec<Sample> {
        let before = |seen: &Seen| Duration::from_nanos(now).saturating_sub(seen.at);
        self.seen.iter().map(|seen| Sample { before: before(seen), ..seen.sample }).collect()
    }

    fn judge(
        &mut self,
        shared: &Shared,
        ladder: &mut Ladder,
        stream: StreamRef,
        record: &Snapshot,
        reading: u64,
        now: Duration,
    ) {
        let rules = &shared.config.rules;
        let streak = Streak {
            polls: record.no_progress,
            age: Duration::from_nanos(shared.ticks.between(record.streak_at, reading)),
        };
        let used = Use {
            busy: Duration::from_nanos(shared.ticks.nanos(record.idle_busy)),
            cpu: Duration::from_nanos(self.cpu),
        };
        let judgements = [
            (Rule::NoProgress, rules.r1.judge(streak, &mut self.polls, &rules.strikes)),
            (Rule::Cpu, rules.r2.judge(used, &mut self.cpu_strikes, &rules.strikes)),
        ];
        for (at, (rule, judgement)) in judgements.into_iter().enumerate() {
            let case = Case { rule, stream: Some(stream), plugin: self.plugin, poll: None, aside: false };
            match judgement {
                Judgement::Abort if matches!(self.outcome, None | Some(Action::Braked)) => {
                    let samples = self.samples(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
                    self.outcome = ladder.abort(case, samples, now, self.outcome.is_some());
                }
                Judgement::Warn if !self.warned[at] => {
                    self.warned[at] = true;
                    ladder.warn(case, now);
                }
                _ => {}
            }
        }
    }
}
