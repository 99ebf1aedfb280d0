"""The official OpenAI SDK, Responses. No state: the history goes along, as agents against a gateway send it."""

import json

from openai import OpenAI

from . import base, openai_chat

TOOL = {
    "type": "function",
    "name": base.TOOL_NAME,
    "description": base.TOOL_ABOUT,
    "parameters": base.TOOL_SCHEMA,
    "strict": True,
}


def usage_of(usage) -> base.Usage:
    return base.Usage(
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens_details.cached_tokens,
        usage.output_tokens_details.reasoning_tokens,
    )


class Driver(base.Driver):
    overflow = openai_chat.OVERFLOW
    told = staticmethod(openai_chat.told)
    expected = staticmethod(openai_chat.expected)

    def __post_init__(self) -> None:
        self.client = OpenAI(base_url=f"{self.base}/v1", api_key=self.key, max_retries=0)

    def stream(self, model: str, ask: str) -> base.Answer:
        done, numbers = None, []
        for event in self.client.responses.create(model=model, input=ask, stream=True, store=False):
            numbers.append(event.sequence_number)
            if event.type == "response.output_text.delta":
                self.got.append(event.delta)
            elif event.type == "response.completed":
                done = event.response
        assert numbers == list(range(len(numbers))), numbers
        if done is None:
            return base.Answer("".join(self.got), False)
        assert done.output_text == "".join(self.got), done
        return base.Answer(done.output_text, done.status == "completed", usage_of(done.usage))

    def whole(self, model: str, ask: str) -> base.Answer:
        answer = self.client.responses.create(model=model, input=ask, store=False)
        return base.Answer(answer.output_text, answer.status == "completed", usage_of(answer.usage))

    def rich(self, model: str, ask: str) -> base.Rich:
        return rich_of(self.client.responses.create(model=model, input=ask, store=False))

    def rich_stream(self, model: str, ask: str) -> base.Rich:
        """By its events, and by its last."""
        thought, pages = "", []
        for event in self.client.responses.create(model=model, input=ask, stream=True, store=False):
            match event.type:
                case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                    thought += event.delta
                case "response.output_text.annotation.added":
                    # The SDK has no type for it.
                    pages.append(event.annotation["url"] if isinstance(event.annotation, dict) else event.annotation.url)
                case "response.completed":
                    whole = rich_of(event.response)
        assert (thought, pages) == (whole.thought, whole.pages), (thought, pages, whole)
        return whole

    def _likely(self, model: str, ask: str, **more):
        include = ["message.output_text.logprobs"]
        return self.client.responses.create(model=model, input=ask, store=False, include=include, top_logprobs=1, **more)

    def logprobs(self, model: str, ask: str) -> list[tuple[str, float]]:
        said = [item for item in self._likely(model, ask).output if item.type == "message"]
        return [(each.token, each.logprob) for each in said[0].content[0].logprobs]

    def logprobs_stream(self, model: str, ask: str) -> list[tuple[str, float]]:
        deltas = [event for event in self._likely(model, ask, stream=True) if event.type == "response.output_text.delta"]
        return [(each.token, each.logprob) for delta in deltas for each in delta.logprobs or []]

    def retrying(self, model: str, ask: str) -> None:
        OpenAI(base_url=f"{self.base}/v1", api_key=self.key).responses.create(model=model, input=ask, store=False)

    def tools(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        with self.client.responses.stream(model=model, input=ask, tools=[TOOL], store=False) as stream:
            for _ in stream:
                pass
            return self._results(model, ask, stream.get_final_response())

    def tools_whole(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        return self._results(model, ask, self.client.responses.create(model=model, input=ask, tools=[TOOL], store=False))

    def _results(self, model: str, ask: str, answer) -> tuple[list[base.Call], str]:
        calls = [item for item in answer.output if item.type == "function_call"]
        said = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in answer.output]
        results = [{"type": "function_call_output", "call_id": call.call_id, "output": base.RESULT} for call in calls]
        history = [{"role": "user", "content": ask}, *said, *results]
        last = self.client.responses.create(model=model, input=history, tools=[TOOL], store=False)
        return [base.Call(call.call_id, call.name, json.loads(call.arguments)) for call in calls], last.output_text

    def image(self, model: str, ask: str) -> str:
        parts = [
            {"type": "input_text", "text": ask},
            {"type": "input_image", "image_url": f"data:image/png;base64,{base.PNG_BASE64}", "detail": "auto"},
        ]
        asked = [{"role": "user", "content": parts}]
        answer = self.client.responses.create(model=model, instructions=base.SYSTEM, input=asked, tools=[TOOL], store=False)
        return answer.output_text

    def structured(self, model: str, ask: str) -> dict:
        answer = self.client.responses.parse(model=model, input=ask, text_format=base.Seen, store=False)
        return answer.output_parsed.model_dump()


def rich_of(answer) -> base.Rich:
    thoughts = [item for item in answer.output if item.type == "reasoning"]
    texts = [part for item in answer.output if item.type == "message" for part in item.content]
    thought = "".join(part.text for item in thoughts for part in [*item.summary, *(item.content or [])])
    return base.Rich(answer.output_text, thought, [each.url for part in texts for each in part.annotations])
