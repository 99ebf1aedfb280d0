//! What a case found out.

use serde::{Deserialize, Serialize};

/// One way in which a plugin does not keep the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finding {
    /// The function of the plugin's table.
    pub(super) called: String,
    /// What it was given.
    pub(super) with: String,
    /// What came back, or what happened.
    pub(super) came: String,
    /// What the contract asks.
    pub(super) asks: String,
}

/// What a case found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Verdict {
    /// None: the case holds.
    pub(super) findings: Vec<Finding>,
    /// Findings beyond those that are kept.
    pub(super) more: usize,
    /// What is worth a look, and no failure.
    pub(super) warnings: Vec<String>,
    /// What was done, in a few words.
    pub(super) did: String,
    /// Why there was nothing to do.
    pub(super) skipped: Option<String>,
    /// Of all that came back, where it must be the same in every process.
    pub(super) digest: Option<String>,
    /// What the plugin is, from the case `loads`.
    pub(super) about: Option<About>,
}

/// What a plugin says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) kinds: Vec<String>,
    pub(super) prefixes: Vec<String>,
    pub(super) abi: String,
}

/// More than this of one case tells nothing new.
const KEPT: usize = 5;

impl Verdict {
    /// Whether the case holds.
    pub(super) fn holds(&self) -> bool {
        self.findings.is_empty()
    }

    /// Adds a finding, and counts those beyond the first few.
    pub(super) fn find(&mut self, finding: Finding) {
        if self.findings.len() < KEPT {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// A case that found this.
    pub(super) fn of(finding: Finding) -> Self {
        Self { findings: vec![finding], ..Self::default() }
    }
}
