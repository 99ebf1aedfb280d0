// The status page: one stream of snapshots in, tables out. Text goes into the page as text, never as markup.
"use strict";

const ROWS = 200;      // Streams drawn at once; the rest is counted, and found by the filter.
const POINTS = 60;     // Of a sparkline: a minute.
const HOT = 0.25;      // Of a core: a stream that uses more is named. A healthy one uses a hundredth.

const at = (id) => document.getElementById(id);
const make = (name, props = {}, ...children) => {
  const node = document.createElement(name);
  Object.assign(node, props);
  node.append(...children);
  return node;
};

// ---------------------------------------------------------------- how values are written

const whole = new Intl.NumberFormat("en");
const number = (value) => (value == null ? "" : whole.format(value));
const percent = (value) => (value == null ? "" : `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`);
const seconds = (value) => {
  if (value == null) return "";
  if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 100) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  if (value < 5400) return `${Math.round(value / 60)} min`;
  return `${(value / 3600).toFixed(1)} h`;
};
const bytes = (value) => {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (value < 1024 || unit === "GiB") return `${unit === "B" ? value : value.toFixed(1)} ${unit}`;
    value /= 1024;
  }
};

// ---------------------------------------------------------------- what changes from one snapshot to the next

const before = new Map();   // stream id -> {polls, busy, at, history}
let moment = 0;

// Polls and CPU a second since the last snapshot, and the course of the CPU.
function rates(stream, now) {
  const last = before.get(stream.id);
  const entry = { polls: stream.polls, busy: stream.busy_seconds, at: now, seen: moment, history: last?.history ?? [] };
  const span = last ? now - last.at : 0;
  if (span > 0) {
    stream.polls_rate = Math.max(0, (stream.polls - last.polls) / span);
    stream.cpu = Math.max(0, (stream.busy_seconds - last.busy) / span);
    entry.history.push(stream.cpu);
    if (entry.history.length > POINTS) entry.history.shift();
  } else {
    stream.polls_rate = last?.rate ?? 0;
    stream.cpu = last?.cpu ?? 0;
  }
  entry.rate = stream.polls_rate;
  entry.cpu = stream.cpu;
  before.set(stream.id, entry);
  stream.history = entry.history;
}

function spark(history) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("width", "60");
  svg.setAttribute("height", "16");
  svg.setAttribute("aria-hidden", "true");
  const top = Math.max(0.05, ...history);
  const points = history.map((value, i) => `${POINTS - history.length + i},${(15 - 14 * (value / top)).toFixed(1)}`);
  const path = document.createElementNS(ns, "path");
  if (points.length > 1) path.setAttribute("d", `M${points.join("L")}`);
  svg.append(path);
  return svg;
}

// ---------------------------------------------------------------- tables

// A table whose columns sort. Rows are kept by key, so that a focused button stays where it is.
class Table {
  constructor(node, columns, key, sort) {
    this.columns = columns;
    this.key = key;
    this.sort = sort;
    this.rows = new Map();
    this.body = make("tbody");
    const head = make("tr");
    this.heads = columns.map((column) => {
      const th = make("th", { scope: "col", className: column.text ? "" : "number" });
      if (column.by) {
        const button = make("button", { type: "button", textContent: column.title, title: column.hint ?? "" });
        button.addEventListener("click", () => {
          const [name, down] = this.sort;
          this.sort = [column.title, name === column.title ? !down : !column.text];
          this.draw(this.last);
        });
        th.append(button);
      } else {
        th.textContent = column.title;
      }
      head.append(th);
      return th;
    });
    node.append(make("thead", {}, head), this.body);
  }

