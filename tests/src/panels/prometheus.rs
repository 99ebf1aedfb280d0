//! A real Prometheus on a free port, with one target and a temporary database.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::client::{ask, get};

/// The longest wait for its start, or for an answer.
const LONG: Duration = Duration::from_secs(30);

pub(super) struct Prometheus {
    addr: SocketAddr,
    /// Seconds of the Unix clock.
    since: f64,
    _child: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts it, and waits until it is ready.
    ///
    /// # Panics
    /// It is not installed, or does not get ready in time.
    pub(super) async fn start(target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("prometheus.yml");
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/prometheus/tidegate.rules.yml");
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs: [{{job_name: tidegate, static_configs: [{{targets: [\"{target}\"]}}]}}]\n"
        );
        std::fs::write(&file, config).expect("its configuration can be written");
        let addr = free();
        let log = std::fs::File::create(folder.path().join("log")).expect("a log file");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={addr}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("Debian's package prometheus has the program");
        let until = Instant::now() + LONG;
        loop {
            if tokio::net::TcpStream::connect(addr).await.is_ok()
                && ask(addr, &get("/-/ready", "connection: close\r\n"), LONG).await.status == 200
            {
                break;
            }
            let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "Prometheus is not ready after {LONG:?}:\n{log}");
            sleep(Duration::from_millis(100)).await;
        }
        Self { addr, since: now(), _child: child, _folder: folder }
    }

    /// The series of an expression: their courses since the start, a point a second, or their present values.
    ///
    /// # Errors
    /// Prometheus's own words.
    pub(super) async fn ask(&self, expr: &str, present: bool) -> Result<Value, String> {
        let (expr, until) = (encoded(expr), now());
        let path = match present {
            true => format!("/api/v1/query?query={expr}&time={until}"),
            false => format!("/api/v1/query_range?query={expr}&start={}&end={until}&step=1", self.since),
        };
        self.get(&path).await.map(|data| data["result"].clone())
    }

    /// What it makes of its rules.
    ///
    /// # Errors
    /// Prometheus's own words.
    pub(super) async fn rules(&self) -> Result<Vec<Value>, String> {
        let groups = self.get("/api/v1/rules").await?["groups"].clone();
        let groups = groups.as_array().into_iter().flatten();
        Ok(groups.flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect())
    }

    /// The values of a label, as a variable of Grafana asks for them.
    ///
    /// # Errors
    /// Prometheus's own words.
    pub(super) async fn values(&self, label: &str, series: &str) -> Result<Value, String> {
        self.get(&format!("/api/v1/label/{label}/values?match[]={}", encoded(series))).await
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let answer = ask(self.addr, &get(path, "connection: close\r\n"), LONG).await;
        let body: Value = serde_json::from_str(&answer.text()).map_err(|_| answer.text())?;
        match body["status"].as_str() {
            Some("success") => Ok(body["data"].clone()),
            _ => Err(body["error"].to_string()),
        }
    }
}

/// An address that nobody listens on.
fn free() -> SocketAddr {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    taken.expect("there are free ports")
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Percent-encoded for a query.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}
