//! What can be set about the upstream side.

use std::time::Duration;

use rustls::pki_types::CertificateDer;

/// Limits of the pool and of what a connection may hold. The defaults suit a gateway to a few providers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Idle HTTP/1.1 connections kept for each origin.
    pub max_idle_per_host: usize,
    /// How long a connection may lie unused. Nothing watches an idle HTTP/1.1 connection, so this is kept below what
    /// servers and NAT gateways allow (60 s and more).
    pub idle_timeout: Duration,
    /// Bytes of a response head, status line included.
    pub max_header: usize,
    /// Bytes that an HTTP/1.1 connection reads ahead; at least 8192. An idle stream holds 8 KiB of it.
    pub h1_buffer: usize,
    /// Root certificates to trust beside the machine's own.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_idle_per_host: 256,
            idle_timeout: Duration::from_secs(30),
            max_header: 64 * 1024,
            h1_buffer: 64 * 1024,
            extra_roots: Vec::new(),
        }
    }
}
