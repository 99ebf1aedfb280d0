//! Incidents as text: a list with a line each, and one with its timeline. At most 80 columns, no colours.

use std::fmt::Write;

use serde_json::Value;

use crate::utc::utc;

const WIDTH: usize = 80;

/// The bar of a whole core.
const BAR: f64 = 10.0;

/// A line for each, the oldest first.
pub(super) fn list(incidents: &[Value]) -> String {
    if incidents.is_empty() {
        return "no incidents\n".to_owned();
    }
    let mut text = String::new();
    for incident in incidents {
        let line = format!(
            "{:<12} {}  {}",
            word(incident, "id"),
            utc(number(incident, "unix_seconds")),
            headline(incident, of_whom(incident).as_deref())
        );
        let _ = writeln!(text, "{}", cut(&line, WIDTH));
    }
    text
}

/// One with all that is known of it.
pub(super) fn show(incident: &Value) -> String {
    let mut text = String::new();
    let _ =
        writeln!(text, "incident {}   {} UTC", word(incident, "id"), utc(number(incident, "unix_seconds")));
    wrap(&mut text, &headline(incident, None));
    let labels = ["group", "deployment", "plugin", "client", "request_id", "trace_id"];
    let labels: Vec<String> =
        labels.iter().filter_map(|name| Some(format!("{name} {}", incident[*name].as_str()?))).collect();
    if !labels.is_empty() {
        wrap(&mut text, &labels.join(", "));
    }
    if let Some(counters) = incident["counters"].as_object().filter(|counters| !counters.is_empty()) {
        let counters: Vec<String> = counters.iter().map(|(name, value)| format!("{name} {value}")).collect();
        wrap(&mut text, &counters.join(", "));
    }
    stream(&mut text, &incident["stream"]);
    if let Some(poll) = incident.get("poll").filter(|poll| poll.is_object()) {
        let _ = writeln!(
            text,
            "poll of worker {}: {:.2} s, {:.2} s of it CPU",
            poll["worker"],
            number(poll, "wall_seconds"),
            number(poll, "cpu_seconds")
        );
    }
    timeline(&mut text, incident);
    if let Some(detail) = incident["detail"].as_str() {
        text.push('\n');
        for line in detail.lines() {
            let _ = writeln!(text, "{}", cut(line, WIDTH));
        }
    }
    text
}

fn headline(incident: &Value, whose: Option<&str>) -> String {
    let what = match (incident["rule"].as_str(), incident["action"].as_str()) {
        (Some(rule), Some(action)) => format!("{rule} {action}"),
        _ => word(incident, "kind").to_owned(),
    };
    let whose = whose.map(|name| format!(" {name}")).unwrap_or_default();
    format!("{what}{whose}: {}", word(incident, "why"))
}

/// The label that says most: a line of the list has no room for all.
fn of_whom(incident: &Value) -> Option<String> {
    let text = |name: &&str| incident[*name].as_str().map(str::to_owned);
    if incident["kind"] == "429_loop_client"
        && let Some(client) = text(&"client")
    {
        // Which one is the question, and its last words tell most: they are not to be cut off.
        return Some(client.rsplit(' ').collect::<Vec<_>>().join(" "));
    }
    ["group", "plugin", "deployment"].iter().find_map(text)
}

fn stream(text: &mut String, stream: &Value) {
    if !stream.is_object() {
        return;
    }
    let polls = format!(
        "stream {}: {} polls, the last {} without progress, {:.2} s in polls; {} bytes in {} pieces; {:.2} s old, \
         {:.2} s since progress",
        word(stream, "phase"),
        stream["polls"],
        stream["polls_without_progress"],
        number(stream, "busy_seconds"),
        stream["bytes"],
        stream["chunks"],
        number(stream, "age_seconds"),
        number(stream, "seconds_since_progress"),
    );
    wrap(text, &polls);
}

