//! A deployment's instance of its provider: who serves it, with which parameters and keys; and why it has none.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tidegate_host::{Param, Plugin, ProviderInstance, ProviderManifest, SecretSpec};

use super::plugins::Plugins;
use crate::config::{self, Config, Env, Notice, Severity, suggest};
use crate::secret::Secret;
use crate::upstream::auth::{AwsCredentials, AwsSettings};

/// What a deployment's calls go through.
pub(super) struct Made<'a> {
    pub(super) plugin: &'a Arc<Plugin>,
    pub(super) manifest: &'a ProviderManifest,
    pub(super) provider: ProviderInstance,
    /// What it was made of.
    pub(super) told: Value,
    pub(super) secrets: HashMap<String, Secret>,
    /// What its AWS credentials are found by, if it takes any.
    pub(super) aws: Option<AwsSettings>,
    /// The address that the plugin was given.
    pub(super) api_base: Option<String>,
}

/// Why a deployment cannot be used. `Display` is one clause, as a log line needs it.
#[derive(Debug)]
pub(super) struct Unusable {
    message: String,
    hint: Option<String>,
    /// All that it lacks is a key, which may be there when it is served.
    keyless: bool,
}

impl Unusable {
    fn because(message: String) -> Self {
        Self { message, hint: None, keyless: false }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// Makes and tries it.
pub(super) fn make<'a>(
    config: &Config,
    from: &config::Deployment,
    plugins: &'a Plugins,
    env: &dyn Env,
) -> Result<Made<'a>, Unusable> {
    let (plugin, manifest) =
        plugins.provider(&from.provider, &from.model).ok_or_else(|| unknown(from, plugins))?;
    let secrets = secrets(config, from, manifest, env)?;
    let names: Vec<&String> = secrets.keys().collect();
    let mut told = json!({
        "provider": manifest.prefix,
        "model": from.model,
        "params": params(config, from, manifest, &secrets, env),
        "secrets": names,
    });
    if let Some(vendor) = &manifest.vendor {
        told["vendor"] = Value::Object(vendor.clone());
    }
    let because = |error: &dyn fmt::Display| Unusable::because(error.to_string());
    let provider = plugin
        .provider()
        .ok_or_else(|| Unusable::because(format!("the plugin \"{}\" is no provider", plugin.name())))?
        .create(&told)
        .map_err(|error| because(&error))?;
    provider.self_test().map_err(|error| because(&error))?;
    let aws = aws_settings(config, from, manifest, env);
    // Who has a key, and nothing of AWS's own written down, is not signed for.
    if let Some(settings) = aws.as_ref().filter(|aws| aws.has_own() || !secrets.contains_key("api_key")) {
        let keyless = |message| Unusable { message, hint: None, keyless: true };
        AwsCredentials::check(settings).map_err(keyless)?;
    }
    let api_base = told["params"]["api_base"].as_str().map(str::to_owned);
    Ok(Made { plugin, manifest, provider, told, secrets, aws, api_base })
}

/// What `tidegate check` says of the deployments that `serve` would leave out, at the model of each. They are errors where
/// nothing is left to serve; a key that is not here now may be there then.
pub fn left_out(config: &Config, plugins: &Plugins, env: &dyn Env) -> Vec<Notice> {
    let named: Vec<_> = config.deployments.iter().filter(|from| !from.is_any()).collect();
    let unusable: Vec<_> = named
        .iter()
        .filter_map(|from| Some((&from.model_place, make(config, from, plugins, env).err()?)))
        .collect();
    let none_left =
        unusable.len() == config.deployments.len() && unusable.iter().all(|(_, why)| !why.keyless);
    let severity = if none_left { Severity::Error } else { Severity::Warning };
    unusable
        .into_iter()
        .map(|(place, Unusable { message, hint, .. })| Notice {
            severity,
            place: place.clone(),
            message: format!("{message}; the deployment is left out"),
            hint,
        })
        .collect()
}

