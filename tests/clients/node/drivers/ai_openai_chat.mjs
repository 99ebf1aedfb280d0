// Vercel's AI SDK with its OpenAI provider, chat completions.

import { createOpenAI } from "@ai-sdk/openai";

import * as base from "./base.mjs";
import { Driver as Compatible, embed } from "./ai_compatible.mjs";

export class Driver extends Compatible {
  static excused = Object.fromEntries(base.SIGNATURES.map((name) => [name, "it does not keep the signature of a call"]));
  static aloneSays = undefined;
  static cites = true;

  model(name) {
    return this.provider().chat(name);
  }

  embed(model, texts) {
    return embed(this.provider().embeddingModel(model), texts);
  }

  provider() {
    return createOpenAI({ baseURL: `${this.base}/v1`, apiKey: this.key });
  }
}
