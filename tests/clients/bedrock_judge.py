"""AWS's own client for Python judges what stands on the way to Bedrock: it signs to the simulated Bedrock, which must like
its signature, and reads the simulation's answers, which it must like; and its decoder reads every recorded stream.

What it decodes is in plugins/bedrock/tests/fixtures/events.json, and Tidegate's decoder is held to that file by a test in
Rust; what it signs is in core/src/upstream/auth/aws/vectors.json, likewise. `--write` writes the first of them.

The last line is `N passed, N failed`; the exit code is 1 if any failed.
"""

import json
import os
import pathlib
import sys
import traceback

import boto3
import rich
import sigv4_vectors
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from botocore.httpsession import URLLib3Session
from openai import APIError, APIStatusError, OpenAI
from server import World, binary

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "plugins/bedrock/tests/fixtures"
VECTORS = ROOT / "core/src/upstream/auth/aws/vectors.json"
TEXT = "The tide comes in, la marée monte, die Flut steigt über die Dünen, прилив растёт, 潮が満ちてくる 🌊 "
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{MODEL}"


def client(sim: World, secret: str = "sim-key", token: str | None = None, at: str | None = None):
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=at or sim.sim,
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


def a_whole_answer(sim: World) -> None:
    answer = client(sim).converse(**ask("sim:usage"))
    assert answer["output"]["message"]["content"][0]["text"].startswith(TEXT), answer
    assert answer["stopReason"] == "end_turn", answer
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"] + usage["cacheReadInputTokens"], usage


def a_streamed_answer(sim: World) -> None:
    for model in (MODEL, ARN):
        text, names = said(client(sim, token="a+session/token==").converse_stream(**ask("sim:fast", model)))
        assert text.startswith(TEXT), text
        assert names[0] == "messageStart" and names[-2:] == ["messageStop", "metadata"], names


def calls_of_tools(sim: World) -> None:
    answer = client(sim).converse(**ask("sim:tool-calls", toolConfig=tools()))
    blocks = [block["toolUse"] for block in answer["output"]["message"]["content"]]
    assert answer["stopReason"] == "tool_use" and [block["name"] for block in blocks] == ["tide", "tide"], answer
    pieces: dict[int, str] = {}
    for event in client(sim).converse_stream(**ask("sim:tool-calls", toolConfig=tools()))["stream"]:
        if delta := event.get("contentBlockDelta"):
            index = delta["contentBlockIndex"]
            pieces[index] = pieces.get(index, "") + delta["delta"]["toolUse"]["input"]
    assert [json.loads(piece) for piece in pieces.values()] == [block["input"] for block in blocks], pieces


def thoughts(sim: World) -> None:
    content = client(sim).converse(**ask("sim:thought-signature"))["output"]["message"]["content"]
    assert content[0]["reasoningContent"]["reasoningText"]["signature"], content
    deltas = [
        event["contentBlockDelta"]["delta"]
        for event in client(sim).converse_stream(**ask("sim:thought-signature"))["stream"]
        if "contentBlockDelta" in event
    ]
    assert any("signature" in delta.get("reasoningContent", {}) for delta in deltas), deltas


def errors_before_the_stream(sim: World) -> None:
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


def exceptions_in_the_stream(sim: World) -> None:
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


def gateway(sim: World) -> OpenAI:
    return OpenAI(base_url=f"{sim.base}/v1", api_key="sk-test", max_retries=0)


def a_key_instead_of_a_signature(sim: World) -> None:
    """A Bedrock API key, which botocore takes from the environment, and sends by TLS alone: what it sends is brought to the simulator."""
    sent = []

    def bring(request, **_):
        sent.append(request.headers["Authorization"])
        request.url = request.url.replace("https://bedrock.invalid", sim.sim)
        return URLLib3Session().send(request)

    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = "sim-key"
    try:
        asked = boto3.client("bedrock-runtime", endpoint_url="https://bedrock.invalid", region_name="us-east-1")
        asked.meta.events.register("before-send.bedrock-runtime.*", bring)
        assert asked.converse(**ask("sim:usage"))["stopReason"] == "end_turn"
    finally:
        del os.environ["AWS_BEARER_TOKEN_BEDROCK"]
    assert sent in (["Bearer sim-key"], [b"Bearer sim-key"]), sent


