//! When the workers that are left are too few: another runtime takes over, and when there can be none, the process ends
//! so that its service manager starts it anew.

/// How many runtimes may take over, one after the other, before the process gives up.
pub(crate) const MAX_TAKEOVERS: usize = 2;

/// Fewer lost threads than this are never a reason to give up.
const FEW_LOST: usize = 4;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Fine,
    TakeOver,
    GiveUp,
}

/// The workers at one look. Lost ones are in a poll that R4 has judged, or run at the lowest priority for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Workers {
    /// Of the runtime that serves now; 0: none was announced.
    pub(crate) current: usize,
    /// Of these, the lost ones.
    pub(crate) current_lost: usize,
    /// Lost ones of all runtimes.
    pub(crate) lost: usize,
    /// Runtimes that have taken over so far.
    pub(crate) takeovers: usize,
}

impl Workers {
    pub(crate) fn step(self) -> Step {
        if self.current == 0 || self.current_lost * 2 <= self.current {
            return Step::Fine;
        }
        // On a machine with many cores four lost threads are few.
        if self.takeovers >= MAX_TAKEOVERS || self.lost >= FEW_LOST.max(2 * self.current) {
            return Step::GiveUp;
        }
        Step::TakeOver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(current: usize, current_lost: usize, lost: usize, takeovers: usize) -> Step {
        Workers { current, current_lost, lost, takeovers }.step()
    }

    #[test]
    fn over_half_takes_over_and_half_does_not() {
        assert_eq!(step(2, 1, 1, 0), Step::Fine);
        assert_eq!(step(2, 2, 2, 0), Step::TakeOver);
        assert_eq!(step(4, 2, 2, 0), Step::Fine);
        assert_eq!(step(4, 3, 3, 0), Step::TakeOver);
        assert_eq!(step(64, 32, 32, 0), Step::Fine);
        assert_eq!(step(0, 9, 9, 0), Step::Fine, "nobody said how many there are");
    }

    #[test]
    fn it_gives_up_when_takeovers_or_threads_run_out() {
        assert_eq!(step(2, 0, 2, 1), Step::Fine);
        assert_eq!(step(2, 2, 4, 1), Step::GiveUp, "four lost threads");
        assert_eq!(step(4, 3, 6, 1), Step::TakeOver);
        assert_eq!(step(4, 3, 9, 2), Step::GiveUp);
    }
}