  draw(items, limit = Infinity) {
    this.last = items;
    this.limit = limit === Infinity ? this.limit ?? Infinity : limit;
    const [name, down] = this.sort;
    this.columns.forEach((column, i) => {
      if (column.title === name) this.heads[i].setAttribute("aria-sort", down ? "descending" : "ascending");
      else this.heads[i].removeAttribute("aria-sort");
    });
    const by = this.columns.find((column) => column.title === name)?.by;
    const sorted = by ? [...items].sort((a, b) => compare(by(a), by(b)) * (down ? -1 : 1)) : items;
    const shown = sorted.slice(0, this.limit);
    const keep = new Set();
    shown.forEach((item, place) => {
      const key = this.key(item);
      keep.add(key);
      let row = this.rows.get(key);
      if (!row) {
        row = make("tr", {}, ...this.columns.map((column) => make("td", { className: column.text ? "" : "number" })));
        this.rows.set(key, row);
      }
      this.columns.forEach((column, i) => {
        const cell = row.cells[i];
        const value = column.show(item, cell);
        if (value instanceof Node) cell.replaceChildren(value);
        else if (value !== undefined && cell.textContent !== value) cell.textContent = value;
        cell.classList.remove("bad", "warn", "good", "soft");
        const tone = column.tone?.(item);
        if (tone) cell.classList.add(tone);
      });
      row.classList.toggle("hot", Boolean(this.columns.hot?.(item)));
      if (this.body.rows[place] !== row) this.body.insertBefore(row, this.body.rows[place] ?? null);
    });
    for (const [key, row] of this.rows) {
      if (!keep.has(key)) {
        row.remove();
        this.rows.delete(key);
      }
    }
    return items.length - shown.length;
  }
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a ?? "").localeCompare(String(b ?? ""));
}

const text = (title, of) => ({ title, text: true, by: of, show: (item) => of(item) ?? "" });

const streamColumns = [
  { title: "Stream", by: (s) => s.id, show: (s) => String(s.id) },
  text("Group", (s) => s.group),
  text("Deployment", (s) => s.deployment),
  text("Client", (s) => s.client),
  text("Phase", (s) => s.phase),
  { title: "CPU", hint: "Share of a core, in the last second", by: (s) => s.cpu, show: (s) => percent(s.cpu), tone: (s) => s.cpu > HOT && "bad" },
  { title: "", show: (s) => spark(s.history) },
  { title: "Polls/s", by: (s) => s.polls_rate, show: (s) => number(Math.round(s.polls_rate)) },
  { title: "For nothing", hint: "Polls in a row that moved nothing", by: (s) => s.polls_without_progress, show: (s) => number(s.polls_without_progress) },
  { title: "Age", by: (s) => s.age_seconds, show: (s) => seconds(s.age_seconds) },
  { title: "Idle", hint: "Since it last got anywhere", by: (s) => s.seconds_since_progress, show: (s) => seconds(s.seconds_since_progress) },
  { title: "Sent", by: (s) => s.bytes, show: (s) => bytes(s.bytes) },
  { title: "In plugin", text: true, show: (s) => s.plugin ?? "" },
  { title: "", text: true, show: abortButton },
];
streamColumns.hot = (s) => s.cpu > HOT || s.verdict;

const deploymentColumns = [
  text("Deployment", (d) => d.name),
  text("Group", (d) => d.group),
  { title: "State", text: true, by: (d) => d.cooling_seconds, show: stateOf, tone: (d) => (d.quarantined ? "bad" : d.cooling_seconds > 0 ? "warn" : "good") },
  { title: "In flight", by: (d) => d.in_flight, show: (d) => number(d.in_flight) },
  { title: "429s", hint: "Since the start", by: (d) => d.limited, show: (d) => number(d.limited), tone: (d) => d.limited > 0 && "warn" },
  { title: "Failed", hint: "Calls, since the start", by: (d) => d.failed, show: (d) => number(d.failed) },
  { title: "Good", hint: "Calls, since the start", by: (d) => d.ok, show: (d) => number(d.ok) },
  { title: "Last minute failed", by: (d) => d.minute_failed, show: (d) => number(d.minute_failed), tone: (d) => d.minute_failed > 0 && "warn" },
  { title: "First content", hint: "Mean time to it, the latest weighing most", by: (d) => d.first_content_seconds, show: (d) => seconds(d.first_content_seconds) },
];
deploymentColumns.hot = (d) => d.quarantined;

function stateOf(deployment) {
  if (deployment.quarantined) return "quarantined";
  if (deployment.cooling_seconds > 0) return `put aside, ${seconds(deployment.cooling_seconds)} left`;
  return "open";
}

