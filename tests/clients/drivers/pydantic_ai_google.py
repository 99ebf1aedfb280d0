"""Pydantic AI over its Gemini model."""

from contextlib import asynccontextmanager

from google import genai
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider

from . import agents


class Driver(agents.Driver):
    dialect = "gemini"
    alone_says = "Streamed response ended"

    @asynccontextmanager
    async def model(self, model: str):
        client = genai.Client(api_key=self.key, http_options={"base_url": self.base})
        try:
            yield GoogleModel(model, provider=GoogleProvider(client=client))
        finally:
            await client.aio.aclose()
