// Vercel's AI SDK with its Google provider.

import { createGoogleGenerativeAI } from "@ai-sdk/google";

import { Driver as Compatible } from "./ai_compatible.mjs";

export class Driver extends Compatible {
  static dialect = "gemini";
  static aloneSays = undefined;

  model(name) {
    return createGoogleGenerativeAI({ baseURL: `${this.base}/v1beta`, apiKey: this.key })(name);
  }
}
