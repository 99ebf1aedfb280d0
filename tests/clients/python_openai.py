"""The official OpenAI SDK through the real proxy: what its users see of good answers and of each kind of failure.

The last line is `N passed, N failed`; the exit code is 1 if any failed.
"""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import openai
from openai import OpenAI

from judge import Score
from server import Server, binary

PIECES = [
    "The tide ", "comes in, ", "la marée ", "monte, ", "die Flut ", "steigt über ", "die Dünen, ", "прилив ", "растёт, ",
    "潮が", "満ちて", "くる ", "🌊 ", '"and every ', 'boat" — ', "naïve or ", "wise \\ ", "lifts ", "at the ", "gate.\n",
]
TEXT = "".join(PIECES)
BEFORE_FAULT = "Die Flut steigt über das 潮 🌊 "
TOOL = {
    "type": "function",
    "function": {
        "name": "forecast",
        "description": "The weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    },
}
GROUPS = ["openai", "gemini"]

CHECKS: list[tuple[str, Callable[[OpenAI, str], None]]] = []


def check(run: Callable[[OpenAI, str], None]) -> Callable[[OpenAI, str], None]:
    CHECKS.append((run.__name__, run))
    return run


def ask(scenario: str) -> list[dict]:
    return [{"role": "user", "content": f"sim:{scenario}"}]


def strict(chunk) -> None:
    """Every field that the SDK's types promise, with the type they promise: the SDK itself does not look."""
    type(chunk).model_validate(chunk.model_dump(), strict=True)
    assert chunk.object == "chat.completion.chunk", chunk
    assert chunk.id and chunk.model and chunk.created > 0, chunk
    for choice in chunk.choices:
        assert choice.index == 0 and choice.delta is not None, chunk
        assert choice.finish_reason in (None, "stop", "tool_calls"), chunk


def read(stream) -> tuple[str, str | None, object]:
    text, finish, usage, ids = "", None, None, set()
    for chunk in stream:
        strict(chunk)
        ids.add(chunk.id)
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        usage = chunk.usage or usage
    assert len(ids) == 1, ids
    return text, finish, usage


def raises(kind: type[BaseException], run: Callable[[], object]) -> BaseException:
    try:
        got = run()
    except kind as error:
        return error
    raise AssertionError(f"nothing was raised, and this came: {got!r}")


@check
def a_good_stream_has_the_exact_text_and_usage(client: OpenAI, model: str) -> None:
    stream = client.chat.completions.create(
        model=model, messages=ask("fast"), stream=True, stream_options={"include_usage": True}
    )
    text, finish, usage = read(stream)
    assert (text, finish) == (TEXT, "stop"), (text, finish)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (12, 20, 32), usage


@check
def usage_comes_only_where_it_is_asked_for(client: OpenAI, model: str) -> None:
    text, _, usage = read(client.chat.completions.create(model=model, messages=ask("fast"), stream=True))
    assert (text, usage) == (TEXT, None), usage


@check
def a_whole_answer(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=ask("usage"))
    type(answer).model_validate(answer.model_dump(), strict=True)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (120, 53, 173), usage
    assert usage.prompt_tokens_details.cached_tokens == 64, usage
    assert usage.completion_tokens_details.reasoning_tokens == 33, usage


@check
def a_429_in_mid_stream_raises(client: OpenAI, model: str) -> None:
    for scenario in ["429-frame-end", "429-frame-open", "429-event-line", "array-tail"]:
        got: list[str] = []

        def run() -> str:
            for chunk in client.chat.completions.create(model=model, messages=ask(scenario), stream=True):
                strict(chunk)
                got.extend(choice.delta.content or "" for choice in chunk.choices)
            return "".join(got)

        error = raises(openai.APIError, run)
        assert str(error.code) == "429", (scenario, error.code)
        assert "".join(got) == BEFORE_FAULT, (scenario, got)


@check
def a_stream_that_breaks_off_goes_on_unseen(client: OpenAI, model: str) -> None:
    asked = [{"role": "user", "content": "Tell me of the tide."}]
    create = {"model": f"{model}-breaks", "messages": asked, "stream": True, "stream_options": {"include_usage": True}}
    text, finish, usage = read(client.chat.completions.create(**create))
    assert (text, finish) == (BEFORE_FAULT + TEXT, "stop"), (text, finish)
    assert usage.total_tokens >= 32, usage
    raw = b"".join(client.chat.completions.with_raw_response.create(**create).http_response.iter_bytes())
    assert raw.count(b": tidegate continued on another deployment\n\n") == 1, raw
    with client.chat.completions.stream(model=f"{model}-breaks", messages=asked) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    assert (message.role, message.content) == ("assistant", BEFORE_FAULT + TEXT), message


@check
def a_truncated_stream_raises(client: OpenAI, model: str) -> None:
    for scenario in ["no-finish", "text-cut-end", "text-cut-fin", "text-cut-rst", "429-cut", "cut-between"]:
        stream = client.chat.completions.create(model=model, messages=ask(scenario), stream=True)
        error = raises(openai.APIError, lambda: read(stream))
        assert str(error.code) == "502" and "truncated" in error.message, (scenario, error.code, error.message)


@check
def an_early_429_raises_with_its_retry_after(client: OpenAI, model: str) -> None:
    for scenario in ["http-429", "429-first"]:
        for stream in [True, False]:
            create = lambda: client.chat.completions.create(model=model, messages=ask(scenario), stream=stream)
            error = raises(openai.RateLimitError, create)
            assert error.status_code == 429
            wait = int(error.response.headers["retry-after"])
            assert wait == 7 if scenario == "http-429" else wait >= 1, (scenario, wait)


@check
def other_errors_are_the_sdks_own(client: OpenAI, model: str) -> None:
    for scenario, kind in [
        ("http-400", openai.BadRequestError),
        ("http-401", openai.AuthenticationError),
        ("http-403", openai.PermissionDeniedError),
        ("http-404", openai.NotFoundError),
        ("http-500", openai.InternalServerError),
    ]:
        raises(kind, lambda: client.chat.completions.create(model=model, messages=ask(scenario)))
    raises(openai.NotFoundError, lambda: client.chat.completions.create(model="nobody", messages=ask("fast")))
    stranger = client.with_options(api_key="sk-wrong")
    raises(openai.AuthenticationError, lambda: stranger.chat.completions.create(model=model, messages=ask("fast")))


@check
def a_tool_is_called_and_its_result_goes_back(client: OpenAI, model: str) -> None:
    for scenario, count in [("tool-call", 1), ("tool-calls", 2), ("thought-signature", 1)]:
        with client.chat.completions.stream(model=model, messages=ask(scenario), tools=[TOOL]) as stream:
            for event in stream:
                if event.type == "chunk":
                    strict(event.chunk)
            message = stream.get_final_completion().choices[0].message
        assert len(message.tool_calls) == count, (scenario, message)
        assert len({call.id for call in message.tool_calls}) == count, message
        results = []
        for call in message.tool_calls:
            assert call.function.name == "forecast"
            assert json.loads(call.function.arguments) == {"city": "Zürich 潮", "days": 3}, call
            results.append({"role": "tool", "tool_call_id": call.id, "content": '{"sky":"clear"}'})
        history = [*ask(scenario), message.model_dump(exclude_none=True, exclude={"parsed"}), *results]
        for entry in history[1].get("tool_calls", []):
            entry["function"].pop("parsed_arguments", None)
        answer = client.chat.completions.create(model=model, messages=history, tools=[TOOL])
        assert answer.choices[0].message.content == BEFORE_FAULT, (scenario, answer)
        whole = client.chat.completions.create(model=model, messages=ask(scenario), tools=[TOOL])
        assert whole.choices[0].finish_reason == "tool_calls"
        assert len(whole.choices[0].message.tool_calls) == count


@check
def an_image_and_a_system_text_arrive(client: OpenAI, model: str) -> None:
    image = base64.b64encode(bytes(range(256)) * 3).decode()
    parts = [
        {"type": "text", "text": "sim:describe"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
    ]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    text, _, _ = read(client.chat.completions.create(model=model, messages=messages, tools=[TOOL], stream=True))
    seen = json.loads(text)
    assert seen["images"] == [{"mime": "image/png", "base64_length": len(image)}], seen
    assert (seen["system"], seen["tools"]) == ("Be brief.", ["forecast"]), seen


@check
def models_are_listed(client: OpenAI, _: str) -> None:
    assert sorted(model.id for model in client.models.list()) == ["gemini", "gemini-breaks", "openai", "openai-breaks"]


def retries_do_not_multiply(path: str) -> None:
    """The SDK retries twice by itself, unless it is told that the proxy has: then it sends one request."""
    for retries, scenario, sent in [(0, "http-500", 3), (1, "http-500", 1), (1, "http-429-bare", 1), (0, "http-429-quota", 1)]:
        server = Server(path, retries)
        try:
            client = OpenAI(base_url=server.url, api_key="sk-test", max_retries=2)
            for stream in [True, False]:
                before = server.sum("tidegate_requests_total", 'group="openai"')
                calls = server.sum("tidegate_attempts_total", 'deployment="openai/sim"')
                create = lambda: client.chat.completions.create(model="openai", messages=ask(scenario), stream=stream)
                error = raises(openai.APIStatusError, create)
                told = error.response.headers.get("x-should-retry")
                requests = server.sum("tidegate_requests_total", 'group="openai"') - before
                calls = server.sum("tidegate_attempts_total", 'deployment="openai/sim"') - calls
                assert (requests, told) == (sent, None if sent > 1 else "false"), (scenario, retries, requests, told)
                assert calls == sent * (retries + 1), (scenario, retries, calls)
        finally:
            server.stop()


def comments_in_a_silence_are_no_chunks(path: str) -> None:
    server = Server(path, tidegate="  keep_alive: 150ms\n  clocks: {content_idle: 2s}")
    try:
        client = OpenAI(base_url=server.url, api_key="sk-test", max_retries=0)
        for model in GROUPS:
            with client.chat.completions.with_streaming_response.create(
                model=model, messages=ask("stall-mid"), stream=True
            ) as raw:
                assert b"".join(raw.iter_bytes()).count(b": keep-alive\n\n") >= 3
            got: list[str] = []

            def run() -> None:
                for chunk in client.chat.completions.create(model=model, messages=ask("stall-mid"), stream=True):
                    strict(chunk)
                    got.extend(choice.delta.content or "" for choice in chunk.choices)

            error = raises(openai.APIError, run)
            assert (str(error.code), "".join(got)) == ("504", BEFORE_FAULT), (model, error, got)
            text, finish, _ = read(client.chat.completions.create(model=model, messages=ask("healthy"), stream=True))
            assert (text, finish) == (TEXT, "stop"), (model, text)
    finally:
        server.stop()


@check
def a_request_may_name_its_own_clocks(client: OpenAI, model: str) -> None:
    hurried = client.with_options(default_headers={"x-tidegate-clocks": "content_idle=500ms"})
    error = raises(openai.APIError, lambda: read(hurried.chat.completions.create(model=model, messages=ask("stall-mid"), stream=True)))
    assert str(error.code) == "504" and "500ms" in error.message, (error.code, error.message)
    confused = client.with_options(default_headers={"x-tidegate-clocks": "soon"})
    raises(openai.BadRequestError, lambda: confused.chat.completions.create(model=model, messages=ask("fast")))


def checks_can_fail(server: Server) -> None:
    """Through a passthrough that hides what happened, the same checks must say no: here the simulator itself, which sends
    a truncated stream as one that simply ends, and an error where text was promised."""
    liar = OpenAI(base_url=f"{server.sim}/v1", api_key="sim-key", max_retries=0)
    for lie in [a_truncated_stream_raises, models_are_listed, an_early_429_raises_with_its_retry_after]:
        try:
            lie(liar, "openai")
        except AssertionError:
            continue
        raise AssertionError(f"{lie.__name__} passed against a server that lies")


def main() -> int:
    server, score = Server(binary()), Score(verbose=True)
    try:
        client = OpenAI(base_url=server.url, api_key="sk-test", max_retries=0)
        runs = [(f"{name} [{model}]", lambda run=run, model=model: run(client, model)) for name, run in CHECKS for model in GROUPS]
        runs.append(("checks can fail", lambda: checks_can_fail(server)))
        runs.append(("retries do not multiply", lambda: retries_do_not_multiply(binary())))
        runs.append(("comments in a silence are no chunks", lambda: comments_in_a_silence_are_no_chunks(binary())))
        # At once: most of it is waiting.
        with ThreadPoolExecutor(8) as pool:
            for name, run in reversed(runs):
                pool.submit(score.play, name, run)
    finally:
        server.stop()
    return score.end()


if __name__ == "__main__":
    raise SystemExit(main())
