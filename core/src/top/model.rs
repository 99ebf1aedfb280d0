//! What is drawn, and what keys do to it. No terminal and no network here.

use std::cmp::Ordering;
use std::collections::HashMap;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::Value;

/// Snapshots in a sparkline.
pub(super) const POINTS: usize = 60;

/// What a key asks for beyond the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    Quit,
    /// End this stream.
    Abort(u64),
}

/// What the lower part shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Streams,
    Deployments,
    Guards,
    Incidents,
    Plugins,
}

impl Tab {
    pub(super) const ALL: [Self; 5] =
        [Self::Streams, Self::Deployments, Self::Guards, Self::Incidents, Self::Plugins];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Streams => "Streams",
            Self::Deployments => "Deployments",
            Self::Guards => "Guards",
            Self::Incidents => "Incidents",
            Self::Plugins => "Plugins",
        }
    }
}

/// By what streams are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Cpu,
    Polls,
    Age,
    Idle,
}

/// One stream in flight.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stream {
    pub(super) id: u64,
    pub(super) group: String,
    pub(super) deployment: String,
    pub(super) client: String,
    pub(super) phase: String,
    pub(super) plugin: String,
    /// Share of a core, since the last snapshot.
    pub(super) cpu: f64,
    /// A second, since the last snapshot.
    pub(super) polls: f64,
    pub(super) for_nothing: u64,
    pub(super) age: f64,
    pub(super) idle: f64,
    pub(super) bytes: u64,
}

/// Everything that is drawn.
pub(super) struct Top {
    pub(super) addr: String,
    /// The last snapshot; null before the first.
    pub(super) status: Value,
    pub(super) streams: Vec<Stream>,
    pub(super) tab: Tab,
    pub(super) sort: Sort,
    pub(super) upward: bool,
    pub(super) filter: String,
    pub(super) typing: bool,
    /// The stream that keys are about.
    pub(super) chosen: Option<u64>,
    /// Asked, and not yet said yes to.
    pub(super) confirm: Option<u64>,
    /// The last word on what was asked for, or why nothing new comes.
    pub(super) note: String,
    pub(super) is_lost: bool,
    /// The first line of a list that is longer than the screen.
    pub(super) scroll: usize,
    /// Requests a second, the latest last.
    pub(super) course: Vec<u64>,
    pub(super) rate: f64,
    before: HashMap<u64, (f64, f64)>,
    last: Option<(f64, f64)>,
}

impl Top {
    pub(super) fn new(addr: String) -> Self {
        Self {
            addr,
            status: Value::Null,
            streams: Vec::new(),
            tab: Tab::Streams,
            sort: Sort::Cpu,
            upward: false,
            filter: String::new(),
            typing: false,
            chosen: None,
            confirm: None,
            note: String::new(),
            is_lost: false,
            scroll: 0,
            course: Vec::new(),
            rate: 0.0,
            before: HashMap::new(),
            last: None,
        }
    }

    /// A new snapshot came.
    pub(super) fn take(&mut self, status: Value) {
        let now = number(&status["uptime_seconds"]);
        let requests = number(&status["totals"]["requests"]);
        let span = self.last.map_or(0.0, |(at, _)| now - at);
        if let Some((_, before)) = self.last.filter(|_| span > 0.0) {
            self.rate = ((requests - before) / span).max(0.0);
            self.course.push(self.rate.round() as u64);
            let old = self.course.len().saturating_sub(POINTS);
            self.course.drain(..old);
        }
        self.last = Some((now, requests));
        let mut before = HashMap::new();
        self.streams = list(&status["streams"])
            .iter()
            .map(|one| {
                let id = one["id"].as_u64().unwrap_or_default();
                let (polls, busy) = (number(&one["polls"]), number(&one["busy_seconds"]));
                let since = self.before.get(&id).filter(|_| span > 0.0);
                let rate = |now: f64, then: f64| ((now - then) / span).max(0.0);
                let (polls_rate, cpu) =
                    since.map_or((0.0, 0.0), |(then, used)| (rate(polls, *then), rate(busy, *used)));
                before.insert(id, (polls, busy));
                stream(one, id, polls_rate, cpu)
            })
            .collect();
        self.before = before;
        self.status = status;
        if std::mem::take(&mut self.is_lost) {
            self.note.clear();
        }
        self.scroll = self.scroll.min(self.listed(self.tab).saturating_sub(1));
        self.order();
    }

    /// No snapshot comes.
    pub(super) fn lost(&mut self, why: String) {
        (self.note, self.is_lost) = (why, true);
    }

    pub(super) fn say(&mut self, what: String) {
        self.note = what;
    }

