"""The official Anthropic SDK, Messages."""

from anthropic import Anthropic

from . import base

TOOL = {"name": base.TOOL_NAME, "description": base.TOOL_ABOUT, "input_schema": base.TOOL_SCHEMA}
MOST = 1024
KINDS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    529: "OverloadedError",
}
WORDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def usage_of(usage) -> base.Usage:
    """What was read from a cache, or written to it, is not in `input_tokens`."""
    cached = usage.cache_read_input_tokens
    prompt = usage.input_tokens + (cached or 0) + (usage.cache_creation_input_tokens or 0)
    return base.Usage(prompt, usage.output_tokens, cached, None)


def told(error: BaseException) -> base.Told:
    """In mid-stream `status_code` is the stream's own, 200: what happened is the error's type alone."""
    body = getattr(error, "body", None)
    word = body.get("error", {}).get("type") if isinstance(body, dict) else None
    response = getattr(error, "response", None)
    wait = base.header_wait(response.headers) if response is not None else None
    return base.Told(base.kinds(error), getattr(error, "status_code", None), word, wait, str(error))


def expected(early: bool, status: int) -> base.Expected:
    word = WORDS.get(status, "api_error")
    if early:
        return base.Expected(KINDS.get(status, "InternalServerError"), status, word)
    return base.Expected("APIStatusError", 200, word)


class Driver(base.Driver):
    dialect = "anthropic"
    overflow = base.Expected("BadRequestError", 400, "invalid_request_error", says="rompt is too long")
    told = staticmethod(told)
    expected = staticmethod(expected)

    def __post_init__(self) -> None:
        self.client = Anthropic(base_url=self.base, api_key=self.key, max_retries=0)

    def messages(self, ask: str) -> list[dict]:
        return [{"role": "user", "content": ask}]

    def stream(self, model: str, ask: str) -> base.Answer:
        with self.client.messages.stream(model=model, max_tokens=MOST, messages=self.messages(ask)) as stream:
            self.got.extend(stream.text_stream)
            message = stream.get_final_message()
        return base.Answer("".join(self.got), message.stop_reason == "end_turn", usage_of(message.usage))

    def whole(self, model: str, ask: str) -> base.Answer:
        message = self.client.messages.create(model=model, max_tokens=MOST, messages=self.messages(ask))
        return base.Answer(text_of(message), message.stop_reason == "end_turn", usage_of(message.usage))

    def rich(self, model: str, ask: str) -> base.Rich:
        return rich_of(self.client.messages.create(model=model, max_tokens=MOST, messages=self.messages(ask)))

    def rich_stream(self, model: str, ask: str) -> base.Rich:
        with self.client.messages.stream(model=model, max_tokens=MOST, messages=self.messages(ask)) as stream:
            return rich_of(stream.get_final_message())

    def retrying(self, model: str, ask: str) -> None:
        """As the SDK is out of the box: it tries twice more."""
        client = Anthropic(base_url=self.base, api_key=self.key)
        client.messages.create(model=model, max_tokens=MOST, messages=self.messages(ask))

    def stop(self, model: str, ask: str) -> str:
        return text_of(
            self.client.messages.create(
                model=model, max_tokens=MOST, messages=self.messages(ask), stop_sequences=base.STOP
            )
        )

    def count(self, model: str, ask: str) -> int:
        return self.client.messages.count_tokens(model=model, messages=self.messages(ask)).input_tokens

    def models(self, model: str) -> tuple[list[str], str]:
        return [each.id for each in self.client.models.list()], self.client.models.retrieve(model).id

    def tools(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        with self.client.messages.stream(model=model, max_tokens=MOST, messages=self.messages(ask), tools=[TOOL]) as stream:
            return self._results(model, ask, stream.get_final_message())

    def tools_whole(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        message = self.client.messages.create(model=model, max_tokens=MOST, messages=self.messages(ask), tools=[TOOL])
        return self._results(model, ask, message)

    def _results(self, model: str, ask: str, message) -> tuple[list[base.Call], str]:
        assert message.stop_reason == "tool_use", message
        calls = [block for block in message.content if block.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": base.RESULT} for call in calls]
        said = [block.model_dump(exclude_none=True) for block in message.content]
        history = [*self.messages(ask), {"role": "assistant", "content": said}, {"role": "user", "content": results}]
        last = self.client.messages.create(model=model, max_tokens=MOST, messages=history, tools=[TOOL])
        return [base.Call(call.id, call.name, call.input) for call in calls], text_of(last)

    def image(self, model: str, ask: str) -> str:
        source = {"type": "base64", "media_type": "image/png", "data": base.PNG_BASE64}
        parts = [{"type": "text", "text": ask}, {"type": "image", "source": source}]
        asked = [{"role": "user", "content": parts}]
        return text_of(
            self.client.messages.create(model=model, max_tokens=MOST, system=base.SYSTEM, messages=asked, tools=[TOOL])
        )

    def structured(self, model: str, ask: str) -> dict:
        answer = self.client.messages.parse(
            model=model, max_tokens=MOST, messages=self.messages(ask), output_format=base.Seen
        )
        return answer.parsed_output.model_dump()


def text_of(message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def rich_of(message) -> base.Rich:
    thought = "".join(block.thinking for block in message.content if block.type == "thinking")
    cited = [cite for block in message.content if block.type == "text" for cite in block.citations or []]
    return base.Rich(text_of(message), thought, [cite.url for cite in cited])
