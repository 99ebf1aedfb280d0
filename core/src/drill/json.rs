//! The report as one JSON document. Its form is documented in docs/fault-matrix.md: names are added, never changed.

use serde_json::{Value, json};
use tidegate_sim::Expect;

use super::fault::{is_committed, is_normal, status};
use super::outcome::Outcome;
use super::plan::{Cell, Plan, mode_name};
use super::run::Played;
use super::worst;

pub(super) fn document(plan: &Plan, played: &Played, config: Option<&std::path::Path>) -> Value {
    json!({
        "format": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "config": config.map(|path| path.display().to_string()),
        "kept": played.kept(),
        "summary": {
            "cells": played.cells.len(),
            "kept": played.good(),
            "broken": played.cells.len() - played.good(),
            "ms": millis(played.took),
        },
        "neighbour": {
            "streams": played.beside.streams,
            "longest_silence_ms": millis(played.beside.gap),
        },
        "metrics": {
            "asked": played.scrapes.asked,
            "answered": played.scrapes.answered,
            "slowest_ms": millis(played.scrapes.slowest),
        },
        "broken": played.broken,
        "not_drilled": plan.left_out,
        "cells": played.cells.iter().map(|(cell, outcome)| one(cell, outcome)).collect::<Vec<_>>(),
    })
}

fn one(cell: &Cell, outcome: &Outcome) -> Value {
    let setup = &cell.setup;
    let expected: Vec<String> = cell.promise.asks.last().into_iter().flatten().map(sentence).collect();
    json!({
        "id": cell.id(),
        "table": setup.table,
        "provider": setup.variant,
        "model": setup.model,
        "fault": cell.fault.name(),
        "about": cell.fault.about(),
        "mode": mode_name(cell.mode),
        "expected": expected,
        "client": outcome.client,
        "attempts": outcome.attempts,
        "attempts_promised": [cell.promise.attempts.start(), cell.promise.attempts.end()],
        "ms": millis(outcome.took),
        "worst_ms": millis(worst::of(cell.fault, cell.mode, &setup.terms, &setup.original, &setup.model)),
        "kept": outcome.kept(),
        "broken": outcome.broken,
    })
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What was promised, in words of the report.
fn sentence(expect: &Expect) -> String {
    if is_normal(expect) {
        return match expect {
            Expect::ToolCalls(count) => format!("{count} calls"),
            _ => "whole text".into(),
        };
    }
    let status = status(expect).map_or_else(|| "of a limit or clock".to_owned(), |status| status.to_string());
    let hint = if matches!(expect, Expect::Http { retry_after: true, .. }) { ", Retry-After" } else { "" };
    if is_committed(expect) { format!("text, error {status}") } else { format!("HTTP {status}{hint}") }
}