const pluginColumns = [
  text("Plugin", (p) => p.name),
  text("Version", (p) => p.version),
  { title: "State", text: true, by: (p) => p.state, show: (p) => p.state, tone: (p) => (p.state === "open" ? "good" : "bad") },
  text("Runs", (p) => (p.isolation === "process" ? `in ${p.workers.length} processes` : "inline")),
  text("Offers", (p) => (p.prefixes.length > 6 ? `${p.prefixes.slice(0, 6).join(", ")}, … (${p.prefixes.length})` : p.prefixes.join(", ") || p.kinds.join(", "))),
  text("File", (p) => p.file),
];

const guardWords = { healthy: "answers", loading: "is coming up", missing: "misses", hung: "hangs", acting: "hangs; something is being done", given_up: "hangs; given up", unknown: "not asked yet" };
const isWell = (g) => g.state === "healthy" || g.state === "unknown";
const guardColumns = [
  text("Guard", (g) => g.name),
  { title: "State", text: true, by: (g) => g.state, show: (g) => guardWords[g.state] ?? g.state, tone: (g) => (g.state === "healthy" ? "good" : isWell(g) ? undefined : g.state === "loading" || g.state === "missing" ? "warn" : "bad") },
  { title: "Since", by: (g) => -g.since_unix_seconds, show: (g) => seconds(latest.unix_seconds - g.since_unix_seconds) },
  { title: "Process", by: (g) => g.pid ?? 0, show: (g) => (g.pid === null ? "none" : String(g.pid)) },
  { title: "CPU", hint: "Of a core: the busiest process of its tree, during the last probe", by: (g) => g.cpu_cores, show: (g) => percent(g.cpu_cores) },
  { title: "Misses", hint: "In a row", by: (g) => g.misses, show: (g) => number(g.misses), tone: (g) => g.misses > 0 && "warn" },
  { title: "Last probe", text: true, by: (g) => g.answer ?? "", show: (g) => (g.answer ? `${g.answer}, ${seconds(g.answer_seconds)}` : "") },
  { title: "Actions", hint: "Lately: within the window of its backoff", by: (g) => g.actions, show: (g) => number(g.actions) },
  text("Last action", (g) => g.trouble ?? g.last_action),
  text("Mode", (g) => g.mode),
];
guardColumns.hot = (g) => g.state === "given_up";

let key = sessionStorage.getItem("tidegate-key");
const remember = (given) => {
  key = given;
  if (given) sessionStorage.setItem("tidegate-key", given);
  else sessionStorage.removeItem("tidegate-key");
};
const headers = () => (key ? { authorization: `Bearer ${key}` } : {});

function abortButton(stream, cell) {
  if (cell.firstChild) return undefined;
  const button = make("button", { type: "button", textContent: "Abort", ariaLabel: `Abort stream ${stream.id}` });
  button.addEventListener("click", async () => {
    const asked = key ?? prompt("Aborting a stream asks for the admin key");
    if (!asked) return;
    button.disabled = true;
    let why;
    try {
      const answer = await fetch(`api/streams/${stream.id}/abort`, { method: "POST", headers: { authorization: `Bearer ${asked}` } });
      // One that is no longer right is asked for anew.
      if (answer.ok) remember(asked);
      else if (answer.status === 401) remember(null);
      why = answer.ok ? "" : await answer.text();
    } catch (error) {
      why = String(error);
    }
    if (!why) return;
    button.disabled = false;
    alert(why.trim());
  });
  return button;
}

// ---------------------------------------------------------------- what an operator should look at first

