//! A scrape of `/metrics`, and sums over its series.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::{Conn, get};

/// One scrape in Prometheus' text format.
#[derive(Clone, Debug)]
pub struct Metrics(String);

impl Metrics {
    /// Scrapes.
    ///
    /// # Panics
    /// There is no answer within 10 s.
    pub async fn scrape(admin: SocketAddr) -> Self {
        Self::try_scrape(admin, Duration::from_secs(10)).await.expect("/metrics answers")
    }

    /// Scrapes; `None` where there is no answer within `limit`.
    pub async fn try_scrape(admin: SocketAddr, limit: Duration) -> Option<Self> {
        let answer = tokio::time::timeout(limit, async {
            let mut conn = Conn::open(admin).await.ok()?;
            conn.send(&get("/metrics", "connection: close\r\n")).await.ok()?;
            Some(conn.answer(limit).await)
        });
        let answer = answer.await.ok()??;
        (answer.status == 200).then(|| Self(answer.text()))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The sum over every series of `name` that has all of `labels`; `None` where there is none.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (found, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let has = |pair: &String| {
                found.split("\",").any(|one| one.trim_end_matches('"') == pair.trim_end_matches('"'))
            };
            wanted.iter().all(has).then(|| value.trim().parse::<f64>().ok())?
        });
        values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }

    /// The same, where the series must exist.
    ///
    /// # Panics
    /// It does not.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.get(name, labels).unwrap_or_else(|| panic!("there is no series {name}{labels:?} in\n{}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_and_summed() {
        let metrics = Metrics("a{x=\"1\",y=\"2\"} 3\na{x=\"1\",y=\"3\"} 4\nab 9\nc 1e3\n".into());
        assert_eq!(metrics.get("a", &[("x", "1")]), Some(7.0));
        assert_eq!(metrics.get("a", &[("y", "3"), ("x", "1")]), Some(4.0));
        assert_eq!(metrics.get("a", &[("x", "2")]), None);
        assert_eq!(metrics.get("c", &[]), Some(1000.0));
        assert_eq!(metrics.get("d", &[]), None);
    }
}
