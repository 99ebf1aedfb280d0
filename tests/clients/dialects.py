"""The dialects that `strict.py` holds Tidegate to: how to ask in each, the SDKs' types, and the order of a stream's events."""

import json
from collections.abc import Callable

from anthropic.types import ErrorResponse, Message, RawMessageStreamEvent
from google.genai.types import GenerateContentResponse
from openai.types import ErrorObject
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseErrorEvent, ResponseStreamEvent
from pydantic import BaseModel, ConfigDict, TypeAdapter

from drivers import base

Parse = Callable[["Dialect", TypeAdapter, str], object]


class Dialect:
    """One dialect of clients."""

    #: Of the table's `status`: openai, anthropic or gemini.
    client = "openai"
    name: str
    #: What can be asked for; `does` of a case.
    does = {"stream", "whole", "tools", "tools-whole", "image", "structured"}
    streams = True
    upstreams: list[str] = []
    #: Fields beyond the SDK's types, which clients of gateways know.
    extensions: set[str] = set()
    #: A field that each event or answer has; whether its absence is a fault by the type.
    required: str
    misses = True
    event: TypeAdapter
    whole: TypeAdapter

    def headers(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def ask(self, model: str, text: str, stream: bool, does: str) -> tuple[str, dict]:
        """Path and body of a request."""
        raise NotImplementedError

    def error(self, body: dict, status: int, parse: Parse) -> None:
        """An HTTP error's body."""
        raise NotImplementedError

    def stream(self, frames: list[tuple[str, str]], bad: bool, parse: Parse) -> None:
        """A stream's events, which end well, or badly after the text before the fault."""
        raise NotImplementedError


class Chat(Dialect):
    name = "openai-chat"
    # litellm's and the vendors' own: docs/compatibility.md has them.
    extensions = {
        # Of a delta alone.
        "annotations",
        "reasoning_content",
        "thinking_blocks",
        "provider_specific_fields",
        "extra_content",
        "images",
        "cache_creation_tokens",
        "prompt_filter_results",
        "content_filter_results",
        "provider_code",
        "retry_after",
    }
    required = "id"
    event = TypeAdapter(ChatCompletionChunk)
    whole = TypeAdapter(ChatCompletion)
    fault = TypeAdapter(ErrorObject)

    def ask(self, model: str, text: str, stream: bool, does: str) -> tuple[str, dict]:
        content: object = text
        if does == "image":
            url = f"data:image/png;base64,{base.PNG_BASE64}"
            content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
        body: dict = {"model": model, "messages": [{"role": "user", "content": content}]}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if does.startswith("tools"):
            function = {"name": base.TOOL_NAME, "description": base.TOOL_ABOUT, "parameters": base.TOOL_SCHEMA}
            body["tools"] = [{"type": "function", "function": function}]
        if does == "structured":
            schema = {"name": "seen", "schema": base.Seen.model_json_schema(), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return "/v1/chat/completions", body

    def error(self, body: dict, status: int, parse: Parse) -> None:
        assert list(body) == ["error"], body
        parse(self, self.fault, json.dumps(body["error"]))

    def stream(self, frames: list[tuple[str, str]], bad: bool, parse: Parse) -> None:
        assert all(name == "" for name, _ in frames), f"chat has no names of events: {frames}"
        datas = [data for _, data in frames]
        if bad:
            self.error(json.loads(datas.pop()), 0, parse)
        else:
            assert datas.pop() == "[DONE]", frames[-1]
        chunks = [parse(self, self.event, data) for data in datas]
        assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1, datas
        finishes = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
        assert len(finishes) == (0 if bad else 1), finishes
        assert chunks[0].choices[0].delta.role == "assistant", datas[0]
        if not bad:
            assert chunks[-1].usage is not None and not chunks[-1].choices, datas[-1]


class Responses(Dialect):
    name = "openai-responses"
    # OpenAI sends `store`, the `name` of a call whose arguments are done, and padding, though this SDK has no word for them.
    extensions = Chat.extensions | {"store", "name", "obfuscation"}
    required = "sequence_number"
    event = TypeAdapter(ResponseStreamEvent)
    whole = TypeAdapter(Response)
    fault = TypeAdapter(ErrorObject)

    def ask(self, model: str, text: str, stream: bool, does: str) -> tuple[str, dict]:
        content: list = [{"type": "input_text", "text": text}]
        if does == "image":
            url = f"data:image/png;base64,{base.PNG_BASE64}"
            content.append({"type": "input_image", "image_url": url, "detail": "auto"})
        body: dict = {"model": model, "input": [{"role": "user", "content": content}], "stream": stream, "store": False}
        if does.startswith("tools"):
            function = {"name": base.TOOL_NAME, "description": base.TOOL_ABOUT, "parameters": base.TOOL_SCHEMA}
            body["tools"] = [{"type": "function", "strict": True, **function}]
        if does == "structured":
            schema = base.Seen.model_json_schema()
            body["text"] = {"format": {"type": "json_schema", "name": "seen", "schema": schema, "strict": True}}
        return "/v1/responses", body

    def error(self, body: dict, status: int, parse: Parse) -> None:
        assert list(body) == ["error"], body
        parse(self, self.fault, json.dumps(body["error"]))

    def stream(self, frames: list[tuple[str, str]], bad: bool, parse: Parse) -> None:
        datas = [json.loads(data) for _, data in frames]
        assert [name for name, _ in frames] == [data["type"] for data in datas], frames
        numbers = [data["sequence_number"] for data in datas]
        assert numbers == list(range(len(numbers))), numbers
        # An `error` event's type is that of the documentation, flat; the SDKs raise on one with an `error` inside alone.
        errors = [data for data in datas if data["type"] == "error"]
        for data in errors:
            assert {"code", "message", "param"} <= set(data["error"]), data
            flat = {name: data["error"][name] for name in ("code", "message", "param")}
            flat |= {"type": "error", "sequence_number": data["sequence_number"]}
            parse(self, TypeAdapter(ResponseErrorEvent), json.dumps(flat))
        rest = [parse(self, self.event, json.dumps(data)) for data in datas if data["type"] != "error"]
        kinds = [event.type for event in rest]
        assert kinds[0] == "response.created", kinds
        assert kinds[-1] == ("response.failed" if bad else "response.completed"), kinds
        assert len(errors) == bad, datas
        opened: set[str] = set()
        for event in rest:
            if event.type == "response.output_item.added":
                opened.add(event.item.id)
            elif item := getattr(event, "item_id", None):
                assert item in opened, f"{event.type} of an item that was not added: {item}"
        if not bad:
            done = [event.item for event in rest if event.type == "response.output_item.done"]
            assert [item.id for item in done] == [item.id for item in rest[-1].response.output], datas[-1]
            assert rest[-1].response.usage is not None, datas[-1]


class Messages(Dialect):
    client = "anthropic"
    name = "anthropic-messages"
    extensions = {"provider_code", "retry_after"}
    required = "type"
    event = TypeAdapter(RawMessageStreamEvent)
    whole = TypeAdapter(Message)
    fault = TypeAdapter(ErrorResponse)

    def headers(self, key: str) -> dict[str, str]:
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}

    def ask(self, model: str, text: str, stream: bool, does: str) -> tuple[str, dict]:
        content: list = [{"type": "text", "text": text}]
        if does == "image":
            source = {"type": "base64", "media_type": "image/png", "data": base.PNG_BASE64}
            content.append({"type": "image", "source": source})
        body: dict = {"model": model, "max_tokens": 1024, "messages": [{"role": "user", "content": content}]}
        if stream:
            body["stream"] = True
        if does.startswith("tools"):
            body["tools"] = [
                {"name": base.TOOL_NAME, "description": base.TOOL_ABOUT, "input_schema": base.TOOL_SCHEMA}
            ]
        if does == "structured":
            body["output_config"] = {"format": {"type": "json_schema", "schema": base.Seen.model_json_schema()}}
        return "/v1/messages", body

    def error(self, body: dict, status: int, parse: Parse) -> None:
        parse(self, self.fault, json.dumps({"request_id": None} | body))

    def stream(self, frames: list[tuple[str, str]], bad: bool, parse: Parse) -> None:
        assert [name for name, _ in frames] == [json.loads(data)["type"] for _, data in frames], frames
        datas = [data for _, data in frames]
        if bad:
            name, data = frames[-1]
            assert name == "error", frames[-1]
            self.error(json.loads(datas.pop()), 0, parse)
        seen = [parse(self, self.event, data) for data in datas if json.loads(data)["type"] != "ping"]
        assert seen[0].type == "message_start" and not seen[0].message.content, datas[0]
        open_, next_, delta = None, 0, False
        for event in seen[1:]:
            match event.type:
                case "content_block_start":
                    assert (open_, event.index) == (None, next_), datas
                    open_, next_ = event.index, next_ + 1
                case "content_block_delta":
                    assert event.index == open_, datas
                case "content_block_stop":
                    assert event.index == open_, datas
                    open_ = None
                case "message_delta":
                    assert open_ is None and not delta and event.delta.stop_reason, datas
                    delta = True
                case "message_stop":
                    assert delta and event is seen[-1], datas
                case other:
                    raise AssertionError(f"{other} is out of place: {datas}")
        assert bad != (seen[-1].type == "message_stop"), datas


class GoogleStatus(BaseModel):
    """google.rpc.Status as JSON: the SDK has no type for it."""

    model_config = ConfigDict(extra="forbid")

    code: int
    message: str
    status: str
    details: list[dict] = []


class Gemini(Dialect):
    client = "gemini"
    name = "gemini-generate"
    required = "candidates"
    # Every field of Google's types may be absent.
    misses = False
    event = whole = TypeAdapter(GenerateContentResponse)
    fault = TypeAdapter(GoogleStatus)

    def headers(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}

    def ask(self, model: str, text: str, stream: bool, does: str) -> tuple[str, dict]:
        parts: list = [{"text": text}]
        if does == "image":
            parts.append({"inlineData": {"mimeType": "image/png", "data": base.PNG_BASE64}})
        body: dict = {"contents": [{"role": "user", "parts": parts}]}
        if does.startswith("tools"):
            function = {"name": base.TOOL_NAME, "description": base.TOOL_ABOUT, "parametersJsonSchema": base.TOOL_SCHEMA}
            body["tools"] = [{"functionDeclarations": [function]}]
        if does == "structured":
            schema = base.Seen.model_json_schema()
            body["generationConfig"] = {"responseMimeType": "application/json", "responseJsonSchema": schema}
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{model}:{method}", body

    def error(self, body: dict, status: int, parse: Parse) -> None:
        assert list(body) == ["error"], body
        error = parse(self, self.fault, json.dumps(body["error"]))
        assert status in (0, error.code), body

    def stream(self, frames: list[tuple[str, str]], bad: bool, parse: Parse) -> None:
        assert all(name == "" for name, _ in frames), f"Gemini has no names of events: {frames}"
        datas = [data for _, data in frames]
        if bad:
            # The Python SDK looks for these very bytes.
            assert datas[-1].startswith('{"error":'), datas[-1]
            self.error(json.loads(datas.pop()), 0, parse)
        chunks = [parse(self, self.event, data) for data in datas]
        finishes = [bool(candidate.finish_reason) for chunk in chunks for candidate in chunk.candidates or []]
        assert sum(finishes) == (not bad), datas


DIALECTS: list[Dialect] = [Chat(), Responses(), Messages(), Gemini()]
