//! What of a request arrives: each feature is asked for in each dialect, with words that nothing else has, and these are
//! looked for in what the provider was sent.

mod features;

use serde_json::Value;

use features::FEATURES;

use super::clients::{Client, Form, merge};
use super::{PROVIDERS, World, dropping, group};

/// Something that a request may have.
struct Feature {
    /// On the page.
    name: &'static str,
    /// How it is asked for in the dialects that have a word for it: a merge patch on [`Form::base`].
    asks: &'static [(Form, &'static str)],
    /// It arrived if one of these groups is there, all of its words.
    marks: &'static [&'static [&'static str]],
}

impl Feature {
    fn patch(&self, form: Form) -> Option<Value> {
        let (_, text) = self.asks.iter().find(|(of, _)| *of == form)?;
        Some(serde_json::from_str(text).unwrap_or_else(|why| panic!("{}: {why}", self.name)))
    }

    fn arrived(&self, upstream: &str) -> bool {
        self.marks.iter().any(|words| words.iter().all(|word| upstream.contains(word)))
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The client's dialect has no word for it.
    Unsaid,
    /// It arrived.
    Yes,
    /// It did not, the request was served, and the answer's header named it.
    Dropped,
    /// It did not, the request was served, and nobody said so.
    LeftOut,
    /// The client was told that it cannot be.
    Refused(UnderDropParams),
    /// None of these.
    Failed(u16),
}

/// What becomes of a refused one under `drop_params`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnderDropParams {
    /// The same.
    Refused,
    /// The request is served without it, and the answer's header names it.
    Dropped,
    /// The request is served without it, and nobody says so.
    LeftOut,
}

/// One feature, and its fate at each provider.
pub type Row = (&'static str, Vec<Fate>);

pub(super) async fn play(world: &World, client: &Client) -> Vec<Row> {
    let mut rows = Vec::new();
    for feature in FEATURES {
        let mut fates = Vec::new();
        for provider in PROVIDERS {
            fates.push(fate(world, client.form, feature, provider.name).await);
        }
        rows.push((feature.name, fates));
    }
    rows
}

async fn fate(world: &World, form: Form, feature: &Feature, provider: &str) -> Fate {
    let Some(patch) = feature.patch(form) else { return Fate::Unsaid };
    let mut body = form.base("probe-hello");
    merge(&mut body, &patch);
    let mut names = Vec::new();
    names_in(&patch, &mut names);
    let one = async |group: &str| one(world, form, feature, group, body.clone(), &names).await;
    match one(&group(provider)).await {
        Seen { status: 200, arrived: true, .. } => Fate::Yes,
        Seen { status: 200, named: true, .. } => Fate::Dropped,
        Seen { status: 200, .. } => Fate::LeftOut,
        Seen { status: 400, .. } => Fate::Refused(match one(&dropping(provider)).await {
            Seen { status: 200, named: true, .. } => UnderDropParams::Dropped,
            Seen { status: 200, .. } => UnderDropParams::LeftOut,
            _ => UnderDropParams::Refused,
        }),
        Seen { status, .. } => Fate::Failed(status),
    }
}

/// The names of a patch's members, as the client wrote them.
fn names_in(patch: &Value, names: &mut Vec<String>) {
    match patch {
        Value::Object(members) => {
            for (name, value) in members {
                names.push(name.clone());
                names_in(value, names);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| names_in(value, names)),
        _ => {}
    }
}

/// What came of one request.
struct Seen {
    status: u16,
    /// The feature's words were in what the provider was sent.
    arrived: bool,
    /// `x-tidegate-dropped` has one of the names.
    named: bool,
}

async fn one(
    world: &World,
    form: Form,
    feature: &Feature,
    group: &str,
    body: Value,
    names: &[String],
) -> Seen {
    let answer = world.ask(form, group, body, false).await;
    // Without the white space that a client, or a plugin, may have put there.
    let compact = |bytes: &[u8]| {
        serde_json::from_slice::<Value>(bytes).map(|body| body.to_string()).unwrap_or_default()
    };
    let sent = world.sim.log().pop().filter(|_| answer.status == 200);
    let arrived = sent.is_some_and(|seen| feature.arrived(&compact(&seen.body)));
    let told = answer.header("x-tidegate-dropped").unwrap_or_default();
    let mut told = told.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    // Google's servers read both spellings of a name.
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    let named = told.any(|word| names.iter().any(|name| plain(name) == plain(word)));
    Seen { status: answer.status, arrived, named }
}
