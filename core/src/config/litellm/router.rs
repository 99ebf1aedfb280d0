//! `router_settings`.

use std::collections::{BTreeMap, BTreeSet};

use super::deployment::timeout;
use super::fallbacks::{self, Reference};
use super::policies::{self, Of};
use super::{strategy, unsupported};
use crate::config::diagnose::Sink;
use crate::config::env::{self, Env};
use crate::config::model::Router;
use crate::config::node::{Entry, Node, Value};
use crate::config::read;
use crate::config::source::Place;
use crate::config::wildcard::is_pattern;

/// The router's settings while they are read.
#[derive(Default)]
pub(super) struct Routing {
    pub(super) router: Router,
    pub(super) named: Vec<Reference>,
    /// Where the keys stand that may be worth a word when all is read.
    pub(super) places: BTreeMap<&'static str, Place>,
    aliases: Vec<Alias>,
}

struct Alias {
    name: String,
    group: String,
    hidden: bool,
    place: Place,
}

impl Routing {
    /// Where the fallbacks of a group are written.
    pub(super) fn place_of_list(&self, group: &str) -> Option<&Place> {
        self.named
            .iter()
            .find(|it| it.name == group && it.instead == fallbacks::NO_SOURCE)
            .map(|it| &it.place)
    }

    /// Each alias and the group that it stands for, be it through other aliases.
    pub(super) fn aliases(&self) -> BTreeMap<String, String> {
        let ends = self.aliases.iter().map(|alias| (alias.name.clone(), self.end_of(alias).unwrap_or(alias)));
        ends.map(|(name, end)| (name, end.group.clone())).collect()
    }

    /// The last alias of a chain; `None`: it leads back into itself.
    fn end_of<'a>(&'a self, alias: &'a Alias) -> Option<&'a Alias> {
        let mut end = alias;
        for _ in 0..self.aliases.len() {
            match self.aliases.iter().rfind(|next| next.name == end.group) {
                Some(next) => end = next,
                None => return Some(end),
            }
        }
        None
    }

    /// Says which aliases can stand for nothing.
    pub(super) fn check_aliases(&self, sink: &mut Sink) {
        for alias in &self.aliases {
            if self.end_of(alias).is_none() {
                sink.error(&alias.place, format!("the alias `{}` leads back to itself", alias.name));
            } else if is_pattern(&alias.group) {
                let message =
                    format!("`{}` is no single model; write a name in place of its `*`", alias.group);
                sink.error(&alias.place, message);
            }
        }
    }

    pub(super) fn hidden_aliases(&self) -> BTreeSet<String> {
        self.aliases.iter().filter(|alias| alias.hidden).map(|alias| alias.name.clone()).collect()
    }
}

const CONTEXT: &str = "context_window_fallbacks";
const CONTENT: &str = "content_policy_fallbacks";

/// The keys that act here; `SHARED` ones may also stand in `litellm_settings`.
const KEYS: &[&str] = &[
    "num_retries",
    "allowed_fails",
    "fallbacks",
    "default_fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "max_fallbacks",
    "retry_policy",
    "model_group_retry_policy",
    "allowed_fails_policy",
    "retry_after",
    "timeout",
    "stream_timeout",
    "cooldown_time",
    "disable_cooldowns",
    "model_group_alias",
    "routing_strategy",
    "routing_strategy_args",
    "enable_pre_call_checks",
    "default_max_parallel_requests",
    "enable_mid_stream_fallback_continuation",
];

/// Reads the section. What it writes goes before what `litellm_settings` said.
pub(super) fn read(node: &Node, env: &dyn Env, routing: &mut Routing, sink: &mut Sink) {
    let Some(mapping) = read::mapping(sink, "router_settings", node) else { return };
    for entry in &mapping.entries {
        let key = entry.key.as_str();
        if !KEYS.contains(&key) {
            other(entry, sink);
            continue;
        }
        let entry = Entry { node: env::resolve(&entry.node, env, sink), ..entry.clone() };
        if !entry.node.is_null() && !shared(&entry, routing, sink) {
            own(&entry, routing, sink);
        }
    }
    // Whichever of the two stands first.
    if let Some(args) = mapping.get("routing_strategy_args") {
        let args = env::resolve(args, env, &mut Sink::default());
        routing.router.strategy = strategy::with(routing.router.strategy, &args, sink);
    }
}

fn pre_call_checks(entry: &Entry, router: &mut Router, sink: &mut Sink) {
    router.pre_call_checks = read::flag(sink, "enable_pre_call_checks", &entry.node).unwrap_or(false);
    if router.pre_call_checks {
        sink.info(
            &entry.key_place,
            "`rpm` is a limit; prompts are not measured before they are sent: the provider says if one is too long, and \
             `context_window_fallbacks` follow",
        );
    }
}

