//! HTTPS, HTTP/1.1 as the server's ALPN has it, against a certificate made for the test.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tidegate::upstream::{BodyError, Call, SendError, Settings, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::server::{call, send, text, within};

pub(crate) struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    root: CertificateDer<'static>,
}

impl Tls {
    pub(crate) async fn bind(alpn: &[u8]) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let root = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![root.clone()], key)
            .unwrap();
        config.alpn_protocols = vec![alpn.to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), root }
    }

    pub(crate) fn call(&self) -> Call {
        call(&format!("https://localhost:{}/v1", self.listener.local_addr().unwrap().port()))
    }

    pub(crate) fn upstream(&self) -> Upstream {
        Upstream::new(Settings { extra_roots: vec![self.root.clone()], ..Settings::default() }).unwrap()
    }

    pub(crate) async fn accept(&self) -> TlsStream<TcpStream> {
        let (tcp, _) = within(self.listener.accept()).await.unwrap();
        within(self.acceptor.accept(tcp)).await.unwrap()
    }
}

#[tokio::test]
async fn http_1_over_tls_is_reused_and_its_cut_is_seen() {
    let server = Tls::bind(b"http/1.1").await;
    let upstream = server.upstream();
    let serve = async {
        let mut tls = server.accept().await;
        let mut head = [0; 4096];
        for answer in ["content-length: 2\r\n\r\nok", "content-length: 9\r\n\r\nhalf"] {
            assert!(tls.read(&mut head).await.unwrap() > 0);
            tls.write_all(format!("HTTP/1.1 200 OK\r\n{answer}").as_bytes()).await.unwrap();
        }
        tls.flush().await.unwrap();
        // No close_notify: the way a cut connection ends.
        drop(tls);
    };
    let calls = async {
        let response = send(&upstream, server.call()).await.unwrap();
        assert_eq!(text(response).await.unwrap(), "ok");
        assert_eq!(upstream.pooled(), (1, 0));
        let response = send(&upstream, server.call()).await.unwrap();
        assert!(matches!(text(response).await, Err(BodyError::Incomplete | BodyError::Io(_))));
    };
    within(async { tokio::join!(serve, calls) }).await;
}

#[tokio::test]
async fn an_unframed_body_over_tls_does_not_end_by_a_cut() {
    for clean in [true, false] {
        let server = Tls::bind(b"http/1.1").await;
        let upstream = server.upstream();
        let serve = async {
            let mut tls = server.accept().await;
            assert!(tls.read(&mut [0; 4096]).await.unwrap() > 0);
            tls.write_all(b"HTTP/1.1 200 OK\r\n\r\nall").await.unwrap();
            tls.flush().await.unwrap();
            if clean {
                tls.shutdown().await.unwrap();
            }
        };
        let (response, ()) = tokio::join!(send(&upstream, server.call()), serve);
        let end = text(response.unwrap()).await;
        assert_eq!(end.is_ok(), clean, "{end:?}");
    }
}

#[tokio::test]
async fn an_unknown_root_is_refused() {
    let server = Tls::bind(b"h2").await;
    let upstream = Upstream::new(Settings::default()).unwrap();
    let accept = async {
        let (tcp, _) = server.listener.accept().await.unwrap();
        assert!(server.acceptor.accept(tcp).await.is_err());
    };
    let (response, ()) = tokio::join!(send(&upstream, server.call()), accept);
    let error = response.unwrap_err();
    assert!(matches!(error, SendError::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
}
