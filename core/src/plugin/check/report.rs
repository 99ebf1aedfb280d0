//! The report, for people and for programs.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::cases;
use super::verdict::{Finding, Verdict};

/// What came of all cases.
pub(in crate::plugin) struct Report {
    pub(super) file: PathBuf,
    pub(super) cases: Vec<(&'static str, Verdict)>,
}

impl Report {
    /// Whether every case holds.
    pub(in crate::plugin) fn holds(&self) -> bool {
        self.cases.iter().all(|(_, verdict)| verdict.holds())
    }

    /// The same as the text, for programs.
    pub(in crate::plugin) fn json(&self) -> Value {
        let cases: Vec<Value> = self
            .cases
            .iter()
            .map(|(name, verdict)| {
                json!({
                    "case": name,
                    "outcome": outcome(verdict),
                    "did": verdict.did,
                    "skipped": verdict.skipped,
                    "findings": verdict.findings,
                    "more_findings": verdict.more,
                    "warnings": verdict.warnings,
                })
            })
            .collect();
        let about = self.cases.first().and_then(|(_, verdict)| verdict.about.clone());
        json!({"file": self.file, "plugin": about, "holds": self.holds(), "cases": cases})
    }
}

fn outcome(verdict: &Verdict) -> &'static str {
    match verdict {
        verdict if !verdict.holds() => "failed",
        verdict if verdict.skipped.is_some() => "skipped",
        verdict if !verdict.warnings.is_empty() => "warned",
        _ => "held",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(about) = self.cases.first().and_then(|(_, verdict)| verdict.about.as_ref()) {
            let of = if about.prefixes.is_empty() {
                String::new()
            } else {
                format!(" of {}", about.prefixes.join(", "))
            };
            writeln!(
                f,
                "{} {}, a {}{of} (ABI {})\n",
                about.name,
                about.version,
                about.kinds.join(" and a "),
                about.abi
            )?;
        }
        for (name, verdict) in self.cases.iter().filter(|(_, verdict)| outcome(verdict) != "skipped") {
            let (mark, text) = match outcome(verdict) {
                "failed" => ("FAIL", cases::named(name).map(|case| case.asks).unwrap_or_default()),
                "warned" => ("warn", verdict.did.as_str()),
                _ => ("ok", verdict.did.as_str()),
            };
            writeln!(f, "{}", format!("{mark:<5} {name:<12} {text}").trim_end())?;
            for finding in &verdict.findings {
                show(f, finding)?;
            }
            if verdict.more > 0 {
                writeln!(f, "      and {} more of this case", verdict.more)?;
            }
            for warning in &verdict.warnings {
                writeln!(f, "      note: {warning}")?;
            }
        }
        let count =
            |wanted: &str| self.cases.iter().filter(|(_, verdict)| outcome(verdict) == wanted).count();
        let (failed, skipped) = (count("failed"), count("skipped"));
        let not_asked: Vec<&str> = self
            .cases
            .iter()
            .filter(|(_, verdict)| verdict.skipped.is_some())
            .map(|(name, _)| *name)
            .collect();
        let reason = self.cases.iter().find_map(|(_, verdict)| verdict.skipped.as_deref());
        if let Some(reason) = reason {
            writeln!(f, "-     {reason}: not asked are {}", not_asked.join(", "))?;
        }
        let held = self.cases.len() - failed - skipped;
        if failed == 0 {
            return writeln!(f, "\nthe contract is kept: {held} cases hold, {skipped} do not apply");
        }
        writeln!(f, "\nTHE CONTRACT IS NOT KEPT: {failed} of {} cases failed", self.cases.len())
    }
}

fn show(f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    writeln!(f, "      called  {}", finding.called)?;
    writeln!(f, "      with    {}", short(&finding.with))?;
    writeln!(f, "      came    {}", short(&finding.came))?;
    writeln!(f, "      asked   {}\n", finding.asks)
}

/// A line that a terminal can take: what a plugin says may hold anything.
fn short(text: &str) -> String {
    const LONGEST: usize = 400;
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    if text.chars().count() > LONGEST { plain + "..." } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_case_is_a_failed_check_and_a_warning_is_none() {
        let warned =
            Verdict { warnings: vec!["slow".to_owned()], did: "3 calls".to_owned(), ..Verdict::default() };
        let skipped = Verdict { skipped: Some("it is no policy".to_owned()), ..Verdict::default() };
        let mut report =
            Report { file: "x.so".into(), cases: vec![("loads", warned), ("decisions", skipped)] };
        assert!(report.holds() && report.to_string().contains("1 cases hold, 1 do not apply"), "{report}");
        let finding = Finding { called: "create".into(), came: "\u{1b}[31m".into(), ..Finding::default() };
        report.cases.push(("create", Verdict::of(finding)));
        let text = report.to_string();
        assert!(
            !report.holds() && text.contains("1 of 3 cases failed") && !text.contains('\u{1b}'),
            "{text}"
        );
        assert_eq!(report.json()["cases"][2]["outcome"], "failed");
    }
}
