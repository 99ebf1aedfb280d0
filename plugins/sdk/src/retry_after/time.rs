//! Two ways of writing times that no crate here reads: Go's durations and RFC 3339.

use super::{CAP_MS, decimal};

/// A duration as Go prints it: `1s`, `6m0s`, `12ms`, `1h2m3.5s`, `250µs`; also with days. Rounded up.
pub fn go_duration(text: &str) -> Option<u64> {
    let (total, rest) = duration_at(text.trim())?;
    rest.is_empty().then_some(total)
}

/// The duration that a text begins with, and what follows it.
pub(super) fn duration_at(text: &str) -> Option<(u64, &str)> {
    let (mut total, mut rest) = (0_u64, text);
    let mut parts = 0;
    // Each turn consumes a number and its unit.
    while let Some((ms, after)) = part(rest) {
        total = total.saturating_add(ms).min(CAP_MS);
        rest = after;
        parts += 1;
    }
    (parts > 0).then_some((total, rest))
}

/// One number with its unit.
fn part(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(digits);
    let unit = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    // `1m30s`: the letters of a unit end where the next digits begin.
    let (unit, rest) = rest.split_at(unit);
    let ms = match unit {
        "d" => decimal(number, 86_400_000)?,
        "h" => decimal(number, 3_600_000)?,
        "m" => decimal(number, 60_000)?,
        "s" => decimal(number, 1000)?,
        "ms" => decimal(number, 1)?,
        "us" | "µs" | "μs" => decimal(number, 1)?.div_ceil(1000),
        "ns" => decimal(number, 1)?.div_ceil(1_000_000),
        _ => return None,
    };
    Some((ms, rest))
}

/// A point in time such as `2026-01-31T23:59:59.5Z` or `...+02:00`, in milliseconds since 1970. Years before 1970 are
/// not read.
pub fn rfc3339(text: &str) -> Option<u64> {
    let text = text.trim();
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let mark = |at: usize, marks: &str| text.get(at..=at).filter(|mark| marks.contains(*mark));
    for (at, marks) in [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")] {
        mark(at, marks)?;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // 60: a leap second.
    let in_range = year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !in_range || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix('.') {
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        fraction = decimal(&format!("0.{}", &after[..end]), 1000).filter(|_| end > 0)?;
        rest = &after[end..];
    }
    let offset_minutes = match rest {
        "Z" | "z" => 0,
        _ => {
            let at = text.len().checked_sub(6)?;
            let sign = if mark(at, "+-")? == "+" { 1 } else { -1 };
            mark(at + 3, ":").filter(|_| rest.len() == 6)?;
            sign * i64::try_from(number(at + 1, at + 3)? * 60 + number(at + 4, at + 6)?).ok()?
        }
    };
    let seconds = (days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second;
    let shifted = i64::try_from(seconds).ok()? - offset_minutes * 60;
    u64::try_from(shifted).ok()?.checked_mul(1000)?.checked_add(fraction)
}

/// Days from 1970-01-01 (the proleptic Gregorian calendar, years counted from March).
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_durations() {
        let rows = [
            ("1s", Some(1000)),
            ("6m0s", Some(360_000)),
            ("12ms", Some(12)),
            ("1h2m3.5s", Some(3_723_500)),
            ("7.66s", Some(7660)),
            ("2m59.56s", Some(179_560)),
            ("250µs", Some(1)),
            ("0s", Some(0)),
            ("2d", Some(CAP_MS)),
            ("5", None),
            ("s", None),
            ("-1s", None),
            ("1s later", None),
            ("1w", None),
            ("1..2s", None),
            ("", None),
        ];
        for (text, want) in rows {
            assert_eq!(go_duration(text), want, "{text}");
        }
    }

    #[test]
    fn reads_points_in_time() {
        let rows = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1994-11-06T08:49:37Z", Some(784_111_777_000)),
            ("1994-11-06t08:49:37.25z", Some(784_111_777_250)),
            ("1994-11-06T09:49:37+01:00", Some(784_111_777_000)),
            ("1994-11-06T00:49:37-08:00", Some(784_111_777_000)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400_000)),
            ("1969-12-31T23:59:59Z", None),
            ("1994-13-06T08:49:37Z", None),
            ("1994-11-06T08:49:37", None),
            ("1994-11-06T08:49:37.Z", None),
            ("1994-11-06T08:49:37+0100", None),
            ("1994-11-06", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, want) in rows {
            assert_eq!(rfc3339(text), want, "{text}");
        }
    }
}
