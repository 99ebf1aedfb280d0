//! What a terminal of a given size shows, and what keys do.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::model::{Act, Tab, Top};
use super::view;

fn snapshot(uptime: f64, polls: u64, busy: f64) -> Value {
    let stream = |id: u64, group: &str, client: &str, polls: u64, busy: f64| {
        json!({
            "id": id, "group": group, "deployment": format!("{group}/one"), "client": client, "phase": "streaming",
            "polls": polls, "polls_without_progress": 7, "busy_seconds": busy, "bytes": 2048, "age_seconds": 12.0,
            "seconds_since_progress": 0.25, "plugin": null, "verdict": null,
        })
    };
    json!({
        "version": "0.1.0", "unix_seconds": 1000.0, "uptime_seconds": uptime, "state": "serving",
        "totals": {"requests": 10.0 * uptime, "attempts": 10, "active": 2, "limited": 3},
        "amplification": 1.25,
        "workers": {"all": 2, "stuck": 0, "lost": 0},
        "streams": [stream(1, "calm", "10.0.0.1", 5, 0.0), stream(2, "busy", "10.0.0.2 Spinner/1.0", polls, busy)],
        "deployments": [
            {"name": "busy/one", "group": "busy", "quarantined": false, "cooling_seconds": 12.4, "in_flight": 1,
             "ok": 4, "failed": 2, "limited": 3, "first_content_seconds": 0.5},
        ],
        "guards": [
            {"name": "litellm", "mode": "enforce", "state": "given_up", "since_unix_seconds": 940.0, "trouble": null, "pid": 77,
             "cpu_cores": 0.99, "misses": 4, "answer": "timeout", "answer_seconds": 5.0, "actions": 5, "last_action": "SIGTERM ended it"},
            {"name": "calm", "mode": "observe", "state": "healthy", "since_unix_seconds": 1.0, "trouble": null, "pid": null,
             "cpu_cores": 0.0, "misses": 0, "answer": "ok", "answer_seconds": 0.002, "actions": 0, "last_action": null},
        ],
        "plugins": {"plugins": [{"name": "openai", "version": "1", "state": "open", "isolation": "inline", "workers": [], "file": "/p.so"}], "refused": []},
        "incidents": [{"id": "1-1", "unix_seconds": 990.0, "kind": "stream_verdict", "why": "used CPU without progress", "rule": "R2", "action": "aborted", "group": "busy", "client": "10.0.0.2"}],
    })
}

fn top() -> Top {
    let mut top = Top::new("127.0.0.1:4001".into());
    top.take(snapshot(100.0, 1000, 1.0));
    top.take(snapshot(101.0, 51_000, 1.9));
    top
}

fn screen(top: &mut Top, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, top)).unwrap();
    terminal.backend().to_string()
}

fn press(top: &mut Top, code: KeyCode) -> Act {
    top.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn line<'a>(screen: &'a str, has: &str) -> &'a str {
    screen
        .lines()
        .find(|line| line.contains(has))
        .unwrap_or_else(|| panic!("no line with {has:?}:\n{screen}"))
}

#[test]
fn it_says_what_burns_and_what_is_limited() {
    let mut top = top();
    let screen = screen(&mut top, 160, 24);
    line(&screen, "litellm hangs; given up");
    line(&screen, "stream 2 of busy, for 10.0.0.2 Spinner/1.0, uses 90 % of a core");
    line(&screen, "busy/one is put aside for 12 s; 429s since the start: 3");
    line(&screen, "10 s ago: used CPU without progress");
    line(&screen, "requests/s 10.0");
    assert!(line(&screen, " 50000 ").contains("90.0 %"), "{screen}");
    let at = |word: &str| screen.lines().position(|line| line.contains(word)).unwrap();
    assert!(at("10.0.0.2 Spinner/1.0  ") < at("10.0.0.1"), "the busiest comes first:\n{screen}");
}

#[test]
fn nothing_is_known_before_the_first_snapshot_and_the_screen_may_be_tiny() {
    let mut top = Top::new("127.0.0.1:4001".into());
    line(&screen(&mut top, 80, 10), "connecting");
    for (width, height) in [(1, 1), (10, 3), (40, 6)] {
        screen(&mut top, width, height);
        screen(&mut super::tests::top(), width, height);
    }
}

