//! The TLS client: the machine's own roots, and HTTP/2 before HTTP/1.1.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// HTTP/2's name in ALPN (RFC 9113 section 3.2).
pub(super) const H2: &[u8] = b"h2";
const HTTP11: &[u8] = b"http/1.1";

/// Why the upstream side cannot be set up. Its `Display` is a sentence.
#[derive(Debug)]
pub struct SetupError(String);

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SetupError {}

/// Reads the machine's roots (`SSL_CERT_FILE` and `SSL_CERT_DIR` go before the system's own) and adds `extra`.
///
/// A machine without any root is no error: plain `http` upstreams need none. A store that is named but cannot be read
/// is one.
pub(super) fn client_config(extra: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, SetupError> {
    let found = rustls_native_certs::load_native_certs();
    if let (true, Some(error)) = (found.certs.is_empty(), found.errors.first()) {
        return Err(SetupError(format!("the root certificates cannot be read: {error}")));
    }
    for error in &found.errors {
        tracing::warn!(%error, "some root certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (_, refused) = roots.add_parsable_certificates(found.certs);
    if refused > 0 {
        tracing::debug!(refused, "root certificates that rustls does not accept");
    }
    for cert in extra {
        roots
            .add(cert.clone())
            .map_err(|error| SetupError(format!("an extra root certificate is invalid: {error}")))?;
    }
    if roots.is_empty() {
        tracing::warn!("this machine has no root certificates: no https upstream will be trusted");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![H2.to_vec(), HTTP11.to_vec()];
    Ok(Arc::new(config))
}
