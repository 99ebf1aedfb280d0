//! Where a vendor differs from OpenAI: what its file says, checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_openai_wire::FinishReasons;
use tidegate_plugin_sdk::Config;

/// The manifest, of which the vendors' rows are made from `vendors/*.provider.yaml`.
pub(crate) const MANIFEST: &str = include_str!(concat!(env!("OUT_DIR"), "/manifest.json"));

/// The quirks of one vendor. Each has a vendor that needs it: `vendors/` says which, and why.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// Added to an address that does not end so.
    pub base_path: Option<String>,
    /// Put before a model's name that has no `/` in it.
    pub model_prefix: Option<String>,
    /// Members of a request that have another name there. It takes the place of a member that has that name already.
    pub rename: BTreeMap<String, String>,
    /// Members of a request that are left out.
    pub drop: Vec<String>,
    /// The word for a tool choice of `required`.
    pub tool_choice_required: Option<String>,
    /// A message's content that is a list of texts becomes one text.
    pub text_content: bool,
    /// Members of messages that are left out: `name`, or `assistant.name` for messages of that role alone.
    pub drop_in_messages: Vec<String>,
    /// Members of messages that are null are left out.
    pub drop_nulls: bool,
    /// Ids of calls are nine letters or digits: another is replaced by a hash of it, alike in the call and in its result.
    pub call_ids_of_nine: bool,
    /// Reasons for an answer's end by OpenAI's words.
    pub finish_reasons: FinishReasons,
}

/// Without these it is another request.
const KEPT: [&str; 3] = ["model", "messages", "stream"];
const REASONS: [&str; 5] = ["stop", "length", "tool_calls", "content_filter", "function_call"];

impl Quirks {
    /// Those that the host hands over; where it is too old for that, those of the vendor's own row.
    pub(crate) fn of(config: &Config) -> Result<Self, String> {
        let own;
        let vendor = match &config.vendor {
            Some(vendor) => vendor,
            None => {
                own = row(&config.provider);
                &own
            }
        };
        let quirks: Quirks = match vendor.get("quirks") {
            None | Some(Value::Null) => Quirks::default(),
            Some(quirks) => serde_json::from_value(quirks.clone())
                .map_err(|error| format!("the quirks of {}: {error}", config.provider))?,
        };
        quirks.check().map_err(|why| format!("the quirks of {}: {why}", config.provider))?;
        Ok(quirks)
    }

    fn check(&self) -> Result<(), String> {
        let moved = self.rename.iter().flat_map(|(from, to)| [from, to]).chain(&self.drop);
        if let Some(kept) = moved.into_iter().find(|name| KEPT.contains(&name.as_str())) {
            return Err(format!("\"{kept}\" is never left out or renamed"));
        }
        if let Some(path) = self.base_path.as_ref().filter(|path| !path.starts_with('/')) {
            return Err(format!("\"base_path\" begins with a \"/\", and {path:?} does not"));
        }
        let alien = self.finish_reasons.values().find(|reason| !REASONS.contains(&reason.as_str()));
        match alien {
            Some(reason) => Err(format!("{reason:?} is none of OpenAI's reasons: {}", REASONS.join(", "))),
            None => Ok(()),
        }
    }

    /// The name that the vendor knows a model by.
    pub(crate) fn model(&self, name: &str) -> String {
        match &self.model_prefix {
            Some(prefix) if !name.contains('/') => format!("{prefix}{name}"),
            _ => name.to_owned(),
        }
    }
}

fn row(provider: &str) -> Map<String, Value> {
    let manifest: Value = serde_json::from_str(MANIFEST).unwrap_or_default();
    let rows = manifest["providers"].as_array().map_or(&[][..], Vec::as_slice);
    let row = rows.iter().find(|row| row["prefix"] == provider);
    row.and_then(|row| row["vendor"].as_object()).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn quirks(config: Value) -> Result<Quirks, String> {
        Quirks::of(&serde_json::from_value(config).unwrap())
    }

    #[test]
    fn the_hosts_word_goes_before_our_own_row() {
        assert_eq!(quirks(json!({"provider": "mistral"})).unwrap().base_path.as_deref(), Some("/v1"));
        let given = json!({"provider": "mistral", "vendor": {"quirks": {"drop": ["user"]}}});
        assert_eq!(quirks(given).unwrap(), Quirks { drop: vec!["user".to_owned()], ..Quirks::default() });
        assert_eq!(quirks(json!({"provider": "mistral", "vendor": {}})).unwrap(), Quirks::default());
        assert_eq!(quirks(json!({"provider": "openai"})).unwrap(), Quirks::default());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (given, why) in [
            (json!({"dorp": []}), "unknown field `dorp`"),
            (json!({"drop": "user"}), "the quirks of x: invalid type"),
            (json!({"drop": ["messages"]}), "\"messages\" is never left out"),
            (json!({"rename": {"a": "model"}}), "\"model\" is never left out"),
            (json!({"base_path": "v1"}), "begins with a \"/\""),
            (json!({"finish_reasons": {"eos": "end"}}), "none of OpenAI's reasons"),
        ] {
            let said = quirks(json!({"provider": "x", "vendor": {"quirks": given}})).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    /// The core checks a file's quirks against what the manifest says of them.
    #[test]
    fn the_manifest_lists_the_quirks_that_there_are() {
        let manifest: Value = serde_json::from_str(MANIFEST).unwrap();
        let listed = manifest["vendors"]["quirks"].as_object().unwrap();
        let all: Map<String, Value> = listed
            .iter()
            .map(|(name, kind)| {
                let value = match kind.as_str().unwrap() {
                    "flag" => json!(true),
                    "text" => json!("/v1"),
                    "texts" => json!(["x"]),
                    _ => json!({"x": "stop"}),
                };
                (name.clone(), value)
            })
            .collect();
        let Quirks {
            base_path: Some(_),
            model_prefix: Some(_),
            rename,
            drop,
            tool_choice_required: Some(_),
            text_content: true,
            drop_in_messages,
            drop_nulls: true,
            call_ids_of_nine: true,
            finish_reasons,
        } = quirks(json!({"provider": "x", "vendor": {"quirks": all}})).unwrap()
        else {
            panic!("a quirk is missing in the manifest");
        };
        assert!([rename, finish_reasons].iter().all(|map| map.len() == 1));
        assert!([drop, drop_in_messages].iter().all(|list| list.len() == 1));
    }

    #[test]
    fn only_bare_names_of_models_get_a_prefix() {
        let fireworks = quirks(json!({"provider": "fireworks_ai"})).unwrap();
        assert_eq!(
            fireworks.model("llama-v3p1-8b-instruct"),
            "accounts/fireworks/models/llama-v3p1-8b-instruct"
        );
        assert_eq!(fireworks.model("accounts/me/models/x"), "accounts/me/models/x");
        assert_eq!(Quirks::default().model("x"), "x");
    }
}
