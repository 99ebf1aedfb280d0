//! A model's name, and what its generation decides.

/// A Claude model, by whatever name a platform gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model<'a> {
    pub(crate) name: &'a str,
    /// Major and minor, such as 4 and 5 of `claude-sonnet-4-5-20250929`. `None`: the name has no number. Other vendors' models
    /// behind Anthropic's dialect count as the oldest: what they take is not known.
    version: Option<(u32, u32)>,
}

impl<'a> Model<'a> {
    pub(crate) fn of(name: &'a str) -> Self {
        // A number of one or two digits; a longer one is a date. Vertex AI puts the date behind an @, Bedrock a `v1:0`.
        let number = |word: &str| word.parse::<u32>().ok().filter(|_| word.len() <= 2);
        let mut words = name.split(['-', '.', '_', '@']).skip_while(|word| number(word).is_none());
        if !name.contains("claude") {
            return Model { name, version: Some((0, 0)) };
        }
        let version =
            words.next().and_then(number).map(|major| (major, words.next().and_then(number).unwrap_or(0)));
        Model { name, version }
    }

    /// Whether it is this generation or a later one. A name that tells none is taken for a new model's.
    fn since(&self, major: u32, minor: u32) -> bool {
        self.version.is_none_or(|version| version >= (major, minor))
    }

    fn is_opus(&self) -> bool {
        self.name.contains("opus")
    }

    /// Since 4.6 the model itself decides how long it thinks, and is told an effort instead of a budget.
    pub(crate) fn thinks_by_effort(&self) -> bool {
        self.since(4, 6)
    }

    /// Whether it knows the effort `xhigh`, which 4.6 refuses (can1357/oh-my-pi#7924).
    pub(crate) fn knows_xhigh(&self) -> bool {
        self.since(4, 7)
    }

    /// Whether it goes on with a last message of the assistant. Since 4.6 that is a 400 ("Prefill not supported").
    pub(crate) fn takes_prefill(&self) -> bool {
        !self.since(4, 6)
    }

    /// Whether it takes `output_config.format`: Opus since 4.1, the others since 4.5.
    pub(crate) fn has_structured_outputs(&self) -> bool {
        if self.is_opus() { self.since(4, 1) } else { self.since(4, 5) }
    }

    /// The most tokens that it writes, which Anthropic wants to be told with each request and OpenAI's clients seldom say:
    /// litellm's numbers for the models that it lists, and its 4096 where a name tells nothing.
    pub(crate) fn most_tokens(&self) -> u64 {
        match self.version {
            None => 4096,
            Some(version) if version < (3, 5) => 4096,
            Some(version) if version < (3, 7) => 8192,
            Some((4, 0 | 1)) if self.is_opus() => 32_000,
            Some(version) if version >= (4, 6) && self.is_opus() => 128_000,
            Some(_) => 64_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_a_name() {
        for (name, version) in [
            ("claude-sonnet-4-5-20250929", Some((4, 5))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("claude-4-opus-20250514", Some((4, 0))),
            ("claude-3-7-sonnet-latest", Some((3, 7))),
            ("claude-3-haiku-20240307", Some((3, 0))),
            ("claude-2.1", Some((2, 1))),
            ("claude-haiku-5-5", Some((5, 5))),
            ("claude-sonnet-4@20250514", Some((4, 0))),
            ("anthropic.claude-opus-4-1-20250805-v1:0", Some((4, 1))),
            ("claude-mythos-preview", None),
            ("", Some((0, 0))),
            ("glm-4.6", Some((0, 0))),
        ] {
            assert_eq!(Model::of(name).version, version, "{name}");
        }
    }

    #[test]
    fn a_generation_decides_what_a_model_takes() {
        let told = |name| {
            let model = Model::of(name);
            (model.most_tokens(), model.has_structured_outputs(), model.thinks_by_effort())
        };
        assert_eq!(told("claude-3-opus-20240229"), (4096, false, false));
        assert_eq!(told("claude-3-5-sonnet-20241022"), (8192, false, false));
        assert_eq!(told("claude-3-7-sonnet-20250219"), (64_000, false, false));
        assert_eq!(told("claude-opus-4-1"), (32_000, true, false));
        assert_eq!(told("claude-sonnet-4-20250514"), (64_000, false, false));
        assert_eq!(told("claude-haiku-4-5"), (64_000, true, false));
        assert_eq!(told("claude-opus-4-7"), (128_000, true, true));
        assert_eq!(told("claude-sonnet-5"), (64_000, true, true));
        assert_eq!(told("claude-mythos-preview"), (4096, true, true));
    }
}
