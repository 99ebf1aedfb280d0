// The official Anthropic SDK, Messages.

import Anthropic from "@anthropic-ai/sdk";

import * as base from "./base.mjs";

const TOOL = { name: base.TOOL_NAME, description: base.TOOL_ABOUT, input_schema: base.TOOL_SCHEMA };
const KINDS = {
  400: "BadRequestError",
  401: "AuthenticationError",
  403: "PermissionDeniedError",
  404: "NotFoundError",
  422: "UnprocessableEntityError",
  429: "RateLimitError",
};
export const WORDS = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  422: "invalid_request_error",
  429: "rate_limit_error",
  504: "timeout_error",
  529: "overloaded_error",
};

/** What was read from a cache, or written to it, is not in `input_tokens`. */
const usageOf = (usage) => ({
  prompt: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
  completion: usage.output_tokens,
  cached: usage.cache_read_input_tokens ?? undefined,
});

const textOf = (message) =>
  message.content
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("");

const richOf = (message) => ({
  text: textOf(message),
  thought: message.content.map((block) => block.thinking ?? "").join(""),
  pages: message.content.flatMap((block) => block.citations ?? []).map((cite) => cite.url),
});

export class Driver extends base.Driver {
  static dialect = "anthropic";
  overflow = { kind: "BadRequestError", status: 400, word: "invalid_request_error", says: "rompt is too long" };
  // Of its own: `messages.create` with `stream: true` says nothing.
  static aloneSays = /stream ended without producing a Message/;

  constructor(url, key) {
    super(url, key);
    this.client = new Anthropic({ baseURL: url, apiKey: this.key, maxRetries: 0 });
  }

  told(error) {
    return {
      kinds: base.kinds(error),
      status: error.status,
      word: error.error?.error?.type,
      wait: base.headerWait(error.headers),
      sentence: error.message,
    };
  }

  expected(early, status) {
    const word = WORDS[status] ?? "api_error";
    return early ? { kind: KINDS[status] ?? "InternalServerError", status, word } : { kind: "APIError", word };
  }

  ask(model, ask, more = {}) {
    return { model, max_tokens: 1024, messages: [{ role: "user", content: ask }], ...more };
  }

  async stream(model, ask) {
    const stream = this.client.messages.stream(this.ask(model, ask));
    stream.on("text", (text) => this.got.push(text));
    const message = await stream.finalMessage();
    return { text: this.got.join(""), finished: message.stop_reason === "end_turn", usage: usageOf(message.usage) };
  }

  async whole(model, ask) {
    const message = await this.client.messages.create(this.ask(model, ask));
    return { text: textOf(message), finished: message.stop_reason === "end_turn", usage: usageOf(message.usage) };
  }

  /** As the SDK is out of the box: it tries twice more. */
  async retrying(model, ask) {
    await new Anthropic({ baseURL: this.base, apiKey: this.key }).messages.create(this.ask(model, ask));
  }

  async rich(model, ask) {
    return richOf(await this.client.messages.create(this.ask(model, ask)));
  }

  async rich_stream(model, ask) {
    return richOf(await this.client.messages.stream(this.ask(model, ask)).finalMessage());
  }

  async stop(model, ask) {
    return textOf(await this.client.messages.create(this.ask(model, ask, { stop_sequences: base.STOP })));
  }

  async count(model, ask) {
    const { max_tokens: _, ...asked } = this.ask(model, ask);
    return (await this.client.messages.countTokens(asked)).input_tokens;
  }

  async models(model) {
    const names = [];
    for await (const each of this.client.models.list()) names.push(each.id);
    return { names, one: (await this.client.models.retrieve(model)).id };
  }

  async tools(model, ask) {
    return this.results(model, ask, await this.client.messages.stream(this.ask(model, ask, { tools: [TOOL] })).finalMessage());
  }

  async tools_whole(model, ask) {
    return this.results(model, ask, await this.client.messages.create(this.ask(model, ask, { tools: [TOOL] })));
  }

  async results(model, ask, message) {
    if (message.stop_reason !== "tool_use") throw new Error(JSON.stringify(message));
    const calls = message.content.filter((block) => block.type === "tool_use");
    const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: base.RESULT }));
    const messages = [
      { role: "user", content: ask },
      { role: "assistant", content: message.content },
      { role: "user", content: results },
    ];
    const last = await this.client.messages.create(this.ask(model, ask, { tools: [TOOL], messages }));
    return { calls: calls.map(({ id, name, input }) => ({ id, name, arguments: input })), text: textOf(last) };
  }

  async image(model, ask) {
    const source = { type: "base64", media_type: "image/png", data: base.PNG_BASE64 };
    const messages = [{ role: "user", content: [{ type: "text", text: ask }, { type: "image", source }] }];
    return textOf(await this.client.messages.create(this.ask(model, ask, { system: base.SYSTEM, tools: [TOOL], messages })));
  }

  async structured(model, ask) {
    const format = { type: "json_schema", schema: base.SEEN_SCHEMA };
    return JSON.parse(textOf(await this.client.messages.create(this.ask(model, ask, { output_config: { format } }))));
  }
}
