use std::collections::HashMap;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// As `tests/clients/sigv4_vectors.py` writes them, by AWS's own client for Python.
#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    url: String,
    body: String,
    id: String,
    secret: String,
    token: Option<String>,
    region: String,
    service: String,
    date: String,
    authorization: String,
}

/// 2026-11-27 08:05:09.
const AT: u64 = 1_795_766_709;

#[test]
fn signatures_are_those_of_awss_own_client() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert!(vectors.len() > 10);
    for vector in vectors {
        let url: crate::upstream::Target = vector.url.parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("accept", HeaderValue::from_static("*/*"));
        let request = sign::Request {
            method: &vector.method,
            host: url.authority().as_str(),
            path: url.path_and_query().path(),
            query: url.path_and_query().query().unwrap_or_default(),
            body: vector.body.as_bytes(),
        };
        let keys = Keys {
            id: Secret::new(vector.id),
            secret: Secret::new(vector.secret),
            token: vector.token.clone().map(Secret::new),
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(AT);
        let scope = sign::Scope { service: &vector.service, region: &vector.region, at };
        sign::sign(&request, &mut headers, &keys, scope).unwrap();
        assert_eq!(headers["x-amz-date"], vector.date, "{}", vector.name);
        assert_eq!(headers["authorization"], vector.authorization, "{}", vector.name);
        let token = headers.get("x-amz-security-token").map(|token| token.to_str().unwrap().to_owned());
        assert_eq!(token, vector.token, "{}", vector.name);
        assert!(headers["authorization"].is_sensitive());
    }
}

