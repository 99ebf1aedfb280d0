//! Durations (`250ms`, `2s`, `10m`, `1h`) and sizes (`512B`, `64KiB`, `16MiB`, `1GiB`) as the `tidegate:` section writes them.

use std::time::Duration;

/// The longest duration that is taken: a week. Anything longer is a typo, and timers keep clear of overflow.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reads a duration: digits, optionally a point and digits, then `ms`, `s`, `m` or `h`.
///
/// # Errors
/// A sentence that says what was expected.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text).ok_or_else(|| EXPECT_DURATION.to_owned())?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        "" => return Err(format!("a duration needs its unit: {text}s, {text}m, ...")),
        _ => return Err(EXPECT_DURATION.to_owned()),
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| "a duration is at most 168h".to_owned())
}

const EXPECT_DURATION: &str = "expected a duration such as 250ms, 2s, 10m or 1h";
const EXPECT_SIZE: &str = "expected a size such as 512B, 64KiB, 16MiB or 1GiB";

/// Reads a size in bytes.
///
/// # Errors
/// A sentence that says what was expected.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text).ok_or_else(|| EXPECT_SIZE.to_owned())?;
    let factor = match unit {
        "B" => 1_u64,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "" => return Err(format!("a size needs its unit: {text}KiB, {text}MiB, ...")),
        "KB" | "MB" | "GB" | "K" | "M" | "G" | "kB" => {
            return Err(format!("`{unit}` is ambiguous; write KiB, MiB or GiB"));
        }
        _ => return Err(EXPECT_SIZE.to_owned()),
    };
    let bytes = number * factor as f64;
    if bytes.fract() != 0.0 || bytes > (1_u64 << 40) as f64 {
        return Err("a size is a whole number of bytes, at most 1024GiB".to_owned());
    }
    Ok(bytes as u64)
}

/// Splits `1.5s` into 1.5 and `s`.
fn split(text: &str) -> Option<(f64, &str)> {
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number = text[..at].parse::<f64>().ok().filter(|number| number.is_finite())?;
    Some((number, text[at..].trim_start()))
}

/// Writes a duration as the config would: the largest unit that keeps it whole.
pub(crate) fn show(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0 => "0s".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::{duration, show, size};
    use std::time::Duration;

    #[test]
    fn durations() {
        for (text, ms) in
            [("250ms", 250), ("2s", 2000), ("1.5s", 1500), ("10m", 600_000), ("1h", 3_600_000), ("0s", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "2", "2x", "-2s", "1..5s", "1e3s", "169h", "2s2s", "inf"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("512B", 512), ("64KiB", 65_536), ("16MiB", 16 << 20), ("1.5GiB", 3 << 29)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "5", "5MB", "5 m", "0.3B", "5TiB", "-1B", "2000GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shown_as_written() {
        for text in ["250ms", "2s", "10m", "1h", "1500ms", "90s"] {
            assert_eq!(duration(text).map(show).as_deref(), Ok(text));
        }
    }
}
