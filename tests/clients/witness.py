"""Stands between Tidegate and the simulator, for the judges in Python and in Node: it keeps what a provider was sent, tells it in
words that are no provider's own, and answers what the simulator has no answers for: embeddings, legacy completions, and the rich
answers of `rich.py`.

    witness.py SIM

`GET /seen/TAG` is what was sent with the words `#judge-TAG` in it, a list: the wire's name, images, schema, stop sequences, whether
a stream's usage was asked for, and the number of texts to embed. Each wire is read by its own words alone, so that what was sent in
another's is not found.
"""

import base64
import functools
import http.client
import http.server
import json
import re
import struct
import sys
import threading
import urllib.parse
from collections import defaultdict

import rich

TAG = re.compile(rb"#judge-([a-z0-9-]+)")
RAISED = re.compile(rb"sim:raised-([a-z]+)")
REFUSED = re.compile(rb"sim:refused-([a-z]+)")
SCENARIO = re.compile(rb"sim:([a-z0-9-]+)")
#: What a text becomes; its place among the others is the first number.
VECTOR = [0.25, -0.5]
ALPHABET = str.maketrans("-_", "+/")

seen: dict[str, list[dict]] = defaultdict(list)
lock = threading.Lock()


def wire_of(path: str) -> str:
    """By the address."""
    for mark, wire in [
        ("/converse", "bedrock"),
        ("enerateContent", "gemini"),
        (":countTokens", "gemini"),
        ("mbedContent", "gemini-embed"),
        (":predict", "vertex-embed"),
        ("awPredict", "anthropic"),
        ("/messages", "anthropic"),
        ("/responses", "responses"),
        ("/chat/completions", "chat"),
        ("/completions", "completions"),
        ("/embeddings", "embeddings"),
        ("/api/chat", "ollama"),
        ("/api/embed", "ollama-embed"),
    ]:
        if mark in path:
            return wire
    return "?"


def parts(messages: list, member: str = "content") -> list[dict]:
    found = [message.get(member) for message in messages]
    return [part for content in found if isinstance(content, list) for part in content if isinstance(part, dict)]


def of_url(url: str) -> dict:
    mime, _, data = url.removeprefix("data:").partition(";base64,")
    return {"mime": mime, "data": data}


def forced(wire: str, body: dict) -> dict | None:
    """The schema of the one tool that must be called: structured output where there is no other way, by the provider's or by the
    client's own choice."""
    match wire:
        case "chat" if body.get("tool_choice", "auto") != "auto":
            found = [tool["function"]["parameters"] for tool in body["tools"]]
        case "anthropic" if body.get("tool_choice", {}).get("type", "auto") != "auto":
            found = [tool["input_schema"] for tool in body["tools"]]
        case "gemini" if body.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode") == "ANY":
            tools = [tool for each in body["tools"] for tool in each["functionDeclarations"]]
            found = [tool.get("parametersJsonSchema") or tool.get("parameters") for tool in tools]
        case "bedrock" if body.get("toolConfig", {}).get("toolChoice", {"auto": {}}) != {"auto": {}}:
            found = [tool["toolSpec"]["inputSchema"]["json"] for tool in body["toolConfig"]["tools"]]
        case _:
            return None
    return found[0] if len(found) == 1 else None


def read(path: str, body: dict) -> dict:
    """What was asked, of these: see above. What was not asked is not there."""
    wire = wire_of(path)
    images, schema, stop, texts, usage = [], None, None, None, None
    match wire:
        case "chat":
            images = [of_url(part["image_url"]["url"]) for part in parts(body["messages"]) if part["type"] == "image_url"]
            schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
            stop, usage = body.get("stop"), (body.get("stream_options") or {}).get("include_usage")
        case "responses":
            asked = body["input"] if isinstance(body["input"], list) else []
            images = [of_url(part["image_url"]) for part in parts(asked) if part["type"] == "input_image"]
            schema = (body.get("text") or {}).get("format", {}).get("schema")
        case "anthropic":
            sources = [part["source"] for part in parts(body["messages"]) if part["type"] == "image"]
            images = [{"mime": source["media_type"], "data": source["data"]} for source in sources]
            schema, stop = body.get("output_config", {}).get("format", {}).get("schema"), body.get("stop_sequences")
        case "gemini":
            # Both spellings, and both of base64's alphabets: the SDK for Python uses the other one.
            datas = [part.get("inlineData") or part.get("inline_data") for part in parts(body["contents"], "parts")]
            images = [
                {"mime": data.get("mimeType") or data.get("mime_type"), "data": data["data"].translate(ALPHABET)}
                for data in datas
                if data
            ]
            config = body.get("generationConfig", {})
            schema, stop = config.get("responseJsonSchema") or config.get("responseSchema"), config.get("stopSequences")
        case "bedrock":
            found = [part["image"] for part in parts(body["messages"]) if "image" in part]
            images = [{"mime": f"image/{image['format']}", "data": image["source"]["bytes"]} for image in found]
            definition = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema")
            # As text, alone among them.
            schema = definition and json.loads(definition["schema"])
            stop = body.get("inferenceConfig", {}).get("stopSequences")
        case "ollama":
            found = [data for message in body["messages"] for data in message.get("images", [])]
            # It has no word for what it is.
            images = [{"mime": "image/png", "data": data} for data in found]
            schema, stop = body.get("format"), body.get("options", {}).get("stop")
        case "completions":
            stop, usage = body.get("stop"), (body.get("stream_options") or {}).get("include_usage")
        case "embeddings" | "ollama-embed":
            texts = len(body["input"]) if isinstance(body["input"], list) else 1
        case "gemini-embed":
            texts = len(body["requests"]) if "requests" in body else 1
        case "vertex-embed":
            texts = len(body["instances"])
    if schema is None:
        schema = forced(wire, body)
    stop = [stop] if isinstance(stop, str) else stop
    told = {"wire": wire, "images": images, "schema": schema, "stop": stop, "usage": usage, "texts": texts}
    return {name: value for name, value in told.items() if value not in (None, [])}


