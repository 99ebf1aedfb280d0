// Plays the table of cases with every client library for Node, through the real proxy, against every upstream. As judge.py.
//
//     node judge.mjs [--client NAME]... [--upstream NAME]... [--case NAME]... [--verbose]
//
// One line a case. The last is `N passed, N failed`; the exit code is 1 if any failed.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";

import * as base from "./drivers/base.mjs";
import { Score, together } from "./score.mjs";
import { startLiar, startWorld, table } from "./world.mjs";

const NAMES = [
  "openai_chat",
  "openai_completions",
  "openai_responses",
  "anthropic_messages",
  "google_genai",
  "ai_compatible",
  "ai_openai_chat",
  "ai_openai_responses",
  "ai_anthropic",
  "ai_google",
];
const WIDTH = 12;
const ARGUMENTS = { city: "Zürich 潮", days: 3 };

let tags = 0;

/** Rejects where what the client saw, or what the provider of this world was sent, is not what it must be. */
async function check(driver, entry, model, upstream, world) {
  const does = entry.does.replaceAll("-", "_");
  const tag = String((tags += 1));
  let ask = entry.scenario ? `sim:${entry.scenario} #judge-${tag}` : `#judge-${tag}`;
  if (does === "embed") ask = ["a", "b"].map((text) => `${text} ${ask}`);
  if (entry.status === undefined) {
    good(entry, driver, upstream, await driver[does](entry.model ?? model, ask));
    if (world && entry.sent) sent(entry.sent, await world.seen(tag));
    return;
  }
  const status = entry.status[driver.constructor.dialect] ?? entry.status;
  let got, error;
  try {
    got = await driver[does](entry.model ?? model, ask);
  } catch (thrown) {
    error = thrown;
  }
  if (error === undefined) throw new Silent(`nothing was raised, and this came: ${JSON.stringify(got)}`);
  const told = driver.told(error);
  const want = entry.overflow ? driver.overflow : driver.expected(entry.early ?? false, status);
  const what = `${JSON.stringify(want)}, but ${JSON.stringify(told)}`;
  assert.ok(want.kind === undefined || told.kinds.includes(want.kind), what);
  assert.ok(want.status === undefined || want.status === told.status, what);
  assert.ok(want.word === undefined || want.word === told.word, what);
  assert.ok(want.type === undefined || want.type === told.type, what);
  assert.ok(told.sentence.includes(want.says ?? ""), `not said: ${what}`);
  const says = entry.says?.[upstream] ?? entry.says?.["*"] ?? entry.says ?? "";
  assert.ok(told.sentence.includes(says), `not said: ${says}: ${what}`);
  if (entry.wait) {
    assert.ok(told.wait !== undefined, `no wait: ${what}`);
    assert.ok(entry.wait === true ? told.wait >= 1 : told.wait === entry.wait, what);
  }
  if (world && entry.calls) assert.equal((await world.seen(tag)).length, entry.calls, "how often the provider was asked");
  assert.equal(driver.got.join(""), entry.early ? "" : table.before, "the text before the error");
}

class Silent extends Error {}

function good(entry, driver, upstream, got) {
  switch (entry.does) {
    case "stream":
    case "whole":
    case "unasked":
      assert.equal(got.text, table.whole);
      assert.ok(got.finished !== false, JSON.stringify(got));
      if (entry.usage) usage(got.usage, { ...table.usage, ...table.usage_of[upstream] });
      if (entry.does === "unasked") assert.equal(got.usage, undefined);
      break;
    case "tools":
    case "tools-whole":
      assert.equal(got.calls.length, entry.calls, JSON.stringify(got));
      assert.equal(new Set(got.calls.map((call) => call.id)).size, entry.calls, JSON.stringify(got));
      for (const call of got.calls) {
        assert.equal(call.name, base.TOOL_NAME);
        assert.deepEqual(call.arguments, ARGUMENTS);
      }
      assert.equal(got.text, table.before);
      break;
    case "image": {
      const seen = JSON.parse(got);
      // Ollama's have no word for what they are.
      const mime = upstream === "ollama" ? {} : { mime: "image/png" };
      assert.deepEqual(seen.images, [{ base64_length: base.PNG_BASE64.length, ...mime }]);
      assert.deepEqual([seen.system, seen.tools], [base.SYSTEM, [base.TOOL_NAME]]);
      break;
    }
    case "structured":
      assert.deepEqual([got.messages, got.images], [1, []]);
      break;
    case "stop":
      assert.equal(got, table.whole);
      break;
    case "rich":
    case "rich-stream": {
      const said = JSON.stringify(got);
      assert.equal(got.text, table.rich.text, said);
      assert.ok([undefined, table.rich.thought].includes(got.thought), said);
      if (got.pages) assert.deepEqual(got.pages, [table.rich.page], said);
      break;
    }
    case "logprobs":
    case "logprobs-stream":
      assert.deepEqual(got, [[table.rich.token, table.rich.logprob]]);
      break;
    case "count": {
      const exact = table.counted[driver.constructor.dialect]?.[upstream];
      assert.ok(exact ? got === exact : got >= 1, String(got));
      break;
    }
    case "models":
      assert.ok(got.names.includes(upstream) && got.one === upstream, JSON.stringify(got));
      break;
    case "embed":
      assert.deepEqual(got, table.vectors);
      break;
    default:
      throw new Error(`${entry.case}: "${entry.does}" is not known here`);
  }
}

