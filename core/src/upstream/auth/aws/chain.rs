//! Which credentials a deployment has.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::near::Address;
use super::source::{Near, Source};
use super::{Keys, Kind, profile};
use crate::secret::Secret;

/// The variables that are read, beside the deployment's own parameters.
const VARIABLES: [&str; 15] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "HOME",
];

/// What a deployment's credentials are found by: its parameters and the environment, as they were when it was configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    own: HashMap<&'static str, Secret>,
    env: HashMap<&'static str, Secret>,
}

/// Read of a deployment.
const OWN: [&str; 4] =
    ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_profile_name"];

impl Settings {
    /// `own` has the deployment's parameters and secrets, `env` the environment. What is empty is not there.
    pub fn read(own: impl Fn(&str) -> Option<Secret>, env: impl Fn(&str) -> Option<Secret>) -> Self {
        fn there(
            names: &[&'static str],
            of: impl Fn(&str) -> Option<Secret>,
        ) -> HashMap<&'static str, Secret> {
            let found = names.iter().filter_map(|name| Some((*name, of(name)?)));
            found.filter(|(_, value)| !value.expose().trim().is_empty()).collect()
        }
        Self { own: there(&OWN, own), env: there(&VARIABLES, env) }
    }

    /// Whether the deployment itself says who signs.
    pub fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    fn env(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(Secret::expose)
    }

    /// Reads no file.
    pub(super) fn find(&self) -> Result<Kind, String> {
        if let Some(profile) = self.own.get("aws_profile_name") {
            return Ok(self.profile(profile.expose()));
        }
        let own = keys(&self.own, ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"])?;
        if let Some(keys) = own {
            return Ok(keys);
        }
        let env = keys(&self.env, ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])?;
        if let Some(keys) = env {
            return Ok(keys);
        }
        if self.env("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() && self.env("AWS_ROLE_ARN").is_some() {
            return Err("the environment names a web identity (AWS_WEB_IDENTITY_TOKEN_FILE), and roles are not supported \
                        yet: give it keys, a profile of the credentials file, or the container's or instance's own role"
                .to_owned());
        }
        if let Some(profile) = self.env("AWS_PROFILE") {
            return Ok(self.profile(profile));
        }
        Ok(Kind::of(Source::Usual { files: self.files(), near: self.near().map(Box::new) }))
    }

    /// Where there is no profile `default`.
    fn near(&self) -> Result<Near, String> {
        let token = || self.container_token();
        if let Some(path) = self.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            let at = Address::parse(&format!("http://169.254.170.2{path}"))?;
            return Ok(Near::Container { at, token: token() });
        }
        if let Some(url) = self.env("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            let at = Address::parse(url)
                .map_err(|why| format!("AWS_CONTAINER_CREDENTIALS_FULL_URI cannot be used: {why}"))?;
            return Ok(Near::Container { at, token: token() });
        }
        if self.env("AWS_EC2_METADATA_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true")) {
            return Err(nowhere());
        }
        let base = self.env("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or("http://169.254.169.254");
        let base = Address::parse(base)
            .map_err(|why| format!("AWS_EC2_METADATA_SERVICE_ENDPOINT cannot be used: {why}"))?;
        Ok(Near::Instance { base })
    }

    fn profile(&self, name: &str) -> Kind {
        Kind::of(Source::Profile { files: self.files(), name: name.into() })
    }

    /// The credentials file, then the configuration file.
    fn files(&self) -> Vec<(PathBuf, profile::Kind)> {
        let home = self.env("HOME").map(PathBuf::from);
        let file = |variable: &str, name: &str| {
            let named = self.env(variable).map(|path| match (path.strip_prefix("~/"), &home) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => PathBuf::from(path),
            });
            named.or_else(|| Some(home.as_ref()?.join(".aws").join(name)))
        };
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let config = file("AWS_CONFIG_FILE", "config");
        let both = [(credentials, profile::Kind::Credentials), (config, profile::Kind::Config)];
        both.into_iter().filter_map(|(path, kind)| Some((path?, kind))).collect()
    }

    fn container_token(&self) -> Option<super::source::Token> {
        use super::source::Token;
        let file = self.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(|path| Token::File(path.into()));
        file.or_else(|| self.env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").cloned().map(Token::Text))
    }
}

fn nowhere() -> String {
    "no AWS credentials: set aws_access_key_id and aws_secret_access_key, or aws_profile_name, or AWS_ACCESS_KEY_ID and \
     AWS_SECRET_ACCESS_KEY in the environment"
        .to_owned()
}

/// A pair, or nothing. Half of one is a slip.
fn keys(from: &HashMap<&'static str, Secret>, names: [&'static str; 3]) -> Result<Option<Kind>, String> {
    let [id, secret, token] = names.map(|name| from.get(name).cloned());
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some(Kind::Fixed(Arc::new(Keys { id, secret, token })))),
        (None, None) if token.is_none() => Ok(None),
        (None, None) => Err(format!("there is {}, but neither {} nor {}", names[2], names[0], names[1])),
        (Some(_), None) => Err(format!("there is {}, but no {}", names[0], names[1])),
        (None, Some(_)) => Err(format!("there is {}, but no {}", names[1], names[0])),
    }
}