def every_exception_in_a_stream(sim: World) -> None:
    """All that botocore's service model knows: raised by botocore, and told through Tidegate as what it is."""
    stream = client(sim).meta.service_model.operation_model("ConverseStream").output_shape.members["stream"]
    known = {name for name, shape in stream.members.items() if shape.metadata.get("exception")}
    assert known == set(rich.RAISED), known ^ set(rich.RAISED)
    for name, status in rich.RAISED.items():
        scenario = f"sim:raised-{name.lower()}"
        try:
            said(client(sim, at=sim.witness).converse_stream(**ask(scenario)))
        except EventStreamError as error:
            assert error.response["Error"] == {"Code": name, "Message": rich.WHY}, error.response
        else:
            raise AssertionError(f"botocore raised nothing for {name}")
        messages = [{"role": "user", "content": scenario}]
        text = ""
        try:
            for chunk in gateway(sim).chat.completions.create(model="bedrock-seen", messages=messages, stream=True):
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
        except APIError as error:
            assert (error.code, error.body["provider_code"]) == (str(status), name[0].upper() + name[1:]), (name, error.body)
            assert (error.type == "invalid_request_error") == (status == 400), error.body
            assert rich.WHY in error.message and text == f"{rich.CITED} kommt", (name, error.message, text)
        else:
            raise AssertionError(f"nothing was raised for {name}")


def every_refusal(sim: World) -> None:
    """All that botocore's service model knows of a Converse, with the status that it has there."""
    shapes = client(sim).meta.service_model.operation_model("Converse").error_shapes
    known = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in shapes}
    assert known == {name: status for name, (status, _) in rich.REFUSED.items()}, known
    for name, (_, status) in rich.REFUSED.items():
        scenario = f"sim:refused-{name.lower()}"
        try:
            client(sim, at=sim.witness).converse(**ask(scenario))
        except ClientError as error:
            assert error.response["Error"] == {"Code": name, "Message": rich.WHY}, error.response
        else:
            raise AssertionError(f"botocore raised nothing for {name}")
        messages = [{"role": "user", "content": scenario}]
        for stream in (False, True):
            try:
                gateway(sim).chat.completions.create(model="bedrock-seen", messages=messages, stream=stream)
            except APIStatusError as error:
                assert (error.status_code, error.body["provider_code"]) == (status, name), (name, error.body)
                assert rich.WHY in error.message, error.message
            else:
                raise AssertionError(f"nothing was raised for {name}")


def a_rich_answer(sim: World) -> None:
    """What the judges' other clients are given as Bedrock's: botocore must like it."""
    there = client(sim, at=sim.witness)
    blocks = there.converse(**ask("sim:rich"))["output"]["message"]["content"]
    assert blocks[1]["citationsContent"]["citations"][0]["location"]["web"]["url"] == rich.PAGE, blocks
    deltas = [event["contentBlockDelta"]["delta"] for event in there.converse_stream(**ask("sim:rich"))["stream"] if "contentBlockDelta" in event]
    assert "".join(delta.get("text", "") for delta in deltas) == rich.TEXT, deltas
    assert any("citation" in delta for delta in deltas), deltas


def a_wrong_signature_is_refused(sim: World) -> None:
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


def the_recorded_streams_are_as_listed(_: World) -> None:
    listed = json.loads((FIXTURES / "events.json").read_text())
    assert every_recorded_stream() == listed


def the_vectors_are_what_botocore_signs(_: World) -> None:
    assert list(sigv4_vectors.signed()) == json.loads(VECTORS.read_text())


CASES = [
    a_whole_answer,
    a_streamed_answer,
    calls_of_tools,
    thoughts,
    errors_before_the_stream,
    exceptions_in_the_stream,
    every_exception_in_a_stream,
    every_refusal,
    a_rich_answer,
    a_key_instead_of_a_signature,
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
    sim = World(binary())
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
