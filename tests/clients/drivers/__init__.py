"""Each module drives one client library. `NAMES` are all of them; a library that is not in this environment is not there."""

NAMES = [
    "openai_chat",
    "openai_completions",
    "openai_responses",
    "anthropic_messages",
    "google_genai",
    "langchain_openai",
    "llama_index",
    "pydantic_ai_openai",
    "pydantic_ai_responses",
    "pydantic_ai_anthropic",
    "pydantic_ai_google",
]
