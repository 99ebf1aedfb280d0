//! An attempt that a mocked answer stands in for: no provider is called.

use bytes::Bytes;
use serde_json::Value;

use super::Exchange;
use super::attempt::{OpenStream, Opened};
use crate::dialects::{Dialect, Mocked, Request};
use crate::failure::Failure;
use crate::relay::reader::Spent;
use crate::routing::Deployment;

impl Exchange {
    /// What the request, or else the deployment, has in the place of an answer.
    pub(super) fn mocked(
        &self,
        deployment: &Deployment,
        request: &Request,
    ) -> Option<Result<Opened, Failure>> {
        let own = self.request.options.as_ref().and_then(|options| options.answer.as_ref());
        let mocked = own.or(deployment.mocked.as_ref())?;
        Some(self.said(mocked, request))
    }

    fn said(&self, mocked: &Mocked, request: &Request) -> Result<Opened, Failure> {
        if let Some(failure) = mocked.failure() {
            return Err(failure);
        }
        let facts = self.facts();
        let whole = |answer: Value| Ok(Opened::Whole(Bytes::from(answer.to_string()), Spent::default()));
        match self.request.dialect {
            dialect @ (Dialect::OpenAiEmbeddings | Dialect::GeminiEmbed(_)) => {
                let answer = mocked.embeddings(&request.body, &facts)?.to_string();
                let answer = dialect.as_asked(request, dialect.settled(request, answer.into()));
                return Ok(Opened::Whole(answer, Spent::default()));
            }
            Dialect::AnthropicCountTokens | Dialect::GeminiCountTokens => {
                let guess = self.request.dialect.estimate(&self.request);
                return whole(guess.unwrap_or_default());
            }
            _ => {}
        }
        if self.request.stream {
            let wanted = request.include_usage || self.request.dialect != Dialect::OpenAiChat;
            let first = mocked.stream(&request.body, wanted, &facts)?.into();
            return Ok(Opened::Stream(OpenStream {
                live: None,
                first,
                ended: true,
                wire: Dialect::OpenAiChat,
            }));
        }
        let answer = mocked.completion(&request.body, &facts)?;
        let body = self.voiced(Dialect::OpenAiChat, answer.to_string().into())?;
        Ok(Opened::Whole(body, Spent::default()))
    }
}
