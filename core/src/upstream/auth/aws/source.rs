//! Credentials that are fetched: a file's, a container's, an instance's.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::near::{Address, fetch};
use super::{Keys, profile};
use crate::secret::Secret;
use crate::upstream::auth::{renewed, token};
use crate::utc;

/// A file may be written anew at any time, by whoever gets its owner temporary keys.
const REREAD: Duration = Duration::from_secs(10 * 60);
/// Credentials that do not say when they expire.
const UNSAID: Duration = Duration::from_secs(60 * 60);

type Files = Vec<(PathBuf, profile::Kind)>;

pub(super) enum Source {
    Profile {
        files: Files,
        name: Box<str>,
    },
    /// The profile `default` where a file has one, else what is near, or why nothing is.
    Usual {
        files: Files,
        near: Result<Box<Near>, String>,
    },
}

/// Who is asked over the network, beside this process.
pub(super) enum Near {
    /// What ECS and EKS offer to a container.
    Container { at: Address, token: Option<Token> },
    /// EC2's metadata service, in its second version.
    Instance { base: Address },
}

/// What a container shows to get its credentials.
#[derive(Clone)]
pub(super) enum Token {
    Text(Secret),
    /// Read each time: it changes.
    File(PathBuf),
}

/// As containers and instances give them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
    // A container's errors are written small.
    #[serde(alias = "code")]
    code: Option<String>,
    #[serde(alias = "message")]
    message: Option<String>,
}

impl renewed::Source for Source {
    type Value = Keys;
    const NAMES: (&'static str, &'static str) = ("AWS credentials", "what gives them");

    async fn fetch(&self) -> Result<token::Token<Keys>, String> {
        match self {
            Self::Profile { files, name } => {
                let (files, name) = (files.clone(), name.clone());
                Ok(token::Token::new(aside(move || profile::keys(&files, &name)).await?, REREAD))
            }
            Self::Usual { files, near } => {
                let files = files.clone();
                match (aside(move || default_profile(&files)).await?, near) {
                    (Some(keys), _) => Ok(token::Token::new(keys, REREAD)),
                    (None, Ok(near)) => near.fetch().await,
                    (None, Err(why)) => Err(why.clone()),
                }
            }
        }
    }
}

/// Reads files where a slow disk holds nobody else.
async fn aside<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Err("its files could not be read".to_owned()))
}

fn default_profile(files: &Files) -> Result<Option<Keys>, String> {
    let there = files.iter().any(|(path, kind)| profile::has(path, *kind, "default"));
    there.then(|| profile::keys(files, "default")).transpose()
}

impl Near {
    async fn fetch(&self) -> Result<token::Token<Keys>, String> {
        match self {
            Self::Container { at, token } => {
                let shown = match token.clone() {
                    Some(token) => Some(aside(move || token.read()).await?),
                    None => None,
                };
                let headers: Vec<(&str, &str)> =
                    shown.iter().map(|shown| ("authorization", shown.expose())).collect();
                given(&fetch("GET", at, at.path(), &headers).await?)
            }
            Self::Instance { base } => {
                let ask = async |path: &str, token: &str| {
                    fetch("GET", base, path, &[("x-aws-ec2-metadata-token", token)]).await
                };
                let life = [("x-aws-ec2-metadata-token-ttl-seconds", "21600")];
                let token = fetch("PUT", base, "/latest/api/token", &life).await.map_err(|why| {
                    format!("none are configured, and there are none of an EC2 instance: {why}")
                })?;
                let roles = "/latest/meta-data/iam/security-credentials/";
                let role =
                    ask(roles, &token).await.map_err(|why| format!("the instance has no role: {why}"))?;
                let role = role.lines().next().unwrap_or_default().trim();
                if role.is_empty() || !role.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/') {
                    return Err("the instance has no role".to_owned());
                }
                given(&ask(&format!("{roles}{role}"), &token).await?)
            }
        }
    }
}

impl Source {
    /// What is wrong with its files, or with there being nothing else. Blocks.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Profile { files, name } => profile::keys(files, name).map(drop),
            Self::Usual { files, near } => match (default_profile(files)?, near) {
                (None, Err(why)) => Err(why.clone()),
                _ => Ok(()),
            },
        }
    }
}

impl Token {
    fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| Secret::new(text.trim()))
                .map_err(|error| format!("cannot read {}: {error}", path.display())),
        }
    }
}

fn given(text: &str) -> Result<token::Token<Keys>, String> {
    let given: Given =
        serde_json::from_str(text).map_err(|_| "its answer is not the JSON of credentials".to_owned())?;
    let (Some(id), Some(secret)) = (given.access_key_id, given.secret_access_key) else {
        let said = given.message.or(given.code).unwrap_or_default();
        return Err(format!("its answer holds no credentials: {said}"));
    };
    let life = match given.expiration {
        None => UNSAID,
        Some(text) => {
            let end =
                utc::parse(&text).ok_or_else(|| "they expire at a time that cannot be read".to_owned())?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Duration::from_secs(end).saturating_sub(now)
        }
    };
    if life.is_zero() {
        return Err("they have expired already".to_owned());
    }
    let keys = Keys { id: Secret::new(id), secret: Secret::new(secret), token: given.token.map(Secret::new) };
    Ok(token::Token::new(keys, life))
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile { name, .. } => write!(f, "the profile {name}"),
            Self::Usual { near: Ok(near), .. } => write!(f, "the profile default, or {near}"),
            Self::Usual { .. } => f.write_str("the profile default"),
        }
    }
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { at, .. } => write!(f, "the container's at {at}"),
            Self::Instance { base } => write!(f, "the instance's at {base}"),
        }
    }
}
