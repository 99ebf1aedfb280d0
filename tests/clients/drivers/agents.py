"""Pydantic AI's agents: what is the same over each of its models."""

import asyncio
from collections.abc import Awaitable, Callable

from pydantic_ai import Agent, BinaryContent, NativeOutput

from . import base


#: It knows an overload from a server that is away by the provider's words.
KINDS = {
    401: "ModelAuthenticationError",
    403: "ModelAuthenticationError",
    404: "ModelNotFoundError",
    429: "ModelRateLimitError",
    500: "ModelServerError",
    503: "ModelUnavailableError",
    529: "ModelOverloadedError",
}


def forecast(city: str, days: int) -> str:
    """The weather"""
    return base.RESULT


def told(error: BaseException) -> base.Told:
    """It makes an error of its own of the SDK's, with the status even where the SDK knows it as a code alone."""
    response = getattr(error.__cause__, "response", None)
    wait = base.header_wait(response.headers) if response is not None else None
    return base.Told(base.kinds(error), getattr(error, "status_code", None), None, wait, str(error))


def expected(early: bool, status: int) -> base.Expected:
    return base.Expected(KINDS.get(status, "ModelHTTPError"), status)


def usage_of(usage) -> base.Usage:
    return base.Usage(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.details.get("reasoning_tokens"))


def thought_of(result) -> str:
    parts = [part for message in result.all_messages() for part in message.parts if part.part_kind == "thinking"]
    return "".join(part.content for part in parts)


class Driver(base.Driver):
    # Its own class, which its agents catch to shorten the history.
    overflow = base.Expected("ModelContextWindowExceededError", 400)
    told = staticmethod(told)
    expected = staticmethod(expected)

    def model(self, model: str):
        """A context manager that gives the model, and closes its client."""
        raise NotImplementedError

    def run(self, model: str, does: Callable[[Agent], Awaitable], tool: bool = False, **more):
        """`does` with an agent; its runs end with the client's, so that no connection outlives its event loop."""

        async def run():
            # A stream that broke is closed twice; the second time is said to the loop.
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            async with self.model(model) as of:
                agent = Agent(of, retries=0, **more)
                if tool:
                    agent.tool_plain(forecast)
                return await does(agent)

        return asyncio.run(run())

    def calls(self, result) -> list[base.Call]:
        parts = [part for message in result.all_messages() for part in message.parts if part.part_kind == "tool-call"]
        return [base.Call(part.tool_call_id, part.tool_name, part.args_as_dict()) for part in parts]

    def stream(self, model: str, ask: str) -> base.Answer:
        async def does(agent: Agent) -> base.Answer:
            async with agent.run_stream(ask) as result:
                async for piece in result.stream_text(delta=True, debounce_by=None):
                    self.got.append(piece)
                return base.Answer("".join(self.got), None, usage_of(result.usage))

        return self.run(model, does)

    def whole(self, model: str, ask: str) -> base.Answer:
        result = self.run(model, lambda agent: agent.run(ask))
        return base.Answer(result.output, None, usage_of(result.usage))

    def rich(self, model: str, ask: str) -> base.Rich:
        result = self.run(model, lambda agent: agent.run(ask))
        return base.Rich(result.output, thought_of(result))

    def rich_stream(self, model: str, ask: str) -> base.Rich:
        async def does(agent: Agent) -> base.Rich:
            async with agent.run_stream(ask) as result:
                return base.Rich(await result.get_output(), thought_of(result))

        return self.run(model, does)

    def stop(self, model: str, ask: str) -> str:
        settings = {"stop_sequences": base.STOP}
        return self.run(model, lambda agent: agent.run(ask, model_settings=settings)).output

    def tools(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        async def does(agent: Agent) -> tuple[list[base.Call], str]:
            async with agent.run_stream(ask) as result:
                text = await result.get_output()
                return self.calls(result), text

        return self.run(model, does, tool=True)

    def tools_whole(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        result = self.run(model, lambda agent: agent.run(ask), tool=True)
        return self.calls(result), result.output

    def image(self, model: str, ask: str) -> str:
        prompt = [ask, BinaryContent(base.PNG, media_type="image/png")]
        return self.run(model, lambda agent: agent.run(prompt), tool=True, instructions=base.SYSTEM).output

    def structured(self, model: str, ask: str) -> dict:
        result = self.run(model, lambda agent: agent.run(ask), output_type=NativeOutput(base.Seen))
        return result.output.model_dump()
