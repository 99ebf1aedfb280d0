//! `tidegate serve` without a file, and `tidegate sim`.

use std::fmt::Write as _;
use std::io::{Write as _, stderr};
use std::net::SocketAddr;
use std::path::Path;

use tidegate_sim::{Scenario, Settings, Sim};
use tokio::signal::unix::{SignalKind, signal};

use super::config::{self, KEY};
use super::simulator::Simulator;
use crate::config::{ProcessEnv, parse};
use crate::serve::sockets::Given;
use crate::serve::{Error, Server};

/// `tidegate serve` without a file: simulated models on the default ports.
///
/// # Errors
/// The machine; most often, the ports are taken.
pub fn serve_simulated(given: Given) -> Result<(), Error> {
    let settings = Settings { require_auth: true, api_key: KEY.into(), ..Settings::default() };
    let simulator = Simulator::start(settings).map_err(|error| Error::System(error.to_string()))?;
    let text = config::simulated(simulator.addr);
    let config = parse(&text, Path::new("(the simulated models)"), &ProcessEnv)
        .map_err(|report| Error::Config(report.to_string()))?;
    let key = config.general.master_key.is_some();
    let server = Server::start_with(config, given)?;
    let (data, admin) = (server.data, server.admin);
    // A standard error that is closed does not keep it from serving.
    let _ = stderr().write_all(welcome(data, admin, key).as_bytes());
    tracing::info!(%data, %admin, "serving");
    server.run(None, None)
}

/// What a newcomer needs to know. `key`: clients must send the master key.
fn welcome(data: SocketAddr, admin: SocketAddr, key: bool) -> String {
    let key = if key { "-H \"Authorization: Bearer $LITELLM_MASTER_KEY\" " } else { "" };
    format!(
        "\
No configuration file: serving simulated models. Nothing leaves this machine.

  curl -N {key}http://{data}/v1/chat/completions -d \\
    '{{\"model\": \"sim-healthy\", \"stream\": true, \"messages\": [{{\"role\": \"user\", \"content\": \"Hi\"}}]}}'

  Others:   sim-429-cut, sim-vertex-429-event-line, sim-gemini-http-429, ...
            curl {key}http://{data}/v1/models
  Metrics:  curl http://{admin}/metrics
  Your own: tidegate serve -c config.yaml

"
    )
}

/// `tidegate sim`.
///
/// # Errors
/// The address is taken.
pub fn simulate(listen: SocketAddr) -> Result<(), Error> {
    let system = |error: std::io::Error| Error::System(format!("{listen}: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    runtime.block_on(async {
        let (mut term, mut int) = (
            signal(SignalKind::terminate()).map_err(system)?,
            signal(SignalKind::interrupt()).map_err(system)?,
        );
        let sim = Sim::start(Settings { addr: listen, ..Settings::default() }).await.map_err(system)?;
        tracing::info!(addr = %sim.addr(), "simulated providers; `tidegate sim --list` names the scenarios");
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        sim.stop().await;
        Ok(())
    })
}

/// `tidegate sim --list`: a line for each scenario.
pub fn scenarios() -> String {
    let width = Scenario::all().iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for Scenario { name, about, .. } in Scenario::all() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:width$}  {about}");
    }
    out + "\nAsk for one with `sim:NAME` in the last user message, the model NAME or sim-NAME, or a path under /s/NAME/.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curl_line_carries_the_key_where_one_is_asked_for() {
        let (data, admin) = (([127, 0, 0, 1], 4000).into(), ([127, 0, 0, 1], 4001).into());
        assert!(!welcome(data, admin, false).contains("LITELLM_MASTER_KEY"));
        let text = welcome(data, admin, true);
        assert_eq!(text.matches("Bearer $LITELLM_MASTER_KEY").count(), 2);
    }

    #[test]
    fn the_welcome_names_models_that_exist() {
        let text = welcome(([127, 0, 0, 1], 4000).into(), ([127, 0, 0, 1], 4001).into(), false);
        let named = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let named: Vec<_> = named.filter(|word| word.starts_with("sim-")).collect();
        assert_eq!(named.len(), 4);
        for model in named {
            assert!(config::models().any(|(name, ..)| name == model), "{model}");
        }
    }

    #[test]
    fn the_list_has_a_line_for_every_scenario() {
        let list = scenarios();
        for scenario in Scenario::all() {
            assert!(
                list.lines().any(|line| line.starts_with(scenario.name) && line.contains(scenario.about))
            );
        }
    }
}
