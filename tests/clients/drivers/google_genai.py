"""The official Google Gen AI SDK."""

from google import genai
from google.genai import types

from . import base

TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name=base.TOOL_NAME, description=base.TOOL_ABOUT, parameters_json_schema=base.TOOL_SCHEMA
        )
    ]
)
WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def usage_of(usage) -> base.Usage:
    """Thoughts are not part of the candidates' tokens."""
    completion = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return base.Usage(usage.prompt_token_count, completion, usage.cached_content_token_count, usage.thoughts_token_count)


def told(error: BaseException) -> base.Told:
    """Google says the wait in the error's details."""
    details = getattr(error, "details", None)
    infos = details.get("error", {}).get("details", []) if isinstance(details, dict) else []
    waits = [float(info["retryDelay"].removesuffix("s")) for info in infos if "retryDelay" in info]
    return base.Told(
        base.kinds(error), getattr(error, "code", None), getattr(error, "status", None), waits[0] if waits else None, str(error)
    )


def expected(early: bool, status: int) -> base.Expected:
    return base.Expected("ClientError" if status < 500 else "ServerError", status, WORDS.get(status))


class Driver(base.Driver):
    dialect = "gemini"
    overflow = base.Expected("ClientError", 400, "INVALID_ARGUMENT", says="maximum number of tokens allowed")
    told = staticmethod(told)
    expected = staticmethod(expected)

    def __post_init__(self) -> None:
        self.client = genai.Client(api_key=self.key, http_options={"base_url": self.base})

    def stream(self, model: str, ask: str) -> base.Answer:
        finish, usage = None, None
        for chunk in self.client.models.generate_content_stream(model=model, contents=ask):
            self.got.append(chunk.text or "")
            for candidate in chunk.candidates or []:
                finish = candidate.finish_reason or finish
            usage = chunk.usage_metadata or usage
        return base.Answer("".join(self.got), finish == types.FinishReason.STOP, usage and usage_of(usage))

    def whole(self, model: str, ask: str) -> base.Answer:
        answer = self.client.models.generate_content(model=model, contents=ask)
        finish = answer.candidates[0].finish_reason
        return base.Answer(answer.text or "", finish == types.FinishReason.STOP, usage_of(answer.usage_metadata))

    def _config(self, **more) -> types.GenerateContentConfig:
        return types.GenerateContentConfig(
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True), **more
        )

    def rich(self, model: str, ask: str) -> base.Rich:
        return rich_of([self.client.models.generate_content(model=model, contents=ask)])

    def rich_stream(self, model: str, ask: str) -> base.Rich:
        return rich_of(list(self.client.models.generate_content_stream(model=model, contents=ask)))

    def logprobs(self, model: str, ask: str) -> list[tuple[str, float]]:
        config = types.GenerateContentConfig(response_logprobs=True, logprobs=1)
        return likely([self.client.models.generate_content(model=model, contents=ask, config=config)])

    def logprobs_stream(self, model: str, ask: str) -> list[tuple[str, float]]:
        config = types.GenerateContentConfig(response_logprobs=True, logprobs=1)
        return likely(list(self.client.models.generate_content_stream(model=model, contents=ask, config=config)))

    def stop(self, model: str, ask: str) -> str:
        config = types.GenerateContentConfig(stop_sequences=base.STOP)
        return self.client.models.generate_content(model=model, contents=ask, config=config).text or ""

    def count(self, model: str, ask: str) -> int:
        return self.client.models.count_tokens(model=model, contents=ask).total_tokens

    def models(self, model: str) -> tuple[list[str], str]:
        """Its names have a place in them."""
        names = [each.name.removeprefix("models/") for each in self.client.models.list(config={"query_base": True})]
        return names, self.client.models.get(model=model).name.removeprefix("models/")

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        """Of texts alone it makes one, where the model's name has Gemini's in it."""
        contents = [types.Content(parts=[types.Part(text=text)]) for text in texts]
        return [each.values for each in self.client.models.embed_content(model=model, contents=contents).embeddings]

    def tools(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        config = self._config(tools=[TOOL])
        chunks = list(self.client.models.generate_content_stream(model=model, contents=ask, config=config))
        parts = [
            part
            for chunk in chunks
            for candidate in chunk.candidates or []
            for part in (candidate.content and candidate.content.parts) or []
        ]
        return self._results(model, ask, parts)

    def tools_whole(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        answer = self.client.models.generate_content(model=model, contents=ask, config=self._config(tools=[TOOL]))
        return self._results(model, ask, answer.candidates[0].content.parts)

    def _results(self, model: str, ask: str, parts: list[types.Part]) -> tuple[list[base.Call], str]:
        """Gemini knows calls by name and place: an id is not promised."""
        calls = [part.function_call for part in parts if part.function_call]
        results = []
        for call in calls:
            response = types.FunctionResponse(id=call.id, name=call.name, response={"result": base.RESULT})
            results.append(types.Part(function_response=response))
        history = [
            types.Content(role="user", parts=[types.Part(text=ask)]),
            types.Content(role="model", parts=parts),
            types.Content(role="user", parts=results),
        ]
        last = self.client.models.generate_content(model=model, contents=history, config=self._config(tools=[TOOL]))
        found = [base.Call(call.id or str(at), call.name, dict(call.args or {})) for at, call in enumerate(calls)]
        return found, last.text or ""

    def image(self, model: str, ask: str) -> str:
        parts = [types.Part(text=ask), types.Part.from_bytes(data=base.PNG, mime_type="image/png")]
        config = self._config(tools=[TOOL], system_instruction=base.SYSTEM)
        return self.client.models.generate_content(model=model, contents=parts, config=config).text or ""

    def structured(self, model: str, ask: str) -> dict:
        config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=base.Seen)
        return self.client.models.generate_content(model=model, contents=ask, config=config).parsed.model_dump()


def candidates(chunks: list) -> list:
    return [candidate for chunk in chunks for candidate in chunk.candidates or []]


def rich_of(chunks: list) -> base.Rich:
    parts = [part for each in candidates(chunks) for part in (each.content and each.content.parts) or []]
    text, thought = ("".join(part.text or "" for part in parts if bool(part.thought) == of) for of in (False, True))
    grounded = [each.grounding_metadata for each in candidates(chunks) if each.grounding_metadata]
    return base.Rich(text, thought, [chunk.web.uri for each in grounded for chunk in each.grounding_chunks or []])


def likely(chunks: list) -> list[tuple[str, float]]:
    results = [each.logprobs_result for each in candidates(chunks) if each.logprobs_result]
    return [(each.token, each.log_probability) for result in results for each in result.chosen_candidates or []]
