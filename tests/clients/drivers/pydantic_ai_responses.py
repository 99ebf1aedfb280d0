"""Pydantic AI over its OpenAI Responses model."""

from contextlib import asynccontextmanager

from openai import AsyncOpenAI
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from . import agents, base


class Driver(agents.Driver):
    # Responses has no word for it.
    stop = None
    excused = {case: "it sends no reasoning back to a model whose name it does not know" for case in base.SIGNATURES}

    @asynccontextmanager
    async def model(self, model: str):
        async with AsyncOpenAI(base_url=f"{self.base}/v1", api_key=self.key, max_retries=0) as client:
            yield OpenAIResponsesModel(model, provider=OpenAIProvider(openai_client=client))
