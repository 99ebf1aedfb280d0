//! Which cells are played: `--only` with a part of an id, or a pattern with `*` for a whole one.

use super::plan::Cell;

/// Whether a cell is wanted: where there are patterns, one of them must fit its id.
pub(super) fn wanted(patterns: &[String], cell: &Cell) -> bool {
    let id = cell.id();
    patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, &id))
}

fn fits(pattern: &str, id: &str) -> bool {
    if !pattern.contains('*') {
        return id.contains(pattern);
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| id.strip_prefix(start)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns() {
        let id = "no-fallback/openai/429-first/stream";
        for pattern in
            ["429-first", "openai/429", "", "*", "no-*stream", "*/429-*/stream", "no-fallback/*", "*first*"]
        {
            assert!(fits(pattern, id), "{pattern}");
        }
        for pattern in ["429-last", "openai*", "*whole", "no-*x*stream", "*stream/stream"] {
            assert!(!fits(pattern, id), "{pattern}");
        }
    }
}
