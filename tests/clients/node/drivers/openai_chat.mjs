// The official OpenAI SDK, chat completions.

import OpenAI from "openai";

import * as base from "./base.mjs";

const TOOL = {
  type: "function",
  function: { name: base.TOOL_NAME, description: base.TOOL_ABOUT, parameters: base.TOOL_SCHEMA },
};
const KINDS = {
  400: "BadRequestError",
  401: "AuthenticationError",
  403: "PermissionDeniedError",
  404: "NotFoundError",
  422: "UnprocessableEntityError",
  429: "RateLimitError",
};
const TYPES = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  422: "invalid_request_error",
  429: "rate_limit_error",
  504: "timeout_error",
};

export function usageOf(usage) {
  if (!usage) return undefined;
  return {
    prompt: usage.prompt_tokens,
    completion: usage.completion_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens,
    reasoning: usage.completion_tokens_details?.reasoning_tokens,
  };
}

export function told(error) {
  return {
    kinds: base.kinds(error),
    status: error.status,
    word: error.code === undefined || error.code === null ? undefined : String(error.code),
    wait: base.headerWait(error.headers),
    sentence: error.message,
    type: error.type,
  };
}

/** In mid-stream the SDK throws its most general error, whose code is the status. */
export function expected(early, status) {
  const said = { word: String(status), type: TYPES[status] ?? "api_error" };
  return early ? { kind: KINDS[status] ?? "InternalServerError", status, ...said } : { kind: "APIError", ...said };
}

/** Agents and frameworks look for this code. */
export const OVERFLOW = { kind: "BadRequestError", status: 400, word: "context_length_exceeded", type: "invalid_request_error" };

export class Driver extends base.Driver {
  overflow = OVERFLOW;
  told = told;
  expected = expected;

  constructor(url, key) {
    super(url, key);
    this.client = new OpenAI({ baseURL: `${url}/v1`, apiKey: this.key, maxRetries: 0 });
  }

  messages(ask) {
    return [{ role: "user", content: ask }];
  }

