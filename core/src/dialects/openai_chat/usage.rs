//! Asks a stream for its usage, in a body that does not: `stream_options.include_usage`. No other byte of it changes.

use std::ops::Range;

use bytes::Bytes;

use crate::dialects::json::{Invalid, Scan};

const WANTED: &str = r#"{"include_usage":true}"#;

/// The body that asks, and where the model's value stands in it, of which `model_at` is the place now.
/// `None`: it asks already, or says there what only the provider can judge.
pub(in crate::dialects) fn asked(
    body: &[u8],
    model_at: Option<Range<usize>>,
) -> Option<(Bytes, Option<Range<usize>>)> {
    let text = std::str::from_utf8(body).ok()?;
    let (place, with) = change(text)?;
    let mut changed = Vec::with_capacity(body.len() + with.len());
    changed.extend_from_slice(&body[..place.start]);
    changed.extend_from_slice(with.as_bytes());
    changed.extend_from_slice(&body[place.end..]);
    let moved = |at: usize| if at >= place.end { at + with.len() - place.len() } else { at };
    let model_at = model_at.map(|at| moved(at.start)..moved(at.end));
    Some((changed.into(), model_at))
}

/// What to write, and in the place of what.
fn change(text: &str) -> Option<(Range<usize>, String)> {
    let (mut options, mut members) = (None, 0);
    let mut scan = Scan::new(text);
    scan.object(|scan, name| {
        members += 1;
        let (at, value) = scan.placed()?;
        if !name.is("stream_options") {
            return Ok(());
        }
        // Of two the provider may take either.
        if options.replace((at, value.is_null())).is_some() { Err(Invalid) } else { Ok(()) }
    })
    .ok()?;
    match options {
        None if members == 0 => None,
        None => {
            let close = text.trim_ascii_end().len().checked_sub(1)?;
            Some((close..close, format!(r#","stream_options":{WANTED}"#)))
        }
        Some((at, true)) => Some((at, WANTED.to_owned())),
        Some((at, false)) => {
            let (within, with) = inner(&text[at.clone()])?;
            Some((at.start + within.start..at.start + within.end, with))
        }
    }
}

/// The same within the options that there are.
fn inner(options: &str) -> Option<(Range<usize>, String)> {
    let (mut wanted, mut members) = (None, 0);
    Scan::new(options)
        .object(|scan, name| {
            members += 1;
            let (at, value) = scan.placed()?;
            if !name.is("include_usage") {
                return Ok(());
            }
            let no = value.is_null() || value.truth() == Some(false);
            if no && wanted.is_none() {
                wanted = Some(at);
                return Ok(());
            }
            Err(Invalid)
        })
        .ok()?;
    match wanted {
        Some(at) => Some((at, "true".to_owned())),
        None => {
            let comma = if members == 0 { "" } else { "," };
            Some((1..1, format!(r#""include_usage":true{comma}"#)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_ask_comes_to_ask_and_nothing_else_changes() {
        for (body, changed) in [
            (
                " {\"model\" : \"m\", \"n\":1.0 } \n",
                Some(" {\"model\" : \"m\", \"n\":1.0 ,\"stream_options\":{\"include_usage\":true}} \n"),
            ),
            (
                r#"{"stream_options":null,"model":"m"}"#,
                Some(r#"{"stream_options":{"include_usage":true},"model":"m"}"#),
            ),
            (
                r#"{"stream_options": { },"model":"m"}"#,
                Some(r#"{"stream_options": {"include_usage":true },"model":"m"}"#),
            ),
            (
                r#"{"stream_options":{"include_obfuscation":false},"model":"m"}"#,
                Some(r#"{"stream_options":{"include_usage":true,"include_obfuscation":false},"model":"m"}"#),
            ),
            (
                r#"{"model":"m","stream_options":{"x":{"include_usage":1},"include_usage": false}}"#,
                Some(r#"{"model":"m","stream_options":{"x":{"include_usage":1},"include_usage": true}}"#),
            ),
            (
                r#"{"stream_options":{"include_usage":null},"model":"m"}"#,
                Some(r#"{"stream_options":{"include_usage":true},"model":"m"}"#),
            ),
            // It asks, or what it says is for the provider to judge.
            (r#"{"model":"m","stream_options":{"include_usage":true}}"#, None),
            (r#"{"model":"m","stream_options":{"include_usage":"no"}}"#, None),
            (r#"{"model":"m","stream_options":{"include_usage":false,"include_usage":false}}"#, None),
            (r#"{"model":"m","stream_options":7}"#, None),
            (r#"{"model":"m","stream_options":[]}"#, None),
            (r#"{"model":"m","stream_options":null,"stream_options":null}"#, None),
            ("{}", None),
            ("[]", None),
        ] {
            let at = body.find("\"m\"").map(|at| at..at + 3);
            let made = asked(body.as_bytes(), at.clone());
            let text = made.as_ref().map(|(bytes, _)| std::str::from_utf8(bytes).unwrap());
            assert_eq!(text, changed, "{body}");
            if let Some((bytes, model_at)) = made {
                assert_eq!(&bytes[model_at.unwrap()], b"\"m\"", "{body}");
                assert_eq!(asked(&bytes, None), None, "asked once, it asks");
            }
        }
    }
}