/// What happened and what the sampler saw, by time.
fn timeline(text: &mut String, incident: &Value) {
    let mut rows: Vec<(f64, String)> = Vec::new();
    for event in incident["events"].as_array().into_iter().flatten() {
        rows.push((number(event, "seconds_before"), word(event, "what").to_owned()));
    }
    let samples: Vec<&Value> = incident["samples"].as_array().into_iter().flatten().collect();
    for pair in samples.windows(2) {
        rows.push((number(pair[1], "seconds_before"), between(pair[0], pair[1])));
    }
    if rows.is_empty() {
        return;
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let end = match incident["action"].as_str() {
        Some(action) => format!("verdict {}, {action}", word(incident, "rule")),
        None => word(incident, "kind").to_owned(),
    };
    rows.push((0.0, end));
    let _ = writeln!(text, "\n   before  what");
    for (before, what) in rows {
        let line = format!("{:>7.2} s  {what}", -before + 0.0);
        let _ = writeln!(text, "{}", cut(&line, WIDTH));
    }
}

/// From one look of the sampler to the next.
fn between(one: &Value, next: &Value) -> String {
    let rise = |name: &str| (number(next, name) - number(one, name)).max(0.0);
    let time = number(one, "seconds_before") - number(next, "seconds_before");
    // Finished polls are measured exactly, one that lasts by its thread's CPU clock.
    let busy = rise("busy_seconds").max(rise("cpu_seconds"));
    let share = if time > 0.0 { (busy / time).min(1.0) } else { 0.0 };
    format!(
        "polls +{:<8.0} bytes +{:<8.0} pieces +{:<5.0} busy {:>3.0}% {}",
        rise("polls"),
        rise("bytes"),
        rise("chunks"),
        share * 100.0,
        "#".repeat((share * BAR).round() as usize),
    )
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("-")
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or(0.0)
}

/// At most so many characters; control characters, which a file may hold that others wrote, as `?`.
fn cut(line: &str, width: usize) -> String {
    let clean: String = line.trim_end().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if clean.chars().count() <= width {
        return clean;
    }
    let kept: String = clean.chars().take(width - 3).collect();
    kept + "..."
}

fn wrap(text: &mut String, line: &str) {
    let mut column = 0;
    for word in line.split_whitespace() {
        let word = cut(word, WIDTH);
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            text.push('\n');
            column = 0;
        }
        if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(&word);
        column += length;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdict() -> Value {
        let sample = |before: f64, polls: u64, cpu: f64| json!({"seconds_before": before, "polls": polls, "cpu_seconds": cpu, "bytes": 12, "chunks": 1});
        json!({
            "id": "6a1-3", "unix_seconds": 1_795_728_611.5, "kind": "stream_verdict", "rule": "R1", "action": "aborted",
            "why": "polled again and again without progress", "group": "gpt", "deployment": "openai/sim", "plugin": null,
            "stream": {"phase": "streaming", "polls": 90_210, "polls_without_progress": 90_207, "busy_seconds": 0.61,
                "bytes": 12, "chunks": 1, "age_seconds": 1.31, "seconds_since_progress": 0.75},
            "events": [{"seconds_before": 1.3, "what": "attempt 1 openai/sim"}, {"seconds_before": 0.76, "what": "first content"}],
            "samples": [sample(0.5, 30_000, 0.1), sample(0.25, 60_000, 0.225), sample(0.0, 90_210, 0.475)],
        })
    }

    #[test]
    fn a_verdict_is_a_timeline() {
        let drawn = show(&verdict());
        let expected = "\
incident 6a1-3   2026-11-26 21:30:11 UTC
R1 aborted: polled again and again without progress
group gpt, deployment openai/sim
stream streaming: 90210 polls, the last 90207 without progress, 0.61 s in polls;
12 bytes in 1 pieces; 1.31 s old, 0.75 s since progress

   before  what
  -1.30 s  attempt 1 openai/sim
  -0.76 s  first content
  -0.25 s  polls +30000    bytes +0        pieces +0     busy  50% #####
   0.00 s  polls +30210    bytes +0        pieces +0     busy 100% ##########
   0.00 s  verdict R1, aborted
";
        assert_eq!(drawn, expected);
        assert!(drawn.lines().all(|line| line.chars().count() <= WIDTH), "{drawn}");
    }

    #[test]
    fn a_list_has_a_line_each_and_nothing_breaks_it() {
        assert_eq!(list(&[]), "no incidents\n");
        let long = json!({"id": "1-1", "unix_seconds": 0, "kind": "gave_up", "why": "x".repeat(200)});
        let broken = json!({"id": 5, "why": "a\u{1b}[31m\nb"});
        let drawn = list(&[verdict(), long, broken]);
        assert_eq!(drawn.lines().count(), 3, "{drawn}");
        assert!(drawn.contains("R1 aborted gpt: polled"), "{drawn}");
        assert!(
            drawn.lines().all(|line| line.chars().count() <= WIDTH && !line.contains('\u{1b}')),
            "{drawn}"
        );
        assert!(show(&json!({})).starts_with("incident -"));
    }

    #[test]
    fn what_is_no_verdict_has_its_sentence_and_counters() {
        let report = json!({
            "id": "1-2", "kind": "429_loop_request", "why": "three in a row", "group": "gpt", "counters": {"attempts": 3},
            "events": [{"seconds_before": 2.0, "what": "429"}],
        });
        let mut detailed = report.clone();
        detailed["detail"] = "Thread 1\n  at x\u{1b}\n".into();
        assert!(show(&detailed).ends_with("429_loop_request\n\nThread 1\n  at x?\n"), "{}", show(&detailed));
        let drawn = show(&report);
        assert!(drawn.contains("429_loop_request: three in a row\ngroup gpt\nattempts 3\n"), "{drawn}");
        assert!(drawn.ends_with("  -2.00 s  429\n   0.00 s  429_loop_request\n"), "{drawn}");
    }

    #[test]
    fn a_client_that_does_not_wait_is_named_first() {
        let client = json!({"id": "1-3", "kind": "429_loop_client", "why": "it does not wait", "group": "gpt",
            "client": "10.0.0.7 OpenAI/Python key-88dc28d0"});
        let drawn = list(std::slice::from_ref(&client));
        assert!(drawn.contains("429_loop_client key-88dc28d0 OpenAI/Python"), "{drawn}");
        assert!(show(&client).contains("group gpt, client 10.0.0.7 OpenAI/Python key-88dc28d0\n"));
    }
}
