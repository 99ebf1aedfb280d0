//! An instance that lives in a plugin's workers: in each of them that had a call of it, and made anew in the next.

use std::fmt;
use std::sync::Arc;

use super::line::{Config, SMALL, What};
use super::pool::Pool;
use super::protocol::answer;
use super::protocol::{Garbled, Put, Tag, ask};
use super::remote_stream::RemoteStream;
use super::shard::Shard;
use super::slot::{Answered, Failed, wait};
use crate::error::{CreateError, PluginError, Whence};
use crate::hook::{Op, Outcome, told};
use crate::input::{FailureIn, HeadIn, RequestIn};
use crate::plugin::Plugin;
use crate::policy::{Action, History, Pick};
use crate::provider::Limits;
use crate::types::{Class, Classified, Reply, UpstreamRequest};

/// Of which table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Provider,
    Policy,
}

/// What an upstream request's head may come to: a URL, headers, authentication; the sinks have less.
const REQUEST_HEAD: usize = 256 * 1024;

/// See the module.
pub(crate) struct Remote {
    plugin: Arc<Plugin>,
    pub(crate) config: Arc<Config>,
}

impl Remote {
    /// Creates it, in one worker. Blocks until that has answered.
    pub(crate) fn create(
        plugin: Arc<Plugin>,
        kind: Kind,
        config: &serde_json::Value,
    ) -> Result<Arc<Self>, CreateError> {
        let whence = plugin.whence(Op::Create);
        let Some(pool) = plugin.pool() else { return Err(PluginError::Away(whence).into()) };
        let tag = match kind {
            Kind::Provider => Tag::CreateProvider,
            Kind::Policy => Tag::CreatePolicy,
        };
        let config = Arc::new(Config { id: pool.next_id(), tag, text: config.to_string() });
        let shard = pool.least_loaded().clone();
        let waiting = shard.call(tag, What::Create(config.clone()), SMALL, |put| config.put(put));
        let answered = wait(waiting);
        read(&plugin, &shard, whence, answered, |payload| answer::take_created(payload, whence))?;
        Ok(Arc::new(Self { plugin, config }))
    }

    pub(crate) fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    fn pool(&self) -> Option<&Pool> {
        self.plugin.pool()
    }

    pub(crate) async fn request(
        &self,
        input: &RequestIn<'_>,
        limits: Limits,
    ) -> Result<UpstreamRequest, PluginError> {
        let (whence, limit) = (self.plugin.whence(Op::Request), limits.request_body);
        let cap = limit.saturating_add(REQUEST_HEAD);
        let (shard, answered) = self
            .call(Tag::Request, whence, cap, |put| {
                put.u64(limit as u64);
                ask::put_request(put, input);
            })
            .await?;
        read(&self.plugin, &shard, whence, answered, |payload| answer::take_upstream(payload, whence, limit))
    }

    pub(crate) async fn response(
        &self,
        head: &HeadIn<'_>,
        body: &[u8],
        limits: Limits,
    ) -> Result<Reply, PluginError> {
        let (whence, limit) = (self.plugin.whence(Op::Response), limits.response_body);
        let cap = limit.saturating_add(SMALL);
        let (shard, answered) = self
            .call(Tag::Response, whence, cap, |put| {
                put.u64(limit as u64);
                ask::put_head(put, head);
                put.bytes(body);
            })
            .await?;
        read(&self.plugin, &shard, whence, answered, |payload| answer::take_reply(payload, whence, limit))
    }

    pub(crate) async fn classify(
        &self,
        failure: &FailureIn<'_>,
        default: Class,
    ) -> Result<Classified, PluginError> {
        let whence = self.plugin.whence(Op::Classify);
        let (shard, answered) =
            self.call(Tag::Classify, whence, SMALL, |put| ask::put_failure(put, failure, default)).await?;
        read(&self.plugin, &shard, whence, answered, |payload| answer::take_classified(payload, whence))
    }

