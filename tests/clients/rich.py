"""Answers that the simulator has not: a thought, a text that cites a page, and how likely its first token was, in each provider's
words. The witness gives them; a client must have all of it that its library has a word for."""

import json
import pathlib
import struct
import zlib

RICH = json.loads(pathlib.Path(__file__).with_name("cases.json").read_text())["rich"]
THOUGHT, TEXT, CITED, PAGE, TITLE = (RICH[name] for name in ("thought", "text", "cited", "page", "title"))
TOKEN = {"token": RICH["token"], "logprob": RICH["logprob"]}
SIGNATURE = "cmljaC1zaWduYXR1cmU="
ID = "witness"
AT = 1_750_000_000

LIKELY = TOKEN | {"bytes": list(RICH["token"].encode())}
LOGPROBS = {"content": [LIKELY | {"top_logprobs": [LIKELY]}], "refusal": None}
SPAN = {"start_index": 0, "end_index": len(CITED), "url": PAGE, "title": TITLE}


def sse(events: list[tuple[str, dict | str]]) -> bytes:
    """Server-sent events of names and data."""
    out = ""
    for name, data in events:
        out += (f"event: {name}\n" if name else "") + f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"
    return out.encode()


def chat(body: dict) -> dict | bytes:
    usage = {"prompt_tokens": 12, "completion_tokens": 20, "total_tokens": 32}
    head = {"id": ID, "created": AT, "model": ID}
    likely = LOGPROBS if body.get("logprobs") else None
    cites = [{"type": "url_citation", "url_citation": SPAN}]
    if not body.get("stream"):
        message = {"role": "assistant", "content": TEXT, "refusal": None, "reasoning_content": THOUGHT, "annotations": cites}
        choice = {"index": 0, "message": message, "logprobs": likely, "finish_reason": "stop"}
        return head | {"object": "chat.completion", "choices": [choice], "usage": usage}

    def chunk(delta: dict, finish: str | None = None, logprobs: dict | None = None) -> tuple[str, dict]:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return "", head | {"object": "chat.completion.chunk", "choices": [choice]}

    events = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": THOUGHT}),
        chunk({"content": CITED}, None, likely),
        chunk({"content": TEXT.removeprefix(CITED)}),
        chunk({"annotations": cites}),
        chunk({}, "stop"),
    ]
    if body.get("stream_options", {}).get("include_usage"):
        events.append(("", head | {"object": "chat.completion.chunk", "choices": [], "usage": usage}))
    return sse([*events, ("", "[DONE]")])


def responses(body: dict) -> dict | bytes:
    likely = LOGPROBS["content"] if "message.output_text.logprobs" in body.get("include", []) else []
    cite = {"type": "url_citation", **SPAN}
    summary = {"type": "summary_text", "text": THOUGHT}
    thought = {"id": "rs_1", "type": "reasoning", "summary": [summary]}
    text = {"type": "output_text", "annotations": [cite], "logprobs": likely, "text": TEXT}
    said = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [text]}
    counts = {"input_tokens": 12, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens": 20}
    counts |= {"output_tokens_details": {"reasoning_tokens": 9}, "total_tokens": 32}
    begun = {
        "id": "resp_1",
        "object": "response",
        "created_at": AT,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": ID,
        "output": [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "top_p": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }
    done = begun | {"status": "completed", "output": [thought, said], "usage": counts}
    if not body.get("stream"):
        return done
    empty = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    of_thought, of_text = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}, {"item_id": "msg_1", "output_index": 1}
    of_part = of_text | {"content_index": 0}
    events = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
        ("response.output_item.added", {"output_index": 0, "item": thought | {"summary": []}}),
        ("response.reasoning_summary_part.added", of_thought | {"part": {"type": "summary_text", "text": ""}}),
        ("response.reasoning_summary_text.delta", of_thought | {"delta": THOUGHT}),
        ("response.reasoning_summary_text.done", of_thought | {"text": THOUGHT}),
        ("response.reasoning_summary_part.done", of_thought | {"part": summary}),
        ("response.output_item.done", {"output_index": 0, "item": thought}),
        ("response.output_item.added", {"output_index": 1, "item": said | {"status": "in_progress", "content": []}}),
        ("response.content_part.added", of_part | {"part": empty}),
        ("response.output_text.delta", of_part | {"delta": TEXT, "logprobs": likely}),
        ("response.output_text.annotation.added", of_part | {"annotation_index": 0, "annotation": cite}),
        ("response.output_text.done", of_part | {"text": TEXT, "logprobs": likely}),
        ("response.content_part.done", of_part | {"part": text}),
        ("response.output_item.done", {"output_index": 1, "item": said}),
        ("response.completed", {"response": done}),
    ]
    return sse([(name, {"type": name, "sequence_number": at} | data) for at, (name, data) in enumerate(events)])