#[test]
fn keys_sort_filter_and_turn() {
    let mut top = top();
    press(&mut top, KeyCode::Char('a'));
    press(&mut top, KeyCode::Char('r'));
    assert_eq!(top.shown().iter().map(|stream| stream.id).collect::<Vec<_>>(), [2, 1]);
    press(&mut top, KeyCode::Char('/'));
    for letter in "CALM".chars() {
        press(&mut top, KeyCode::Char(letter));
    }
    assert_eq!(top.shown().len(), 1);
    press(&mut top, KeyCode::Enter);
    assert_eq!(press(&mut top, KeyCode::Esc), Act::Nothing);
    assert_eq!(top.shown().len(), 2);
    for (tab, has) in [
        (Tab::Deployments, "First content"),
        (Tab::Guards, "SIGTERM ended it"),
        (Tab::Incidents, "stream_verdict"),
        (Tab::Plugins, "/p.so"),
    ] {
        press(&mut top, KeyCode::Tab);
        assert_eq!(top.tab, tab);
        line(&screen(&mut top, 160, 24), has);
    }
    press(&mut top, KeyCode::Tab);
    assert_eq!(top.tab, Tab::Streams);
    assert_eq!(press(&mut top, KeyCode::Char('q')), Act::Quit);
}

#[test]
fn a_stream_is_ended_only_when_chosen_and_confirmed() {
    let mut top = top();
    assert_eq!(press(&mut top, KeyCode::Char('x')), Act::Nothing);
    assert!(top.note.contains("choose a stream"));
    press(&mut top, KeyCode::Down);
    press(&mut top, KeyCode::Char('x'));
    line(&screen(&mut top, 160, 24), "abort stream 2 of busy?");
    assert_eq!(press(&mut top, KeyCode::Char('n')), Act::Nothing);
    press(&mut top, KeyCode::Char('x'));
    assert_eq!(press(&mut top, KeyCode::Char('y')), Act::Abort(2));
    // It is gone: the key is about nothing any more.
    top.take(json!({"uptime_seconds": 102.0, "streams": []}));
    assert_eq!(press(&mut top, KeyCode::Char('x')), Act::Nothing);
    assert!(top.confirm.is_none());
}

#[test]
fn a_lost_connection_is_said_and_forgotten_when_it_is_back() {
    let mut top = top();
    top.lost("gone".into());
    line(&screen(&mut top, 160, 24), "no connection");
    top.take(snapshot(103.0, 60_000, 2.0));
    let back = screen(&mut top, 160, 24);
    line(&back, "serving");
    line(&back, "Tab: next list");
    top.say("stream 1 was told to end".into());
    top.take(snapshot(104.0, 60_000, 2.0));
    line(&screen(&mut top, 160, 24), "was told to end");
}

#[test]
fn a_stuck_worker_and_a_plugin_out_of_service_need_attention() {
    let mut top = top();
    let mut status = snapshot(102.0, 51_000, 1.9);
    status["workers"]["stuck"] = 1.into();
    status["plugins"]["plugins"][0]["state"] = "quarantined".into();
    status["deployments"] = json!([]);
    top.take(status);
    let screen = screen(&mut top, 160, 24);
    line(&screen, "1 of 2 workers are in one poll for too long");
    line(&screen, "the plugin openai is quarantined");
}

#[test]
fn a_list_cannot_be_left_behind() {
    let mut top = top();
    press(&mut top, KeyCode::Tab);
    for _ in 0..9 {
        press(&mut top, KeyCode::Down);
    }
    line(&screen(&mut top, 160, 24), "500 ms");
    assert_eq!(top.scroll, 0);
}

#[test]
fn no_word_of_others_reaches_the_terminal_as_a_command() {
    let mut top = top();
    let mut status = snapshot(102.0, 51_000, 2.9);
    let bad = "a\u{1b}[31m\u{7}\r\nb";
    status["streams"][1]["client"] = bad.into();
    status["incidents"][0]["why"] = bad.into();
    status["deployments"][0]["name"] = bad.into();
    top.take(status);
    top.say(bad.into());
    for _ in Tab::ALL {
        let screen = screen(&mut top, 160, 24);
        assert!(!screen.contains(|c: char| c.is_control() && c != '\n'), "{screen:?}");
        press(&mut top, KeyCode::Tab);
    }
}
