// The official OpenAI SDK, Responses. No state: the history goes along, as agents against a gateway send it.

import OpenAI from "openai";

import * as base from "./base.mjs";
import { OVERFLOW, expected, told } from "./openai_chat.mjs";

const TOOL = {
  type: "function",
  name: base.TOOL_NAME,
  description: base.TOOL_ABOUT,
  parameters: base.TOOL_SCHEMA,
  strict: true,
};

const usageOf = (usage) => ({
  prompt: usage.input_tokens,
  completion: usage.output_tokens,
  cached: usage.input_tokens_details?.cached_tokens,
  reasoning: usage.output_tokens_details?.reasoning_tokens,
});

function richOf(answer) {
  const thoughts = answer.output.filter((item) => item.type === "reasoning").flatMap((item) => [...item.summary, ...(item.content ?? [])]);
  const texts = answer.output.filter((item) => item.type === "message").flatMap((item) => item.content);
  return {
    text: answer.output_text ?? texts.map((part) => part.text).join(""),
    thought: thoughts.map((part) => part.text).join(""),
    pages: texts.flatMap((part) => part.annotations).map((each) => each.url),
  };
}

export class Driver extends base.Driver {
  overflow = OVERFLOW;
  told = told;
  expected = expected;

  constructor(url, key) {
    super(url, key);
    this.client = new OpenAI({ baseURL: `${url}/v1`, apiKey: this.key, maxRetries: 0 });
  }

  async stream(model, ask) {
    let done;
    let number = 0;
    for await (const event of await this.client.responses.create({ model, input: ask, stream: true, store: false })) {
      // aimock has none.
      if (![number, undefined].includes(event.sequence_number)) throw new Error(`event ${number} has the number ${event.sequence_number}`);
      number += 1;
      if (event.type === "response.output_text.delta") this.got.push(event.delta);
      if (event.type === "response.completed") done = event.response;
    }
    const text = this.got.join("");
    return { text, finished: done?.status === "completed", usage: done && usageOf(done.usage) };
  }

  async whole(model, ask) {
    const answer = await this.client.responses.create({ model, input: ask, store: false });
    return { text: answer.output_text, finished: answer.status === "completed", usage: usageOf(answer.usage) };
  }

  async retrying(model, input) {
    await new OpenAI({ baseURL: `${this.base}/v1`, apiKey: this.key }).responses.create({ model, input, store: false });
  }

  async rich(model, ask) {
    return richOf(await this.client.responses.create({ model, input: ask, store: false }));
  }

  /** By its events, and by its last. */
  async rich_stream(model, ask) {
    let whole;
    let thought = "";
    const pages = [];
    for await (const event of await this.client.responses.create({ model, input: ask, stream: true, store: false })) {
      if (/^response\.reasoning.*_text\.delta$/.test(event.type)) thought += event.delta;
      if (event.type === "response.output_text.annotation.added") pages.push(event.annotation.url);
      if (event.type === "response.completed") whole = richOf(event.response);
    }
    const same = whole.thought === thought && JSON.stringify(whole.pages) === JSON.stringify(pages);
    if (!same) throw new Error(JSON.stringify({ whole, thought, pages }));
    return whole;
  }

  likely(model, input, more) {
    const include = ["message.output_text.logprobs"];
    return this.client.responses.create({ model, input, store: false, include, top_logprobs: 1, ...more });
  }

  async logprobs(model, ask) {
    const said = (await this.likely(model, ask)).output.find((item) => item.type === "message");
    return said.content[0].logprobs.map((each) => [each.token, each.logprob]);
  }

  async logprobs_stream(model, ask) {
    const found = [];
    for await (const event of await this.likely(model, ask, { stream: true })) {
      if (event.type === "response.output_text.delta") found.push(...(event.logprobs ?? []));
    }
    return found.map((each) => [each.token, each.logprob]);
  }

  async tools(model, ask) {
    const stream = this.client.responses.stream({ model, input: ask, tools: [TOOL], store: false });
    return this.results(model, ask, await stream.finalResponse());
  }

  async tools_whole(model, ask) {
    return this.results(model, ask, await this.client.responses.create({ model, input: ask, tools: [TOOL], store: false }));
  }

  async results(model, ask, answer) {
    const calls = answer.output.filter((item) => item.type === "function_call");
    const said = answer.output.map(({ parsed_arguments: _, ...item }) => item);
    const results = calls.map((call) => ({ type: "function_call_output", call_id: call.call_id, output: base.RESULT }));
    const input = [{ role: "user", content: ask }, ...said, ...results];
    const last = await this.client.responses.create({ model, input, tools: [TOOL], store: false });
    return {
      calls: calls.map((call) => ({ id: call.call_id, name: call.name, arguments: JSON.parse(call.arguments) })),
      text: last.output_text,
    };
  }

  async image(model, ask) {
    const content = [
      { type: "input_text", text: ask },
      { type: "input_image", image_url: `data:image/png;base64,${base.PNG_BASE64}`, detail: "auto" },
    ];
    const asked = { model, instructions: base.SYSTEM, input: [{ role: "user", content }], tools: [TOOL], store: false };
    return (await this.client.responses.create(asked)).output_text;
  }

  async structured(model, ask) {
    const format = { type: "json_schema", name: "seen", schema: base.SEEN_SCHEMA, strict: true };
    const answer = await this.client.responses.parse({ model, input: ask, text: { format }, store: false });
    return JSON.parse(answer.output_text);
  }
}
