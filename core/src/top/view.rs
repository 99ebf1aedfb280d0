//! The screen: a line of state, totals, what needs attention, a table, and the keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Sparkline, Table, TableState};
use serde_json::Value;

use super::model::{Sort, Tab, Top, list, number};

/// Of a core: a stream that uses more is named. A healthy one uses a hundredth.
const HOT: f64 = 0.25;

/// Lines of what needs attention.
const ATTENTION: usize = 4;

pub(super) fn draw(frame: &mut Frame<'_>, top: &Top) {
    let attention = attention(top);
    let lines = u16::try_from(attention.len().min(ATTENTION)).unwrap_or(1);
    let [head, totals, now, tabs, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(lines),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(state(top), head);
    draw_totals(frame, totals, top);
    frame.render_widget(Paragraph::new(attention), now);
    frame.render_widget(tab_line(top), tabs);
    match top.tab {
        Tab::Streams => draw_streams(frame, body, top),
        Tab::Deployments => draw_table(frame, body, top, &deployments(&top.status)),
        Tab::Guards => draw_table(frame, body, top, &guards(&top.status)),
        Tab::Incidents => draw_table(frame, body, top, &incidents(&top.status)),
        Tab::Plugins => draw_table(frame, body, top, &plugins(&top.status)),
    }
    frame.render_widget(footer(top), foot);
}

fn state(top: &Top) -> Line<'static> {
    let status = &top.status;
    let word = status["state"].as_str().unwrap_or("connecting").to_owned();
    let good = word == "serving" && !top.is_lost;
    let colour = if good { Color::Green } else { Color::Red };
    Line::from(vec![
        " tidegate ".bold(),
        Span::styled(if top.is_lost { "no connection".to_owned() } else { word }, colour),
        format!(
            "  {}  {}  up {}",
            top.addr,
            status["version"].as_str().unwrap_or_default(),
            seconds(number(&status["uptime_seconds"]))
        )
        .into(),
    ])
}

fn draw_totals(frame: &mut Frame<'_>, area: Rect, top: &Top) {
    let status = &top.status;
    let workers = &status["workers"];
    let all = number(&workers["all"]);
    let text = format!(
        " in flight {}   requests/s {:.1}   calls a request {:.2}   429s {}   workers {}/{all}   ",
        status["totals"]["active"],
        top.rate,
        number(&status["amplification"]),
        status["totals"]["limited"],
        all - number(&workers["stuck"]),
    );
    let width = u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
    let [left, right] = Layout::horizontal([Constraint::Length(width), Constraint::Min(0)]).areas(area);
    frame.render_widget(Paragraph::new(text), left);
    frame.render_widget(Sparkline::default().data(top.course.iter().copied()).style(Color::Blue), right);
}

/// What an operator should look at first, the worst first.
fn attention(top: &Top) -> Vec<Line<'static>> {
    let status = &top.status;
    let mut found = Vec::new();
    let mut say = |colour: Color, sentence: String| {
        found.push(Line::from(vec![Span::styled(" ● ", colour), sentence.into()]));
    };
    for stream in top.streams.iter().filter(|stream| stream.cpu > HOT) {
        let inside = if stream.plugin.is_empty() {
            String::new()
        } else {
            format!(" in the plugin {}", stream.plugin)
        };
        let sentence = format!(
            "stream {} of {}, for {}, uses {:.0} % of a core{inside}",
            stream.id,
            stream.group,
            stream.client,
            100.0 * stream.cpu
        );
        say(Color::Red, sentence);
    }
    let (stuck, all) = (number(&status["workers"]["stuck"]), number(&status["workers"]["all"]));
    if stuck > 0.0 {
        say(Color::Red, format!("{stuck} of {all} workers are in one poll for too long"));
    }
    for one in list(&status["guards"]) {
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        let (state, colour) = guard_state(text("state"));
        match one["trouble"].as_str() {
            Some(why) => say(colour.unwrap_or(Color::Yellow), format!("{} {state}; {why}", text("name"))),
            None if colour.is_some() => say(colour.unwrap_or_default(), format!("{} {state}", text("name"))),
            None => {}
        }
    }
    for one in list(&status["deployments"]) {
        let name = one["name"].as_str().unwrap_or_default();
        let left = number(&one["cooling_seconds"]);
        if one["quarantined"] == true {
            say(Color::Red, format!("{name} is quarantined"));
        } else if left > 0.0 {
            let limited = &one["limited"];
            say(
                Color::Yellow,
                format!("{name} is put aside for {}; 429s since the start: {limited}", seconds(left)),
            );
        }
    }
    for one in list(&status["plugins"]["plugins"]).iter().filter(|one| one["state"] != "open") {
        let word = |name: &str| one[name].as_str().unwrap_or_default();
        say(Color::Red, format!("the plugin {} is {}", word("name"), word("state")));
    }
    for one in list(&status["returning_clients"]).iter().take(3) {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let (client, group, left) = (text("client"), text("group"), seconds(number(&one["left_seconds"])));
        let returns = &one["returns"];
        say(
            Color::Yellow,
            format!("{client} does not wait: {returns} times too soon for {group}; {left} are left"),
        );
    }
    let now = number(&status["unix_seconds"]);
    for one in list(&status["incidents"]).iter().rev() {
        let ago = now - number(&one["unix_seconds"]);
        if ago < 60.0 {
            say(Color::Yellow, format!("{} ago: {}", seconds(ago), one["why"].as_str().unwrap_or_default()));
        }
    }
    if found.is_empty() {
        found.push(Line::from(vec![Span::styled(" ● ", Color::Green), "nothing needs attention".into()]));
    }
    found.truncate(ATTENTION);
    found
}

