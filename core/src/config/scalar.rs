//! What an unquoted word means. YAML 1.1 as PyYAML's `safe_load` has it, since that is what litellm's users write for:
//! `yes` is true, `0640` is octal, `1_000` is a number, `1e3` is a text. The one difference: a date stays a text, because
//! `api_version: 2024-02-01` means those characters.

use super::node::Value;

/// Reads a plain (unquoted, untagged) scalar.
pub(crate) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ => int(text)
            .map(|value| Value::Int(value, text.to_owned()))
            .or_else(|| float(text).map(|value| Value::Float(value, text.to_owned())))
            .unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

fn sign(text: &str) -> (i64, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    }
}

/// A whole number: decimal, `0b`, `0x`, leading-zero octal or base 60 (`1:30`). `None` when out of range too.
fn int(text: &str) -> Option<i64> {
    let (sign, body) = sign(text);
    let digits: String = body.chars().filter(|c| *c != '_').collect();
    let radix = |text: &str, radix| {
        text.bytes().all(|b| b.is_ascii_alphanumeric()).then(|| i64::from_str_radix(text, radix).ok())?
    };
    let value = if !body.starts_with(|c: char| c.is_ascii_digit()) {
        None
    } else if let Some(rest) = digits.strip_prefix("0b") {
        radix(rest, 2)
    } else if let Some(rest) = digits.strip_prefix("0x") {
        radix(rest, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        radix(&digits[1..], 8)
    } else if digits.contains(':') {
        sixties(&digits)
    } else {
        radix(&digits, 10)
    };
    value?.checked_mul(sign)
}

/// `1:30:05` in base 60; each part after the first is below 60.
fn sixties(text: &str) -> Option<i64> {
    let mut total = 0_i64;
    for (index, part) in text.split(':').enumerate() {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let value =
            part.parse::<i64>().ok().filter(|v| digits && (index == 0 || (*v < 60 && part.len() <= 2)))?;
        total = total.checked_mul(60)?.checked_add(value)?;
    }
    Some(total)
}

/// A number with a point; an exponent needs its sign, as YAML 1.1 asks.
fn float(text: &str) -> Option<f64> {
    let (sign, body) = sign(text);
    let factor = if sign < 0 { -1.0 } else { 1.0 };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY * factor),
        ".nan" | ".NaN" | ".NAN" if body.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-'])?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
    }
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let starts = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let shaped = digits(whole)
        && digits(fraction)
        && (starts(whole) || (whole.is_empty() && body.len() == text.len() && starts(fraction)));
    if !shaped {
        return None;
    }
    body.replace('_', "").parse::<f64>().ok().map(|value| value * factor)
}

#[cfg(test)]
mod tests {
    use super::{Value, plain};

    /// Each row was checked against PyYAML 6's `safe_load`; the date is the stated difference.
    #[test]
    fn words_mean_what_pyyaml_reads() {
        for word in ["yes", "On", "TRUE", "true"] {
            assert_eq!(plain(word), Value::Bool(true), "{word}");
        }
        for word in ["no", "Off", "FALSE", "false"] {
            assert_eq!(plain(word), Value::Bool(false), "{word}");
        }
        for word in ["", "~", "null", "NULL"] {
            assert_eq!(plain(word), Value::Null, "{word}");
        }
        for (word, value) in [
            ("1_000", 1000),
            ("0640", 416),
            ("0x1F", 31),
            ("0b101", 5),
            ("-7", -7),
            ("+7", 7),
            ("0", 0),
            ("1:30", 90),
        ] {
            assert_eq!(plain(word), Value::Int(value, word.to_owned()), "{word}");
        }
        for (word, value) in [("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("1.0e+3", 1000.0), ("-0.25", -0.25)] {
            assert_eq!(plain(word), Value::Float(value, word.to_owned()), "{word}");
        }
        for word in [
            "1e3",
            "2024-02-01",
            "0.5s",
            "tRUE",
            "y",
            "n",
            "089",
            "1:75",
            "0x",
            "-",
            "+",
            "1.2.3",
            "_1",
            "0xG",
            "-.5",
        ] {
            assert_eq!(plain(word), Value::String(word.to_owned()), "{word}");
        }
    }

    #[test]
    fn numbers_out_of_range_stay_text() {
        assert_eq!(plain("99999999999999999999"), Value::String("99999999999999999999".to_owned()));
    }
}