def vectors(many: int) -> list[list[float]]:
    return [[float(at), *VECTOR] for at in range(many)]


def embedded(wire: str, texts: int, body: dict) -> dict:
    many = vectors(texts)
    match wire:
        case "gemini-embed" if "requests" in body:
            return {"embeddings": [{"values": values} for values in many]}
        case "gemini-embed":
            return {"embedding": {"values": many[0]}}
        case "vertex-embed":
            counts = {"truncated": False, "token_count": 3.0}
            return {"predictions": [{"embeddings": {"statistics": counts, "values": values}} for values in many]}
        case "ollama-embed":
            return {"model": "witness", "embeddings": many, "prompt_eval_count": 3 * texts}
    if body.get("encoding_format") == "base64":
        many = [base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode() for values in many]
    data = [{"object": "embedding", "index": at, "embedding": values} for at, values in enumerate(many)]
    counts = {"prompt_tokens": 3 * texts, "total_tokens": 3 * texts}
    return {"object": "list", "data": data, "model": body.get("model", "witness"), "usage": counts}


def chat_of(body: dict) -> dict:
    """The chat that a legacy completion is made of."""
    kept = {name: value for name, value in body.items() if name in ("model", "stream", "stream_options")}
    return kept | {"messages": [{"role": "user", "content": body["prompt"]}]}


def completion_of(told: dict) -> dict:
    """A legacy completion, or a chunk of one, of a chat's; an error as it is."""
    if "choices" not in told:
        return told
    choices = []
    for choice in told["choices"]:
        text = (choice.get("delta") or choice.get("message") or {}).get("content") or ""
        choices.append({"text": text, "index": 0, "logprobs": None, "finish_reason": choice["finish_reason"]})
    return told | {"id": "cmpl-witness", "object": "text_completion", "choices": choices}


def line_of(line: bytes) -> bytes:
    """A line of a stream of completions, of a chat's. One whose data is no JSON stays what it is."""
    try:
        return b"data: " + json.dumps(completion_of(json.loads(line.removeprefix(b"data: ")))).encode() + b"\n"
    except ValueError:
        return line


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, sim: str, *of) -> None:
        self.sim = sim
        super().__init__(*of)

    def do_GET(self) -> None:
        if self.path.startswith("/seen/"):
            with lock:
                told = json.dumps(seen.get(self.path.removeprefix("/seen/"), []))
            self._tell(200, {"content-type": "application/json"}, told.encode())
        else:
            self._ask(b"")

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        body, wire = json.loads(content), wire_of(self.path)
        told = read(self.path, body)
        if found := TAG.search(content):
            with lock:
                seen[found[1].decode()].append(told)
        if b"sim:rich" in content:
            kind, made = rich.answer(wire, self.path.partition("?")[0], body)
            self._tell(200, {"content-type": kind}, made)
        elif wire == "bedrock" and (name := RAISED.search(content)):
            self._tell(200, {"content-type": "application/vnd.amazon.eventstream"}, rich.raising(name[1].decode()))
        elif wire == "bedrock" and (name := REFUSED.search(content)):
            self._tell(*rich.refusing(name[1].decode()))
        elif wire == "completions":
            self._ask(json.dumps(chat_of(body)).encode(), re.sub("/completions.*", "/chat/completions", self.path), True)
        elif "texts" not in told:
            self._ask(content)
        elif scenario := SCENARIO.search(content):
            self._ask(content, f"/s/{scenario[1].decode()}{self.path}")
        else:
            self._tell(200, {"content-type": "application/json"}, json.dumps(embedded(wire, told["texts"], body)).encode())

    def _ask(self, content: bytes, path: str | None = None, completion: bool = False) -> None:
        """Of the simulator. The host stays what it was: signatures are of it. Where the simulator breaks off, so does this."""
        connection = http.client.HTTPConnection(self.sim, timeout=30)
        try:
            connection.putrequest(self.command, path or self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, str(len(content)) if name.lower() == "content-length" else value)
            connection.endheaders(content)
            answer = connection.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name not in ("transfer-encoding", "connection")}
            if "content-length" in headers:
                told = answer.read()
                if completion and answer.status == 200:
                    told = json.dumps(completion_of(json.loads(told))).encode()
                self._tell(answer.status, headers, told)
                return
            self._head(answer.status, headers)
            for line in answer:
                self.wfile.write(line_of(line) if completion and line.startswith(b"data: ") else line)
        except (OSError, ValueError, http.client.HTTPException):
            self.close_connection = True
        finally:
            connection.close()

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _tell(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self._head(status, headers | {"content-length": str(len(content))})
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    sim = urllib.parse.urlsplit(sys.argv[1]).netloc
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, sim))
    print(json.dumps({"message": "witnessing", "addr": f"127.0.0.1:{server.server_port}"}), file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
