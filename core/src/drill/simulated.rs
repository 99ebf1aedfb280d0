//! Turns a configuration into one whose providers are all simulated: addresses, keys, ports. Everything else stays.

use std::net::SocketAddr;

use tidegate_host::{Dialect as Wire, ProviderManifest};
use tidegate_sim::{Dialect, service_account_json};

use crate::config::{Config, Deployment, Secret};
use crate::routing::Plugins;

/// The key that stands in for every key.
const KEY: &str = "sim-key";
/// The key that the drill's clients send where the configuration asks for one.
const MASTER: &str = "drill-master-key";
/// The group that is never struck: what runs beside every fault.
pub(super) const CANARY: &str = "tidegate-drill-canary";

/// A configuration that leads to the simulator.
#[derive(Clone)]
pub(super) struct Simulated {
    pub(super) config: Config,
    /// What was left out, a sentence each.
    pub(super) left_out: Vec<String>,
    /// Whole header lines of a client that is let in.
    pub(super) headers: String,
    /// Where the simulator listens.
    pub(super) sim: SocketAddr,
}

/// A simulated provider: how its address is made, and what it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    OpenAi,
    Azure,
    /// A model of one of these two that has the Responses API alone.
    Responses {
        azure: bool,
    },
    Anthropic,
    Gemini,
    Vertex,
    /// Claude, as Vertex AI serves it.
    VertexClaude,
    Bedrock,
    Ollama,
}

impl Kind {
    fn of(plugins: &Plugins, deployment: &Deployment) -> Result<(Self, ProviderManifest), String> {
        if deployment.is_any() {
            let group = &deployment.group;
            return Err(format!("`model: \"*\"` of group \"{group}\": each request names its provider"));
        }
        let whose = format!("{}/{} of group \"{}\"", deployment.provider, deployment.model, deployment.group);
        let (plugin, manifest) = plugins
            .provider(&deployment.provider, &deployment.model)
            .ok_or_else(|| format!("{whose}: no plugin offers this provider"))?;
        let dialects = manifest.dialects_of(&deployment.model);
        let responses = dialects.contains(&Wire::OpenaiResponses) && !dialects.contains(&Wire::OpenaiChat);
        let kind = match (plugin.name(), manifest.prefix.as_str()) {
            ("openai", _) if responses => Self::Responses { azure: false },
            ("azure", _) if responses => Self::Responses { azure: true },
            ("openai", _) => Self::OpenAi,
            ("azure", _) => Self::Azure,
            ("anthropic", _) => Self::Anthropic,
            ("gemini", "gemini") => Self::Gemini,
            ("gemini", _) if deployment.model.starts_with("claude") => Self::VertexClaude,
            ("gemini", _) => Self::Vertex,
            ("bedrock", _) => Self::Bedrock,
            ("ollama", _) => Self::Ollama,
            (name, _) => {
                return Err(format!(
                    "{whose}: the simulator does not speak the dialect of the plugin \"{name}\""
                ));
            }
        };
        Ok((kind, manifest.clone()))
    }

    fn path(self, model: &str) -> String {
        let publisher = match self {
            Self::OpenAi | Self::Responses { azure: false } => return "/v1".into(),
            Self::Gemini => return "/v1beta".into(),
            Self::Azure | Self::Responses { azure: true } => return String::new(),
            Self::Anthropic | Self::Bedrock | Self::Ollama => return String::new(),
            Self::Vertex => "google",
            Self::VertexClaude => "anthropic",
        };
        let model: String = model
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '-' })
            .collect();
        format!("/v1/projects/drill/locations/global/publishers/{publisher}/models/{model}")
    }

    fn dialect(self) -> Dialect {
        match self {
            Self::OpenAi => Dialect::OpenAiChat,
            Self::Azure => Dialect::Azure,
            Self::Responses { .. } => Dialect::Responses,
            Self::Anthropic | Self::VertexClaude => Dialect::Anthropic,
            Self::Gemini | Self::Vertex => Dialect::Gemini,
            Self::Bedrock => Dialect::Bedrock,
            Self::Ollama => Dialect::Ollama,
        }
    }
}

