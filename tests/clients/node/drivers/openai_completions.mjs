// The official OpenAI SDK, legacy completions. OpenAI, Azure and servers like vLLM have them; for others they become a chat.

import OpenAI from "openai";

import * as base from "./base.mjs";
import { OVERFLOW, expected, told, usageOf } from "./openai_chat.mjs";

export class Driver extends base.Driver {
  overflow = OVERFLOW;
  // The simulator has no completions: the witness makes them of its chat.
  static witnessed = ["openai", "azure", "vllm"];
  told = told;
  expected = expected;

  constructor(url, key) {
    super(url, key);
    this.client = new OpenAI({ baseURL: `${url}/v1`, apiKey: this.key, maxRetries: 0 });
  }

  async stream(model, prompt) {
    return this.read({ model, prompt, stream: true, stream_options: { include_usage: true } });
  }

  async unasked(model, prompt) {
    return this.read({ model, prompt, stream: true });
  }

  async read(asked) {
    let finish, usage;
    for await (const chunk of await this.client.completions.create(asked)) {
      for (const choice of chunk.choices) {
        this.got.push(choice.text);
        finish = choice.finish_reason ?? finish;
      }
      usage = chunk.usage ?? usage;
    }
    return { text: this.got.join(""), finished: finish === "stop", usage: usageOf(usage) };
  }

  async whole(model, prompt) {
    const answer = await this.client.completions.create({ model, prompt });
    const [choice] = answer.choices;
    return { text: choice.text, finished: choice.finish_reason === "stop", usage: usageOf(answer.usage) };
  }

  async stop(model, prompt) {
    return (await this.client.completions.create({ model, prompt, stop: base.STOP })).choices[0].text;
  }
}
