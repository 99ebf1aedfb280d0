"""LlamaIndex's OpenAILike. It lets the SDK's errors through. By default it asks for one call at a time, which not every provider
can promise."""

import base64

from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

from . import base, openai_chat


def forecast(city: str, days: int) -> str:
    """The weather"""
    return base.RESULT


TOOL = FunctionTool.from_defaults(forecast)


class Driver(base.Driver):
    overflow = openai_chat.OVERFLOW
    told = staticmethod(openai_chat.told)
    expected = staticmethod(openai_chat.expected)
    excused = {
        "tools-stream": "it wants the pieces of one call to come one after another",
        **{case: "it does not keep the signature of a call" for case in base.SIGNATURES},
    }

    def model(self, model: str) -> OpenAILike:
        return OpenAILike(
            model=model,
            api_base=f"{self.base}/v1",
            api_key=self.key,
            max_retries=0,
            is_chat_model=True,
            is_function_calling_model=True,
            additional_kwargs={"stream_options": {"include_usage": True}},
        )

    def whole_model(self, model: str) -> OpenAILike:
        plain = self.model(model)
        plain.additional_kwargs = {}
        return plain

    def user(self, ask: str) -> ChatMessage:
        return ChatMessage(role=MessageRole.USER, content=ask)

    def stream(self, model: str, ask: str) -> base.Answer:
        raw = []
        for answer in self.model(model).stream_chat([self.user(ask)]):
            self.got.append(answer.delta or "")
            raw.append(answer.raw)
        finishes = [choice.finish_reason for chunk in raw for choice in chunk.choices if choice.finish_reason]
        usages = [chunk.usage for chunk in raw if chunk.usage]
        return base.Answer("".join(self.got), finishes == ["stop"], openai_chat.usage_of(usages[-1]) if usages else None)

    def whole(self, model: str, ask: str) -> base.Answer:
        answer = self.whole_model(model).chat([self.user(ask)])
        finish = answer.raw.choices[0].finish_reason
        return base.Answer(answer.message.content or "", finish == "stop", openai_chat.usage_of(answer.raw.usage))

    def stop(self, model: str, ask: str) -> str:
        return self.whole_model(model).chat([self.user(ask)], stop=base.STOP).message.content or ""

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        made = OpenAILikeEmbedding(model_name=model, api_base=f"{self.base}/v1", api_key=self.key, max_retries=0)
        return made.get_text_embedding_batch(texts)

    def tools(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        llm = self.whole_model(model)
        answer = None
        for answer in llm.stream_chat_with_tools([TOOL], chat_history=[self.user(ask)], allow_parallel_tool_calls=True):
            pass
        return self._results(llm, ask, answer)

    def tools_whole(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        llm = self.whole_model(model)
        answer = llm.chat_with_tools([TOOL], chat_history=[self.user(ask)], allow_parallel_tool_calls=True)
        return self._results(llm, ask, answer)

    def _results(self, llm: OpenAILike, ask: str, answer) -> tuple[list[base.Call], str]:
        calls = llm.get_tool_calls_from_response(answer)
        results = [
            ChatMessage(role=MessageRole.TOOL, content=base.RESULT, additional_kwargs={"tool_call_id": call.tool_id})
            for call in calls
        ]
        history = [self.user(ask), answer.message, *results]
        last = llm.chat_with_tools([TOOL], chat_history=history, allow_parallel_tool_calls=True)
        return [base.Call(call.tool_id, call.tool_name, call.tool_kwargs) for call in calls], last.message.content or ""

    def structured(self, model: str, ask: str) -> dict:
        """Only where it is told that the model can."""
        llm = self.whole_model(model)
        llm.should_use_structured_outputs = True
        return llm.structured_predict(base.Seen, PromptTemplate(ask)).model_dump()

    def image(self, model: str, ask: str) -> str:
        blocks = [TextBlock(text=ask), ImageBlock(image=base64.b64encode(base.PNG), image_mimetype="image/png")]
        messages = [
            ChatMessage(role=MessageRole.SYSTEM, content=base.SYSTEM),
            ChatMessage(role=MessageRole.USER, blocks=blocks),
        ]
        answer = self.whole_model(model).chat_with_tools([TOOL], chat_history=messages, allow_parallel_tool_calls=True)
        return answer.message.content or ""
