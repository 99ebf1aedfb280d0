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
