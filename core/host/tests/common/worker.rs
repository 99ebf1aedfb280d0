//! The worker that this crate's tests start.
#![forbid(unsafe_code)]

fn main() {
    tidegate_host::worker::run()
}
