//! Where `tidegate incidents` reads: the admin port of a running process, or the incidents' file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::file::aside;
use crate::operator::Operator;

/// Files put aside that are looked for.
const MOST_ASIDE: u32 = 1_000;

/// Where to read.
#[derive(Clone, Debug)]
pub enum Source {
    /// A running process.
    Admin(SocketAddr),
    /// The file, and those put aside from it.
    File(PathBuf),
}

impl Source {
    /// All incidents, the oldest first.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(&self) -> Result<Vec<Value>, String> {
        match self {
            Self::Admin(addr) => admin(*addr),
            Self::File(path) => files(path),
        }
    }
}

fn admin(addr: SocketAddr) -> Result<Vec<Value>, String> {
    let body = Operator::new(addr).ask("GET", "/api/incidents")?;
    let mut body: Value =
        serde_json::from_str(&body).map_err(|error| format!("{addr} gave no whole answer: {error}"))?;
    match body["incidents"].take() {
        Value::Array(incidents) => Ok(incidents),
        _ => Err(format!("{addr} does not answer as tidegate's admin port does")),
    }
}

fn files(path: &Path) -> Result<Vec<Value>, String> {
    let older: Vec<PathBuf> =
        (1..MOST_ASIDE).map(|number| aside(path, number)).take_while(|file| file.exists()).collect();
    let mut incidents = Vec::new();
    let newest = [path.to_owned()];
    for file in older.iter().rev().chain(&newest) {
        // Between two files there is a moment in which the newest is not there.
        if file == path && !older.is_empty() && !file.exists() {
            continue;
        }
        let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        // A line that broke off on a full disk is none.
        let lines =
            bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        incidents.extend(lines.filter(Value::is_object));
    }
    Ok(incidents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_in_order_and_broken_lines_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("i.jsonl");
        std::fs::write(&path, "{\"id\":\"1-3\"}\n{\"id\":\"1-").unwrap();
        std::fs::write(aside(&path, 1), "{\"id\":\"1-2\"}\nnonsense\n7\n").unwrap();
        std::fs::write(aside(&path, 2), "{\"id\":\"1-1\"}\n").unwrap();
        let read = Source::File(path).read().unwrap();
        let ids: Vec<_> = read.iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["1-1", "1-2", "1-3"]);
        let gone = Source::File(dir.path().join("none")).read().unwrap_err();
        assert!(gone.contains("none"), "{gone}");
    }

    #[test]
    fn an_address_where_nobody_is_gets_a_sentence() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = Source::Admin(free).read().unwrap_err();
        assert!(error.contains("--admin"), "{error}");
    }
}
