//! The dialect of an attempt: the client's own where its provider takes that, else the canonical one.

use std::borrow::Cow;

use bytes::Bytes;
use tidegate_host::abi::code::NO_SUCH_PATH;

use super::Exchange;
use crate::dialects::{Dialect, Facts, Request, Voice};
use crate::failure::Failure;
use crate::relay::classify::unix_ms;
use crate::routing::Deployment;

impl Exchange {
    /// The request as `deployment` is asked for `model`.
    pub(super) fn spoken<'a>(
        &self,
        deployment: &Deployment,
        model: &str,
        request: &'a Request,
    ) -> Result<Cow<'a, Request>, Failure> {
        if deployment.takes(request.dialect, model) {
            return Ok(request.dialect.without_ours(request).map_or(Cow::Borrowed(request), Cow::Owned));
        }
        self.in_chat(deployment, model, request)
    }

    /// The request in the canonical dialect.
    pub(super) fn in_chat<'a>(
        &self,
        deployment: &Deployment,
        model: &str,
        request: &'a Request,
    ) -> Result<Cow<'a, Request>, Failure> {
        if request.dialect == Dialect::OpenAiChat {
            return Ok(Cow::Borrowed(request));
        }
        let (chat, dropped) = request
            .to_chat(deployment.drops_params() || request.drops_params(), deployment.extensions(model))
            .map_err(|why| Failure::bad_request(format!("{why} (its provider is {}/)", deployment.prefix)))?;
        self.drops(deployment, dropped);
        Ok(Cow::Owned(chat))
    }

    /// The request in the canonical dialect, where a server has refused it in `dialect` because it has no such path. The
    /// plugin says whether that is it, by its word for the failure: it knows what its servers write for a path and for a
    /// model that they do not have. Where it has no word, a 404 or a 405 is about the path.
    pub(super) fn instead<'a>(
        &self,
        deployment: &Deployment,
        model: &str,
        request: &'a Request,
        dialect: Dialect,
        failure: &Failure,
    ) -> Option<Cow<'a, Request>> {
        let no_path = matches!(failure.code.as_deref(), None | Some(NO_SUCH_PATH));
        let no_path = no_path && matches!(failure.status, 404 | 405);
        if dialect == Dialect::OpenAiChat || !no_path {
            return None;
        }
        self.in_chat(deployment, model, request).ok()
    }

    /// The core's own answer, where not every deployment that could be asked can give one.
    pub(super) fn estimate(&self) -> Option<Bytes> {
        let guess = self.request.dialect.estimate(&self.request)?;
        let mut targets = (0..).take(self.group.targets.len());
        let all = targets.all(|target| {
            let (deployment, model) = self.served(target);
            deployment.takes(self.request.dialect, &model)
        });
        (!all).then(|| guess.to_string().into())
    }

    /// A whole answer of the dialect `wire`, as the client is given it.
    pub(super) fn voiced(&self, wire: Dialect, body: Bytes) -> Result<Bytes, Failure> {
        let dialect = self.request.dialect;
        if wire == dialect {
            return Ok(dialect.as_asked(&self.request, body));
        }
        let chat = serde_json::from_slice(&body)
            .map_err(|error| Failure::malformed(format!("its body cannot be read: {error}")))?;
        Ok(dialect.answer(&chat, &self.facts()).map_or(body, |answer| answer.to_string().into()))
    }

    /// Who tells the client its stream.
    pub(super) fn voice(&self, wire: Dialect) -> Voice {
        let voice = Voice::new(self.request.dialect, wire, || self.facts());
        if self.request.array { voice.array() } else { voice }
    }

    pub(super) fn facts(&self) -> Facts {
        Facts {
            model: self.request.model.clone(),
            seed: self.seed,
            created: unix_ms() / 1000,
            request: self.request.body.clone(),
        }
    }
}
