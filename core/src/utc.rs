//! A time of the Unix clock, written out.

use std::time::{SystemTime, UNIX_EPOCH};

/// `2026-11-26 21:30:11`, in UTC, of seconds since 1970.
pub(crate) fn utc(seconds: f64) -> String {
    let seconds = if seconds.is_finite() && seconds > 0.0 { seconds as u64 } else { 0 };
    let [year, month, day, hour, minute, second] = fields(seconds);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// `2026-11-26T21:30:11.123456Z`, as the log has it.
pub(crate) fn precise(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let [year, month, day, hour, minute, second] = fields(since.as_secs());
    let micros = since.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// `20261126T213011Z`, as AWS has it.
pub(crate) fn compact(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let [year, month, day, hour, minute, second] = fields(seconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// `2026-11-26T21:30:11Z` as seconds since 1970. `None`: it is not written so.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?;
    let (date, time) = text.split_once('T')?;
    let mut numbers =
        date.split('-').chain(time.split('.').next()?.split(':')).map(|field| field.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    let [year, month, day, hour, minute, second] = [next()?, next()?, next()?, next()?, next()?, next()?];
    let legal = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !legal || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (from_march, year) = if month > 2 { (month - 3, year) } else { (month + 9, year - 1) };
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let days =
        year / 400 * 146_097 + (year % 400) * 365 + (year % 400) / 4 - (year % 400) / 100 + day_of_year;
    Some(days.checked_sub(719_468)? * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn fields(seconds: u64) -> [u64; 6] {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    [year, month, day, second / 3_600, second / 60 % 60, second % 60]
}

/// Year, month and day of so many days since 1970-01-01, in the Gregorian calendar. Years are counted from March, so that
/// the leap day is the last one.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days_are_right() {
        assert_eq!(utc(0.0), "1970-01-01 00:00:00");
        assert_eq!(utc(951_782_399.9), "2000-02-28 23:59:59");
        assert_eq!(utc(951_782_400.0), "2000-02-29 00:00:00");
        assert_eq!(utc(1_795_728_611.0), "2026-11-26 21:30:11");
        assert_eq!(utc(4_107_542_400.0), "2100-03-01 00:00:00");
        assert_eq!(utc(f64::NAN), "1970-01-01 00:00:00");
    }

    #[test]
    fn what_is_written_is_read() {
        for seconds in [0, 951_782_399, 951_782_400, 1_795_728_611, 4_107_542_400, 4_107_542_399] {
            let text = utc(seconds as f64).replace(' ', "T") + "Z";
            assert_eq!(parse(&text), Some(seconds), "{text}");
        }
        assert_eq!(compact(UNIX_EPOCH + std::time::Duration::from_secs(1_795_728_611)), "20261126T213011Z");
        assert_eq!(parse("2026-11-26T21:30:11.123+00:00"), Some(1_795_728_611));
        for wrong in [
            "",
            "2026-11-26",
            "2026-13-26T00:00:00Z",
            "2026-11-26T21:30:11",
            "2026-11-26T21:30Z",
            "x-y-zTa:b:cZ",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
