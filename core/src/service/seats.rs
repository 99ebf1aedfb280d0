//! `max_parallel_requests` and `global_max_parallel_requests`: how many requests of one client, and of all, run at once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::General;
use crate::failure::Failure;

/// The requests that run, counted where a limit is configured.
#[derive(Debug, Default)]
pub struct Seats(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: u32,
    by_client: HashMap<Vec<u8>, u32>,
}

/// A request's place, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    client: Vec<u8>,
}

impl Seats {
    /// Takes a place for a request with this key, whatever address it comes from; without one the address counts. `None`:
    /// nothing is limited.
    ///
    /// # Errors
    /// There is no place: a 429.
    pub(super) fn take(
        self: &Arc<Self>,
        general: &General,
        key: Option<&[u8]>,
        addr: &SocketAddr,
    ) -> Result<Option<Seat>, Failure> {
        if general.max_parallel_requests.is_none() && general.global_max_parallel_requests.is_none() {
            return Ok(None);
        }
        let client = key.map_or_else(|| addr.ip().to_string().into_bytes(), <[u8]>::to_vec);
        let mut taken = self.0.lock();
        let own = taken.by_client.get(&client).copied().unwrap_or(0);
        for (limit, running, whose) in [
            (general.max_parallel_requests, own, "this client has"),
            (general.global_max_parallel_requests, taken.all, "there are"),
        ] {
            if let Some(limit) = limit.filter(|limit| running >= *limit) {
                let message =
                    format!("{whose} {running} requests in flight already; at most {limit} are allowed");
                return Err(Failure::refusal(429, message).retry_after(Duration::from_secs(1)));
            }
        }
        taken.all += 1;
        *taken.by_client.entry(client.clone()).or_default() += 1;
        drop(taken);
        Ok(Some(Seat { seats: self.clone(), client }))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock();
        taken.all = taken.all.saturating_sub(1);
        let left = taken.by_client.get_mut(&self.client).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        // Clients that are gone must not add up.
        if left == Some(0) {
            taken.by_client.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_request_ends() {
        let seats = Arc::new(Seats::default());
        let general = General {
            max_parallel_requests: Some(2),
            global_max_parallel_requests: Some(3),
            ..General::default()
        };
        let addr = |last: u8| SocketAddr::from(([127, 0, 0, last], 1));
        let take = |client: &[u8]| seats.take(&general, Some(client), &addr(1));
        let one = take(b"a").unwrap();
        let _two = take(b"a").unwrap();
        let own = take(b"a").unwrap_err();
        assert_eq!((own.status, own.retry_after), (429, Some(Duration::from_secs(1))));
        assert!(own.message.starts_with("this client has 2"), "{}", own.message);
        let _three = take(b"b").unwrap();
        assert!(take(b"c").unwrap_err().message.starts_with("there are 3"), "of all");
        drop(one);
        drop(take(b"a").unwrap());
        let without = seats.take(&general, None, &addr(2)).unwrap();
        assert!(seats.0.lock().by_client.contains_key(&b"127.0.0.2"[..]));
        drop(without);
        assert_eq!(seats.0.lock().by_client.len(), 2);
        assert!(seats.take(&General::default(), None, &addr(1)).unwrap().is_none(), "nothing is limited");
    }
}
