"""What the judges want of a client library, in words that are no library's own."""

import base64
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import BaseModel

KEY = "sk-test"
PNG = bytes(range(256)) * 3
PNG_BASE64 = base64.b64encode(PNG).decode()
SYSTEM = "Be brief."
SIGNATURES = ["signature-stream", "signature-whole"]
#: In the simulator's text, so that a provider that heeded it would stop there.
STOP = ["潮", "gate"]
RESULT = '{"sky":"clear"}'
TOOL_NAME = "forecast"
TOOL_ABOUT = "The weather"
TOOL_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


class Image(BaseModel):
    mime: str
    base64_length: int


class Seen(BaseModel):
    """What the simulator's `describe` says."""

    images: list[Image]
    tools: list[str]
    system: str
    messages: int


@dataclass
class Usage:
    """Tokens. Prompt includes what was cached, completion what was reasoned; None: the library does not tell."""

    prompt: int
    completion: int
    cached: int | None = None
    reasoning: int | None = None


@dataclass
class Answer:
    """A whole answer as the library's user has it. `finished`: it says that it ended normally; None: it has no word for it."""

    text: str
    finished: bool | None = True
    usage: Usage | None = None


@dataclass
class Rich:
    """What else an answer may have. None: the library has no word for it."""

    text: str
    thought: str | None = None
    pages: list[str] | None = None


@dataclass
class Call:
    id: str
    name: str
    arguments: dict


@dataclass
class Told:
    """What an exception says: its class and those above it, HTTP status, the error's word, the wait in seconds, its message, and
    OpenAI's `type`."""

    kinds: list[str]
    status: int | None = None
    word: str | None = None
    wait: float | None = None
    sentence: str = ""
    type: str | None = None


@dataclass
class Expected:
    """What an exception must say. None: anything."""

    kind: str
    status: int | None = None
    word: str | None = None
    type: str | None = None
    says: str = ""


def kinds(error: BaseException) -> list[str]:
    return [kind.__name__ for kind in type(error).__mro__]


def header_wait(headers) -> float | None:
    wait = headers.get("retry-after") if headers else None
    return None if wait is None else float(wait)


@dataclass
class Driver:
    """One library, pointed at one base URL, without retries of its own. `got` collects the texts of a stream as they come, so that
    what came before an error is known. A method that is missing is what the library cannot do."""

    base: str
    key: str = KEY
    got: list[str] = field(default_factory=list)

    #: The client's dialect: openai, anthropic or gemini.
    dialect: ClassVar[str] = "openai"
    #: What this library cannot play, with the reason: a case, a case with an upstream, `case [upstream]`, or an `[upstream]`.
    excused: ClassVar[dict[str, str]] = {}
    #: Upstreams that are always asked by way of the witness, since the simulator cannot answer.
    witnessed: ClassVar[set[str]] = set()
    #: What tells an agent of a prompt that is too long.
    overflow: ClassVar[Expected]
    #: What it says by itself of a stream that ends halfway; most say nothing.
    alone_says: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        """Where a driver makes its client."""
