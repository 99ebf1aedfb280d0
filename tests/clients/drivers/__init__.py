"""Each module drives one client library. `NAMES` are all of them; a library that is not in this environment is not there."""

NAMES = ["openai_chat", "langchain_openai", "pydantic_ai_openai", "llama_index"]
