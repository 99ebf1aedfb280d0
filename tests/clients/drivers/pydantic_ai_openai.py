"""Pydantic AI over its OpenAI chat model."""

from contextlib import asynccontextmanager

from openai import AsyncOpenAI
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from . import agents, base


class Driver(agents.Driver):
    excused = {case: "its chat model does not send the signature of a call back" for case in base.SIGNATURES}

    @asynccontextmanager
    async def model(self, model: str):
        async with AsyncOpenAI(base_url=f"{self.base}/v1", api_key=self.key, max_retries=0) as client:
            yield OpenAIChatModel(model, provider=OpenAIProvider(openai_client=client))
