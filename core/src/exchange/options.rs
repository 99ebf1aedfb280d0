//! What a request's own options change on its way: its body in a fallback, a failure to play, what the policy is told.

use std::borrow::Cow;

use tidegate_engine::ErrorClass;

use super::Exchange;
use crate::dialects::Request;
use crate::dialects::options::{Fallbacks, Mock, Target};
use crate::failure::Failure;

impl Exchange {
    /// The request as this target's group gets it: a fallback may have messages of its own.
    pub(super) fn request_for(&self, target: u16) -> Cow<'_, Request> {
        if let Some(continued) = &self.continued {
            return Cow::Borrowed(continued);
        }
        let group = self.group.name_of(target);
        let its = |wanted: &&Target| {
            !wanted.members.is_empty() && self.group_of(&wanted.model).is_some_and(|name| name == group)
        };
        let own = || self.targets().iter().find(its);
        match self.group.numbers.get(usize::from(target)) {
            None | Some(0) => Cow::Borrowed(&self.request),
            Some(_) => own().map_or(Cow::Borrowed(&self.request), |its| {
                Cow::Owned(self.request.dialect.with_members(&self.request, &its.members))
            }),
        }
    }

    /// The failure that the request wants to see in the group that it names, if it wants one.
    pub(super) fn mock(&self, target: u16) -> Option<Failure> {
        let mock = self.request.options.as_ref()?.mock?;
        if self.group.numbers.get(usize::from(target)) != Some(&0) {
            return None;
        }
        let (class, status, why) = match mock {
            Mock::Failure => (ErrorClass::Server, 500, "mock_testing_fallbacks"),
            Mock::ContextWindow => (ErrorClass::ContextLength, 400, "mock_testing_context_fallbacks"),
            Mock::ContentPolicy => (ErrorClass::ContentFilter, 400, "mock_testing_content_policy_fallbacks"),
            Mock::RateLimit => (ErrorClass::RateLimit, 429, "mock_testing_rate_limit_error"),
        };
        let message = format!("a failure that the request asked for ({why}); no provider was called");
        Some(Failure { class, ..Failure::refusal(status, message) })
    }

    /// Whether an answer that a filter emptied is a failure: there is a fallback for it. As in litellm, of whole answers.
    pub(super) fn leaves_refusals(&self, target: u16) -> bool {
        let options = self.request.options.as_deref();
        let name = self.group.name_of(target);
        self.engine.attempts_left() > 0 && self.routes.config.leaves_refusals(name, options)
    }

    /// The options for the policy, in groups' own names; empty where there are none.
    pub(super) fn options_json(&self) -> String {
        let Some(options) = self.request.options.as_ref().filter(|it| it.reroutes() || it.mock.is_some())
        else {
            return String::new();
        };
        self.routes.config.options_json(options)
    }

    /// The names among the request's fallbacks that no group has. They are passed over, as litellm does.
    pub(super) fn unknown_fallbacks(&self) -> impl Iterator<Item = &str> {
        let names = self.targets().iter().map(|target| target.model.as_str());
        names.filter(|name| self.group_of(name).is_none())
    }

    fn targets(&self) -> &[Target] {
        match self.request.options.as_ref().and_then(|options| options.fallbacks.as_ref()) {
            Some(Fallbacks::Targets(targets)) => targets,
            _ => &[],
        }
    }

    fn group_of<'a>(&'a self, model: &'a str) -> Option<&'a str> {
        self.routes.config.known_as(model)
    }
}

/// litellm's words.
pub(super) fn refused_by_a_filter() -> Failure {
    let failure = Failure::refusal(400, "the response output was content_filtered");
    Failure { class: ErrorClass::ContentFilter, ..failure }
}
