// Vercel's AI SDK with its OpenAI provider, Responses.

import { createOpenAI } from "@ai-sdk/openai";

import { Driver as Compatible } from "./ai_compatible.mjs";

export class Driver extends Compatible {
  static aloneSays = undefined;

  model(name) {
    return createOpenAI({ baseURL: `${this.base}/v1`, apiKey: this.key }).responses(name);
  }
}
