"""The official OpenAI SDK, legacy completions. OpenAI, Azure and servers like vLLM have them; for others they become a chat."""

from openai import OpenAI

from . import base, openai_chat


class Driver(base.Driver):
    overflow = openai_chat.OVERFLOW
    told = staticmethod(openai_chat.told)
    expected = staticmethod(openai_chat.expected)
    # The simulator has no completions: the witness makes them of its chat.
    witnessed = {"openai", "azure", "vllm"}

    def __post_init__(self) -> None:
        self.client = OpenAI(base_url=f"{self.base}/v1", api_key=self.key, max_retries=0)

    def stream(self, model: str, ask: str) -> base.Answer:
        finish, usage = None, None
        chunks = self.client.completions.create(
            model=model, prompt=ask, stream=True, stream_options={"include_usage": True}
        )
        for chunk in chunks:
            assert chunk.object == "text_completion", chunk
            for choice in chunk.choices:
                self.got.append(choice.text)
                finish = choice.finish_reason or finish
            usage = chunk.usage or usage
        return base.Answer("".join(self.got), finish == "stop", openai_chat.usage_of(usage))

    def unasked(self, model: str, ask: str) -> base.Answer:
        finish, usage = None, None
        for chunk in self.client.completions.create(model=model, prompt=ask, stream=True):
            for choice in chunk.choices:
                self.got.append(choice.text)
                finish = choice.finish_reason or finish
            usage = chunk.usage or usage
        return base.Answer("".join(self.got), finish == "stop", openai_chat.usage_of(usage))

    def whole(self, model: str, ask: str) -> base.Answer:
        answer = self.client.completions.create(model=model, prompt=ask)
        choice = answer.choices[0]
        return base.Answer(choice.text, choice.finish_reason == "stop", openai_chat.usage_of(answer.usage))

    def stop(self, model: str, ask: str) -> str:
        return self.client.completions.create(model=model, prompt=ask, stop=base.STOP).choices[0].text