  async stream(model, ask) {
    let finish, usage;
    const chunks = await this.client.chat.completions.create({
      model,
      messages: this.messages(ask),
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of chunks) {
      for (const choice of chunk.choices) {
        this.got.push(choice.delta.content ?? "");
        finish = choice.finish_reason ?? finish;
      }
      usage = chunk.usage ?? usage;
    }
    return { text: this.got.join(""), finished: finish === "stop", usage: usageOf(usage) };
  }

  async whole(model, ask) {
    const answer = await this.client.chat.completions.create({ model, messages: this.messages(ask) });
    const [choice] = answer.choices;
    return { text: choice.message.content, finished: choice.finish_reason === "stop", usage: usageOf(answer.usage) };
  }

  /** As the SDK is out of the box: it tries twice more. */
  async retrying(model, ask) {
    const client = new OpenAI({ baseURL: `${this.base}/v1`, apiKey: this.key });
    await client.chat.completions.create({ model, messages: this.messages(ask) });
  }

  /** A stream whose usage is not asked for: no chunk has any. */
  async unasked(model, ask) {
    let finish, usage;
    for await (const chunk of await this.client.chat.completions.create({ model, messages: this.messages(ask), stream: true })) {
      // Azure's first has none.
      for (const choice of chunk.choices) {
        this.got.push(choice.delta.content ?? "");
        finish = choice.finish_reason ?? finish;
      }
      usage = chunk.usage ?? usage;
    }
    return { text: this.got.join(""), finished: finish === "stop", usage: usageOf(usage) };
  }

  /** Thoughts are no part of OpenAI's chat: the SDK gives what it does not know as it came. */
  async rich(model, ask) {
    const answer = await this.client.chat.completions.create({ model, messages: this.messages(ask) });
    const { content, reasoning_content, annotations } = answer.choices[0].message;
    return { text: content, thought: reasoning_content, pages: annotations.map((each) => each.url_citation.url) };
  }

  async rich_stream(model, ask) {
    const got = { text: "", thought: "", pages: [] };
    for await (const chunk of await this.client.chat.completions.create({ model, messages: this.messages(ask), stream: true })) {
      const { content, reasoning_content, annotations } = chunk.choices[0]?.delta ?? {};
      got.text += content ?? "";
      got.thought += reasoning_content ?? "";
      got.pages.push(...(annotations ?? []).map((each) => each.url_citation.url));
    }
    return got;
  }

  likely(model, ask, more) {
    const asked = { model, messages: this.messages(ask), logprobs: true, top_logprobs: 1, ...more };
    return this.client.chat.completions.create(asked);
  }

  async logprobs(model, ask) {
    return (await this.likely(model, ask)).choices[0].logprobs.content.map((each) => [each.token, each.logprob]);
  }

  async logprobs_stream(model, ask) {
    const found = [];
    for await (const chunk of await this.likely(model, ask, { stream: true })) {
      found.push(...chunk.choices.flatMap((choice) => choice.logprobs?.content ?? []));
    }
    return found.map((each) => [each.token, each.logprob]);
  }

  async stop(model, ask) {
    const answer = await this.client.chat.completions.create({ model, messages: this.messages(ask), stop: base.STOP });
    return answer.choices[0].message.content;
  }

  /** The SDK asks for base64 of itself. */
  async embed(model, input) {
    const answer = await this.client.embeddings.create({ model, input });
    const plain = await this.client.embeddings.create({ model, input, encoding_format: "float" });
    const vectors = answer.data.map((each) => [...each.embedding]);
    if (JSON.stringify(plain.data.map((each) => each.embedding)) !== JSON.stringify(vectors)) throw new Error(JSON.stringify(plain));
    return vectors;
  }

  async models(model) {
    const names = [];
    for await (const each of this.client.models.list()) names.push(each.id);
    return { names, one: (await this.client.models.retrieve(model)).id };
  }

  async tools(model, ask) {
    const stream = this.client.chat.completions.stream({ model, messages: this.messages(ask), tools: [TOOL] });
    const message = (await stream.finalChatCompletion()).choices[0].message;
    return this.results(model, ask, message);
  }

  async tools_whole(model, ask) {
    const answer = await this.client.chat.completions.create({ model, messages: this.messages(ask), tools: [TOOL] });
    if (answer.choices[0].finish_reason !== "tool_calls") throw new Error(JSON.stringify(answer));
    return this.results(model, ask, answer.choices[0].message);
  }

  /** The history is the message as it came, extensions included. */
  async results(model, ask, message) {
    const { parsed: _, ...said } = JSON.parse(JSON.stringify(message));
    for (const call of said.tool_calls) delete call.function.parsed_arguments;
    const results = said.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: base.RESULT }));
    const answer = await this.client.chat.completions.create({
      model,
      messages: [...this.messages(ask), said, ...results],
      tools: [TOOL],
    });
    const calls = said.tool_calls.map((call) => ({
      id: call.id,
      name: call.function.name,
      arguments: JSON.parse(call.function.arguments),
    }));
    return { calls, text: answer.choices[0].message.content };
  }

  async image(model, ask) {
    const parts = [
      { type: "text", text: ask },
      { type: "image_url", image_url: { url: `data:image/png;base64,${base.PNG_BASE64}` } },
    ];
    const messages = [{ role: "system", content: base.SYSTEM }, { role: "user", content: parts }];
    const answer = await this.client.chat.completions.create({ model, messages, tools: [TOOL] });
    return answer.choices[0].message.content;
  }

  async structured(model, ask) {
    const answer = await this.client.chat.completions.parse({
      model,
      messages: this.messages(ask),
      response_format: {
        type: "json_schema",
        json_schema: { name: "seen", schema: base.SEEN_SCHEMA, strict: true },
      },
    });
    return JSON.parse(answer.choices[0].message.content);
  }
}
