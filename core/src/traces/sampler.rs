//! Which traces are recorded.

use super::context::Context;

/// OpenTelemetry's samplers, of which each is a share of the traces, with or without a say of the caller's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Of the traces that begin here; of all, if callers have no say. From 0 to 1.
    pub share: f64,
    /// What the caller decided holds.
    pub parent_based: bool,
}

impl Default for Sampler {
    /// `parentbased_always_on`, the specification's default.
    fn default() -> Self {
        Self { share: 1.0, parent_based: true }
    }
}

impl Sampler {
    /// By the name and the argument that `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` take.
    pub fn named(name: &str, argument: Option<&str>) -> Result<Self, String> {
        let (parent_based, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let share = match root {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => match argument.map(str::trim).map(str::parse::<f64>) {
                None => 1.0,
                Some(Ok(share)) if (0.0..=1.0).contains(&share) => share,
                Some(_) => return Err("OTEL_TRACES_SAMPLER_ARG is a number from 0 to 1".to_owned()),
            },
            _ => return Err(format!("OTEL_TRACES_SAMPLER has no sampler \"{name}\"")),
        };
        Ok(Self { share, parent_based })
    }

    /// Whether a request is recorded: one of this trace, whose caller said so much.
    pub(super) fn takes(self, trace: u128, caller: Option<&Context>) -> bool {
        match caller {
            Some(caller) if self.parent_based => caller.is_sampled(),
            // By the id, so that programs with one share agree: the lower half of it, as other SDKs do.
            _ => self.share >= 1.0 || ((trace as u64 >> 1) as f64) < self.share * (1_u64 << 63) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_decides_where_it_may_and_the_share_elsewhere() {
        let yes = Context { flags: 1, ..Context::begin(true) };
        let no = Context { flags: 0, ..Context::begin(true) };
        let taken = |sampler: Sampler, caller| {
            (0..2000_u128).filter(|n| sampler.takes(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), caller)).count()
        };
        let named = |name| Sampler::named(name, Some("0.25")).unwrap();
        for (name, of_its_own, after_yes, after_no) in [
            ("always_on", 2000, 2000, 2000),
            ("always_off", 0, 0, 0),
            ("parentbased_always_on", 2000, 2000, 0),
            ("parentbased_always_off", 0, 2000, 0),
        ] {
            let counts = [None, Some(&yes), Some(&no)].map(|caller| taken(named(name), caller));
            assert_eq!(counts, [of_its_own, after_yes, after_no], "{name}");
        }
        let quarter = taken(named("traceidratio"), Some(&no));
        assert!((450..550).contains(&quarter), "{quarter}");
        assert_eq!(taken(named("parentbased_traceidratio"), None), quarter);
        assert_eq!(taken(named("parentbased_traceidratio"), Some(&no)), 0);
        for (name, argument) in
            [("sometimes", None), ("traceidratio", Some("2")), ("traceidratio", Some("a"))]
        {
            assert!(Sampler::named(name, argument).is_err(), "{name}");
        }
    }
}
