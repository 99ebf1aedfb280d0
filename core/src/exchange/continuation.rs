//! A committed stream that broke off goes on with another deployment, where its group wants that and its content allows
//! it: at most once, from the request's own budget.

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_engine::Event;

use super::Exchange;
use super::attempt::{OpenStream, Opened};
use super::stream::Committed;
use crate::dialects::Request;
use crate::failure::Failure;
use crate::relay::continuation::{Splice, Transcript};
use crate::routing::Deployment;

/// What a group that continues streams needs to know of one; nothing for the others.
pub(super) enum Track {
    /// It is passed on as it comes.
    Off,
    /// What is said is kept, in case it breaks off.
    Recording(Box<Transcript>),
    /// It is the continuation of another.
    Joined(Box<Splice>),
}

impl Track {
    /// Takes what comes next; gives what goes to the client, which may be nothing yet.
    pub(super) fn take(&mut self, bytes: Bytes) -> Bytes {
        match self {
            Track::Off => bytes,
            Track::Recording(transcript) => {
                transcript.take(&bytes);
                bytes
            }
            Track::Joined(splice) => splice.pass(bytes),
        }
    }
}

/// Why there is no continuation.
enum Stopped {
    /// The call failed.
    Failed(Failure),
    /// A verdict or a shutdown came.
    Aborted(Failure),
}

/// Calls `target` and joins what it says to what the client has. The way back is the stream, whatever came of it.
pub(super) async fn run(mut stream: Box<Committed>, target: u16) -> Box<Committed> {
    let track = std::mem::replace(&mut stream.track, Track::Off);
    let Track::Recording(transcript) = track else {
        // Without a transcript the engine was told that there can be none.
        stream.terminate(&Failure::out_of_order());
        return stream;
    };
    match stream.exchange.go_on(target, &transcript).await {
        Ok(opened) => {
            let splice = Splice::new(stream.exchange.request.dialect, *transcript);
            stream.resume(opened, Track::Joined(Box::new(splice)));
        }
        Err(Stopped::Failed(failure)) => stream.give_up(failure).await,
        Err(Stopped::Aborted(failure)) => {
            let failure = stream.exchange.abort(failure);
            stream.terminate(&failure);
        }
    }
    stream
}

impl Exchange {
    /// The track of the stream that has just opened. Where it can never be continued, its request is released.
    pub(super) fn track(&mut self) -> Track {
        if self.group.continuations == 0 {
            self.release();
            return Track::Off;
        }
        let target = self.running.as_ref().map_or(0, |running| running.target);
        match self.obstacle(target, &self.request_for(target)) {
            None => Track::Recording(Box::default()),
            Some(obstacle) => {
                tracing::debug!(group = %self.group.name, "a break of this stream would be final: its request, {obstacle}");
                self.engine.forbid_continuation();
                self.release();
                Track::Off
            }
        }
    }

    /// Tells the engine whether what was said allows a continuation. The policy is asked after that.
    pub(super) fn weigh(&mut self, track: &Track) {
        if self.group.continuations == 0 || self.engine.continued() {
            return;
        }
        if let Track::Recording(transcript) = track {
            let Some(obstacle) = transcript.obstacle() else { return };
            tracing::info!(group = %self.group.name, "the broken stream is not continued: its answer, {obstacle}");
        }
        self.engine.forbid_continuation();
    }

    /// There is no continuation though the group wants one.
    pub(super) fn count_refused(&self) {
        if self.group.continuations > 0 && !self.engine.continued() {
            self.group.series.continued("refused");
        }
    }

    /// Why `target` cannot go on with the answer to `request`, its default parameters included.
    fn obstacle(&self, target: u16, request: &Request) -> Option<&'static str> {
        let (deployment, model) = self.served(target);
        let Ok(request) = self.spoken(&deployment, &model, request) else { return Some("it cannot be read") };
        match deployment.body(&request) {
            Ok((body, ..)) => request.dialect.obstacle(&body),
            Err(_) => Some("it cannot be read"),
        }
    }

    /// Who really serves it: a deployment of any model has one for each provider.
    pub(super) fn serving(&self, target: u16) -> Arc<Deployment> {
        self.served(target).0
    }

    /// The same, and its provider's name of the model.
    pub(super) fn served(&self, target: u16) -> (Arc<Deployment>, Cow<'_, str>) {
        let model = self.routes.upstream_model(&self.group, target, &self.request.model);
        self.deployment(target).serving(model)
    }

    async fn go_on(&mut self, target: u16, transcript: &Transcript) -> Result<OpenStream, Stopped> {
        self.begin(target);
        let (deployment, model) = self.served(target);
        let (model, request) = (model.into_owned(), self.request_for(target));
        let request = self.in_chat(&deployment, &model, &request).map_err(Stopped::Failed)?.into_owned();
        let obstacle = self.obstacle(target, &request);
        let continued = request.dialect.continued(&request, transcript.text(), deployment.prefill(&model));
        let (None, Some(continued)) = (obstacle, continued) else {
            let why = obstacle.unwrap_or("it cannot be read");
            let why = format!("the deployment \"{}\" cannot go on: its request, {why}", deployment.name);
            return Err(Stopped::Failed(Failure::bad_request(why)));
        };
        self.continued = Some(Box::new(continued));
        tracing::info!(
            group = %self.group.name, deployment = %deployment.name, bytes = transcript.text().len(),
            "the broken stream goes on with another deployment"
        );
        let opened = self.until_stopped(target).await;
        self.continued = None;
        self.release();
        opened
    }

    /// The call, unless a verdict or a shutdown comes first: the task polls nothing else meanwhile.
    async fn until_stopped(&mut self, target: u16) -> Result<OpenStream, Stopped> {
        let opened = self.stops().before(pin!(self.attempt(target))).await.map_err(Stopped::Aborted)?;
        let opened = opened.map_err(Stopped::Failed)?;
        let Opened::Stream(opened) = opened else {
            return Err(Stopped::Failed(Failure::malformed(
                "it answered a request for a stream with a whole body",
            )));
        };
        if let Some(running) = &self.running {
            self.deployment(running.target).health.first_content(running.started.elapsed());
        }
        self.note_content();
        self.engine.step(Event::Content);
        Ok(opened)
    }
}