    /// The streams that the filter lets through, in order.
    pub(super) fn shown(&self) -> Vec<&Stream> {
        let words: Vec<String> = self.filter.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let fits = |stream: &&Stream| {
            let parts = [&stream.group, &stream.deployment, &stream.client, &stream.phase];
            words.iter().all(|word| parts.iter().any(|part| part.to_lowercase().contains(word)))
        };
        self.streams.iter().filter(fits).collect()
    }

    /// How many there are of what a tab lists.
    pub(super) fn listed(&self, tab: Tab) -> usize {
        match tab {
            Tab::Streams => self.streams.len(),
            Tab::Deployments => list(&self.status["deployments"]).len(),
            Tab::Guards => list(&self.status["guards"]).len(),
            Tab::Incidents => list(&self.status["incidents"]).len(),
            Tab::Plugins => list(&self.status["plugins"]["plugins"]).len(),
        }
    }

    fn order(&mut self) {
        let by = |stream: &Stream| match self.sort {
            Sort::Cpu => stream.cpu,
            Sort::Polls => stream.polls,
            Sort::Age => stream.age,
            Sort::Idle => stream.idle,
        };
        self.streams.sort_by(|one, two| {
            let order = by(two).partial_cmp(&by(one)).unwrap_or(Ordering::Equal).then(one.id.cmp(&two.id));
            if self.upward { order.reverse() } else { order }
        });
    }

    /// What a key does.
    pub(super) fn key(&mut self, key: KeyEvent) -> Act {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Act::Quit;
        }
        if self.typing {
            self.typed(key.code);
            return Act::Nothing;
        }
        if let Some(stream) = self.confirm.take() {
            self.note.clear();
            return if key.code == KeyCode::Char('y') { Act::Abort(stream) } else { Act::Nothing };
        }
        match key.code {
            KeyCode::Char('q') => return Act::Quit,
            KeyCode::Esc => {
                self.filter.clear();
                self.note.clear();
            }
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(Tab::ALL.len() - 1),
            KeyCode::Char('/') => (self.tab, self.typing) = (Tab::Streams, true),
            KeyCode::Char('c') => self.sort_by(Sort::Cpu),
            KeyCode::Char('p') => self.sort_by(Sort::Polls),
            KeyCode::Char('a') => self.sort_by(Sort::Age),
            KeyCode::Char('i') => self.sort_by(Sort::Idle),
            KeyCode::Char('r') => {
                self.upward = !self.upward;
                self.order();
            }
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Char('x') => self.ask_for_end(),
            _ => {}
        }
        Act::Nothing
    }

    fn typed(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(letter) => self.filter.push(letter),
            _ => {}
        }
    }

    fn turn(&mut self, by: usize) {
        let at = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or_default();
        self.tab = Tab::ALL[(at + by) % Tab::ALL.len()];
        self.scroll = 0;
    }

    fn sort_by(&mut self, sort: Sort) {
        (self.sort, self.upward) = (sort, false);
        self.order();
    }

    fn step(&mut self, by: isize) {
        if self.tab != Tab::Streams {
            let last = self.listed(self.tab).saturating_sub(1);
            self.scroll = self.scroll.saturating_add_signed(by).min(last);
            return;
        }
        let ids: Vec<u64> = self.shown().iter().map(|stream| stream.id).collect();
        let at = self.chosen.and_then(|chosen| ids.iter().position(|id| *id == chosen));
        let next = at.map_or(0, |at| at.saturating_add_signed(by));
        self.chosen = ids.get(next.min(ids.len().saturating_sub(1))).copied();
    }

    fn ask_for_end(&mut self) {
        let shown = self.shown();
        let chosen = self.chosen.and_then(|chosen| shown.iter().find(|stream| stream.id == chosen));
        match chosen.filter(|_| self.tab == Tab::Streams) {
            Some(stream) => {
                let (id, group) = (stream.id, stream.group.clone());
                self.note = format!("abort stream {id} of {group}? y: yes, any other key: no");
                self.confirm = Some(id);
            }
            None => self.note = "choose a stream with the arrow keys first".to_owned(),
        }
    }
}

fn stream(one: &Value, id: u64, polls: f64, cpu: f64) -> Stream {
    let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
    Stream {
        id,
        group: text("group"),
        deployment: text("deployment"),
        client: text("client"),
        phase: text("phase"),
        plugin: text("plugin"),
        cpu,
        polls,
        for_nothing: one["polls_without_progress"].as_u64().unwrap_or_default(),
        age: number(&one["age_seconds"]),
        idle: number(&one["seconds_since_progress"]),
        bytes: one["bytes"].as_u64().unwrap_or_default(),
    }
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