function attention(status) {
  const found = [];
  const say = (tone, sentence) => found.push([tone, sentence]);
  for (const s of status.streams.filter((s) => s.cpu > HOT).sort((a, b) => b.cpu - a.cpu).slice(0, 5)) {
    say("bad", `Stream ${s.id} of ${s.group}${s.client ? `, for ${s.client},` : ""} uses ${percent(s.cpu)} of a core${s.plugin ? ` in the plugin ${s.plugin}` : ""}.`);
  }
  if (status.workers.stuck > 0) say("bad", `${status.workers.stuck} of ${status.workers.all} workers are in one poll for too long.`);
  for (const g of status.guards.filter((g) => !isWell(g))) {
    say(g.state === "loading" || g.state === "missing" ? "warn" : "bad", `${g.name} ${guardWords[g.state]}${g.misses ? `: ${g.misses} misses in a row` : ""}${g.trouble ? `; ${g.trouble}` : ""}.`);
  }
  for (const g of status.guards.filter((g) => isWell(g) && g.trouble)) say("warn", `${g.name} answers, but ${g.trouble}.`);
  for (const d of status.deployments.filter((d) => d.quarantined)) say("bad", `${d.name} is quarantined.`);
  for (const p of status.plugins.plugins.filter((p) => p.state !== "open")) say("bad", `The plugin ${p.name} is ${p.state}.`);
  for (const d of status.deployments.filter((d) => d.cooling_seconds > 0)) {
    say("warn", `${d.name} is put aside for ${seconds(d.cooling_seconds)}; 429s since the start: ${number(d.limited)}.`);
  }
  for (const c of (status.returning_clients ?? []).slice(0, 3)) {
    say("warn", `${c.client} does not wait: it came ${number(c.returns)} times too soon for ${c.group}; ${seconds(c.left_seconds)} of its Retry-After are left.`);
  }
  if (status.amplification > 2) say("warn", `Providers get ${status.amplification.toFixed(1)} calls for each request.`);
  const recent = status.incidents.filter((i) => status.unix_seconds - i.unix_seconds < 60).slice(-5).reverse();
  for (const i of recent) say("warn", `${seconds(status.unix_seconds - i.unix_seconds)} ago: ${i.why}${whose(i)}${i.action ? `: ${i.action}` : ""}.`);
  if (status.plugins.refused.length > 0) say("warn", `${status.plugins.refused.length} plugin files are refused.`);
  if (found.length === 0) say("good", "Nothing needs attention.");
  return found.slice(0, 12);
}

const whose = (incident) => `${incident.group ? `, a request to ${incident.group}` : ""}${incident.client ? ` by ${incident.client}` : ""}`;

// ---------------------------------------------------------------- one snapshot

const streams = new Table(at("streams"), streamColumns, (s) => s.id, ["CPU", true]);
const deployments = new Table(at("deployments"), deploymentColumns, (d) => d.name, ["State", true]);
const plugins = new Table(at("plugins"), pluginColumns, (p) => p.name, ["Plugin", false]);
const guards = new Table(at("guards"), guardColumns, (g) => g.name, ["Guard", false]);
const courses = { requests: [], streams: [] };
let lastTotals = null;

function draw(status) {
  moment += 1;
  for (const stream of status.streams) rates(stream, status.uptime_seconds);
  for (const [id, entry] of before) if (entry.seen !== moment) before.delete(id);

  at("state").className = status.state === "serving" ? "good" : "bad";
  at("state").textContent = `${status.state} · ${status.version} · up ${seconds(status.uptime_seconds)}`;
  const since = lastTotals ? status.uptime_seconds - lastTotals.at : 0;
  const rate = since > 0 ? (status.totals.requests - lastTotals.requests) / since : 0;
  lastTotals = { at: status.uptime_seconds, requests: status.totals.requests };
  push(courses.requests, rate);
  push(courses.streams, status.totals.active);
  at("totals").replaceChildren(
    pair("in flight", number(status.totals.active), courses.streams),
    pair("requests/s", rate.toFixed(1), courses.requests),
    pair("calls a request", status.amplification.toFixed(2)),
    pair("429s", number(status.totals.limited)),
    pair("workers", `${status.workers.all - status.workers.stuck}/${status.workers.all}`),
  );

  at("attention").querySelector("ul").replaceChildren(
    ...attention(status).map(([tone, sentence]) => make("li", { className: tone, textContent: sentence })));
  drawStreams(status);
  deployments.draw(status.deployments);
  at("guards-section").hidden = status.guards.length === 0;
  guards.draw(status.guards);
  plugins.draw(status.plugins.plugins);
  count("deployments-title", status.deployments.length);
  count("plugins-title", status.plugins.plugins.length);
  count("guards-title", status.guards.length);
  count("incidents-title", status.incidents.length);
  drawIncidents(status);
}