/// The place that a group's calls come by, in the simulator's paths.
fn place(config: &Config, group: &str) -> String {
    let index = config.groups.iter().position(|known| known.name == group);
    index.map_or("none".into(), |index| format!("g{index}"))
}

/// Makes `config` lead to the simulator at `sim`. Deployments that cannot be simulated are left out: they would lead to
/// their real providers.
///
/// # Errors
/// There is no plugin for the canary, which every drill needs.
pub(super) fn simulate(mut config: Config, plugins: &Plugins, sim: SocketAddr) -> Result<Simulated, String> {
    let mut left_out = Vec::new();
    let mut kept = Vec::new();
    for mut deployment in std::mem::take(&mut config.deployments) {
        match Kind::of(plugins, &deployment) {
            Ok((kind, manifest)) => {
                let base = format!("http://{sim}/at/{}", place(&config, &deployment.group));
                lead(&mut deployment, kind, &manifest, &base, sim);
                kept.push(deployment);
            }
            Err(why) => left_out.push(why),
        }
    }
    let canary = canary(sim)?;
    Kind::of(plugins, &canary)?;
    config.groups.push(crate::config::Group { name: CANARY.into(), deployments: Vec::new() });
    kept.push(canary);
    for group in &mut config.groups {
        let of_group = kept.iter().enumerate().filter(|(_, deployment)| deployment.group == group.name);
        group.deployments = of_group.map(|(index, _)| index).collect();
    }
    config.deployments = kept;
    lift(&mut config);
    let headers = let_in(&mut config);
    Ok(Simulated { config, left_out, headers, sim })
}

/// Lifts the limits of load: the drill plays its cells side by side, which would run into them.
fn lift(config: &mut Config) {
    config.router.default_max_parallel_requests = None;
    config.general.max_parallel_requests = None;
    config.general.global_max_parallel_requests = None;
    for deployment in &mut config.deployments {
        (deployment.max_parallel_requests, deployment.rpm, deployment.tpm) = (None, None, None);
    }
}

/// Leads a deployment to `base`, with keys that are none.
fn lead(deployment: &mut Deployment, kind: Kind, manifest: &ProviderManifest, base: &str, sim: SocketAddr) {
    for other in ["base_url", "aws_bedrock_runtime_endpoint"] {
        deployment.params.remove(other);
    }
    let address = format!("{base}{}", kind.path(&deployment.model));
    deployment.params.insert("api_base".into(), address.into());
    if kind == Kind::Bedrock {
        // It may be the environment's to say, which is not asked here.
        deployment.params.entry("aws_region_name").or_insert_with(|| "us-east-1".into());
    }
    let names: Vec<String> = deployment.secrets.keys().chain(manifest.secrets.keys()).cloned().collect();
    for name in names {
        let google = name.contains("credentials");
        let secret = if google { Secret::new(service_account_json(sim)) } else { Secret::new(KEY) };
        deployment.secrets.insert(name, secret);
    }
    for value in deployment.headers.values_mut() {
        *value = Secret::new("drill");
    }
}

/// What the proxy is started with, before any cell: the settings of `config` that hold for the whole process, and the
/// canary alone.
///
/// # Errors
/// A defect of this file.
pub(super) fn base(mut config: Config, sim: SocketAddr) -> Result<Config, String> {
    config.deployments = vec![canary(sim)?];
    config.groups = vec![crate::config::Group { name: CANARY.into(), deployments: vec![0] }];
    config.router = crate::config::Router::default();
    lift(&mut config);
    let_in(&mut config);
    Ok(config)
}

