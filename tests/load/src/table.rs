//! Markdown tables whose columns line up, so that they read as well in a terminal.

/// A table: the first `left` columns to the left, all others to the right.
pub(crate) fn markdown(header: &[String], left: usize, rows: &[Vec<String>]) -> String {
    let cell = |row: &[String], column: usize| {
        row.get(column).map_or(String::new(), |text| text.replace('|', "\\|"))
    };
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let all = rows.iter().map(Vec::as_slice).chain([header]);
            all.map(|row| cell(row, column).chars().count()).max().unwrap_or(0).max(3)
        })
        .collect();
    let line = |row: &[String]| {
        let cells = widths.iter().enumerate().map(|(column, &width)| {
            if column < left {
                format!(" {:<width$} ", cell(row, column))
            } else {
                format!(" {:>width$} ", cell(row, column))
            }
        });
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    };
    let rule: Vec<String> = widths
        .iter()
        .enumerate()
        .map(
            |(column, &width)| {
                if column < left { "-".repeat(width + 2) } else { format!("{}:", "-".repeat(width + 1)) }
            },
        )
        .collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    format!("{}|{}|\n{body}", line(header), rule.join("|"))
}

/// A number with about three digits that count: 0.123, 1.23, 12.3, 123, 1234.
pub(crate) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|&cell| cell.to_owned()).collect()
    }

    #[test]
    fn columns_line_up_and_short_rows_are_filled() {
        let table = markdown(&row(&["a", "b"]), 1, &[row(&["long|er", "1"]), row(&["x"])]);
        assert_eq!(
            table,
            "| a        |   b |\n|----------|----:|\n| long\\|er |   1 |\n| x        |     |\n"
        );
    }

    #[test]
    fn numbers_keep_three_digits() {
        let shown: Vec<String> = [0.123, 9.994, 9.996, 99.96, 12_345.6].map(number).into();
        assert_eq!(shown, ["0.12", "9.99", "10.0", "100", "12346"]);
    }
}