def messages(body: dict) -> dict | bytes:
    cite = {"type": "web_search_result_location", "url": PAGE, "title": TITLE, "encrypted_index": "eA==", "cited_text": "Tide: six."}
    usage = {"input_tokens": 12, "output_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    thought = {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE}
    blocks = [thought, {"type": "text", "text": CITED, "citations": [cite]}, {"type": "text", "text": TEXT.removeprefix(CITED)}]
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": ID, "content": blocks}
    whole |= {"stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    if not body.get("stream"):
        return whole
    events: list[tuple[str, dict]] = [("message_start", {"message": whole | {"content": [], "stop_reason": None}})]
    for at, block in enumerate(blocks):
        if block["type"] == "thinking":
            empty = block | {"thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": THOUGHT}, {"type": "signature_delta", "signature": SIGNATURE}]
        else:
            empty = block | {"text": ""} | ({"citations": []} if "citations" in block else {})
            deltas = [{"type": "citations_delta", "citation": cite} for cite in block.get("citations", [])]
            deltas.append({"type": "text_delta", "text": block["text"]})
        events.append(("content_block_start", {"index": at, "content_block": empty}))
        events += [("content_block_delta", {"index": at, "delta": delta}) for delta in deltas]
        events.append(("content_block_stop", {"index": at}))
    events.append(("message_delta", {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage}))
    events.append(("message_stop", {}))
    return sse([(name, {"type": name} | data) for name, data in events])


def generate(body: dict, stream: bool) -> dict | bytes:
    """Google counts places in bytes, and says what an answer is grounded in with its last chunk."""
    segment = {"startIndex": 0, "endIndex": len(CITED.encode()), "text": CITED}
    grounding = {
        "groundingChunks": [{"web": {"uri": PAGE, "title": TITLE}}],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
    }
    likely = {}
    if body.get("generationConfig", {}).get("responseLogprobs"):
        chosen = {"token": TOKEN["token"], "tokenId": 7, "logProbability": TOKEN["logprob"]}
        likely = {"logprobsResult": {"chosenCandidates": [chosen], "topCandidates": [{"candidates": [chosen]}]}}
    usage = {"promptTokenCount": 12, "candidatesTokenCount": 11, "thoughtsTokenCount": 9, "totalTokenCount": 32}

    def chunk(parts: list[dict], **more) -> dict:
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0, **more}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": ID, "responseId": ID}

    thought, text = {"text": THOUGHT, "thought": True}, {"text": TEXT}
    if not stream:
        return chunk([thought, text], finishReason="STOP", groundingMetadata=grounding, **likely)
    last = chunk([{"text": TEXT.removeprefix(CITED)}], finishReason="STOP", groundingMetadata=grounding)
    return sse([("", chunk([thought])), ("", chunk([{"text": CITED}], **likely)), ("", last)])


