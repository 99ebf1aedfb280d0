// The simulated providers, and the real program in front of them.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BIN = process.env.TIDEGATE_BIN ?? "target/debug/tidegate";

/** The admin key; no page may show it. */
export const KEY = "page-admin-key";

/** Starts a program that logs its addresses, and waits for the line with `message`. */
async function run(folder, name, args, message) {
  const log = join(folder, `${name}.log`);
  const { openSync } = await import("node:fs");
  const child = spawn(BIN, args, { stdio: ["ignore", "ignore", openSync(log, "w")] });
  const ended = new Promise((done) => child.on("exit", done));
  for (let i = 0; i < 600; i += 1) {
    const lines = (await readFile(log, "utf8")).split("\n").filter(Boolean);
    const line = lines.map((text) => JSON.parse(text)).find((entry) => entry.message?.startsWith(message));
    if (line) return { child, ended, line };
    if (child.exitCode !== null) break;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${name} did not start:\n${await readFile(log, "utf8")}`);
}

const port = (address) => Number(address.split(":").at(-1));

/** `data` and `admin` are ports on 127.0.0.1. `stop` may be called twice. */
export async function start() {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-page-"));
  const sim = await run(folder, "sim", ["sim", "--listen", "127.0.0.1:0"], "simulated providers");
  const config = join(folder, "config.yaml");
  const at = sim.line.addr;
  await writeFile(config, `
model_list:
  - {model_name: openai, litellm_params: {model: openai/sim, api_base: "http://${at}/v1", api_key: sim-key}}
  - {model_name: gemini, litellm_params: {model: gemini/gemini-2.5-pro, api_base: "http://${at}/v1beta", api_key: sim-key}}
  - {model_name: limited, litellm_params: {model: openai/limited, api_base: "http://${at}/v1", api_key: sim-key}}
router_settings: {num_retries: 0, cooldown_time: 60, allowed_fails: 0}
tidegate:
  listen: 127.0.0.1:0
  admin: 127.0.0.1:0
  admin_key: ${KEY}
  clocks: {content_idle: 10m, byte_idle: 10m}
  watchdog: {mode: observe}
`);
  const proxy = await run(folder, "proxy", ["serve", "-c", config], "serving");
  const stop = async () => {
    for (const { child, ended } of [proxy, sim]) {
      child.kill("SIGKILL");
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  };
  return { data: port(proxy.line.data), admin: port(proxy.line.admin), stop };
}
