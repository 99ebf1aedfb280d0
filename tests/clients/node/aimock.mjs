// aimock, which others wrote, plays the providers: does Tidegate understand what they think that a provider sends, well and broken?
// The clients are the official SDKs, one for each dialect.
//
//     node aimock.mjs [--client NAME]... [--upstream NAME]... [--verbose]
//
// The control: clients that ask aimock itself are not told of an answer cut short, or not by an error of their dialect.
//
// One line a case. The last is `N passed, N failed`; the exit code is 1 if any failed.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";

import { LLMock } from "@copilotkit/aimock";

import * as base from "./drivers/base.mjs";
import { Score, together } from "./score.mjs";
import { Children, serviceAccount } from "./world.mjs";

// No character beyond 16 bits: aimock cuts texts inside them, which makes its JSON none.
const TEXT = 'The sea goes out, "twice a day": la marée, die Flut 潮. Then it comes back.';
// In the words of each provider; it takes its own.
const USAGE = {
  prompt_tokens: 12,
  completion_tokens: 7,
  input_tokens: 12,
  output_tokens: 7,
  promptTokenCount: 12,
  candidatesTokenCount: 7,
};
const ARGUMENTS = { city: "Zürich 潮", days: 3 };
const VECTOR = [0.5, 0.25, -0.5];
// aimock has no batches of Google's embeddings, and answers Ollama's newer path in the form of its older one.
const EMBEDS = ["openai", "azure"];
const WIDTH = 12;
const CLIENTS = ["openai_chat", "openai_responses", "anthropic_messages", "google_genai"];

// How a deployment of each provider that aimock plays is written; URL is one of its instances, SIM the simulator, for tokens.
const UPSTREAMS = {
  openai: { model: "openai/gpt-4o", api_base: "URL/v1", api_key: "k" },
  anthropic: { model: "anthropic/claude-sonnet-4-5", api_base: "URL", api_key: "k" },
  gemini: { model: "gemini/gemini-2.5-pro", api_base: "URL/v1beta", api_key: "k" },
  vertex_ai: {
    model: "vertex_ai/gemini-2.5-pro",
    api_base: "URL/v1/projects/sim/locations/us-central1/publishers/google/models/gemini-2.5-pro",
    vertex_project: "sim",
    vertex_location: "us-central1",
  },
  bedrock: {
    model: "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
    aws_bedrock_runtime_endpoint: "URL",
    aws_region_name: "us-east-1",
    aws_access_key_id: "k",
    aws_secret_access_key: "k",
  },
  ollama: { model: "ollama_chat/llama3.3", api_base: "URL" },
  azure: { model: "azure/gpt-4o", api_base: "URL", api_key: "k", api_version: "2024-10-21" },
};

// Else it writes all at once and destroys the connection before any of it is sent.
const PACED = { ttft: 0, tps: 20 };

// What breaks, and what a client must be told. `early`: before any content.
const FAULTS = {
  ratelimit: { chaos: { rateLimitRate: 1 }, early: true, status: 429, wait: true },
  drop: { chaos: { dropRate: 1 }, early: true, status: 500 },
  malformed: { chaos: { malformedRate: 1 }, early: true, status: 502 },
  disconnect: { chaos: { disconnectRate: 1 }, early: true, status: 502 },
  truncated: { fixture: { truncateAfterChunks: 8, streamingProfile: PACED }, status: 502, stream: true },
  broken: { fixture: { disconnectAfterMs: 700, streamingProfile: PACED }, status: 502, stream: true },
};

const { values: args } = parseArgs({
  options: {
    client: { type: "string", multiple: true, default: CLIENTS },
    upstream: { type: "string", multiple: true, default: Object.keys(UPSTREAMS) },
    verbose: { type: "boolean", default: false },
  },
});

async function start({ chaos, fixture } = {}) {
  const mock = new LLMock({ port: 0, chunkSize: 3, chaos });
  mock.on({ userMessage: "say", hasToolResult: false }, { content: TEXT, usage: USAGE }, fixture);
  const calls = [
    { name: base.TOOL_NAME, arguments: JSON.stringify(ARGUMENTS) },
    { name: base.TOOL_NAME, arguments: JSON.stringify(ARGUMENTS) },
  ];
  mock.on({ userMessage: "call", hasToolResult: false }, { toolCalls: calls }, fixture);
  mock.on({ hasToolResult: true }, { content: TEXT }, fixture);
  mock.onEmbedding(/embed/, { embedding: VECTOR });
  await mock.start();
  return mock;
}

