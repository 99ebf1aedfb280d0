//! A model's name, as litellm writes it, and what its maker decides.

/// A model, an inference profile or another thing that Converse can be asked of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    /// As the call names it: an id such as `us.anthropic.claude-sonnet-4-20250514-v1:0`, or an ARN.
    pub(crate) id: String,
    /// The region that the name says: by a segment before the id, else by the ARN.
    pub(crate) region: Option<String>,
    pub(crate) family: Family,
}

/// Who made the model, as far as requests differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Claude,
    Nova,
    GptOss,
    /// Another maker's.
    Other,
    /// An ARN that does not tell.
    Unknown,
}

/// Segments by which litellm chooses another call than Converse.
const ROUTES: [&str; 7] =
    ["invoke", "converse_like", "agent", "agentcore", "async_invoke", "openai", "mantle"];

impl Model {
    /// Reads `[converse/][REGION/]ID`.
    pub(crate) fn of(name: &str) -> Result<Self, String> {
        let rest = name.strip_prefix("bedrock/").unwrap_or(name);
        let rest = rest.strip_prefix("converse/").unwrap_or(rest);
        let first = rest.split('/').next().unwrap_or(rest);
        if rest.contains('/') && ROUTES.contains(&first) {
            return Err(format!(
                "\"{first}/\" is another call than Converse, and only Converse is supported; most models can be called by \
                 it: write bedrock/{}",
                &rest[first.len() + 1..]
            ));
        }
        let (region, rest) = match rest.split_once('/') {
            Some((segment, rest)) if is_region(segment) => (Some(segment.to_owned()), rest),
            _ => (None, rest),
        };
        // litellm's names of provisioned throughput have the term in them, for its price list.
        let id = match rest.split_once('/') {
            Some((term, id)) if term.ends_with("-month-commitment") => id,
            _ => rest,
        };
        if id.is_empty() {
            return Err("the model has no name".to_owned());
        }
        let is_arn = id.starts_with("arn:");
        if !is_arn && id.contains('/') {
            return Err(format!(
                "the model {name:?} is neither an id nor an ARN, with at most a region before it"
            ));
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
        if !id.bytes().all(legal) {
            return Err(format!("the model {name:?} holds characters that no id and no ARN of Bedrock has"));
        }
        let of_arn = || id.split(':').nth(3).filter(|_| is_arn).filter(|region| is_region(region));
        Ok(Model {
            region: region.or_else(|| of_arn().map(str::to_owned)),
            family: Family::of(id),
            id: id.to_owned(),
        })
    }
}

impl Model {
    /// By its name: `claude-sonnet-4-5-20250929`, `claude-opus-5`; before Claude 4 the version came first.
    pub(crate) fn is_claude_4_5_or_later(&self) -> bool {
        let Some((_, name)) = self.id.split_once("claude-") else { return false };
        let mut words = name.split(['-', ':']).skip(1);
        // A day is no version.
        let mut number = || words.next().filter(|word| word.len() < 3)?.parse::<u32>().ok();
        let major = number();
        let is_old = name.starts_with(|c: char| c.is_ascii_digit());
        !is_old && major.is_some_and(|major| (major, number().unwrap_or(0)) >= (4, 5))
    }
}

impl Family {
    fn of(id: &str) -> Self {
        let tail = id.rsplit('/').next().unwrap_or(id);
        if tail.contains("anthropic.") || tail.contains("claude") {
            Family::Claude
        } else if tail.contains("amazon.nova") {
            Family::Nova
        } else if tail.contains("openai.gpt-oss") {
            Family::GptOss
        } else if id.starts_with("arn:") && !tail.contains('.') {
            Family::Unknown
        } else {
            Family::Other
        }
    }

    /// Whether a cache point is known: another model refuses the request that has one.
    pub(crate) fn caches(self) -> bool {
        matches!(self, Family::Claude | Family::Nova | Family::Unknown)
    }
}

/// `us-east-1`, `us-gov-west-1`, `ap-southeast-2`.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [place @ .., number] if place.len() >= 2 => {
            place.iter().all(letters)
                && place[0].len() <= 3
                && !number.is_empty()
                && number.len() <= 2
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids_regions_and_arns() {
        let profile = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-20250514-v1:0";
        let own = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3";
        let rows = [
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", None, None, Family::Claude),
            ("converse/us.amazon.nova-pro-v1:0", Some("us.amazon.nova-pro-v1:0"), None, Family::Nova),
            (
                "us-west-2/openai.gpt-oss-120b-1:0",
                Some("openai.gpt-oss-120b-1:0"),
                Some("us-west-2"),
                Family::GptOss,
            ),
            (
                "bedrock/converse/us-gov-west-1/meta.llama3-70b-instruct-v1:0",
                Some("meta.llama3-70b-instruct-v1:0"),
                Some("us-gov-west-1"),
                Family::Other,
            ),
            (
                "us-west-2/1-month-commitment/anthropic.claude-v2:1",
                Some("anthropic.claude-v2:1"),
                Some("us-west-2"),
                Family::Claude,
            ),
            (profile, None, Some("eu-west-1"), Family::Claude),
            (own, None, Some("us-east-1"), Family::Unknown),
        ];
        for (name, id, region, family) in rows {
            let model = Model::of(name).unwrap();
            let got = (model.id.as_str(), model.region.as_deref(), model.family);
            assert_eq!(got, (id.unwrap_or(name), region, family), "{name}");
        }
        for (name, why) in [
            ("invoke/anthropic.claude-v2", "only Converse"),
            ("agent/A/B", "only Converse"),
            ("", "no name"),
            ("us-east-1/", "no name"),
            ("llama/arn:aws:bedrock:us-east-1:1:imported-model/x", "neither an id nor an ARN"),
            ("a b", "characters"),
            ("x?y#z", "characters"),
        ] {
            let said = Model::of(name).unwrap_err();
            assert!(said.contains(why), "{name}: {said}");
        }
    }

    #[test]
    fn tells_the_generations_of_claude() {
        let later = |id: &str| Model::of(id).unwrap().is_claude_4_5_or_later();
        for id in [
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "us.anthropic.claude-opus-4-6-v1",
            "anthropic.claude-opus-5",
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        ] {
            assert!(later(id), "{id}");
        }
        for id in [
            "anthropic.claude-sonnet-4-20250514-v1:0",
            "anthropic.claude-opus-4-1-20250805-v1:0",
            "anthropic.claude-3-7-sonnet-20250219-v1:0",
            "anthropic.claude-v2:1",
            "anthropic.claude-instant-v1",
            "amazon.nova-pro-v1:0",
        ] {
            assert!(!later(id), "{id}");
        }
    }

    #[test]
    fn tells_regions_from_other_segments() {
        for region in ["us-east-1", "us-gov-west-1", "ap-southeast-2", "us-iso-east-1", "cn-north-1"] {
            assert!(is_region(region), "{region}");
        }
        for other in [
            "converse",
            "us-1",
            "us-east-",
            "US-east-1",
            "claude-instant-1",
            "us--1",
            "anthropic.claude-v2",
            "",
        ] {
            assert!(!is_region(other), "{other}");
        }
    }
}