fn tab_line(top: &Top) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    for tab in Tab::ALL {
        let style = if tab == top.tab { Style::new().reversed() } else { Style::new() };
        spans.push(Span::styled(format!(" {} {} ", tab.title(), top.listed(tab)), style));
    }
    if !top.filter.is_empty() || top.typing {
        spans.push(format!("  filter: {}{}", top.filter, if top.typing { "_" } else { "" }).into());
    }
    Line::from(spans)
}

fn draw_streams(frame: &mut Frame<'_>, area: Rect, top: &Top) {
    let mark = |sort: Sort, title: &str| {
        let arrow = if top.upward { "^" } else { "v" };
        if top.sort == sort { format!("{title} {arrow}") } else { title.to_owned() }
    };
    let head = Row::new([
        "Stream".to_owned(),
        "Group".to_owned(),
        "Deployment".to_owned(),
        "Client".to_owned(),
        "Phase".to_owned(),
        mark(Sort::Cpu, "CPU"),
        mark(Sort::Polls, "Polls/s"),
        "For nothing".to_owned(),
        mark(Sort::Age, "Age"),
        mark(Sort::Idle, "Idle"),
        "Sent".to_owned(),
    ]);
    let shown = top.shown();
    let rows = shown.iter().map(|stream| {
        let row = Row::new([
            stream.id.to_string(),
            stream.group.clone(),
            stream.deployment.clone(),
            stream.client.clone(),
            stream.phase.clone(),
            format!("{:.1} %", 100.0 * stream.cpu),
            format!("{:.0}", stream.polls),
            stream.for_nothing.to_string(),
            seconds(stream.age),
            seconds(stream.idle),
            bytes(stream.bytes),
        ]);
        if stream.cpu > HOT { row.style(Color::Red) } else { row }
    });
    let widths = [
        Constraint::Length(10),
        Constraint::Fill(2),
        Constraint::Fill(3),
        Constraint::Fill(3),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(11),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(10),
    ];
    let table =
        Table::new(rows, widths).header(head.style(Modifier::BOLD)).row_highlight_style(Modifier::REVERSED);
    let at = top.chosen.and_then(|chosen| shown.iter().position(|stream| stream.id == chosen));
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(at));
}

/// A table whose columns are as wide as what is in them.
struct Plain {
    head: Vec<&'static str>,
    rows: Vec<(Vec<String>, Option<Color>)>,
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, top: &Top, plain: &Plain) {
    let widths = plain.head.iter().enumerate().map(|(at, head)| {
        let cells = plain.rows.iter().map(|(cells, _)| cells[at].chars().count());
        Constraint::Length(u16::try_from(cells.max().unwrap_or(0).max(head.len())).unwrap_or(u16::MAX))
    });
    let rows = plain.rows.iter().skip(top.scroll).map(|(cells, colour)| {
        Row::new(cells.clone()).style(colour.map_or_else(Style::new, |colour| Style::new().fg(colour)))
    });
    let head = Row::new(plain.head.clone()).style(Modifier::BOLD);
    frame.render_widget(Table::new(rows, widths).header(head).column_spacing(2), area);
}