def frame(name: str, data: dict, kind: str = "event") -> bytes:
    """An event, or an exception, in AWS's framing."""
    headers = b""
    for key, value in ((f":{kind}-type", name), (":content-type", "application/json"), (":message-type", kind)):
        headers += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    payload = json.dumps(data).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    return prelude + headers + payload + struct.pack(">I", zlib.crc32(prelude + headers + payload))


def converse(stream: bool) -> dict | bytes:
    cite = {"title": TITLE, "location": {"web": {"url": PAGE}}, "sourceContent": [{"text": "Tide: six."}]}
    usage = {"inputTokens": 12, "outputTokens": 20, "totalTokens": 32}
    if not stream:
        content = [
            {"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": SIGNATURE}}},
            {"citationsContent": {"content": [{"text": CITED}], "citations": [cite]}},
            {"text": TEXT.removeprefix(CITED)},
        ]
        message = {"role": "assistant", "content": content}
        return {"metrics": {"latencyMs": 1}, "output": {"message": message}, "stopReason": "end_turn", "usage": usage}

    def delta(at: int, what: dict) -> bytes:
        return frame("contentBlockDelta", {"contentBlockIndex": at, "delta": what})

    def stop(at: int) -> bytes:
        return frame("contentBlockStop", {"contentBlockIndex": at})

    return b"".join(
        [
            frame("messageStart", {"role": "assistant"}),
            delta(0, {"reasoningContent": {"text": THOUGHT}}),
            delta(0, {"reasoningContent": {"signature": SIGNATURE}}),
            stop(0),
            delta(1, {"text": CITED}),
            delta(1, {"citation": cite}),
            stop(1),
            delta(2, {"text": TEXT.removeprefix(CITED)}),
            stop(2),
            frame("messageStop", {"stopReason": "end_turn"}),
            frame("metadata", {"metrics": {"latencyMs": 1}, "usage": usage}),
        ]
    )


#: What a ConverseStream may raise, by botocore's service model, and what a client of OpenAI's dialect is told.
RAISED = {
    "internalServerException": 500,
    "modelStreamErrorException": 424,
    "validationException": 400,
    "throttlingException": 429,
    "serviceUnavailableException": 503,
}
#: What a Converse is refused with: AWS's status, and the client's.
REFUSED = {
    "AccessDeniedException": (403, 403),
    "InternalServerException": (500, 500),
    "ModelErrorException": (424, 424),
    "ModelNotReadyException": (429, 429),
    "ModelTimeoutException": (408, 408),
    "ResourceNotFoundException": (404, 404),
    "ServiceUnavailableException": (503, 503),
    "ThrottlingException": (429, 429),
    "ValidationException": (400, 400),
}
WHY = "It is so because it is so."


def raising(name: str) -> bytes:
    """A ConverseStream that raises this after some text."""
    real = next(real for real in RAISED if real.lower() == name)
    pieces = [frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}) for text in (CITED, " kommt")]
    return b"".join([frame("messageStart", {"role": "assistant"}), *pieces, frame(real, {"message": WHY}, "exception")])


def refusing(name: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a Converse that is refused with this."""
    real = next(real for real in REFUSED if real.lower() == name)
    kind = f"{real}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    return REFUSED[real][0], {"x-amzn-errortype": kind, "content-type": "application/json"}, json.dumps({"message": WHY}).encode()


def answer(wire: str, path: str, body: dict) -> tuple[str, bytes]:
    """The content type, and the bytes, of the answer to a request."""
    match wire:
        case "chat":
            made = chat(body)
        case "responses":
            made = responses(body)
        case "anthropic":
            made = messages(body)
        case "gemini":
            made = generate(body, ":stream" in path)
        case "bedrock":
            made = converse(path.endswith("-stream"))
        case other:
            raise ValueError(f"there is no rich answer of {other}")
    if isinstance(made, dict):
        return "application/json", json.dumps(made).encode()
    return "application/vnd.amazon.eventstream" if wire == "bedrock" else "text/event-stream", made
