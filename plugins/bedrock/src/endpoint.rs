//! Where a deployment's requests go.

use tidegate_plugin_sdk::Config;
use tidegate_plugin_sdk::url::escape;

use crate::model::{Model, is_region};

/// Which of the two calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Converse,
    ConverseStream,
}

/// A deployment's address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Instead of AWS's own: a VPC's endpoint, a proxy, a simulator.
    base: Option<String>,
    region: Option<String>,
}

impl Endpoint {
    pub(crate) fn of(config: &Config) -> Result<Self, String> {
        let named = ["aws_bedrock_runtime_endpoint", "api_base", "base_url"]
            .into_iter()
            .find_map(|name| Some((name, config.text(name)?)));
        let base = match named {
            Some((_, base)) if base.starts_with("http://") || base.starts_with("https://") => {
                Some(base.trim_end_matches('/').to_owned())
            }
            Some((name, base)) => {
                return Err(format!("\"{name}\" must begin with http:// or https://, and {base:?} does not"));
            }
            None => None,
        };
        let region = config.text("aws_region_name").or_else(|| config.text("region_name"));
        match region.filter(|region| !is_region(region)) {
            Some(other) => Err(format!("\"aws_region_name\" is {other:?}, which is no AWS region")),
            None => Ok(Endpoint { base, region: region.map(str::to_owned) }),
        }
    }

    /// The region to call and to sign for: what the model's name says goes first, because an ARN is of one region.
    pub(crate) fn region<'a>(&'a self, model: &'a Model) -> Result<&'a str, String> {
        model.region.as_deref().or(self.region.as_deref()).ok_or_else(|| {
            "no AWS region: set \"aws_region_name\", or AWS_REGION in the environment, or write it before the model's id"
                .to_owned()
        })
    }

    pub(crate) fn url(&self, id: &str, region: &str, call: Call) -> String {
        let call = match call {
            Call::Converse => "converse",
            Call::ConverseStream => "converse-stream",
        };
        let id = escape(id, b"");
        match &self.base {
            Some(base) => format!("{base}/model/{id}/{call}"),
            None => {
                let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
                format!("https://bedrock-runtime.{region}.amazonaws.com{suffix}/model/{id}/{call}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn endpoint(params: Value) -> Result<Endpoint, String> {
        Endpoint::of(&serde_json::from_value(json!({"provider": "bedrock", "params": params})).unwrap())
    }

    #[test]
    fn makes_every_url() {
        let arn = "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x.y-v1:0";
        let escaped = "arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.x.y-v1%3A0";
        let aws =
            |region: &str, id: &str| format!("https://bedrock-runtime.{region}.amazonaws.com/model/{id}");
        let rows = [
            (json!({"aws_region_name": "us-east-1"}), "x.y-v1:0", aws("us-east-1", "x.y-v1%3A0")),
            (json!({"aws_region_name": "us-east-1"}), arn, aws("eu-west-1", escaped)),
            (json!({}), "us-west-2/x.y", aws("us-west-2", "x.y")),
            (
                json!({"region_name": "cn-north-1"}),
                "x.y",
                "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/x.y".to_owned(),
            ),
            (
                json!({"aws_region_name": "us-east-1", "aws_bedrock_runtime_endpoint": "http://127.0.0.1:1/b/"}),
                "x.y",
                "http://127.0.0.1:1/b/model/x.y".to_owned(),
            ),
        ];
        for (params, model, want) in rows {
            let (endpoint, model) = (endpoint(params).unwrap(), Model::of(model).unwrap());
            let region = endpoint.region(&model).unwrap();
            assert_eq!(endpoint.url(&model.id, region, Call::Converse), format!("{want}/converse"));
            assert_eq!(
                endpoint.url(&model.id, region, Call::ConverseStream),
                format!("{want}/converse-stream")
            );
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(endpoint(json!({"aws_region_name": "evil.test/"})).unwrap_err().contains("no AWS region"));
        assert!(endpoint(json!({"api_base": "ftp://h"})).unwrap_err().contains("http://"));
        let nowhere = endpoint(json!({})).unwrap();
        assert!(nowhere.region(&Model::of("x.y").unwrap()).unwrap_err().contains("AWS_REGION"));
    }
}
