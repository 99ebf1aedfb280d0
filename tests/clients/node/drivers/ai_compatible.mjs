// Vercel's AI SDK with its OpenAI-compatible provider; what all its providers share is here.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, embedMany, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

import * as base from "./base.mjs";

// It warns of models that it does not know.
globalThis.AI_SDK_LOG_WARNINGS = false;

function usageOf(usage) {
  return {
    prompt: usage.inputTokens,
    completion: usage.outputTokens,
    cached: usage.inputTokenDetails?.cacheReadTokens,
    reasoning: usage.outputTokenDetails?.reasoningTokens,
  };
}

/** A tool that answers by itself: the SDK makes the loop. */
const tools = () => ({
  [base.TOOL_NAME]: tool({
    description: base.TOOL_ABOUT,
    inputSchema: jsonSchema(base.TOOL_SCHEMA),
    execute: async () => JSON.parse(base.RESULT),
  }),
});

const calls = (steps) =>
  steps.flatMap((step) => step.toolCalls).map(({ toolCallId, toolName, input }) => ({ id: toolCallId, name: toolName, arguments: input }));

/** What an AI SDK provider does. `model(name)` gives the SDK's model. */
export class AiDriver extends base.Driver {
  /** Whether its answers' sources are the user's; OpenAI-compatible providers' are not read. */
  static cites = true;

  /** A stream's error is a part of it: who reads the texts alone is not told, who reads the parts is. */
  async parts(result) {
    for await (const part of result.fullStream) {
      if (part.type === "text-delta") this.got.push(part.text);
      if (part.type === "error") throw part.error;
    }
  }

  ask(model, prompt, more = {}) {
    const { providerOptions } = this;
    return { model: this.model(model), prompt, maxRetries: 0, onError: () => {}, providerOptions, ...more };
  }

  async stream(model, ask) {
    const result = streamText(this.ask(model, ask));
    await this.parts(result);
    return {
      text: this.got.join(""),
      finished: (await result.finishReason) === "stop",
      usage: usageOf(await result.usage),
    };
  }

  async whole(model, ask) {
    const answer = await generateText(this.ask(model, ask));
    return { text: answer.text, finished: answer.finishReason === "stop", usage: usageOf(answer.usage) };
  }

  async rich(model, ask) {
    const { text, reasoningText, sources } = await generateText(this.ask(model, ask));
    return { text, thought: reasoningText, pages: this.constructor.cites ? sources.map((each) => each.url) : undefined };
  }

  async rich_stream(model, ask) {
    const result = streamText(this.ask(model, ask));
    await this.parts(result);
    const pages = this.constructor.cites ? (await result.sources).map((each) => each.url) : undefined;
    return { text: await result.text, thought: await result.reasoningText, pages };
  }

  async stop(model, ask) {
    return (await generateText(this.ask(model, ask, { stopSequences: base.STOP }))).text;
  }

  async tools(model, ask) {
    const result = streamText(this.ask(model, ask, { tools: tools(), stopWhen: stepCountIs(2) }));
    await this.parts(result);
    return { calls: calls(await result.steps), text: await result.text };
  }

  async tools_whole(model, ask) {
    const answer = await generateText(this.ask(model, ask, { tools: tools(), stopWhen: stepCountIs(2) }));
    return { calls: calls(answer.steps), text: answer.text };
  }

  async image(model, ask) {
    const content = [{ type: "text", text: ask }, { type: "image", image: base.PNG, mediaType: "image/png" }];
    const { prompt: _, ...rest } = this.ask(model, "", { tools: tools(), system: base.SYSTEM });
    return (await generateText({ ...rest, messages: [{ role: "user", content }] })).text;
  }

  async structured(model, ask) {
    const output = Output.object({ schema: jsonSchema(base.SEEN_SCHEMA) });
    return (await generateText(this.ask(model, ask, { output }))).output;
  }
}

export function told(error) {
  return {
    kinds: base.kinds(error),
    status: error.statusCode,
    word: error.code === undefined ? error.type : String(error.code),
    wait: base.headerWait(error.responseHeaders),
    sentence: error.message ? `${error.message} ${error.responseBody ?? ""}` : JSON.stringify(error),
  };
}

/** What the SDK makes of vectors; `model` is its model of them. */
export async function embed(model, values) {
  return (await embedMany({ model, values, maxRetries: 0 })).embeddings;
}

export class Driver extends AiDriver {
  /** It has no class for it: an application reads the answer. */
  get overflow() {
    const says = { openai: "context_length_exceeded", anthropic: "rompt is too long", gemini: "maximum number of tokens allowed" };
    return { kind: "AI_APICallError", status: 400, says: says[this.constructor.dialect] };
  }

  static excused = Object.fromEntries(
    ["anthropic", "bedrock"].flatMap((of) =>
      base.SIGNATURES.map((name) => [`${name} [${of}]`, "it keeps signatures of calls, not of thoughts"]),
    ),
  );
  // It looks for a finish reason itself.
  static aloneSays = /ended without a finish reason/;
  static cites = false;
  told = told;

  model(name) {
    return this.provider()(name);
  }

  embed(model, texts) {
    return embed(this.provider().embeddingModel(model), texts);
  }

  provider() {
    return createOpenAICompatible({
      // Under any other name it keeps the signature of a call, but does not send it back.
      name: "google",
      baseURL: `${this.base}/v1`,
      apiKey: this.key,
      includeUsage: true,
      supportsStructuredOutputs: true,
    });
  }

  /** The stream's error is the event's, not an Error. */
  expected(early, status) {
    return early ? { kind: "AI_APICallError", status } : { word: String(status) };
  }
}
