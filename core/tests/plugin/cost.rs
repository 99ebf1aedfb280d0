//! `tidegate plugin cost`: a row for each call, in both modes; what they say is the machine's business.

use super::{plugin, shipped};

fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    text.lines().skip(2).map(cells).collect()
}

#[test]
fn each_call_of_a_plugin_is_measured_in_both_modes() {
    for (name, calls) in [("gemini", 5), ("fallback", 2)] {
        let (code, out, complaint) =
            plugin(&["cost".as_ref(), "--rounds".as_ref(), "1".as_ref(), shipped(name).as_os_str()]);
        assert_eq!(code, 0, "{complaint}");
        let rows = rows(&out);
        assert_eq!(rows.len(), calls, "{out}");
        for row in rows {
            assert_eq!((row.len(), row[0].as_str()), (5, name), "{out}");
            for time in &row[2..4] {
                let (number, unit) = time.split_once(' ').unwrap();
                assert!(number.parse::<f64>().unwrap() > 0.0 && ["ns", "us", "ms"].contains(&unit), "{out}");
            }
        }
    }
}

#[test]
fn what_cannot_be_measured_is_said() {
    let (code, out, complaint) = plugin(&["cost", "/nowhere/libx.so"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(complaint.contains("/nowhere/libx.so"), "{complaint}");
    let gemini = shipped("gemini");
    let (code, _, complaint) =
        plugin(&["cost".as_ref(), "--event".as_ref(), "<html>".as_ref(), gemini.as_os_str()]);
    assert_eq!(code, 1);
    assert!(complaint.contains("give one with --event"), "{complaint}");
}
