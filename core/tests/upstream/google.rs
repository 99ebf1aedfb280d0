//! Google tokens, from a token endpoint that lasts only seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tidegate::upstream::auth::{Auth, GoogleToken};
use tokio::time::sleep;

use crate::server::{Server, within};

/// Made for these tests; it opens nothing.
const KEY: &str = include_str!("test-only-key.pem");
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

#[derive(Default)]
struct Endpoint {
    requests: AtomicUsize,
    given: AtomicUsize,
    broken: AtomicBool,
    slow: AtomicBool,
}

/// Gives `token-1`, `token-2`, ... each for `life` seconds.
async fn endpoint(life: u64) -> (Arc<Endpoint>, String) {
    let server = Server::bind().await;
    let uri = format!("http://127.0.0.1:{}/token", server.port());
    let state = Arc::new(Endpoint::default());
    let shared = Arc::clone(&state);
    tokio::spawn(async move {
        loop {
            let Some(mut peer) = server.try_accept().await else { return };
            let state = Arc::clone(&shared);
            tokio::spawn(async move {
                let request = peer.request().await;
                assert!(request.contains("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"));
                state.requests.fetch_add(1, Ordering::SeqCst);
                if state.slow.load(Ordering::SeqCst) {
                    sleep(Duration::from_millis(300)).await;
                }
                let answer = if state.broken.load(Ordering::SeqCst) {
                    "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 4\r\n\r\nnope"
                        .to_owned()
                } else {
                    let n = state.given.fetch_add(1, Ordering::SeqCst) + 1;
                    let json = format!(
                        r#"{{"access_token":"token-{n}","expires_in":{life},"token_type":"Bearer"}}"#
                    );
                    let length = json.len();
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{json}")
                };
                peer.write(answer.as_bytes()).await;
            });
        }
    });
    let key = serde_json::json!({
        "type": "service_account",
        "project_id": "p",
        "private_key": KEY,
        "client_email": "test@example.invalid",
        "token_uri": uri,
    });
    (state, key.to_string())
}

fn source(key: String) -> GoogleToken {
    GoogleToken::new(Some(key), SCOPE).unwrap()
}

#[tokio::test]
async fn many_requests_make_one_fetch_and_share_its_token() {
    let (endpoint, key) = endpoint(3600).await;
    endpoint.slow.store(true, Ordering::SeqCst);
    let source = Arc::new(source(key));
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let source = Arc::clone(&source);
            tokio::spawn(async move { source.token().await })
        })
        .collect();
    for request in requests {
        assert_eq!(&*within(request).await.unwrap().unwrap(), "token-1");
    }
    assert_eq!(endpoint.requests.load(Ordering::SeqCst), 1);

    let mut call = tidegate::upstream::Call {
        method: http::Method::POST,
        url: "http://127.0.0.1:1/".parse().unwrap(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
    };
    let auth = Auth::Google { source };
    auth.authorize(&mut call).await.unwrap();
    assert_eq!(call.headers["authorization"], "Bearer token-1");
    assert!(!format!("{auth:?}").contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_key_may_be_a_file() {
    let (_, key) = endpoint(3600).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), key).unwrap();
    let source = source(file.path().display().to_string());
    assert_eq!(&*within(source.token()).await.unwrap(), "token-1");
}

#[tokio::test]
async fn a_short_token_is_renewed_before_it_ends_and_no_request_waits() {
    let (endpoint, key) = endpoint(4).await;
    let source = source(key);
    within(source.token()).await.unwrap();
    // From here on a renewal takes its time, and no request may notice.
    endpoint.slow.store(true, Ordering::SeqCst);
    let end = Instant::now() + Duration::from_millis(5500);
    let mut latest = String::new();
    while Instant::now() < end {
        let polled = futures_now(source.token());
        latest = polled.expect("a request waited for a token").unwrap().to_string();
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(latest, "token-3", "renewed at half-life, twice");
}

#[tokio::test]
async fn a_failed_renewal_keeps_the_old_token_while_it_lasts() {
    let (endpoint, key) = endpoint(6).await;
    let source = source(key);
    assert_eq!(&*within(source.token()).await.unwrap(), "token-1");
    endpoint.broken.store(true, Ordering::SeqCst);
    sleep(Duration::from_millis(4500)).await;
    assert!(endpoint.requests.load(Ordering::SeqCst) > 1, "the renewal was tried");
    assert_eq!(&*futures_now(source.token()).unwrap().unwrap(), "token-1");
    sleep(Duration::from_millis(1500)).await;
    let error = within(source.token()).await.unwrap_err();
    assert!(error.to_string().contains("token request failed"), "{error}");

    endpoint.broken.store(false, Ordering::SeqCst);
    within(async {
        while source.token().await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_failing_endpoint_is_not_stormed() {
    let (endpoint, key) = endpoint(3600).await;
    endpoint.broken.store(true, Ordering::SeqCst);
    let source = source(key);
    within(source.token()).await.unwrap_err();
    let tried = endpoint.requests.load(Ordering::SeqCst);
    for _ in 0..1000 {
        source.token().await.unwrap_err();
    }
    assert_eq!(
        endpoint.requests.load(Ordering::SeqCst),
        tried,
        "the reason is given at once while backing off"
    );
}

#[tokio::test]
async fn a_token_for_no_time_and_one_for_ever_are_handled() {
    let (_, key) = endpoint(0).await;
    let error = within(source(key).token()).await.unwrap_err();
    assert!(error.to_string().contains("already expired"), "{error}");
    let (_, key) = endpoint(u64::MAX).await;
    let error = within(source(key).token()).await.unwrap_err();
    assert!(error.to_string().contains("gcp_auth"), "{error}");
}

/// The result of a future that must not wait.
fn futures_now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}
