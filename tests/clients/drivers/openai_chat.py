"""The official OpenAI SDK, chat completions."""

import json

from openai import OpenAI

from . import base

TOOL = {
    "type": "function",
    "function": {"name": base.TOOL_NAME, "description": base.TOOL_ABOUT, "parameters": base.TOOL_SCHEMA},
}
KINDS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    429: "RateLimitError",
}


def usage_of(usage) -> base.Usage | None:
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return base.Usage(
        usage.prompt_tokens,
        usage.completion_tokens,
        prompt and prompt.cached_tokens,
        completion and completion.reasoning_tokens,
    )


def told(error: BaseException) -> base.Told:
    """Of an error of the SDK, or of a library that lets them through."""
    status = getattr(error, "status_code", None)
    response = getattr(error, "response", None)
    code = getattr(error, "code", None)
    return base.Told(
        base.kinds(error),
        status,
        None if code is None else str(code),
        base.header_wait(response.headers) if status else None,
        str(error),
    )


def expected(early: bool, status: int) -> base.Expected:
    """In mid-stream the SDK raises its most general error, whose code is the status."""
    if early:
        return base.Expected(KINDS.get(status, "InternalServerError"), status)
    return base.Expected("APIError", None, str(status))


class Driver(base.Driver):

    def __post_init__(self) -> None:
        self.client = OpenAI(base_url=f"{self.base}/v1", api_key=self.key, max_retries=0)

    told = staticmethod(told)
    expected = staticmethod(expected)

    def messages(self, ask: str) -> list[dict]:
        return [{"role": "user", "content": ask}]

    def stream(self, model: str, ask: str) -> base.Answer:
        finish, usage = None, None
        chunks = self.client.chat.completions.create(
            model=model, messages=self.messages(ask), stream=True, stream_options={"include_usage": True}
        )
        for chunk in chunks:
            for choice in chunk.choices:
                self.got.append(choice.delta.content or "")
                finish = choice.finish_reason or finish
            usage = chunk.usage or usage
        return base.Answer("".join(self.got), finish == "stop", usage_of(usage))

    def whole(self, model: str, ask: str) -> base.Answer:
        answer = self.client.chat.completions.create(model=model, messages=self.messages(ask))
        choice = answer.choices[0]
        return base.Answer(choice.message.content or "", choice.finish_reason == "stop", usage_of(answer.usage))

    def tools(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        with self.client.chat.completions.stream(model=model, messages=self.messages(ask), tools=[TOOL]) as stream:
            for _ in stream:
                pass
            message = stream.get_final_completion().choices[0].message
        return self._results(model, ask, message)

    def tools_whole(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        answer = self.client.chat.completions.create(model=model, messages=self.messages(ask), tools=[TOOL])
        assert answer.choices[0].finish_reason == "tool_calls", answer
        return self._results(model, ask, answer.choices[0].message)

    def _results(self, model: str, ask: str, message) -> tuple[list[base.Call], str]:
        """The history is the message as it came, extensions included: what a careful agent sends back."""
        said = message.model_dump(exclude_none=True, exclude={"parsed"})
        for call in said["tool_calls"]:
            call["function"].pop("parsed_arguments", None)
        results = [{"role": "tool", "tool_call_id": call.id, "content": base.RESULT} for call in message.tool_calls]
        answer = self.client.chat.completions.create(
            model=model, messages=[*self.messages(ask), said, *results], tools=[TOOL]
        )
        calls = [base.Call(call.id, call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls]
        return calls, answer.choices[0].message.content or ""

    def image(self, model: str, ask: str) -> str:
        parts = [
            {"type": "text", "text": ask},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base.PNG_BASE64}"}},
        ]
        messages = [{"role": "system", "content": base.SYSTEM}, {"role": "user", "content": parts}]
        answer = self.client.chat.completions.create(model=model, messages=messages, tools=[TOOL])
        return answer.choices[0].message.content or ""

    def structured(self, model: str, ask: str) -> dict:
        answer = self.client.chat.completions.parse(model=model, messages=self.messages(ask), response_format=base.Seen)
        return answer.choices[0].message.parsed.model_dump()
