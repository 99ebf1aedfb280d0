"""Pydantic AI over its Anthropic model."""

from contextlib import asynccontextmanager

from anthropic import AsyncAnthropic
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from . import agents, anthropic_messages, base


class Driver(agents.Driver):
    dialect = "anthropic"
    excused = {"structured": "it decides by the model's name whether it can"}

    @staticmethod
    def expected(early: bool, status: int) -> base.Expected:
        """In mid-stream it makes the status of the error's type: 500 of an `api_error`, whatever it was."""
        return agents.expected(early, status if early or status in anthropic_messages.WORDS else 500)

    @asynccontextmanager
    async def model(self, model: str):
        async with AsyncAnthropic(base_url=self.base, api_key=self.key, max_retries=0) as client:
            yield AnthropicModel(model, provider=AnthropicProvider(anthropic_client=client))
