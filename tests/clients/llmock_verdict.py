"""LLMock judges the proxy: it plays the provider, breaks its answers as scripted, and says from what it saw whether the
client behind the attempts behaved. The client is the official OpenAI SDK, so what is judged is Tidegate and the SDK
together: a proxy that hides a fault from the SDK fails here, and so does one that retries too often, too soon, or what no
retry can mend.

The control asks LLMock without a proxy and badly, and must be found out.

The last line is `N passed, N failed`; the exit code is 1 if any failed.
"""

import itertools
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import openai
from openai import OpenAI

from server import Server, binary

# The verdicts that may not be, whatever happened. All are LLMock's own words, and its only ones of severity `error`.
FORBIDDEN = {"retry_storm", "retry_after_ignored", "truncated_stream_accepted", "retried_non_retryable"}
GROUPS = ["openai", "gemini"]
# An application that reads a stream and is told that it broke asks once more.
TRIES = 2
TEXT = "Twice a day the sea comes in, and twice a day it goes out again."
numbers = itertools.count(1)


class LLMock:
    """`llmock serve`, as a child process on a free port."""

    def __init__(self, folder: str, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        program = pathlib.Path(sys.executable).with_name("llmock")
        self.log = pathlib.Path(folder) / f"llmock-{port}.log"
        with self.log.open("wb") as log:
            command = [str(program), "serve", "-h", "127.0.0.1", "-p", str(port), "--log-level", "warning", *options]
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(1200):
            try:
                self.call("GET", "/health")
                return
            except OSError:
                if self.child.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError(f"llmock did not start:\n{self.log.read_text()}")

    def call(self, method: str, path: str, body: object = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def script(self, *behaviors: dict) -> None:
        self.call("POST", "/_llmock/reset")
        if behaviors:
            self.call("POST", "/_llmock/scenario", {"behaviors": list(behaviors)})

    def verdict(self) -> dict:
        return self.call("GET", "/_llmock/verdict")

    def attempts(self) -> int:
        return self.call("GET", "/_llmock/requests")["count"]


class Judged(Server):
    """Tidegate in front of one LLMock."""

    def __init__(self, program: str, *options: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="tidegate-llmock-")
        self.children: list[subprocess.Popen[bytes]] = []
        self.judge = LLMock(self.folder.name, *options)
        self.children.append(self.judge.child)
        config = pathlib.Path(self.folder.name) / "config.yaml"
        openai_at = 'model: openai/{model}, api_base: "{url}/v1", api_key: k'
        gemini_at = 'model: gemini/gemini-2.5-pro, api_base: "{url}/gemini/v1beta", api_key: k'
        groups = {
            "openai": openai_at.format(model="gpt-4o", url=self.judge.url),
            "gemini": gemini_at.format(url=self.judge.url),
            "backed": openai_at.format(model="gpt-4o", url=self.judge.url),
            "backup": gemini_at.format(url=self.judge.url),
        }
        models = "".join(f"  - {{model_name: {name}, litellm_params: {{{params}}}}}\n" for name, params in groups.items())
        config.write_text(
            f"""model_list:
{models}router_settings: {{num_retries: 2, cooldown_time: 0, fallbacks: [{{backed: [backup]}}]}}
general_settings: {{master_key: sk-test}}
tidegate:
  listen: "127.0.0.1:0"
  admin: "127.0.0.1:0"
  clocks: {{first_content: 8s, content_idle: 3s, byte_idle: 3s}}
"""
        )
        proxy = self._start("serve", [program, "serve", "-c", str(config)], "serving")
        self.url = f"http://{proxy['data']}/v1"


CHECKS: list[tuple[str, Callable[[Judged, OpenAI, str], None]]] = []


def check(run: Callable[[Judged, OpenAI, str], None]) -> Callable[[Judged, OpenAI, str], None]:
    CHECKS.append((run.__name__, run))
    return run


def ask(client: OpenAI, model: str, stream: bool) -> str:
    """One request of an application. No two have one body, so that LLMock can tell their attempts apart."""
    messages = [{"role": "user", "content": f"say something about tides, number {next(numbers)}"}]
    for attempt in range(TRIES):
        try:
            if not stream:
                answer = client.chat.completions.create(model=model, messages=messages)
                assert answer.choices[0].finish_reason == "stop", answer
                return answer.choices[0].message.content or ""
            text, finish = "", None
            for chunk in client.chat.completions.create(model=model, messages=messages, stream=True):
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    finish = choice.finish_reason or finish
            # What the SDK does not raise, an application takes for a whole answer.
            return text
        except openai.APIStatusError:
            raise
        except openai.APIError:
            if attempt + 1 == TRIES:
                raise
    raise AssertionError("unreachable")


def refused(client: OpenAI, model: str, stream: bool, status: int) -> None:
    try:
        ask(client, model, stream)
    except openai.APIStatusError as error:
        assert error.status_code == status, error
    else:
        raise AssertionError(f"no error though every attempt got a {status}")


def clean(judge: LLMock, attempts: range | None = None) -> None:
    verdict = judge.verdict()
    found = {finding["code"] for finding in verdict["findings"]} & FORBIDDEN
    assert not found and verdict["passed"], json.dumps(verdict, indent=1)
    if attempts is not None:
        assert verdict["attempts"] in attempts, f"{verdict['attempts']} attempts, not {attempts}"


@check
def healthy(world: Judged, client: OpenAI, model: str) -> None:
    for stream in (True, False):
        world.judge.script()
        assert ask(client, model, stream)
        clean(world.judge, range(1, 2))


@check
def one_429_with_retry_after(world: Judged, client: OpenAI, model: str) -> None:
    for stream in (True, False):
        world.judge.script({"type": "fail", "status": 429, "retry_after": 1, "times": 1})
        assert ask(client, model, stream)
        clean(world.judge, range(2, 3))


@check
def two_429s_whose_retry_after_grows(world: Judged, client: OpenAI, model: str) -> None:
    world.judge.script(
        {"type": "fail", "status": 429, "retry_after": 0.5, "times": 1},
        {"type": "fail", "status": 429, "retry_after": 2, "times": 1},
    )
    assert ask(client, model, True)
    clean(world.judge, range(3, 4))


@check
def a_429_for_ever(world: Judged, client: OpenAI, model: str) -> None:
    for stream in (True, False):
        world.judge.script({"type": "fail", "status": 429, "retry_after": 1, "times": None})
        refused(client, model, stream, 429)
        clean(world.judge, range(1, 11))


@check
def a_429_for_ever_without_a_hint(world: Judged, client: OpenAI, model: str) -> None:
    world.judge.script({"type": "fail", "status": 429, "times": None})
    refused(client, model, True, 429)
    clean(world.judge, range(1, 11))


@check
def server_errors(world: Judged, client: OpenAI, model: str) -> None:
    for status in (500, 502, 503):
        world.judge.script({"type": "fail", "status": status, "times": 1})
        assert ask(client, model, True)
        clean(world.judge, range(2, 3))
    world.judge.script({"type": "fail", "status": 500, "times": None})
    refused(client, model, False, 500)
    clean(world.judge, range(1, 11))


@check
def what_no_retry_mends(world: Judged, client: OpenAI, model: str) -> None:
    for status in (400, 401, 403, 404, 422):
        world.judge.script({"type": "fail", "status": status, "times": None})
        try:
            ask(client, model, True)
        except openai.APIStatusError:
            pass
        else:
            raise AssertionError(f"no error though every attempt got a {status}")
        clean(world.judge, range(1, 2))


@check
def streams_that_break(world: Judged, client: OpenAI, model: str) -> None:
    for kind in ("disconnect", "truncate", "malformed"):
        for after in (0, 1, 2, 4):
            fault = {"type": "stream_fault", "kind": kind, "after_chunks": after, "times": 1}
            world.judge.script(fault, {"type": "reply", "text": TEXT, "times": None})
            assert ask(client, model, True) == TEXT, fault
            verdict = world.judge.verdict()
            assert verdict["faults_injected"] == 1, (fault, verdict)
            clean(world.judge, range(2, 3))


@check
def streams_that_break_for_ever(world: Judged, client: OpenAI, model: str) -> None:
    # The application is told each time, and gives up: a truncation that it was not told of would be accepted.
    for kind in ("disconnect", "malformed"):
        world.judge.script({"type": "stream_fault", "kind": kind, "after_chunks": 3, "times": None})
        try:
            ask(client, model, True)
        except openai.APIError:
            pass
        else:
            raise AssertionError(f"{kind}: no error though every stream broke")
        clean(world.judge, range(1, 11))


@check
def a_stall(world: Judged, client: OpenAI, model: str) -> None:
    for after in (0, 3):
        world.judge.script({"type": "stream_fault", "kind": "stall", "after_chunks": after, "stall_seconds": 60, "times": 1})
        began = time.monotonic()
        assert ask(client, model, True)
        assert time.monotonic() - began < 40, "it sat through the stall"
        clean(world.judge, range(2, 3))
        codes = {finding["code"] for finding in world.judge.verdict()["findings"]}
        assert "no_read_timeout" not in codes, codes


@check
def a_slow_first_token(world: Judged, client: OpenAI, model: str) -> None:
    world.judge.script({"type": "slow_first_token", "seconds": 2, "times": 1})
    assert ask(client, model, True)
    clean(world.judge, range(1, 2))


def a_fallback(world: Judged, client: OpenAI) -> None:
    """To another model is another call for LLMock: both must be clean."""
    match = {"model": "gpt-4o"}
    world.judge.script({"type": "fail", "status": 503, "times": None, "match": match})
    assert ask(client, "backed", True)
    clean(world.judge, range(2, 5))


def a_quota_of_requests(world: Judged, client: OpenAI) -> None:
    """This world's LLMock takes 60 requests a minute."""
    for _ in range(64):
        assert ask(client, "openai", False)
    assert world.judge.verdict()["faults_injected"] >= 1, "the quota was never met"
    clean(world.judge)


def a_naive_client_is_found_out(world: Judged, _client: OpenAI) -> None:
    """The judge can fail: each forbidden verdict, provoked without a proxy."""

    def post(body: dict) -> None:
        request = urllib.request.Request(
            f"{world.judge.url}/v1/chat/completions",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json", "authorization": "Bearer k"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            error.read()

    def provoked() -> set[str]:
        verdict = world.judge.verdict()
        assert not verdict["passed"], verdict
        return {finding["code"] for finding in verdict["findings"]} & FORBIDDEN

    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "naive"}]}
    world.judge.script({"type": "fail", "status": 429, "retry_after": 1, "times": None})
    for _ in range(12):
        post(body)
    seen = provoked()
    assert seen == {"retry_storm", "retry_after_ignored"}, seen
    world.judge.script({"type": "fail", "status": 400, "times": 1})
    for _ in range(2):
        post(body)
    seen = provoked()
    assert seen == {"retried_non_retryable"}, seen
    world.judge.script({"type": "stream_fault", "kind": "truncate", "after_chunks": 2, "times": 1})
    post(body | {"stream": True})
    seen = provoked()
    assert seen == {"truncated_stream_accepted"}, seen