let latest = null;
function drawStreams(status) {
  latest = status;
  const words = at("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (s) => words.every((word) => [s.group, s.deployment, s.client, s.phase, String(s.id)].some((part) => part?.toLowerCase().includes(word)));
  const chosen = words.length ? status.streams.filter(has) : status.streams;
  const hidden = streams.draw(chosen, ROWS) + status.streams_left_out;
  count("streams-title", status.totals.active);
  document.querySelector(".more").textContent = chosen.length === 0 ? "No stream." : hidden > 0 ? `${number(hidden)} more are not shown: sort or filter.` : "";
}

function drawIncidents(status) {
  const box = at("incidents");
  const shown = [...status.incidents].reverse();
  const there = new Map([...box.children].map((node) => [node.dataset.id, node]));
  box.replaceChildren(...shown.map((incident) => there.get(incident.id) ?? incidentNode(incident)));
  if (shown.length === 0) box.textContent = "None.";
}

function incidentNode(incident) {
  const when = new Date(incident.unix_seconds * 1000);
  const node = make("details");
  node.dataset.id = incident.id;
  const label = [incident.kind, incident.rule, incident.action].filter(Boolean).join(" ");
  const time = make("time", { dateTime: when.toISOString(), textContent: when.toLocaleTimeString() });
  node.append(make("summary", {}, time, ` · ${label} · ${incident.why}`));
  node.addEventListener("toggle", async () => {
    if (!node.open || node.querySelector("ol")) return;
    const answer = await fetch(`api/incidents/${incident.id}`, { headers: headers() });
    if (!answer.ok) return;
    const whole = await answer.json();
    const events = whole.events.map((event) => make("li", { textContent: `${seconds(event.seconds_before)} before: ${event.what}` }));
    const facts = ["group", "deployment", "plugin"].filter((name) => whole[name]).map((name) => `${name} ${whole[name]}`);
    node.append(make("p", { className: "soft", textContent: facts.join(" · ") }), make("ol", {}, ...events));
    if (whole.detail) node.append(make("pre", { textContent: whole.detail }));
  });
  return node;
}

function push(course, value) {
  course.push(value);
  if (course.length > POINTS) course.shift();
}

function pair(name, value, course) {
  return make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }), ...(course ? [spark(course)] : []));
}

function count(id, value) {
  at(id).querySelector(".count").textContent = number(value);
}

at("filter").addEventListener("input", () => latest && drawStreams(latest));
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/input|textarea/i.test(event.target.tagName)) {
    event.preventDefault();
    at("filter").focus();
  }
});

// ---------------------------------------------------------------- the stream of snapshots

at("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  remember(at("key").value);
  at("key").value = "";
  at("unlock").hidden = true;
  follow();
});

document.querySelector("#config-title ~ details").addEventListener("toggle", async (event) => {
  if (!event.target.open) return;
  try {
    at("config").textContent = await (await fetch("api/config", { headers: headers() })).text();
  } catch (error) {
    at("config").textContent = String(error);
  }
});

// EventSource cannot send a key, so the events are read here. The port ends them now and then; a lost connection is tried
// again each second.
async function follow() {
  for (;;) {
    let state = "no connection; trying again";
    try {
      const answer = await fetch("api/live", { headers: headers() });
      if (answer.status === 401) {
        at("refused").textContent = key ? "That is not the key." : "";
        at("unlock").hidden = false;
        at("key").focus();
        remember(null);
        return;
      }
      if (!answer.ok) {
        state = (await answer.text()).trim() || state;
        throw new Error(`HTTP ${answer.status}`);
      }
      let pending = "";
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        pending += value;
        const events = pending.split("\n\n");
        pending = events.pop();
        const last = events.filter((event) => event.startsWith("data: ")).pop();
        if (last) draw(JSON.parse(last.slice(6)));
      }
      state = "";
    } catch (error) {
      console.warn(error);
    }
    if (state) {
      at("state").className = "bad";
      at("state").textContent = state;
    }
    await new Promise((done) => setTimeout(done, 1000));
  }
}

follow();
