// Vercel's AI SDK with its Anthropic provider.

import { createAnthropic } from "@ai-sdk/anthropic";

import { Driver as Compatible } from "./ai_compatible.mjs";

export class Driver extends Compatible {
  static dialect = "anthropic";
  static aloneSays = undefined;

  model(name) {
    return createAnthropic({ baseURL: `${this.base}/v1`, apiKey: this.key })(name);
  }
}
