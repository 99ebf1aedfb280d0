"""AWS's own client for Python judges what stands on the way to Bedrock: it signs to the simulated Bedrock, which must like
its signature, and reads the simulation's answers, which it must like; and its decoder reads every recorded stream.

What it decodes is in plugins/bedrock/tests/fixtures/events.json, and Tidegate's decoder is held to that file by a test in
Rust; what it signs is in core/src/upstream/auth/aws/vectors.json, likewise. `--write` writes the first of them.

The last line is `N passed, N failed`; the exit code is 1 if any failed.
"""

import json
import pathlib
import sys
import traceback

import boto3
import sigv4_vectors
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from server import Server, binary

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "plugins/bedrock/tests/fixtures"
VECTORS = ROOT / "core/src/upstream/auth/aws/vectors.json"
TEXT = "The tide comes in, la marée monte, die Flut steigt über die Dünen, прилив растёт, 潮が満ちてくる 🌊 "
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{MODEL}"


class Sim(Server):
    """The simulator alone."""

    def __init__(self, program: str) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory(prefix="tidegate-bedrock-")
        self.children = []
        self.sim = f"http://{self._start('sim', [program, 'sim', '--listen', '127.0.0.1:0'], 'simulated providers')['addr']}"


def client(sim: Sim, secret: str = "sim-key", token: str | None = None):
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=sim.sim,
        region_name="us-east-1",
        aws_access_key_id="AKIASIMULATED",
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
    )


def ask(text: str, model: str = MODEL, **more):
    return {"modelId": model, "messages": [{"role": "user", "content": [{"text": text}]}], **more}


def tools():
    spec = {"name": "tide", "inputSchema": {"json": {"type": "object", "properties": {}}}}
    return {"tools": [{"toolSpec": spec}]}


def said(stream) -> tuple[str, list[str]]:
    text, names = "", []
    for event in stream["stream"]:
        names.extend(event)
        text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
    return text, names


def a_whole_answer(sim: Sim) -> None:
    answer = client(sim).converse(**ask("sim:usage"))
    assert answer["output"]["message"]["content"][0]["text"].startswith(TEXT), answer
    assert answer["stopReason"] == "end_turn", answer
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"] + usage["cacheReadInputTokens"], usage


def a_streamed_answer(sim: Sim) -> None:
    for model in (MODEL, ARN):
        text, names = said(client(sim, token="a+session/token==").converse_stream(**ask("sim:fast", model)))
        assert text.startswith(TEXT), text
        assert names[0] == "messageStart" and names[-2:] == ["messageStop", "metadata"], names


def calls_of_tools(sim: Sim) -> None:
    answer = client(sim).converse(**ask("sim:tool-calls", toolConfig=tools()))
    blocks = [block["toolUse"] for block in answer["output"]["message"]["content"]]
    assert answer["stopReason"] == "tool_use" and [block["name"] for block in blocks] == ["tide", "tide"], answer
    pieces: dict[int, str] = {}
    for event in client(sim).converse_stream(**ask("sim:tool-calls", toolConfig=tools()))["stream"]:
        if delta := event.get("contentBlockDelta"):
            index = delta["contentBlockIndex"]
            pieces[index] = pieces.get(index, "") + delta["delta"]["toolUse"]["input"]
    assert [json.loads(piece) for piece in pieces.values()] == [block["input"] for block in blocks], pieces


def thoughts(sim: Sim) -> None:
    content = client(sim).converse(**ask("sim:thought-signature"))["output"]["message"]["content"]
    assert content[0]["reasoningContent"]["reasoningText"]["signature"], content
    deltas = [
        event["contentBlockDelta"]["delta"]
        for event in client(sim).converse_stream(**ask("sim:thought-signature"))["stream"]
        if "contentBlockDelta" in event
    ]
    assert any("signature" in delta.get("reasoningContent", {}) for delta in deltas), deltas


def errors_before_the_stream(sim: Sim) -> None:
    for scenario, code, status in [
        ("http-429", "ThrottlingException", 429),
        ("http-400", "ValidationException", 400),
        ("http-403", "AccessDeniedException", 403),
        ("http-404", "ResourceNotFoundException", 404),
        ("http-500", "InternalServerException", 500),
        ("http-503", "ServiceUnavailableException", 503),
    ]:
        for call in (client(sim).converse, client(sim).converse_stream):
            try:
                call(**ask(f"sim:{scenario}"))
            except ClientError as error:
                told = (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
                assert told == (code, status), told
            else:
                raise AssertionError(f"{scenario} raised nothing")


def exceptions_in_the_stream(sim: Sim) -> None:
    for scenario, code in [
        ("429-frame-end", "throttlingException"),
        ("429-first", "throttlingException"),
        ("503-frame-end", "serviceUnavailableException"),
        ("502-router-frame", "modelStreamErrorException"),
    ]:
        try:
            said(client(sim).converse_stream(**ask(f"sim:{scenario}")))
        except EventStreamError as error:
            assert error.response["Error"]["Code"] == code, error.response
        else:
            raise AssertionError(f"{scenario} raised nothing")


def a_wrong_signature_is_refused(sim: Sim) -> None:
    try:
        client(sim, secret="another").converse(**ask("sim:fast"))
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidSignatureException", error.response
    else:
        raise AssertionError("a signature with another secret was taken")


def decoded(name: str) -> list[list[str]]:
    """The events of a recorded stream; `["cut"]` where it breaks off in one, `["broken"]` where a checksum is wrong."""
    content = (FIXTURES / f"{name}.eventstream").read_bytes()
    buffer = EventStreamBuffer()
    buffer.add_data(content)
    events, length = [], 0
    try:
        for message in buffer:
            headers = message.headers
            kind = headers.get(":message-type")
            length += message.prelude.total_length
            payload = message.payload.decode()
            if kind == "exception":
                events.append(["error", headers[":exception-type"], payload])
            elif kind == "error":
                events.append(["error", headers[":error-code"], payload or headers[":error-message"]])
            else:
                events.append(["event", headers[":event-type"], payload])
    except ChecksumMismatch:
        return [*events, ["broken"]]
    return events if length == len(content) else [*events, ["cut"]]


def every_recorded_stream() -> dict[str, list[list[str]]]:
    return {path.stem: decoded(path.stem) for path in sorted(FIXTURES.glob("*.eventstream"))}


def the_recorded_streams_are_as_listed(_: Sim) -> None:
    listed = json.loads((FIXTURES / "events.json").read_text())
    assert every_recorded_stream() == listed


def the_vectors_are_what_botocore_signs(_: Sim) -> None:
    assert list(sigv4_vectors.signed()) == json.loads(VECTORS.read_text())


CASES = [
    a_whole_answer,
    a_streamed_answer,
    calls_of_tools,
    thoughts,
    errors_before_the_stream,
    exceptions_in_the_stream,
    a_wrong_signature_is_refused,
    the_recorded_streams_are_as_listed,
    # Last: it stops botocore's clock.
    the_vectors_are_what_botocore_signs,
]


def main() -> int:
    if sys.argv[1:] == ["--write"]:
        text = json.dumps(every_recorded_stream(), ensure_ascii=False, indent=1)
        (FIXTURES / "events.json").write_text(text + "\n")
        return 0
    sim = Sim(binary())
    passed = failed = 0
    try:
        for case in CASES:
            try:
                case(sim)
            except Exception:
                failed += 1
                print(f"FAILED {case.__name__}")
                traceback.print_exc()
            else:
                passed += 1
                print(f"ok     {case.__name__}")
    finally:
        sim.stop()
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
