// Vercel's AI SDK with its Google provider.

import { createGoogleGenerativeAI } from "@ai-sdk/google";

import { Driver as Compatible, embed } from "./ai_compatible.mjs";

export class Driver extends Compatible {
  static dialect = "gemini";
  static excused = {
    "signature-stream [anthropic]": "it drops a part that is only the signature of the thoughts before it",
    "signature-stream [bedrock]": "it drops a part that is only the signature of the thoughts before it",
  };
  static aloneSays = undefined;
  static cites = true;

  /** In mid-stream, too, with the status. */
  expected(early, status) {
    return { kind: "AI_APICallError", status };
  }

  model(name) {
    return this.provider()(name);
  }

  embed(model, texts) {
    return embed(this.provider().embeddingModel(model), texts);
  }

  provider() {
    return createGoogleGenerativeAI({ baseURL: `${this.base}/v1beta`, apiKey: this.key });
  }
}
