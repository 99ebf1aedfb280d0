// Vercel's AI SDK with its Anthropic provider.

import { createAnthropic } from "@ai-sdk/anthropic";

import { Driver as Compatible } from "./ai_compatible.mjs";
import { WORDS } from "./anthropic_messages.mjs";

export class Driver extends Compatible {
  static dialect = "anthropic";
  static excused = {
    "structured [bedrock]": "it asks for one call at a time, which Converse cannot promise: a 400 without drop_params",
    "structured [ollama]": "it forces the call of a tool, which Ollama cannot promise: a 400 without drop_params",
  };
  static aloneSays = undefined;
  static cites = true;

  expected(early, status) {
    return early ? super.expected(early, status) : { word: WORDS[status] ?? "api_error" };
  }

  model(name) {
    return createAnthropic({ baseURL: `${this.base}/v1`, apiKey: this.key })(name);
  }
}

// What this API has no word for.
Driver.prototype.embed = undefined;
