"""LangChain's ChatOpenAI. It lets the SDK's errors through."""

from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from . import base, openai_chat

TOOL = {"title": base.TOOL_NAME, "description": base.TOOL_ABOUT, **base.TOOL_SCHEMA}


def usage_of(message) -> base.Usage | None:
    usage = message.usage_metadata
    if usage is None:
        return None
    cached = usage.get("input_token_details", {}).get("cache_read")
    reasoning = usage.get("output_token_details", {}).get("reasoning")
    return base.Usage(usage["input_tokens"], usage["output_tokens"], cached, reasoning)


class Driver(base.Driver):
    # Its own class, which its agents catch.
    overflow = base.Expected("OpenAIContextOverflowError", 400, "context_length_exceeded")
    told = staticmethod(openai_chat.told)
    expected = staticmethod(openai_chat.expected)
    excused = {case: "it does not keep the signature of a call" for case in base.SIGNATURES}

    def model(self, model: str) -> ChatOpenAI:
        return ChatOpenAI(
            model=model, base_url=f"{self.base}/v1", api_key=self.key, max_retries=0, stream_usage=True, use_responses_api=False
        )

    def stream(self, model: str, ask: str) -> base.Answer:
        whole: AIMessageChunk | None = None
        for chunk in self.model(model).stream([HumanMessage(ask)]):
            self.got.append(chunk.text)
            whole = chunk if whole is None else whole + chunk
        return self._answer(whole)

    def whole(self, model: str, ask: str) -> base.Answer:
        return self._answer(self.model(model).invoke([HumanMessage(ask)]))

    def _answer(self, message) -> base.Answer:
        return base.Answer(message.text, message.response_metadata.get("finish_reason") == "stop", usage_of(message))

    def retrying(self, model: str, ask: str) -> None:
        """As it is out of the box: the SDK tries twice more."""
        ChatOpenAI(model=model, base_url=f"{self.base}/v1", api_key=self.key).invoke([HumanMessage(ask)])

    def stop(self, model: str, ask: str) -> str:
        return self.model(model).invoke([HumanMessage(ask)], stop=base.STOP).text

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        """Else it sends tokens of OpenAI's instead of texts."""
        made = OpenAIEmbeddings(
            model=model, base_url=f"{self.base}/v1", api_key=self.key, max_retries=0, check_embedding_ctx_length=False
        )
        return made.embed_documents(texts)

    def tools(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        bound = self.model(model).bind_tools([TOOL])
        whole = None
        for chunk in bound.stream([HumanMessage(ask)]):
            whole = chunk if whole is None else whole + chunk
        return self._results(bound, ask, whole)

    def tools_whole(self, model: str, ask: str) -> tuple[list[base.Call], str]:
        bound = self.model(model).bind_tools([TOOL])
        return self._results(bound, ask, bound.invoke([HumanMessage(ask)]))

    def _results(self, bound, ask: str, message) -> tuple[list[base.Call], str]:
        results = [ToolMessage(base.RESULT, tool_call_id=call["id"]) for call in message.tool_calls]
        answer = bound.invoke([HumanMessage(ask), message, *results])
        return [base.Call(call["id"], call["name"], call["args"]) for call in message.tool_calls], answer.text

    def image(self, model: str, ask: str) -> str:
        parts = [
            {"type": "text", "text": ask},
            {"type": "image", "base64": base.PNG_BASE64, "mime_type": "image/png"},
        ]
        return self.model(model).bind_tools([TOOL]).invoke([SystemMessage(base.SYSTEM), HumanMessage(content=parts)]).text

    def structured(self, model: str, ask: str) -> dict:
        reader = self.model(model).with_structured_output(base.Seen, method="json_schema")
        return reader.invoke([HumanMessage(ask)]).model_dump()
