// The official Google Gen AI SDK.

import { GoogleGenAI } from "@google/genai";

import * as base from "./base.mjs";

const TOOL = {
  functionDeclarations: [{ name: base.TOOL_NAME, description: base.TOOL_ABOUT, parametersJsonSchema: base.TOOL_SCHEMA }],
};

/** Thoughts are not part of the candidates' tokens. */
const usageOf = (usage) => ({
  prompt: usage.promptTokenCount,
  completion: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
  cached: usage.cachedContentTokenCount,
  reasoning: usage.thoughtsTokenCount,
});

function richOf(chunks) {
  const candidates = chunks.flatMap((chunk) => chunk.candidates ?? []);
  const parts = candidates.flatMap((each) => each.content?.parts ?? []);
  const said = (thought) => parts.filter((part) => Boolean(part.thought) === thought).map((part) => part.text ?? "").join("");
  const pages = candidates.flatMap((each) => each.groundingMetadata?.groundingChunks ?? []).map((chunk) => chunk.web.uri);
  return { text: said(false), thought: said(true), pages };
}

const likely = (chunks) =>
  chunks
    .flatMap((chunk) => chunk.candidates ?? [])
    .flatMap((each) => each.logprobsResult?.chosenCandidates ?? [])
    .map((each) => [each.token, each.logProbability]);

async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

export class Driver extends base.Driver {
  static dialect = "gemini";
  overflow = { kind: "ApiError", status: 400, says: "maximum number of tokens allowed" };

  constructor(url, key) {
    super(url, key);
    const retryOptions = { attempts: 1 };
    this.client = new GoogleGenAI({ apiKey: this.key, httpOptions: { baseUrl: url, retryOptions } });
  }

  /** All that it keeps of an error's body is its text, as the message. */
  told(error) {
    const found = /"retryDelay":\s*"([0-9.]+)s"/.exec(error.message);
    return {
      kinds: base.kinds(error),
      status: error.status,
      wait: found ? Number(found[1]) : undefined,
      sentence: error.message,
    };
  }

  expected(early, status) {
    return { kind: "ApiError", status };
  }

  async stream(model, ask) {
    let finish, usage;
    for await (const chunk of await this.client.models.generateContentStream({ model, contents: ask })) {
      this.got.push(chunk.text ?? "");
      finish = chunk.candidates?.[0]?.finishReason ?? finish;
      usage = chunk.usageMetadata ?? usage;
    }
    return { text: this.got.join(""), finished: finish === "STOP", usage: usage && usageOf(usage) };
  }

  async whole(model, ask) {
    const answer = await this.client.models.generateContent({ model, contents: ask });
    const finished = answer.candidates[0].finishReason === "STOP";
    return { text: answer.text, finished, usage: usageOf(answer.usageMetadata) };
  }

  async rich(model, ask) {
    return richOf([await this.client.models.generateContent({ model, contents: ask })]);
  }

  async rich_stream(model, ask) {
    return richOf(await all(await this.client.models.generateContentStream({ model, contents: ask })));
  }

  async logprobs(model, ask) {
    const config = { responseLogprobs: true, logprobs: 1 };
    return likely([await this.client.models.generateContent({ model, contents: ask, config })]);
  }

  async logprobs_stream(model, ask) {
    const config = { responseLogprobs: true, logprobs: 1 };
    return likely(await all(await this.client.models.generateContentStream({ model, contents: ask, config })));
  }

  async stop(model, ask) {
    return (await this.client.models.generateContent({ model, contents: ask, config: { stopSequences: base.STOP } })).text;
  }

  async count(model, ask) {
    return (await this.client.models.countTokens({ model, contents: ask })).totalTokens;
  }

  /** Its names have a place in them. */
  async models(model) {
    const bare = (name) => name.replace("models/", "");
    const names = [];
    for await (const each of await this.client.models.list()) names.push(bare(each.name));
    return { names, one: bare((await this.client.models.get({ model })).name) };
  }

  async embed(model, contents) {
    return (await this.client.models.embedContent({ model, contents })).embeddings.map((each) => each.values);
  }

  async tools(model, ask) {
    const parts = [];
    const asked = { model, contents: ask, config: { tools: [TOOL] } };
    for await (const chunk of await this.client.models.generateContentStream(asked)) {
      parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []));
    }
    return this.results(model, ask, parts);
  }

  async tools_whole(model, ask) {
    const answer = await this.client.models.generateContent({ model, contents: ask, config: { tools: [TOOL] } });
    return this.results(model, ask, answer.candidates[0].content.parts);
  }

  /** Gemini knows calls by name and place: an id is not promised. */
  async results(model, ask, parts) {
    const calls = parts.filter((part) => part.functionCall).map((part) => part.functionCall);
    const responses = calls.map(({ id, name }) => ({ functionResponse: { id, name, response: { result: base.RESULT } } }));
    const contents = [
      { role: "user", parts: [{ text: ask }] },
      { role: "model", parts },
      { role: "user", parts: responses },
    ];
    const last = await this.client.models.generateContent({ model, contents, config: { tools: [TOOL] } });
    return {
      calls: calls.map(({ id, name, args }, at) => ({ id: id ?? at, name, arguments: args })),
      text: last.text,
    };
  }

  async image(model, ask) {
    const parts = [{ text: ask }, { inlineData: { mimeType: "image/png", data: base.PNG_BASE64 } }];
    const config = { tools: [TOOL], systemInstruction: base.SYSTEM };
    return (await this.client.models.generateContent({ model, contents: [{ role: "user", parts }], config })).text;
  }

  async structured(model, ask) {
    const config = { responseMimeType: "application/json", responseJsonSchema: base.SEEN_SCHEMA };
    return JSON.parse((await this.client.models.generateContent({ model, contents: ask, config })).text);
  }
}