/** What the provider must have been sent. */
function sent(what, seen) {
  const told = seen.at(-1);
  const said = JSON.stringify(told);
  assert.ok(told, "the witness saw nothing");
  switch (what) {
    case "images":
      assert.deepEqual(told.images, [{ mime: "image/png", data: base.PNG_BASE64 }], said);
      break;
    case "schema":
      assert.deepEqual(Object.keys(told.schema?.properties ?? {}).sort(), Object.keys(base.SEEN_SCHEMA.properties).sort(), said);
      // Google's own schemas have capitals.
      assert.equal(told.schema.type.toLowerCase(), "object", said);
      break;
    case "stop":
      assert.deepEqual(told.stop, base.STOP, said);
      break;
    case "texts":
      assert.equal(told.texts, table.vectors.length, said);
      break;
    case "usage":
      // Others tell it unasked.
      assert.ok(!["chat", "completions"].includes(told.wire) || told.usage === true, said);
      break;
    default:
      throw new Error(`"${what}" is not known here`);
  }
}

function usage(got, want) {
  const what = JSON.stringify(got);
  assert.deepEqual([got.prompt, got.completion], [want.prompt, want.completion], what);
  assert.ok(got.cached === undefined || got.cached === want.cached, what);
  assert.ok(got.reasoning === undefined || got.reasoning === want.reasoning, what);
}

/**
 * A good answer that the liar cuts short, taken for the one that should break: the judge must find nothing raised, or the
 * library's own words for it instead of Tidegate's.
 */
async function control(Driver, entry, liar) {
  try {
    await check(new Driver(liar), { ...entry, scenario: "fast" }, "anthropic", "anthropic");
  } catch (error) {
    if (error instanceof Silent || Driver.aloneSays?.test(error.message)) return;
    throw error;
  }
  throw new Error("passed through a proxy that lies, so it judges nothing");
}

/** What was sent, with none of what the case sends, or with something else: the judge must see that. */
async function blind(entry) {
  for (const seen of [[], [{ wire: "chat" }], [{ wire: "chat", [entry.sent]: entry.sent === "schema" ? {} : ["else"] }]]) {
    assert.throws(() => sent(entry.sent, seen), assert.AssertionError, JSON.stringify(seen));
  }
}

/** Whether this upstream is for this case. */
const plays = (entry, upstream) =>
  entry.only ? entry.only.includes(upstream) : table.upstreams.includes(upstream) || entry.others === true;

/** The model that the case is asked of. */
function group(Driver, entry, upstream) {
  const seen = entry.sent || entry.seen || Driver.witnessed.includes(upstream);
  return upstream + (seen ? "-seen" : "") + (entry.hasty ? "-hasty" : "");
}

/** Why this client does not play this, if it does not. */
function excuse(Driver, entry, upstream) {
  if (entry.not?.[upstream]?.includes(Driver.dialect)) return entry.why;
  return Driver.excused[entry.case] ?? Driver.excused[`${entry.case} [${upstream}]`] ?? Driver.excused[`[${upstream}]`];
}

const { values: args } = parseArgs({
  options: {
    client: { type: "string", multiple: true, default: [] },
    upstream: { type: "string", multiple: true, default: [] },
    case: { type: "string", multiple: true, default: [] },
    verbose: { type: "boolean", default: false },
  },
});
const cases = table.cases.filter((entry) => !args.case.length || args.case.includes(entry.case));
const score = new Score(args.verbose);
const world = await startWorld();
const liar = await startLiar(world.base);
try {
  const runs = cases
    .filter((entry) => entry.sent)
    .map((entry) => () => score.play(`${entry.case} [the witness's control]`, () => blind(entry)));
  for (const name of args.client.length ? args.client : NAMES) {
    const { Driver } = await import(`./drivers/${name}.mjs`);
    for (const entry of cases.filter((entry) => Driver.prototype[entry.does.replaceAll("-", "_")])) {
      const upstreams = args.upstream.length ? args.upstream : [...table.upstreams, ...table.others];
      for (const upstream of upstreams.filter((upstream) => plays(entry, upstream))) {
        const what = `${entry.case} [${upstream}]`;
        const why = excuse(Driver, entry, upstream);
        if (why) {
          score.left(name, what, why);
          continue;
        }
        const run = () => check(new Driver(world.base, entry.key), entry, group(Driver, entry, upstream), upstream, world);
        runs.push(() => score.play(`${name} ${what}`, run));
      }
      if (entry.control) {
        runs.push(() => score.play(`${name} ${entry.case} [control]`, () => control(Driver, entry, liar.base)));
      } else if (entry.case === "whole") {
        const run = () => check(new Driver(liar.base), entry, "anthropic", "anthropic");
        runs.push(() => score.play(`${name} ${entry.case} [through the liar]`, run));
      }
    }
  }
  await together(WIDTH, runs);
} finally {
  await liar.stop();
  await world.children.stop();
}
process.exitCode = score.end();
