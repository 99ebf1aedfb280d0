//! "Did you mean": the nearest of a few known names.

/// A hint that names the candidate closest to `word`, if one is close enough to be a slip of the finger.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|name| format!("did you mean `{name}`?"))
}

/// The candidate within a third of the word's length, at most 3 edits.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    // A name longer than any of ours cannot be near one; the table stays small.
    if word.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|name| (distance(word, name), name))
        .filter(|(edits, _)| (1..=limit).contains(edits))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// Edits (insert, delete, replace, swap of neighbours) from `a` to `b`; `-` and `_` count as the same.
fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| -> Vec<char> {
        text.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
    };
    if a == b {
        return 0;
    }
    let (a, b) = (fold(a), fold(b));
    let mut rows = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    // Different words that fold to the same one (`num-retries`) are one edit apart.
    rows[a.len()][b.len()].max(1)
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, nearest};

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["listen", "admin", "clocks", "mid_stream", "limits"];
        assert_eq!(nearest("lsiten", known), Some("listen"));
        assert_eq!(nearest("mid-stream", known), Some("mid_stream"));
        assert_eq!(nearest("clock", known), Some("clocks"));
        assert_eq!(nearest("guardrails", known), None);
        assert_eq!(did_you_mean("Limits", known).as_deref(), Some("did you mean `limits`?"));
    }
}