function config(mocks, sim) {
  const models = [];
  for (const name of args.upstream) {
    for (const [fault, mock] of Object.entries(mocks)) {
      const params = JSON.stringify(UPSTREAMS[name]).replaceAll("URL", mock.url);
      const litellm_params = JSON.parse(params);
      if (litellm_params.vertex_project) litellm_params.vertex_credentials = serviceAccount(sim);
      models.push({ model_name: `${name}-${fault}`, litellm_params });
    }
  }
  // JSON is YAML.
  return JSON.stringify({
    model_list: models,
    router_settings: { num_retries: 0, cooldown_time: 0 },
    general_settings: { master_key: base.KEY },
    tidegate: {
      listen: "127.0.0.1:0",
      admin: "127.0.0.1:0",
      clocks: { first_content: "10s", content_idle: "5s", byte_idle: "5s" },
    },
  });
}

function failed(driver, fault, error) {
  const told = driver.told(error);
  const want = driver.expected(fault.early ?? false, fault.status);
  const what = `${JSON.stringify(want)}, but ${JSON.stringify(told)}`;
  assert.ok(want.kind === undefined || told.kinds.includes(want.kind), what);
  assert.ok(want.status === undefined || want.status === told.status, what);
  assert.ok(want.word === undefined || want.word === told.word, what);
  if (fault.wait) assert.ok(told.wait >= 1, what);
  const got = driver.got.join("");
  assert.ok(fault.early ? got === "" : got !== "" && TEXT.startsWith(got) && got !== TEXT, `before the error came ${got}`);
}

class Silent extends Error {}

async function breaks(driver, does, model, fault) {
  let got, error;
  try {
    got = await driver[does](model, "say");
  } catch (thrown) {
    error = thrown;
  }
  if (error === undefined) throw new Silent(`nothing was raised, and this came: ${JSON.stringify(got)}`);
  failed(driver, fault, error);
}

async function answers(driver, does, model, used) {
  const got = await driver[does](model, "say");
  assert.equal(got.text, TEXT);
  assert.ok(got.finished !== false, JSON.stringify(got));
  assert.deepEqual([got.usage?.prompt, got.usage?.completion], used, JSON.stringify(got.usage));
}

async function calls(driver, does, model) {
  const got = await driver[does](model, "call");
  assert.equal(got.calls.length, 2, JSON.stringify(got));
  assert.equal(new Set(got.calls.map((call) => call.id)).size, 2, JSON.stringify(got));
  for (const call of got.calls) {
    assert.equal(call.name, base.TOOL_NAME);
    assert.deepEqual(call.arguments, ARGUMENTS);
  }
  assert.equal(got.text, TEXT);
}

/** aimock gives every text the same numbers. */
async function embeds(driver, model) {
  assert.deepEqual(await driver.embed(model, ["embed a", "embed b"]), [VECTOR, VECTOR]);
}

const score = new Score(args.verbose);
const children = new Children();
const mocks = { well: await start() };
for (const [name, fault] of Object.entries(FAULTS)) mocks[name] = await start(fault);
try {
  const { addr } = await children.start(["sim", "--listen", "127.0.0.1:0"], "simulated providers");
  const url = await children.serve(config(mocks, `http://${addr}`));
  const runs = [];
  const play = (name, run) => runs.push(() => score.play(name, run));
  for (const client of args.client) {
    const { Driver } = await import(`./drivers/${client}.mjs`);
    for (const upstream of args.upstream) {
      // As Ollama it counts none.
      const used = upstream === "ollama" ? [0, 0] : [USAGE.input_tokens, USAGE.output_tokens];
      for (const does of ["stream", "whole"]) {
        play(`${client} ${does} [${upstream}]`, () => answers(new Driver(url), does, `${upstream}-well`, used));
        for (const [name, fault] of Object.entries(FAULTS)) {
          if (fault.stream && does !== "stream") continue;
          const run = () => breaks(new Driver(url), does, `${upstream}-${name}`, fault);
          play(`${client} ${does}, ${name} [${upstream}]`, run);
        }
      }
      if (client === "openai_chat" && EMBEDS.includes(upstream)) {
        play(`${client} embed [${upstream}]`, () => embeds(new Driver(url), `${upstream}-well`));
      }
      for (const does of ["tools", "tools_whole"]) {
        play(`${client} ${does} [${upstream}]`, () => calls(new Driver(url), does, `${upstream}-well`));
      }
    }
    play(`${client} truncated [control]`, async () => {
      try {
        await breaks(new Driver(mocks.truncated.url), "stream", "any-model", FAULTS.truncated);
      } catch (error) {
        // Silence, or an error of the SDK's own about its connection.
        if (error instanceof Silent || error instanceof assert.AssertionError) return;
        throw error;
      }
      throw new Error("passed without the proxy, so it judges nothing");
    });
  }
  await together(WIDTH, runs);
} finally {
  await children.stop();
  await Promise.all(Object.values(mocks).map((mock) => mock.stop()));
}
process.exitCode = score.end();
