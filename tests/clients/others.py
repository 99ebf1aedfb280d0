"""Answers that are not of one of the dialects' own shape, for `strict.py`: lists of models, counts of tokens, embeddings, legacy
completions. Each is parsed by the SDK's type for it, strictly. Google's lists are not here: its SDK makes another thing of them."""

import json
import urllib.request

from anthropic.types import MessageTokensCount, ModelInfo
from google.genai.types import CountTokensResponse
from openai.types import Completion, CreateEmbeddingResponse, Model
from pydantic import TypeAdapter

from drivers import base

MODEL, COMPLETION, VECTORS = TypeAdapter(Model), TypeAdapter(Completion), TypeAdapter(CreateEmbeddingResponse)
INFO, COUNT = TypeAdapter(ModelInfo), TypeAdapter(MessageTokensCount)
GOOGLES_COUNT = TypeAdapter(CountTokensResponse)
ANTHROPICS = {"anthropic-version": "2023-06-01"}


def get(url: str, path: str, body: dict | None = None, headers: dict | None = None) -> bytes:
    told = {"authorization": f"Bearer {base.KEY}", "content-type": "application/json", **(headers or {})}
    asked = urllib.request.Request(url + path, body and json.dumps(body).encode(), told)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return answer.read()


def each(answer: bytes, member: str, adapter: TypeAdapter, parse, whole: set[str]) -> None:
    """A list, and each of what it has."""
    told = json.loads(answer)
    assert set(told) == whole and told[member], told
    for one in told[member]:
        parse(adapter, json.dumps(one))


def models(url: str, parse) -> None:
    each(get(url, "/v1/models"), "data", MODEL, parse, {"object", "data"})
    parse(MODEL, get(url, "/v1/models/anthropic").decode())


def anthropics_models(url: str, parse) -> None:
    listed = get(url, "/v1/models", headers=ANTHROPICS)
    each(listed, "data", INFO, parse, {"data", "first_id", "has_more", "last_id"})
    parse(INFO, get(url, "/v1/models/anthropic", headers=ANTHROPICS).decode())


def count(url: str, parse, upstream: str) -> None:
    body = {"model": upstream, "messages": [{"role": "user", "content": "sim:fast"}]}
    parse(COUNT, get(url, "/v1/messages/count_tokens", body).decode())


def googles_count(url: str, parse, upstream: str) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "sim:fast"}]}]}
    parse(GOOGLES_COUNT, get(url, f"/v1beta/models/{upstream}:countTokens", body).decode())


def embeddings(url: str, parse, upstream: str) -> None:
    parse(VECTORS, get(url, "/v1/embeddings", {"model": f"{upstream}-seen", "input": ["a", "b"]}).decode())


def completion(url: str, parse, upstream: str) -> None:
    parse(COMPLETION, get(url, "/v1/completions", {"model": f"{upstream}-seen", "prompt": "sim:fast"}).decode())


def completions(url: str, parse, upstream: str) -> None:
    body = {"model": f"{upstream}-seen", "prompt": "sim:fast", "stream": True}
    *events, done, rest = get(url, "/v1/completions", body).decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", ""), (done, rest)
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert reasons[-1] == "stop" and set(reasons[:-1]) == {None}, reasons
    for chunk in chunks:
        # OpenAI says null until the end, which the SDK's type forgets.
        for choice in chunk["choices"]:
            choice["finish_reason"] = "stop"
        parse(COMPLETION, json.dumps(chunk))


ALL = ["openai", "gemini", "anthropic", "bedrock", "azure", "vllm", "vertex", "vertex-claude", "ollama"]
#: A check, and the upstreams that it is made for; none: it is of no upstream.
CHECKS = [
    (models, []),
    (anthropics_models, []),
    (count, ALL),
    # Google's own have members that its SDK does not know.
    (googles_count, [upstream for upstream in ALL if upstream not in ("gemini", "vertex")]),
    (embeddings, ["openai", "gemini", "azure", "vllm", "vertex", "ollama"]),
    (completion, ALL),
    (completions, ALL),
]
