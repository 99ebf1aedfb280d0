// Vercel's AI SDK with its OpenAI provider, Responses.

import { createOpenAI } from "@ai-sdk/openai";

import { Driver as Compatible } from "./ai_compatible.mjs";

export class Driver extends Compatible {
  static excused = {};
  static aloneSays = undefined;
  static cites = true;
  // Else it sends back the ids of what it believes to be stored.
  providerOptions = { openai: { store: false } };

  model(name) {
    return createOpenAI({ baseURL: `${this.base}/v1`, apiKey: this.key }).responses(name);
  }
}

// What this API has no word for.
Driver.prototype.embed = undefined;
Driver.prototype.stop = undefined;
