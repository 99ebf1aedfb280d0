"""Pydantic AI over its Anthropic model."""

from contextlib import asynccontextmanager

from anthropic import AsyncAnthropic
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from . import agents


class Driver(agents.Driver):
    dialect = "anthropic"

    @asynccontextmanager
    async def model(self, model: str):
        async with AsyncAnthropic(base_url=self.base, api_key=self.key, max_retries=0) as client:
            yield AnthropicModel(model, provider=AnthropicProvider(anthropic_client=client))