/// Free ports, and a key that is known. Whole header lines of a client that is let in.
fn let_in(config: &mut Config) -> String {
    config.tidegate.listen = ([127, 0, 0, 1], 0).into();
    config.tidegate.admin = ([127, 0, 0, 1], 0).into();
    // Nobody's processes are ended by a rehearsal.
    config.tidegate.guard.clear();
    // What the drill provokes is no incident of the user's.
    config.tidegate.watchdog.incidents.file = None;
    let patient = std::time::Duration::from_secs(60);
    let canary = config.tidegate.groups.entry(CANARY.into()).or_default();
    canary.clocks.first_content = Some(patient);
    canary.clocks.content_idle = Some(patient);
    canary.clocks.byte_idle = Some(patient);
    config.general.master_key.as_mut().map_or(String::new(), |key| {
        *key = Secret::new(MASTER);
        format!("authorization: Bearer {MASTER}\r\n")
    })
}

fn canary(sim: SocketAddr) -> Result<Deployment, String> {
    let text = format!(
        "model_list: [{{model_name: {CANARY}, litellm_params: {{model: openai/canary, api_base: \"http://{sim}/v1\", \
         api_key: {KEY}}}}}]\n"
    );
    let config = crate::config::parse(&text, std::path::Path::new("(the drill's canary)"), &Nothing)
        .map_err(|report| report.to_string())?;
    config.deployments.into_iter().next().ok_or_else(|| "the canary has no deployment".into())
}

/// An environment without variables.
pub(super) struct Nothing;

impl crate::config::Env for Nothing {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
}

impl Simulated {
    /// The dialects of a group's deployments.
    pub(super) fn dialects(&self, plugins: &Plugins, group: &str) -> Vec<Dialect> {
        let own = self.config.deployments.iter().filter(|deployment| deployment.group == group);
        let mut dialects: Vec<Dialect> = own
            .filter_map(|deployment| Kind::of(plugins, deployment).ok())
            .map(|(kind, _)| kind.dialect())
            .collect();
        dialects.dedup();
        dialects
    }

    /// The marker's list of places for these groups.
    pub(super) fn places(&self, groups: &[String]) -> String {
        groups.iter().map(|group| place(&self.config, group)).collect::<Vec<_>>().join(",")
    }

    /// The same with the deployments of `groups` (all but the canary's, where there are none) led to `base`.
    pub(super) fn struck(&self, plugins: &Plugins, groups: Option<&[String]>, base: &str) -> Config {
        let mut config = self.config.clone();
        for deployment in &mut config.deployments {
            let hit = match groups {
                Some(groups) => groups.contains(&deployment.group),
                None => deployment.group != CANARY,
            };
            if let (true, Ok((kind, manifest))) = (hit, Kind::of(plugins, deployment)) {
                lead(deployment, kind, &manifest, base, self.sim);
            }
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_incidents_and_limits_of_load_stay_out_of_a_drill() {
        let text = "model_list: [{model_name: a, litellm_params: {model: openai/a, rpm: 1, tpm: 1, max_parallel_requests: 1}}]\n\
                    general_settings: {max_parallel_requests: 1, global_max_parallel_requests: 1}\n\
                    tidegate: {watchdog: {incidents: {file: /var/log/incidents.jsonl}},\n\
                    \x20 guard: [{name: a, unit: a, probe: 'http://127.0.0.1:1/'}]}\n";
        let mut config =
            crate::config::parse(text, std::path::Path::new("c.yaml"), &Nothing).expect("it is good");
        assert!(
            config.tidegate.guard.len() == 1
                && config.tidegate.watchdog.incidents.file.is_some()
                && config.deployments[0].rpm.is_some()
        );
        lift(&mut config);
        let deployment = &config.deployments[0];
        assert_eq!((deployment.rpm, deployment.tpm, deployment.max_parallel_requests), (None, None, None));
        let base = base(config, ([127, 0, 0, 1], 1).into()).expect("the canary is good");
        assert_eq!(base.tidegate.watchdog.incidents.file, None);
        assert!(base.tidegate.guard.is_empty(), "a drill that ends the user's processes");
        assert_eq!(base.general.max_parallel_requests, None);
        assert_eq!(base.general.global_max_parallel_requests, None);
    }
}
