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

pub(super) enum Source {
    Profile {
        files: Vec<(PathBuf, profile::Kind)>,
        name: Box<str>,
    },
    /// What ECS and EKS offer to a container.
    Container {
        at: Address,
        token: Option<Token>,
    },
    /// EC2's metadata service, in its second version.
    Instance {
        base: Address,
    },
}

/// What a container shows to get its credentials.
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
            Self::Profile { .. } => Ok(token::Token::new(self.keys_of_profile()?, REREAD)),
            Self::Container { at, token } => {
                let shown = token.as_ref().map(Token::read).transpose()?;
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
    /// Of a profile; small files of this machine are read where they are asked for.
    pub(super) fn keys_of_profile(&self) -> Result<Keys, String> {
        match self {
            Self::Profile { files, name } => profile::keys(files, name),
            _ => Err("it is no profile".to_owned()),
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
            Self::Container { at, .. } => write!(f, "the container's at {at}"),
            Self::Instance { base } => write!(f, "the instance's at {base}"),
        }
    }
}