    pub(crate) async fn decide(&self, history: &History<'_>) -> Result<Action, PluginError> {
        let (whence, targets) = (self.plugin.whence(Op::Decide), history.targets.len());
        let (shard, answered) =
            self.call(Tag::Decide, whence, SMALL, |put| ask::put_history(put, history)).await?;
        read(&self.plugin, &shard, whence, answered, |payload| answer::take_action(payload, whence, targets))
    }

    pub(crate) async fn pick(&self, history: &History<'_>) -> Result<Pick, PluginError> {
        let (whence, targets) = (self.plugin.whence(Op::Pick), history.targets.len());
        let (shard, answered) =
            self.call(Tag::Pick, whence, SMALL, |put| ask::put_history(put, history)).await?;
        read(&self.plugin, &shard, whence, answered, |payload| answer::take_pick(payload, whence, targets))
    }

    pub(crate) async fn open(self: &Arc<Self>, head: &HeadIn<'_>) -> Result<RemoteStream, PluginError> {
        let whence = self.plugin.whence(Op::StreamOpen);
        let Some(pool) = self.pool() else { return Err(PluginError::Away(whence)) };
        // From here on its drop closes it, whether it is open yet or not.
        let mut stream = RemoteStream::new(self.clone(), pool.least_loaded().clone(), pool.next_id());
        let what = What::Open(self.config.clone(), stream.id());
        let waiting = stream.shard().call(Tag::Open, what, SMALL, |put| {
            put.u64(self.config.id).u64(stream.id());
            ask::put_head(put, head);
        });
        let answered = waiting.await;
        read(&self.plugin, stream.shard(), whence, answered, |payload| answer::take_empty(payload, whence))
            .inspect_err(|_| stream.never_opened())?;
        Ok(stream.opened())
    }

    async fn call(
        &self,
        tag: Tag,
        whence: Whence,
        cap: usize,
        payload: impl FnOnce(&mut Put),
    ) -> Result<(Arc<Shard>, Answered), PluginError> {
        let Some(pool) = self.pool() else { return Err(PluginError::Away(whence)) };
        let (shard, id) = (pool.least_loaded().clone(), self.config.id);
        let waiting = shard.call(tag, What::Call(self.config.clone()), cap, |put| {
            put.u64(id);
            payload(put);
        });
        Ok((shard, waiting.await))
    }
}

/// Reads an answer, and shows the observer how the call came back.
fn read<T, E: From<PluginError>>(
    plugin: &Plugin,
    shard: &Shard,
    whence: Whence,
    answered: Answered,
    take: impl FnOnce(&[u8]) -> Result<(Outcome, Result<T, E>), Garbled>,
) -> Result<T, E> {
    let (outcome, result) = match answered {
        Err(failed) => (Outcome::Error, Err(no_answer(whence, failed).into())),
        Ok((payload, generation)) => match take(&payload) {
            Ok(told) => told,
            Err(garbled) => (Outcome::Error, Err(breach(shard, whence, generation, garbled).into())),
        },
    };
    told(plugin.id(), whence.op, outcome);
    result
}

/// The error for a call without an answer.
pub(crate) fn no_answer(whence: Whence, failed: Failed) -> PluginError {
    match failed {
        Failed::Ended(how) => PluginError::Ended { whence, how },
        Failed::Away => PluginError::Away(whence),
        Failed::Long => PluginError::Limit(whence),
    }
}

/// Has the worker of this number ended, whose answer cannot be read.
pub(crate) fn breach(shard: &Shard, whence: Whence, generation: u64, Garbled(what): Garbled) -> PluginError {
    shard.breach(generation, what);
    PluginError::Ended { whence, how: format!("broke the protocol and was killed: {what}") }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let id = self.config.id;
        for shard in self.pool().map(Pool::shards).unwrap_or_default() {
            shard.tell(Tag::Destroy, What::Destroy(id), |put| {
                put.u64(id);
            });
        }
        told(self.plugin.id(), Op::Destroy, Outcome::Ok);
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instance of {} in workers", self.plugin.name())
    }
}
