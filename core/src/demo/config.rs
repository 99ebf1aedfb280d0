//! The configurations that lead to the simulator, as text: they are read like any other.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use tidegate_sim::{Scenario, service_account_json};

/// The simulator's API key.
pub(super) const KEY: &str = "sim-key";

/// The model groups of [`founding`], and the provider that each calls.
pub(super) const GROUPS: [(&str, &str); 3] =
    [("vertex_ai", "gemini-pro"), ("gemini", "gemini-pro-api"), ("openai", "gpt-mini")];

/// The bug report's configuration (BerriAI/litellm#26015). Of its deployment, `api_base` and the credentials are new,
/// and lead to `sim`; the other two deployments ask the same of the other two providers.
pub(super) fn founding(sim: SocketAddr, credentials: &Path) -> String {
    let credentials = quoted(&credentials.display().to_string());
    format!(
        "\
model_list:
  - model_name: gemini-pro
    litellm_params:
      model: vertex_ai/gemini-3.1-pro-preview
      vertex_project: my-project
      vertex_location: global
      vertex_credentials: {credentials}
      api_base: http://{sim}/v1/projects/my-project/locations/global/publishers/google/models/gemini-3.1-pro-preview
  - model_name: gemini-pro-api
    litellm_params:
      model: gemini/gemini-3.1-pro-preview
      api_key: {KEY}
      api_base: http://{sim}/v1beta
  - model_name: gpt-mini
    litellm_params:
      model: openai/gpt-mini
      api_key: {KEY}
      api_base: http://{sim}/v1

router_settings:
  num_retries: 0
  allowed_fails: 0
  cooldown_time: 0

tidegate:
  listen: 127.0.0.1:0
  admin: 127.0.0.1:0
"
    )
}

/// Scenarios beside the founding ones that a newcomer may want to see.
const OTHERS: [&str; 9] =
    ["healthy", "fast", "drip", "tool-call", "usage", "echo", "http-503", "stall-mid", "empty-flood"];

/// The names of the simulated models, each with its provider and its scenario.
pub(super) fn models() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    let others = OTHERS.into_iter().filter_map(Scenario::find);
    others.chain(Scenario::founding()).flat_map(|scenario| {
        let name = scenario.name;
        [
            (format!("sim-{name}"), "openai", name),
            (format!("sim-gemini-{name}"), "gemini", name),
            (format!("sim-vertex-{name}"), "vertex_ai", name),
        ]
    })
}

/// A model for each of [`models`], on the default ports. Clocks are short, so that a stall shows while one looks on.
pub(super) fn simulated(sim: SocketAddr) -> String {
    let account = quoted(&service_account_json(sim));
    let mut text = String::from("model_list:\n");
    for (model, provider, scenario) in models() {
        let way = match provider {
            "openai" => format!("api_key: {KEY}, api_base: \"http://{sim}/s/{scenario}/v1\""),
            "gemini" => format!("api_key: {KEY}, api_base: \"http://{sim}/s/{scenario}/v1beta\""),
            _ => format!(
                "vertex_project: my-project, vertex_location: global, vertex_credentials: {account}, \
                 api_base: \"http://{sim}/s/{scenario}/v1/projects/my-project/locations/global/publishers/google/models/sim\""
            ),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  - {{model_name: {model}, litellm_params: {{model: {provider}/sim-{scenario}, {way}}}}}"
        );
    }
    text + "router_settings: {num_retries: 0, allowed_fails: 0, cooldown_time: 0}\n\
            tidegate: {clocks: {first_content: 10s, content_idle: 5s, byte_idle: 5s}}\n"
}

/// A JSON string is a YAML one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Env, parse};

    struct Nothing;

    impl Env for Nothing {
        fn var(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn read(text: &str) -> Config {
        parse(text, Path::new("demo.yaml"), &Nothing).map_err(|report| report.to_string()).unwrap()
    }

    #[test]
    fn the_founding_configuration_is_the_reports_and_says_nothing_else() {
        let config = read(&founding(([127, 0, 0, 1], 4010).into(), Path::new("/tmp/a \"b\"/key.json")));
        assert!(config.notices.iter().all(|notice| !notice.to_string().contains("not supported")));
        let groups: Vec<_> = config.groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(groups, GROUPS.map(|(_, group)| group));
        let vertex = &config.deployments[config.groups[0].deployments[0]];
        assert_eq!(
            (vertex.provider.as_str(), vertex.model.as_str()),
            ("vertex_ai", "gemini-3.1-pro-preview")
        );
        assert_eq!(vertex.secrets["vertex_credentials"].expose(), "/tmp/a \"b\"/key.json");
        assert_eq!(config.tidegate.listen.port(), 0);
    }

    #[test]
    fn every_simulated_model_is_served() {
        let config = read(&simulated(([127, 0, 0, 1], 4010).into()));
        let groups: Vec<_> = config.groups.iter().map(|group| group.name.clone()).collect();
        assert_eq!(groups, models().map(|(model, ..)| model).collect::<Vec<_>>());
        assert_eq!(groups.len(), (OTHERS.len() + Scenario::founding().count()) * 3);
        assert_eq!(config.tidegate.listen.port(), 4000);
    }
}
