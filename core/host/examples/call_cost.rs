//! What one call of a loaded plugin costs: `cargo run --release -p tidegate-host --example call_cost -- PLUGIN.so
//! [CONFIG_JSON] [EVENT_DATA]`. Prints nanoseconds per stream event; a tool, not a test.
#![allow(clippy::print_stdout, reason = "it is a command-line tool")]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tidegate_host::{Close, Dialect, Events, Framing, HeadIn, LoadOptions, load};

const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("the path of a provider plugin is missing")?;
    let config = serde_json::from_str(&args.next().unwrap_or_else(|| "{}".to_owned()))?;
    let data = args.next().unwrap_or_else(|| "pass".to_owned());

    let plugin = load(Path::new(&path), &LoadOptions::default())?;
    let provider = plugin.provider().ok_or("the plugin has no provider")?.create(&config)?;
    let head = HeadIn {
        http_status: 200,
        dialect: Dialect::OpenaiChat,
        framing: Framing::Sse,
        model: "model",
        headers: &[],
        unix_ms: 0,
        seed: 1,
    };
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(stream) = pin!(provider.open(&head)).poll(&mut cx) else {
        return Err("the plugin does not run inline".into());
    };
    let mut stream = stream?;
    let mut out = Events::default();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..CALLS {
            stream.event(b"", black_box(data.as_bytes()), false, &mut out)?;
            black_box(&out);
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
    }
    stream.close(Close::Cancelled);
    println!("{} {}: {best:.1} ns per event (best of {ROUNDS})", plugin.name(), plugin.version());
    Ok(())
}
