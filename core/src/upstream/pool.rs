//! Connections between calls, by origin.
//!
//! An idle HTTP/1.1 connection is a socket that nobody polls: whether it still lives is seen at checkout, and one that
//! lies too long is dropped there or by [`Pool::reap`].

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::h1::Conn;
use super::h2::{H2Conn, Place};
use super::settings::Settings;
use super::target::Origin;

pub(super) struct Pool {
    max_idle_per_host: usize,
    idle_timeout: std::time::Duration,
    hosts: Mutex<HashMap<Arc<Origin>, Host>>,
}

#[derive(Default)]
struct Host {
    /// The latest last: it is the likeliest to live.
    h1: Vec<Idle>,
    h2: Vec<H2Conn>,
}

struct Idle {
    conn: Box<Conn>,
    since: Instant,
}

/// A connection that has carried a call before.
pub(super) enum Pooled {
    H1(Box<Conn>),
    H2(H2Conn, Place),
}

impl Pool {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            max_idle_per_host: settings.max_idle_per_host,
            idle_timeout: settings.idle_timeout,
            hosts: Mutex::new(HashMap::new()),
        }
    }

    /// A connection that was open when it was looked at just now.
    pub(super) fn checkout(&self, origin: &Arc<Origin>) -> Option<Pooled> {
        if let Some((conn, place)) = self.h2(origin) {
            return Some(Pooled::H2(conn, place));
        }
        let oldest = self.oldest();
        loop {
            let idle = self.hosts.lock().get_mut(origin)?.h1.pop()?;
            let mut conn = idle.conn;
            if oldest.is_none_or(|oldest| idle.since >= oldest) && conn.is_usable() {
                return Some(Pooled::H1(conn));
            }
        }
    }

    fn h2(&self, origin: &Arc<Origin>) -> Option<(H2Conn, Place)> {
        let mut hosts = self.hosts.lock();
        let conns = &mut hosts.get_mut(origin)?.h2;
        conns.retain(H2Conn::is_open);
        conns.iter().find_map(|conn| conn.place().map(|place| (conn.clone(), place)))
    }

    pub(super) fn put_h1(&self, origin: &Arc<Origin>, conn: Box<Conn>) {
        let idle = Idle { conn, since: Instant::now() };
        let mut hosts = self.hosts.lock();
        let host = hosts.entry(Arc::clone(origin)).or_default();
        // The oldest makes room, once the lock is released: closing a socket is a system call.
        let surplus =
            (host.h1.len() >= self.max_idle_per_host && !host.h1.is_empty()).then(|| host.h1.remove(0));
        if self.max_idle_per_host > 0 {
            host.h1.push(idle);
        }
        drop(hosts);
        drop(surplus);
    }

    pub(super) fn put_h2(&self, origin: &Arc<Origin>, conn: H2Conn) {
        self.hosts.lock().entry(Arc::clone(origin)).or_default().h2.push(conn);
    }

    /// Takes out a connection that turned out to be dead or leaving.
    pub(super) fn forget_h2(&self, origin: &Arc<Origin>, conn: &H2Conn) {
        if let Some(host) = self.hosts.lock().get_mut(origin) {
            host.h2.retain(|other| !other.is_same(conn));
        }
    }

    /// Drops what has been idle for too long.
    pub(super) fn reap(&self) {
        let Some(oldest) = self.oldest() else { return };
        let mut dropped = Vec::new();
        let mut hosts = self.hosts.lock();
        hosts.retain(|_, host| {
            let stale = host.h1.partition_point(|idle| idle.since < oldest);
            dropped.extend(host.h1.drain(..stale));
            host.h2.retain(|conn| conn.is_open() && !conn.is_idle_since(oldest));
            !(host.h1.is_empty() && host.h2.is_empty())
        });
        drop(hosts);
        drop(dropped);
    }

    /// Idle HTTP/1.1 connections, and open HTTP/2 connections.
    pub(super) fn count(&self) -> (usize, usize) {
        let hosts = self.hosts.lock();
        hosts.values().fold((0, 0), |(h1, h2), host| (h1 + host.h1.len(), h2 + host.h2.len()))
    }

    /// The moment since which a connection may have been idle; `None` while the clock is younger than the limit.
    fn oldest(&self) -> Option<Instant> {
        Instant::now().checked_sub(self.idle_timeout)
    }
}
