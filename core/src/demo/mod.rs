//! Simulated providers behind the real proxy: the demo, the simulator alone, and `serve` without a configuration.

use std::net::SocketAddr;

use crate::serve::Error;

/// `tidegate demo`.
///
/// # Errors
/// The machine.
pub fn play() -> Result<bool, Error> {
    Err(Error::System("not there yet".into()))
}

/// `tidegate serve` without a file.
///
/// # Errors
/// The machine.
pub fn serve_simulated() -> Result<(), Error> {
    Err(Error::System("not there yet".into()))
}

/// `tidegate sim`.
///
/// # Errors
/// The machine.
pub fn simulate(listen: SocketAddr) -> Result<(), Error> {
    let system = |error: std::io::Error| Error::System(error.to_string());
    let runtime = tokio::runtime::Runtime::new().map_err(system)?;
    runtime.block_on(async {
        let settings = tidegate_sim::Settings { addr: listen, ..tidegate_sim::Settings::default() };
        let sim = tidegate_sim::Sim::start(settings).await.map_err(system)?;
        tracing::info!(addr = %sim.addr(), "simulated providers");
        tokio::signal::ctrl_c().await.map_err(system)
    })
}