fn other(entry: &Entry, sink: &mut Sink) {
    if let key @ ("health_check_interval" | "health_check_concurrency") = entry.key.as_str() {
        let hint = Some("move it to `general_settings`".to_owned());
        sink.error_hint(
            &entry.key_place,
            format!("`{key}` is not a key of `router_settings`, in litellm either"),
            hint,
        );
        return;
    }
    unsupported::router(entry, KEYS, sink);
}

/// Reads a key that `litellm_settings` has too. False when it is not one of these.
pub(super) fn shared(entry: &Entry, routing: &mut Routing, sink: &mut Sink) -> bool {
    let (key, node) = (entry.key.as_str(), &entry.node);
    let (router, named) = (&mut routing.router, &mut routing.named);
    match key {
        "num_retries" => router.num_retries = read::count(sink, key, node).or(router.num_retries),
        "allowed_fails" => {
            router.allowed_fails = read::count(sink, key, node).or(router.allowed_fails);
            if router.allowed_fails == Some(3) {
                sink.info(
                    &node.place,
                    "here a deployment rests after its fourth failure; litellm takes 3 for its default and uses its percentage rule",
                );
            }
        }
        "enable_mid_stream_fallback_continuation" => {
            router.mid_stream_continuation = read::flag(sink, key, node).unwrap_or(false);
        }
        "max_fallbacks" => router.max_fallbacks = read::count(sink, key, node).or(router.max_fallbacks),
        "fallbacks" => replace(&mut router.fallbacks, fallbacks::read(sink, key, node, named)),
        "default_fallbacks" => {
            replace(&mut router.default_fallbacks, fallbacks::targets(sink, key, node, named));
        }
        CONTEXT | CONTENT => {
            let list = fallbacks::read(sink, key, node, named);
            if !list.is_empty() {
                let key = if key == CONTEXT { CONTEXT } else { CONTENT };
                routing.places.insert(key, entry.key_place.clone());
            }
            let slot = match key {
                CONTEXT => &mut router.context_window_fallbacks,
                _ => &mut router.content_policy_fallbacks,
            };
            replace(slot, list);
        }
        "retry_policy" => router.retry_policy = policies::read(sink, key, node, Of::Retries),
        "model_group_retry_policy" => {
            router.model_group_retry_policy = policies::by_group(sink, key, node, named);
        }
        "allowed_fails_policy" => {
            router.allowed_fails_policy = policies::read(sink, key, node, Of::AllowedFails);
        }
        _ => return false,
    }
    true
}

/// A list that is empty does not hide the one that is there.
fn replace<T>(slot: &mut Vec<T>, list: Vec<T>) {
    if !list.is_empty() {
        *slot = list;
    }
}

fn own(entry: &Entry, routing: &mut Routing, sink: &mut Sink) {
    let (key, node) = (entry.key.as_str(), &entry.node);
    let router = &mut routing.router;
    match key {
        "retry_after" => router.retry_after = read::number(sink, key, node),
        "timeout" => router.timeout = timeout(sink, key, node).or(router.timeout),
        "stream_timeout" => router.stream_timeout = timeout(sink, key, node),
        "cooldown_time" => {
            router.cooldown_time = read::number(sink, key, node);
            if router.cooldown_time == Some(0.0) {
                sink.info(
                    &node.place,
                    "here 0 means that no deployment rests after a failure; litellm reads it as 5 seconds",
                );
            }
        }
        "disable_cooldowns" => router.disable_cooldowns = read::flag(sink, key, node).unwrap_or(false),
        "model_group_alias" => aliases(node, routing, sink),
        "routing_strategy" => router.strategy = strategy::named(node, sink).unwrap_or_default(),
        "enable_pre_call_checks" => pre_call_checks(entry, router, sink),
        // Read when its strategy is known.
        "routing_strategy_args" => {}
        _ => router.default_max_parallel_requests = read::count(sink, key, node),
    }
}

fn aliases(node: &Node, routing: &mut Routing, sink: &mut Sink) {
    let Some(mapping) = read::mapping(sink, "model_group_alias", node) else { return };
    for entry in &mapping.entries {
        let (target, hidden) = match &entry.node.value {
            Value::Mapping(options) => {
                let hidden = options.get("hidden").and_then(|node| read::flag(sink, "hidden", node));
                (options.get("model"), hidden.unwrap_or(false))
            }
            _ => (Some(&entry.node), false),
        };
        let Some(target) = target.filter(|node| !node.is_null()) else {
            sink.error(&entry.key_place, "an alias needs the model it stands for");
            continue;
        };
        let Some(group) = read::text(sink, "model_group_alias", target) else { continue };
        let instead = "so requests for this alias find no model";
        routing.named.push(Reference { name: group.clone(), place: target.place.clone(), instead });
        let place = target.place.clone();
        routing.aliases.push(Alias { name: entry.key.clone(), group, hidden, place });
    }
}