fn deployments(status: &Value) -> Plain {
    let rows = list(&status["deployments"]).iter().map(|one| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let left = number(&one["cooling_seconds"]);
        let (state, colour) = match one["quarantined"] == true {
            true => ("quarantined".to_owned(), Some(Color::Red)),
            false if left > 0.0 => (format!("put aside, {} left", seconds(left)), Some(Color::Yellow)),
            false => ("open".to_owned(), None),
        };
        let count = |name: &str| one[name].to_string();
        let first = one["first_content_seconds"].as_f64().map(seconds).unwrap_or_default();
        let cells = vec![
            text("name"),
            text("group"),
            state,
            count("in_flight"),
            count("limited"),
            count("failed"),
            count("ok"),
            first,
        ];
        (cells, colour)
    });
    let head = vec!["Deployment", "Group", "State", "In flight", "429s", "Failed", "Good", "First content"];
    Plain { head, rows: rows.collect() }
}

/// In words, and its colour where it is not well.
fn guard_state(word: &str) -> (&str, Option<Color>) {
    match word {
        "healthy" => ("answers", None),
        "loading" => ("is coming up", Some(Color::Yellow)),
        "missing" => ("misses", Some(Color::Yellow)),
        "hung" => ("hangs", Some(Color::Red)),
        "acting" => ("hangs; something is being done", Some(Color::Red)),
        "given_up" => ("hangs; given up", Some(Color::Red)),
        _ => ("was not asked yet", None),
    }
}

fn guards(status: &Value) -> Plain {
    let now = number(&status["unix_seconds"]);
    let rows = list(&status["guards"]).iter().map(|one| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let word = text("state");
        let (state, colour) = guard_state(&word);
        let took = one["answer_seconds"].as_f64().map(seconds).unwrap_or_default();
        let cells = vec![
            text("name"),
            state.to_owned(),
            seconds(now - number(&one["since_unix_seconds"])),
            one["pid"].as_u64().map_or_else(|| "none".to_owned(), |pid| pid.to_string()),
            format!("{:.0} %", 100.0 * number(&one["cpu_cores"])),
            one["misses"].to_string(),
            format!("{} {took}", text("answer")),
            text("mode"),
            one["trouble"].as_str().map_or_else(|| text("last_action"), str::to_owned),
        ];
        (cells, colour)
    });
    let head =
        vec!["Guard", "State", "Since", "Process", "CPU", "Misses", "Last probe", "Mode", "Last action"];
    Plain { head, rows: rows.collect() }
}

fn incidents(status: &Value) -> Plain {
    let now = number(&status["unix_seconds"]);
    let rows = list(&status["incidents"]).iter().rev().map(|one| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let ago = format!("{} ago", seconds(now - number(&one["unix_seconds"])));
        (
            vec![ago, text("kind"), text("rule"), text("action"), text("group"), text("client"), text("why")],
            None,
        )
    });
    Plain { head: vec!["When", "Kind", "Rule", "Action", "Group", "Client", "Why"], rows: rows.collect() }
}

fn plugins(status: &Value) -> Plain {
    let rows = list(&status["plugins"]["plugins"]).iter().map(|one| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let workers = list(&one["workers"]).len();
        let runs = if workers > 0 { format!("in {workers} processes") } else { text("isolation") };
        let colour = (one["state"] != "open").then_some(Color::Red);
        (vec![text("name"), text("version"), text("state"), runs, text("file")], colour)
    });
    Plain { head: vec!["Plugin", "Version", "State", "Runs", "File"], rows: rows.collect() }
}

fn footer(top: &Top) -> Line<'static> {
    if !top.note.is_empty() {
        return Line::styled(format!(" {}", top.note), Color::Yellow);
    }
    let keys = " Tab: next list   c p a i: sort by CPU, polls, age, idle   r: reverse   /: filter   arrows: choose   x: abort   q: quit";
    Line::styled(keys, Modifier::DIM)
}

fn seconds(value: f64) -> String {
    match value {
        value if value < 0.001 => format!("{:.0} us", value * 1e6),
        value if value < 1.0 => format!("{:.0} ms", value * 1e3),
        value if value < 10.0 => format!("{value:.1} s"),
        value if value < 100.0 => format!("{value:.0} s"),
        value if value < 5400.0 => format!("{:.0} min", value / 60.0),
        value => format!("{:.1} h", value / 3600.0),
    }
}

fn bytes(value: u64) -> String {
    let value = value as f64;
    match value {
        value if value < 1024.0 => format!("{value:.0} B"),
        value if value < 1_048_576.0 => format!("{:.1} KiB", value / 1024.0),
        value => format!("{:.1} MiB", value / 1_048_576.0),
    }
}
