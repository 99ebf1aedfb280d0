"""The official OpenAI SDK, chat completions."""

import json

from openai import OpenAI
from openai.types.chat.chat_completion_chunk import ChoiceDelta

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
    422: "UnprocessableEntityError",
    429: "RateLimitError",
}
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
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
        getattr(error, "type", None),
    )


def expected(early: bool, status: int) -> base.Expected:
    """In mid-stream the SDK raises its most general error, whose code is the status."""
    type_ = TYPES.get(status, "api_error")
    if early:
        return base.Expected(KINDS.get(status, "InternalServerError"), status, str(status), type_)
    return base.Expected("APIError", None, str(status), type_)


#: Agents and frameworks look for this code.
OVERFLOW = base.Expected("BadRequestError", 400, "context_length_exceeded", "invalid_request_error")


class Driver(base.Driver):
    overflow = OVERFLOW

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

    def retrying(self, model: str, ask: str) -> None:
        """As the SDK is out of the box: it tries twice more."""
        OpenAI(base_url=f"{self.base}/v1", api_key=self.key).chat.completions.create(model=model, messages=self.messages(ask))

    def unasked(self, model: str, ask: str) -> base.Answer:
        """A stream whose usage is not asked for: no chunk has any."""
        finish, usage = None, None
        for chunk in self.client.chat.completions.create(model=model, messages=self.messages(ask), stream=True):
            # Azure's first has none.
            for choice in chunk.choices:
                self.got.append(choice.delta.content or "")
                finish = choice.finish_reason or finish
            usage = chunk.usage or usage
        return base.Answer("".join(self.got), finish == "stop", usage_of(usage))

    def rich(self, model: str, ask: str) -> base.Rich:
        """Thoughts are no part of OpenAI's chat: the SDK gives what it does not know as it came."""
        message = self.client.chat.completions.create(model=model, messages=self.messages(ask)).choices[0].message
        pages = [each.url_citation.url for each in message.annotations or []]
        return base.Rich(message.content or "", message.reasoning_content, pages)

    def rich_stream(self, model: str, ask: str) -> base.Rich:
        text, thought, pages = "", "", []
        for chunk in self.client.chat.completions.create(model=model, messages=self.messages(ask), stream=True):
            delta = chunk.choices[0].delta if chunk.choices else ChoiceDelta()
            text += delta.content or ""
            thought += getattr(delta, "reasoning_content", None) or ""
            pages += [each["url_citation"]["url"] for each in getattr(delta, "annotations", None) or []]
        return base.Rich(text, thought, pages)

    def logprobs(self, model: str, ask: str) -> list[tuple[str, float]]:
        answer = self.client.chat.completions.create(
            model=model, messages=self.messages(ask), logprobs=True, top_logprobs=1
        )
        return [(each.token, each.logprob) for each in answer.choices[0].logprobs.content]

    def logprobs_stream(self, model: str, ask: str) -> list[tuple[str, float]]:
        chunks = self.client.chat.completions.create(
            model=model, messages=self.messages(ask), logprobs=True, top_logprobs=1, stream=True
        )
        found = [choice.logprobs.content or [] for chunk in chunks for choice in chunk.choices if choice.logprobs]
        return [(each.token, each.logprob) for content in found for each in content]

    def stop(self, model: str, ask: str) -> str:
        answer = self.client.chat.completions.create(model=model, messages=self.messages(ask), stop=base.STOP)
        return answer.choices[0].message.content or ""

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        """The SDK asks for base64 of itself."""
        answer = self.client.embeddings.create(model=model, input=texts)
        assert [each.index for each in answer.data] == list(range(len(texts))), answer
        plain = self.client.embeddings.create(model=model, input=texts, encoding_format="float")
        assert plain.data == answer.data, plain
        assert answer.usage.total_tokens >= answer.usage.prompt_tokens >= 0, answer
        return [each.embedding for each in answer.data]

    def models(self, model: str) -> tuple[list[str], str]:
        return [each.id for each in self.client.models.list()], self.client.models.retrieve(model).id

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
