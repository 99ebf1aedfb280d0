//! Rows for people: one fault, its modes side by side, providers that agree in one row.

use std::time::Duration;

use tidegate_sim::Mode;

use super::outcome::Outcome;
use super::plan::Cell;
use super::run::Played;
use super::worst;

/// A table: one configuration, or one group in one situation.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) rows: Vec<Row>,
}

/// One fault.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) fault: &'static str,
    pub(super) about: &'static str,
    /// The providers that it is true of, where not of all.
    pub(super) variants: Vec<&'static str>,
    /// What a streaming client got, and the attempts.
    pub(super) stream: Option<(String, u32)>,
    /// What the client of a whole answer got.
    pub(super) whole: Option<(String, u32)>,
    /// By the clocks.
    pub(super) worst: Duration,
    pub(super) kept: bool,
}

/// The tables of a run, in its order.
pub(super) fn tables(played: &Played) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for (cell, outcome) in &played.cells {
        let setup = &cell.setup;
        let at = tables.iter().position(|table| table.name == setup.table).unwrap_or_else(|| {
            tables.push(Table { name: setup.table.clone(), about: setup.about.clone(), rows: Vec::new() });
            tables.len() - 1
        });
        tables[at].add(cell, outcome);
    }
    for table in &mut tables {
        table.merge();
    }
    tables
}

impl Table {
    fn add(&mut self, cell: &Cell, outcome: &Outcome) {
        let variants: Vec<_> = cell.setup.variant.into_iter().collect();
        let same = |row: &&mut Row| row.fault == cell.fault.name() && row.variants == variants;
        let got = Some((outcome.client.clone(), outcome.attempts));
        let worst =
            worst::of(cell.fault, cell.mode, &cell.setup.terms, &cell.setup.original, &cell.setup.model);
        if let Some(row) = self.rows.iter_mut().find(same) {
            row.kept &= outcome.kept();
            row.worst = row.worst.max(worst);
            *row.mode(cell.mode) = got;
            return;
        }
        let (fault, about) = (cell.fault.name(), cell.fault.about());
        let mut row = Row { fault, about, variants, stream: None, whole: None, worst, kept: outcome.kept() };
        *row.mode(cell.mode) = got;
        self.rows.push(row);
    }

    /// Rows of one fault that say the same become one; a row that is true of every provider names none.
    fn merge(&mut self) {
        let mut merged: Vec<Row> = Vec::new();
        for row in self.rows.drain(..) {
            let same = |known: &&mut Row| {
                known.fault == row.fault
                    && (&known.stream, &known.whole, known.kept) == (&row.stream, &row.whole, row.kept)
            };
            match merged.iter_mut().find(same) {
                Some(known) => {
                    known.variants.extend(row.variants);
                    known.worst = known.worst.max(row.worst);
                }
                None => merged.push(row),
            }
        }
        // The rows of one fault stand together, in the order of the faults.
        let order: Vec<&str> = merged.iter().map(|row| row.fault).collect();
        merged.sort_by_key(|row| order.iter().position(|fault| *fault == row.fault));
        let alone = |fault: &str| order.iter().filter(|known| **known == fault).count() == 1;
        for row in &mut merged {
            if alone(row.fault) {
                row.variants.clear();
            }
        }
        self.rows = merged;
    }
}

impl Row {
    fn mode(&mut self, mode: Mode) -> &mut Option<(String, u32)> {
        if mode == Mode::Whole { &mut self.whole } else { &mut self.stream }
    }

    /// The fault's name, and the providers that the row is true of.
    pub(super) fn label(&self) -> String {
        if self.variants.is_empty() {
            return self.fault.to_owned();
        }
        format!("{} ({})", self.fault, self.variants.join(", "))
    }
}