fn unknown(from: &config::Deployment, plugins: &Plugins) -> Unusable {
    let all = plugins.prefixes();
    let there_are = format!("the providers are {}", all.join(", "));
    let (message, meant) = match from.provider.as_str() {
        "" => {
            (format!("`{0}` names no provider, and none claims it; write `PROVIDER/{0}`", from.model), None)
        }
        // litellm loads vLLM into itself for these.
        "vllm" => (
            "`vllm/` is vLLM inside litellm's own process".to_owned(),
            Some("write `hosted_vllm/`, with the server's address as `api_base`".to_owned()),
        ),
        other => (
            format!("no plugin offers the provider `{other}`"),
            suggest::did_you_mean(other, all.iter().copied()),
        ),
    };
    Unusable { message, hint: meant.or(Some(there_are)), keyless: false }
}

fn secrets(
    config: &Config,
    from: &config::Deployment,
    manifest: &ProviderManifest,
    env: &dyn Env,
) -> Result<HashMap<String, Secret>, Unusable> {
    let mut secrets: HashMap<String, Secret> = from.secrets.clone().into_iter().collect();
    for (name, spec) in manifest.secrets.iter() {
        if secrets.contains_key(name) {
            continue;
        }
        let found = spec.env.iter().find_map(|variable| config.variable(env, variable));
        let found = found.map(|secret| Secret::new(secret.expose()));
        let found = found.or_else(|| spec.default.as_deref().map(Secret::new));
        secrets.extend(found.map(|secret| (name.clone(), secret)));
    }
    let is_there = |name: &String| secrets.contains_key(name);
    let lacking = |(name, spec): &(&String, &SecretSpec)| {
        from.mocked.is_none() && spec.required && !is_there(name) && !spec.or.iter().any(is_there)
    };
    if let Some((name, spec)) = manifest.secrets.iter().find(lacking) {
        let names = std::iter::once(name).chain(&spec.or);
        let variables =
            names.clone().filter_map(|name| manifest.secrets.get(name)).flat_map(|spec| &spec.env);
        let variables: Vec<&str> = variables.map(String::as_str).collect();
        let names: Vec<String> = names.map(|name| format!("litellm_params.{name}")).collect();
        return Err(Unusable {
            message: format!("it has no {name}"),
            hint: Some(format!(
                "set {}, or {} in the environment",
                names.join(" or "),
                variables.join(" or ")
            )),
            keyless: true,
        });
    }
    Ok(secrets)
}

/// What the AWS credentials of a provider that takes any are found by. A variable never completes a key that the
/// deployment has: they could be two accounts'.
fn aws_settings(
    config: &Config,
    from: &config::Deployment,
    manifest: &ProviderManifest,
    env: &dyn Env,
) -> Option<AwsSettings> {
    let own = |name: &str| {
        let param = || from.params.get(name).and_then(Value::as_str).map(Secret::new);
        from.secrets.get(name).cloned().or_else(param)
    };
    let takes = manifest.secrets.contains_key("aws_secret_access_key");
    takes.then(|| AwsSettings::read(own, |name| config.variable(env, name)))
}

fn params(
    config: &Config,
    from: &config::Deployment,
    manifest: &ProviderManifest,
    secrets: &HashMap<String, Secret>,
    env: &dyn Env,
) -> Map<String, Value> {
    let mut params = from.params.clone();
    if config.drops_params(from) {
        params.insert("drop_params".to_owned(), true.into());
    }
    for (name, spec) in &manifest.params {
        if params.contains_key(name) {
            continue;
        }
        params.extend(said(config, spec, env).map(|value| (name.clone(), value)));
    }
    if !params.contains_key(PROJECT) && manifest.params.contains_key(PROJECT) {
        params.extend(project(secrets).map(|project| (PROJECT.to_owned(), project.into())));
    }
    params
}

/// What the environment has for a parameter, else its default.
pub(super) fn said(config: &Config, spec: &Param, env: &dyn Env) -> Option<Value> {
    let found = spec.env.iter().find_map(|variable| config.variable(env, variable));
    found.map(|text| Value::from(text.expose())).or_else(|| spec.default.clone())
}

/// Google's project, as the service account's key names it. A plugin cannot read it there.
const PROJECT: &str = "vertex_project";

fn project(secrets: &HashMap<String, Secret>) -> Option<String> {
    let credentials = secrets.get("vertex_credentials")?.expose();
    let file = if credentials.trim_start().starts_with('{') {
        None
    } else {
        std::fs::read_to_string(credentials).ok()
    };
    let key: Value = serde_json::from_str(file.as_deref().unwrap_or(credentials)).ok()?;
    key.get("project_id")?.as_str().map(str::to_owned)
}
