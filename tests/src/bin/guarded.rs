//! A process to be guarded: answers at a port, and hangs in every way when it is asked to.
//!
//! `guarded PORT PID-FILE [FAULT]`. A fault is one of those below, or `N:FAULT`: after so many answers. `GET /fault/FAULT`
//! begins one too.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "it is meant to hang and to fall over")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// What it does instead of answering well.
#[derive(Clone, Debug, PartialEq)]
enum Fault {
    /// A core is busy, nobody is answered.
    Spin,
    /// Nothing is busy, nobody is answered.
    Block,
    /// A core is busy, everybody is answered.
    Busy,
    /// Each answer takes so many milliseconds.
    Slow(u64),
    /// It ends.
    Exit,
    /// 503.
    Sick,
    /// A body without an end.
    Endless,
    /// A child that does not hear SIGTERM, for each one asked for.
    Worker,
}

fn fault(word: &str) -> Option<Fault> {
    Some(match word {
        "spin" => Fault::Spin,
        "block" => Fault::Block,
        "busy" => Fault::Busy,
        "exit" => Fault::Exit,
        "sick" => Fault::Sick,
        "endless" => Fault::Endless,
        "worker" => Fault::Worker,
        slow => Fault::Slow(slow.strip_prefix("slow")?.parse().ok()?),
    })
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "worker" {
        hang();
    }
    let listener = TcpListener::bind(("127.0.0.1", args[1].parse::<u16>().unwrap())).unwrap();
    std::fs::write(&args[2], std::process::id().to_string()).unwrap();
    let (mut left, mut next) = match args.get(3).and_then(|word| word.split_once(':')) {
        Some((count, word)) => (count.parse().unwrap(), fault(word)),
        None => (0_u32, args.get(3).and_then(|word| fault(word))),
    };
    let mut now = None;
    let mut open = Vec::new();
    loop {
        if left == 0 && next.is_some() {
            now = next.take();
            begin(now.as_ref());
        }
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let length = stream.read(&mut head).unwrap_or(0);
        let head = String::from_utf8_lossy(&head[..length]).into_owned();
        let path = head.split_whitespace().nth(1).unwrap_or("/").to_owned();
        if let Some(asked) = path.strip_prefix("/fault/").and_then(fault) {
            let _ = answer(&mut stream, "200 OK", "it begins");
            drop(stream);
            now = Some(asked);
            begin(now.as_ref());
            continue;
        }
        left = left.saturating_sub(1);
        let _ = match &now {
            Some(Fault::Sick) => answer(&mut stream, "503 Service Unavailable", "no"),
            Some(Fault::Endless) => {
                let sent =
                    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
                open.push(stream.try_clone().unwrap());
                sent
            }
            Some(Fault::Slow(ms)) => {
                std::thread::sleep(Duration::from_millis(*ms));
                answer(&mut stream, "200 OK", "well")
            }
            _ => answer(&mut stream, "200 OK", "well"),
        };
    }
}

/// What a fault does at once.
fn begin(fault: Option<&Fault>) {
    match fault {
        Some(Fault::Spin) => spin(),
        Some(Fault::Block) => hang(),
        Some(Fault::Exit) => std::process::exit(3),
        Some(Fault::Busy) => drop(std::thread::spawn(|| spin())),
        Some(Fault::Worker) => {
            let own = std::env::current_exe().unwrap();
            // Not to hear a signal is inherited.
            let script = "trap '' TERM; exec \"$0\" worker";
            drop(std::process::Command::new("/bin/sh").args(["-c", script]).arg(own).spawn().unwrap());
        }
        _ => {}
    }
}

fn answer(stream: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    stream.write_all(
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
            .as_bytes(),
    )
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn hang() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
