// What the judges want of a client library, in words that are no library's own. As drivers/base.py.

export const KEY = "sk-test";
export const PNG = Buffer.from(Array.from({ length: 768 }, (_, at) => at % 256));
export const PNG_BASE64 = PNG.toString("base64");
export const SYSTEM = "Be brief.";
export const SIGNATURES = ["signature-stream", "signature-whole"];
// In the simulator's text, so that a provider that heeded it would stop there.
export const STOP = ["潮", "gate"];
export const RESULT = '{"sky":"clear"}';
export const TOOL_NAME = "forecast";
export const TOOL_ABOUT = "The weather";
export const TOOL_SCHEMA = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
// What the simulator's `describe` says.
export const SEEN_SCHEMA = {
  type: "object",
  properties: {
    images: {
      type: "array",
      items: {
        type: "object",
        properties: { mime: { type: "string" }, base64_length: { type: "integer" } },
        required: ["mime", "base64_length"],
        additionalProperties: false,
      },
    },
    tools: { type: "array", items: { type: "string" } },
    system: { type: "string" },
    messages: { type: "integer" },
  },
  required: ["images", "tools", "system", "messages"],
  additionalProperties: false,
};

/** The names of an object's class and those above it. The SDKs are bundled, so their names may have a suffix. */
export function kinds(error) {
  const names = [];
  for (let of = error; of && of !== Object.prototype; of = Object.getPrototypeOf(of)) {
    if (Object.hasOwn(of, "constructor")) names.push(of.constructor.name);
  }
  if (error?.name) names.push(error.name);
  return names;
}

export function headerWait(headers) {
  const wait = headers?.get ? headers.get("retry-after") : headers?.["retry-after"];
  return wait === undefined || wait === null ? undefined : Number(wait);
}

/** One library, pointed at one base URL, without retries of its own. `got` collects the texts of a stream as they come. */
export class Driver {
  static dialect = "openai";
  /** What this library cannot play, with the reason: `case`, `case [upstream]`, or `[upstream]`. */
  static excused = {};
  /** Upstreams that are always asked by way of the witness, since the simulator cannot answer. */
  static witnessed = [];
  got = [];

  constructor(base, key = KEY) {
    this.base = base;
    this.key = key;
  }
}