/// `get-vanilla` of AWS's published test suite for Signature Version 4.
#[test]
fn the_published_example_is_right() {
    let keys = Keys {
        id: Secret::new("AKIDEXAMPLE"),
        secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        token: None,
    };
    let request =
        sign::Request { method: "GET", host: "example.amazonaws.com", path: "/", query: "", body: b"" };
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    let mut headers = HeaderMap::new();
    sign::sign(&request, &mut headers, &keys, sign::Scope { service: "service", region: "us-east-1", at })
        .unwrap();
    assert_eq!(
        headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, \
         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
}

#[test]
fn a_key_that_would_break_the_head_is_refused() {
    let keys = Keys { id: Secret::new("a\r\nb"), secret: Secret::new("s"), token: None };
    let request = sign::Request { method: "GET", host: "h", path: "/", query: "", body: b"" };
    let scope = sign::Scope { service: "s", region: "r", at: SystemTime::UNIX_EPOCH };
    let mut headers = HeaderMap::new();
    assert!(matches!(sign::sign(&request, &mut headers, &keys, scope), Err(AuthError::Key)));
    assert!(!headers.contains_key("authorization"));
}

fn settings(own: &[(&str, &str)], env: &[(&str, &str)]) -> Settings {
    let map = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let (own, env) = (map(own), map(env));
    let of =
        |map: HashMap<String, String>| move |name: &str| map.get(name).map(|text| Secret::new(text.as_str()));
    Settings::read(of(own), of(env))
}

async fn keys(own: &[(&str, &str)], env: &[(&str, &str)]) -> Result<(String, Option<String>), String> {
    let found = AwsCredentials::find(&settings(own, env))?;
    let keys = found.keys().await.map_err(|error| error.to_string())?;
    Ok((keys.id.expose().to_owned(), keys.token.as_ref().map(|token| token.expose().to_owned())))
}

const NO_INSTANCE: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

#[tokio::test]
async fn a_deployments_own_keys_go_before_the_environments_and_are_never_mixed_with_them() {
    let env = [
        ("AWS_ACCESS_KEY_ID", "env"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_SESSION_TOKEN", "t"),
        NO_INSTANCE,
    ];
    let own = [("aws_access_key_id", "own"), ("aws_secret_access_key", "s")];
    assert_eq!(keys(&own, &env).await.unwrap(), ("own".into(), None));
    assert_eq!(keys(&[], &env).await.unwrap(), ("env".into(), Some("t".into())));
    let half = keys(&own[..1], &env).await.unwrap_err();
    assert_eq!(half, "there is aws_access_key_id, but no aws_secret_access_key");
    assert!(keys(&[], &env[1..]).await.unwrap_err().contains("no AWS_ACCESS_KEY_ID"));
    assert!(keys(&[("aws_session_token", "t")], &env).await.unwrap_err().contains("neither"));
    assert!(keys(&[], &[NO_INSTANCE]).await.unwrap_err().contains("aws_profile_name"));
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn:x")];
    assert!(keys(&[], &web).await.unwrap_err().contains("not supported yet"));
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[tokio::test]
async fn profiles_are_read_from_both_files() {
    let credentials = file(
        "# a comment\n[default]\naws_access_key_id = first\naws_secret_access_key= s # why\n\n\
         [work]\nAWS_ACCESS_KEY_ID=second\naws_secret_access_key=s\naws_session_token=t\nregion = x\n\
         s3 =\n  aws_access_key_id = nested\n[half]\naws_access_key_id=x\n",
    );
    let config = file(
        "[default]\nregion=x\n[profile both]\naws_access_key_id=third\naws_secret_access_key=s\n\
         [profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile=default\n[both2]\n[profile sso]\nsso_session=x\n",
    );
    let (credentials, config) = (credentials.path().to_str().unwrap(), config.path().to_str().unwrap());
    let env = [("AWS_SHARED_CREDENTIALS_FILE", credentials), ("AWS_CONFIG_FILE", config), NO_INSTANCE];
    let named = async |name: &str| keys(&[("aws_profile_name", name)], &env).await;
    assert_eq!(named("default").await.unwrap(), ("first".into(), None));
    assert_eq!(named("work").await.unwrap(), ("second".into(), Some("t".into())));
    assert_eq!(named("both").await.unwrap(), ("third".into(), None));
    assert_eq!(keys(&[], &env).await.unwrap().0, "first", "the profile default, unasked");
    let by_variable = [&env[..], &[("AWS_PROFILE", "work")]].concat();
    assert_eq!(keys(&[], &by_variable).await.unwrap().0, "second");
    for (name, why) in [
        ("role", "gets its keys by role_arn, which is not supported yet"),
        ("sso", "gets its keys by sso_session"),
        ("half", "has no aws_access_key_id and aws_secret_access_key"),
        ("both2", "there is no AWS profile \"both2\""),
        ("nobody", "there is no AWS profile \"nobody\""),
    ] {
        let said = named(name).await.unwrap_err();
        assert!(said.contains(why), "{said}");
    }
}

/// Answers as the metadata services do: the paths that it was asked, and what it says to each.
async fn metadata(expires: &'static str) -> (u16, std::sync::Arc<parking_lot::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let log = asked.clone();
    tokio::spawn(async move {
        loop {
            let Ok((mut peer, _)) = listener.accept().await else { return };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if peer.read(&mut byte).await.unwrap_or(0) == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let line = head.lines().next().unwrap_or_default().to_owned();
            let given = format!(
                r#"{{"Code":"Success","AccessKeyId":"ASIA{}","SecretAccessKey":"s","Token":"t","Expiration":"{expires}"}}"#,
                log.lock().len()
            );
            let instance = head.contains("x-aws-ec2-metadata-token: T\r\n");
            let (status, body) = match line.as_str() {
                "PUT /latest/api/token HTTP/1.1" if head.contains("ttl-seconds: 21600") => {
                    (200, "T".to_owned())
                }
                "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1" if instance => {
                    (200, "role\n".into())
                }
                "GET /latest/meta-data/iam/security-credentials/role HTTP/1.1" if instance => (200, given),
                "GET /v2/credentials?id=1 HTTP/1.1" if head.contains("authorization: shown\r\n") => {
                    (200, given)
                }
                "GET /broken HTTP/1.1" => (200, "<html>".to_owned()),
                "GET /none HTTP/1.1" => (200, r#"{"code":"NoRole","message":"no role"}"#.to_owned()),
                _ => (404, String::new()),
            };
            log.lock().push(line);
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
            let _ = peer.write_all(answer.as_bytes()).await;
        }
    });
    (port, asked)
}

#[tokio::test]
async fn an_instance_gives_its_roles_keys_once() {
    let (port, asked) = metadata("2099-01-01T00:00:00Z").await;
    let base = format!("http://127.0.0.1:{port}/");
    let found =
        AwsCredentials::find(&settings(&[], &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &base)])).unwrap();
    for _ in 0..3 {
        assert_eq!(found.keys().await.unwrap().id.expose(), "ASIA2");
    }
    assert_eq!(asked.lock().len(), 3, "{:?}", asked.lock());
    assert_eq!(found.masked("token ASIA2".into()), "token ASIA2", "too short to be a key");
    assert!(format!("{found:?}").contains("the instance's at 127.0.0.1"));
}

#[tokio::test]
async fn a_container_gives_its_keys_and_those_that_expired_are_refused() {
    let (port, asked) = metadata("2099-01-01T00:00:00Z").await;
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let token = file("shown\n");
    let full = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let by_file = [
        (full, url("/v2/credentials?id=1")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.path().display().to_string()),
    ];
    let by_text =
        [(full, url("/v2/credentials?id=1")), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "shown".to_owned())];
    for env in [by_file, by_text] {
        let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(keys(&[], &env).await.unwrap().1.as_deref(), Some("t"));
    }
    assert_eq!(asked.lock().len(), 2);
    for (path, why) in [
        ("/v2/credentials?id=1", "HTTP status 404"),
        ("/broken", "not the JSON of credentials"),
        ("/none", "no credentials: no role"),
    ] {
        let said = keys(&[], &[(full, &url(path))]).await.unwrap_err();
        assert!(said.contains(why), "{said}");
    }
    let (port, _) = metadata("2020-01-01T00:00:00Z").await;
    let base = format!("http://127.0.0.1:{port}");
    let said = keys(&[], &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &base)]).await.unwrap_err();
    assert!(said.contains("expired already"), "{said}");
    let far = keys(&[], &[(full, "http://example.com/x")]).await.unwrap_err();
    assert!(far.contains("only this machine or its link"), "{far}");
}

#[tokio::test]
async fn keys_in_a_text_are_masked() {
    let own = [
        ("aws_access_key_id", "AKIDEXAMPLE"),
        ("aws_secret_access_key", "wJalrXUt"),
        ("aws_session_token", "IQoJb3Jp"),
    ];
    let found = AwsCredentials::find(&settings(&own, &[])).unwrap();
    assert_eq!(found.masked("a AKIDEXAMPLE b wJalrXUt c IQoJb3Jp".into()), "a *** b *** c ***");
    assert!(!format!("{found:?}").contains("AKID"));
}
