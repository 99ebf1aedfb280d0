//! The upstream client against servers that say exactly the bytes each test wants, and end as it wants.

mod faults;
mod google;
mod h1;
mod h2;
mod memory;
mod pool;
mod server;
mod tls;