def lane(report: list[bool], options: list[str], client_options: dict, tests: list[tuple[str, Callable]]) -> None:
    """Runs tests one after the other in a world of their own."""
    world = Judged(binary(), *options)
    try:
        client = OpenAI(base_url=world.url, api_key="sk-test", timeout=60, **client_options)
        for name, test in tests:
            began = time.monotonic()
            try:
                test(world, client)
                report.append(True)
                print(f"ok    {name} ({time.monotonic() - began:.1f} s)", flush=True)
            except Exception:  # noqa: BLE001 - whatever it is, it is this check's failure
                report.append(False)
                print(f"FAIL  {name}\n{traceback.format_exc()}", flush=True)
    finally:
        world.stop()


def main() -> int:
    lanes = []
    for label, options in {"no retries": {"max_retries": 0}, "the SDK's retries": {}}.items():
        for model in GROUPS:
            tests = [(f"{name} [{model}, {label}]", lambda w, c, t=test, m=model: t(w, c, m)) for name, test in CHECKS]
            lanes.append(([], options, tests))
        more = [(f"a_quota_of_requests [{label}]", a_quota_of_requests)]
        lanes.append((["--rpm", "60"], options, more))
        lanes[-2][2].append((f"a_fallback [{label}]", a_fallback))
    lanes[0][2].append(("a_naive_client_is_found_out", a_naive_client_is_found_out))
    report: list[bool] = []
    # Side by side, because most of their time is waiting for a Retry-After.
    with ThreadPoolExecutor(len(lanes)) as threads:
        running = [threads.submit(lane, report, *one) for one in lanes]
    for one in running:
        if error := one.exception():
            report.append(False)
            print(f"FAIL  {error}")
    print(f"{sum(report)} passed, {len(report) - sum(report)} failed")
    return 0 if all(report) else 1


if __name__ == "__main__":
    raise SystemExit(main())
