//! docs/write-a-provider.md, followed to a served request: its upstream, its configuration, a new project.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::new::{built, project};
use crate::{shipped, write};

const PAGE: &str = include_str!("../../../docs/write-a-provider.md");

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn block(language: &str) -> &'static str {
    PAGE.split(&format!("```{language}\n")).nth(1).unwrap().split("```").next().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for(port: u16, what: &str) {
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what} does not listen");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// What `curl -N` would show.
fn post(port: u16, body: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let length = body.len();
    write!(
        socket,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// A project that is served as the page says.
struct Served {
    listen: u16,
    // Ended before their folder goes.
    _processes: [Running; 2],
    _project: tempfile::TempDir,
}

fn serve(lang: &str, server: &str) -> Served {
    let project = project("provider", lang);
    let file = built(project.path(), lang);
    let (upstream, listen, admin) = (free_port(), free_port(), free_port());
    let folder = project.path().join("served");
    std::fs::create_dir(&folder).unwrap();
    write(&folder.join("upstream.py"), &server.replace("9000", &upstream.to_string()));
    // Beside the page's folder the one of the policy, which a release has beside the program.
    let policy = shipped("fallback");
    std::fs::create_dir(folder.join("shipped")).unwrap();
    std::fs::copy(&policy, folder.join("shipped").join(policy.file_name().unwrap())).unwrap();
    let dirs = format!(
        "{{dirs: [{:?}, shipped]}}\n  listen: 127.0.0.1:{listen}\n  admin: 127.0.0.1:{admin}",
        file.parent().unwrap()
    );
    let config = block("yaml")
        .replace("9000", &upstream.to_string())
        .replace("{dirs: [.]}", &dirs)
        .replace("parrot/", "my-own/");
    write(&folder.join("config.yaml"), &config);

    let run = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&folder).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    };
    let processes = [
        run(Path::new("python3"), &["upstream.py"]),
        run(Path::new(env!("CARGO_BIN_EXE_tidegate")), &["serve", "--config", "config.yaml"]),
    ];
    wait_for(upstream, "the page's upstream");
    wait_for(listen, "tidegate");
    Served { listen, _processes: processes, _project: project }
}

/// The request of the page.
fn asked() -> &'static str {
    PAGE.split("-d '").nth(1).unwrap().split('\'').next().unwrap()
}

fn serves(lang: &str) {
    let served = serve(lang, block("python"));
    let (listen, asked) = (served.listen, asked());
    let answer = post(listen, asked);
    for piece in ["200 OK", "pieces ", "of ", "eight ", "\"finish_reason\":\"stop\"", "data: [DONE]"] {
        assert!(answer.replace("\": ", "\":").contains(piece), "{piece:?} is not in\n{answer}");
    }
    let answer = post(listen, &asked.replace("\"stream\": true, ", ""));
    assert!(answer.contains("200 OK") && answer.contains("pieces of eight"), "{answer}");
}

#[test]
fn a_project_in_c_serves() {
    serves("c");
}

#[test]
fn a_project_in_rust_serves() {
    serves("rust");
}

#[test]
fn a_project_in_c_tells_an_upstreams_words_as_they_were_meant() {
    let good = r#"answer = {"token": asked["prompt"]}"#;
    let bad = r#"asked["stream"], answer = False, {"error": {"message": "slow \"down\"\n\u00e9t\u00e9 \U0001f600"}}"#;
    let server = block("python").replace(good, bad).replace("send_response(200)", "send_response(400)");
    assert!(server.contains(bad) && server.contains("send_response(400)"));
    let served = serve("c", &server);
    let answer = post(served.listen, asked());
    let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let said = body["error"]["message"].as_str().unwrap();
    assert!(said.contains("slow \"down\"\n\u{e9}t\u{e9} \u{1f600}"), "{answer}");
}
