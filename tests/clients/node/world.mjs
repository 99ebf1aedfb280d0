// The real `tidegate sim` and `tidegate serve`, as child processes on free ports; and the table of cases. As server.py.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const shared = new URL("../", import.meta.url);

export const table = JSON.parse(readFileSync(new URL("cases.json", shared), "utf8"));
export const worldConfig = () => readFileSync(new URL("world.yaml", shared), "utf8");

const binary = () => {
  const path = process.env.TIDEGATE_BIN;
  if (!path) throw new Error("set TIDEGATE_BIN to the built `tidegate`, as tests/run does");
  return path;
};

/** Child processes that end together. */
export class Children {
  folder = mkdtempSync(join(tmpdir(), "tidegate-clients-"));
  children = [];

  /** Starts a program, `tidegate` if no other, with these arguments, and resolves with the log line whose message begins with `ready`. */
  start(args, ready, program = binary()) {
    const env = program === binary() ? { HOME: this.folder } : process.env;
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], env });
    this.children.push(child);
    return new Promise((resolve, reject) => {
      const said = [];
      child.on("error", reject);
      child.on("exit", (code) => reject(new Error(`${program} ${args.join(" ")} ended with ${code}:\n${said.join("\n")}`)));
      createInterface({ input: child.stderr }).on("line", (line) => {
        if (said.length < 200) said.push(line);
        if (!line.startsWith("{")) return;
        const entry = JSON.parse(line);
        if (entry.message?.startsWith(ready)) resolve(entry);
      });
    });
  }

  /** Serves a configuration; resolves with the base URL of the data port. */
  async serve(config) {
    const path = join(this.folder, `config-${this.children.length}.yaml`);
    writeFileSync(path, config);
    const { data } = await this.start(["serve", "-c", path], "serving");
    return `http://${data}`;
  }

  async stop() {
    await Promise.all(
      this.children.map((child) => {
        if (child.exitCode !== null || child.signalCode !== null) return undefined;
        return new Promise((resolve) => {
          const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
          child.on("exit", () => resolve(clearTimeout(late)));
          child.kill("SIGTERM");
        });
      }),
    );
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A simulator, and a proxy in front of it with the groups of `world.yaml`; between them, for some, the witness. */
export async function startWorld() {
  const children = new Children();
  const sim = `http://${(await children.start(["sim", "--listen", "127.0.0.1:0"], "simulated providers")).addr}`;
  const asWitness = ["-B", fileURLToPath(new URL("witness.py", shared)), sim];
  const witness = `http://${(await children.start(asWitness, "witnessing", "python3")).addr}`;
  const account = join(children.folder, "account.json");
  writeFileSync(account, serviceAccount(sim));
  const config = worldConfig().replaceAll("SIM", sim).replaceAll("WITNESS", witness).replaceAll("ACCOUNT", account);
  const base = await children.serve(config);
  /** What providers were sent with this tag, as the witness tells it. */
  const seen = async (tag) => (await fetch(`${witness}/seen/${tag}`)).json();
  return { sim, base, children, seen };
}

/** A service account of Google's, as JSON, whose tokens this simulator gives. */
export const serviceAccount = (sim) =>
  JSON.stringify({
    type: "service_account",
    project_id: "sim",
    private_key: readFileSync(new URL("../sim/keys/test-only-service-account.pem", shared), "utf8"),
    client_email: "test-only@sim.iam.gserviceaccount.com",
    token_uri: `${sim}/token`,
  });

/** A proxy as none should be: it ends every stream halfway, as if that were its end. What is judged must be found out there. */
export async function startLiar(target) {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { host: _, "content-length": __, "transfer-encoding": ___, connection: ____, ...headers } = request.headers;
    const answer = await fetch(target + request.url, { method: "POST", headers, body: Buffer.concat(chunks) });
    const kind = answer.headers.get("content-type");
    let told = await answer.text();
    if (kind.startsWith("text/event-stream")) {
      const events = told.split("\n\n");
      told = events.slice(0, events.length / 2).map((event) => `${event}\n\n`).join("");
    }
    response.writeHead(answer.status, { "content-type": kind }).end(told);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { base: `http://127.0.0.1:${server.address().port}`, stop };
}
