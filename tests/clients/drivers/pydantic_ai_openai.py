"""Pydantic AI over its OpenAI chat model."""

import asyncio
from contextlib import asynccontextmanager

from openai import AsyncOpenAI
from pydantic_ai import Embedder
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from . import agents, base


class Driver(agents.Driver):
    excused = {case: "its chat model does not send the signature of a call back" for case in base.SIGNATURES}

    @asynccontextmanager
    async def model(self, model: str):
        async with AsyncOpenAI(base_url=f"{self.base}/v1", api_key=self.key, max_retries=0) as client:
            yield OpenAIChatModel(model, provider=OpenAIProvider(openai_client=client))

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        async def run() -> list[list[float]]:
            async with AsyncOpenAI(base_url=f"{self.base}/v1", api_key=self.key, max_retries=0) as client:
                of = OpenAIEmbeddingModel(model, provider=OpenAIProvider(openai_client=client))
                return [list(each) for each in (await Embedder(of).embed_documents(texts)).embeddings]

        return asyncio.run(run())
