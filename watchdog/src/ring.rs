//! Keeps the latest incidents, gives each its number, and limits how many of one kind may be reported.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::brake::Minute;
use crate::incident::Incident;
use crate::report::{IncidentId, Kind};

/// The latest incidents.
#[derive(Debug)]
pub(crate) struct Ring {
    inner: Mutex<Inner>,
    size: usize,
    start: u64,
}

#[derive(Debug, Default)]
struct Inner {
    kept: VecDeque<Arc<Incident>>,
    numbered: u64,
    reported: HashMap<Kind, Minute>,
}

impl Inner {
    fn number(&mut self, start: u64) -> IncidentId {
        self.numbered += 1;
        IncidentId { start, number: self.numbered }
    }
}

impl Ring {
    pub(crate) fn new(size: usize) -> Self {
        Self { inner: Mutex::default(), size, start: IncidentId::start_now() }
    }

    /// Whether one more report of this kind may be made in this minute.
    pub(crate) fn admits(&self, kind: Kind, now: Duration, limit: usize) -> bool {
        self.inner.lock().reported.entry(kind).or_default().take(now, limit)
    }

    /// The number of an incident that is kept in a moment: what it is about may end before that, and is to know it.
    pub(crate) fn number(&self) -> IncidentId {
        self.inner.lock().number(self.start)
    }

    /// Numbers an incident, if it has no number yet, and keeps it.
    pub(crate) fn push(&self, mut incident: Incident) -> Arc<Incident> {
        let mut inner = self.inner.lock();
        if incident.id.number == 0 {
            incident.id = inner.number(self.start);
        }
        let incident = Arc::new(incident);
        inner.kept.push_back(Arc::clone(&incident));
        while inner.kept.len() > self.size {
            inner.kept.pop_front();
        }
        incident
    }

    pub(crate) fn list(&self) -> Vec<Arc<Incident>> {
        self.inner.lock().kept.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    #[test]
    fn numbers_rise_and_the_oldest_go() {
        let ring = Ring::new(2);
        let push = |text: &str| ring.push(Incident::reported(Report::new(Kind::Owner("x"), text)));
        let ids: Vec<_> = ["a", "b", "c"].map(|text| push(text).id.number).into();
        assert_eq!(ids, [1, 2, 3]);
        let kept: Vec<_> = ring.list().iter().map(|incident| incident.sentence.clone()).collect();
        assert_eq!(kept, ["b", "c"]);
        let id = ring.list()[0].id;
        assert_eq!(id.to_string(), format!("{:x}-2", id.start));
    }

    #[test]
    fn one_kind_is_limited_without_the_others() {
        let ring = Ring::new(2);
        let at = Duration::from_secs;
        let (a, b) = (Kind::Owner("a"), Kind::Owner("b"));
        assert_eq!([0, 1, 2].map(|s| ring.admits(a, at(s), 2)), [true, true, false]);
        assert!(ring.admits(b, at(2), 2));
        assert!(ring.admits(a, at(60), 2));
    }
}
