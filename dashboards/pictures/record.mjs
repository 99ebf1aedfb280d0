// Plays seven minutes of an ordinary day on simulated providers, and writes what a Prometheus answers to every expression of
// every dashboard: `record [--seconds N]`, or `record --again` to ask a changed dashboard about the minutes that were kept.
// It needs `prometheus`, and `target/debug/tidegate` with its fault hooks:
// `cargo build --workspace --features tidegate/fault-hooks`.

import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {createServer} from 'node:net';
import {dirname, join, resolve} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {setTimeout as sleep} from 'node:timers/promises';

import {play} from './day.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const work = join(root, 'target/pictures');
const data = join(work, 'prometheus');
const kept = join(work, 'time.json');

/** Seconds between two scrapes, and between two points of a course. */
const SCRAPE = 5;

const {values: options} = parseArgs({options: {seconds: {type: 'string', default: '420'}, again: {type: 'boolean', default: false}}});
const children = [];
// The guarded process is its guard's child, which lets it live.
const guarded = {program: join(root, 'target/debug/guarded'), file: join(work, 'guarded.pid')};
process.on('exit', () => {
  children.forEach(child => child.kill('SIGTERM'));
  const pid = existsSync(guarded.file) ? Number(readFileSync(guarded.file, 'utf8')) : 0;
  if (pid > 1 && existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(guarded.file)) process.kill(pid, 'SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

function fail(words) {
  console.error(`record: ${words}`);
  process.exit(1);
}

/** A Tidegate, and the fields of the log line that begins with `message`. */
async function start(args, message) {
  const program = join(root, 'target/debug/tidegate');
  if (!existsSync(program)) fail(`no ${program}: cargo build --workspace --features tidegate/fault-hooks`);
  const child = spawn(program, args, {stdio: ['ignore', 'ignore', 'pipe']});
  children.push(child);
  const lines = createInterface({input: child.stderr});
  const seen = [];
  for await (const line of lines) {
    seen.push(line);
    const said = line.startsWith('{') ? JSON.parse(line) : {};
    const fields = {...said, ...said.fields};
    if (!fields.message?.startsWith(message)) continue;
    child.stderr.resume();
    return {child, fields};
  }
  return fail(`tidegate ${args[0]} ended:\n${seen.join('\n')}`);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address();
  server.close();
  return port;
}

/** Prometheus over the kept data; it scrapes `target` if there is one. */
async function prometheus(target) {
  const config = join(work, 'prometheus.yml');
  const scrapes = target ? `scrape_configs: [{job_name: tidegate, static_configs: [{targets: ["${target}"]}]}]\n` : '';
  writeFileSync(config, `global: {scrape_interval: ${SCRAPE}s, scrape_timeout: ${SCRAPE}s}\n${scrapes}`);
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn('prometheus', [`--config.file=${config}`, `--storage.tsdb.path=${data}`, `--web.listen-address=${address}`], {stdio: 'ignore'});
  child.on('error', error => fail(`prometheus: ${error.message}`));
  children.push(child);
  for (let turn = 0; turn < 300; turn += 1) {
    const ready = await fetch(`http://${address}/-/ready`).then(answer => answer.ok, () => false);
    if (ready) return address;
    await sleep(100);
  }
  return fail('Prometheus is not ready after 30 s');
}

/** What Grafana makes of its variables when all is chosen. */
function substituted(expr, seconds) {
  const fixed = expr.replaceAll('$__rate_interval', `${4 * SCRAPE}s`).replaceAll('$__range', `${Math.round(seconds)}s`);
  return fixed.replaceAll(/\$[a-z]+/g, '.+');
}

async function ask(address, target, {from, to}) {
  const expr = encodeURIComponent(substituted(target.expr, to - from));
  const path = target.instant ? `query?query=${expr}&time=${to}` : `query_range?query=${expr}&start=${from}&end=${to}&step=${SCRAPE}`;
  const answer = await (await fetch(`http://${address}/api/v1/${path}`)).json();
  if (answer.status !== 'success') fail(`${target.expr}: ${answer.error}`);
  return {legend: target.legendFormat, result: answer.data.result};
}

/** Every panel's answers, in the form that `panels` writes too. */
async function answers(address, time) {
  const folder = join(root, 'dashboards/grafana');
  const out = [];
  for (const file of readdirSync(folder).filter(name => name.endsWith('.json'))) {
    const dashboard = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    const panels = [];
    let row = '';
    for (const panel of dashboard.panels) {
      if (panel.type === 'row') row = panel.title;
      else panels.push({row, title: panel.title, answers: await Promise.all(panel.targets.map(target => ask(address, target, time)))});
    }
    out.push({uid: dashboard.uid, dashboard, panels});
  }
  return out;
}

async function lived(seconds) {
  for (const old of [data, kept, guarded.file]) rmSync(old, {recursive: true, force: true});
  mkdirSync(work, {recursive: true});
  const sim = await start(['sim', '--listen', '127.0.0.1:0'], 'simulated providers');
  const config = join(work, 'config.yaml');
  const day = await play(sim.fields.addr, config, {...guarded, port: await freePort()});
  const proxy = await start(['serve', '-c', config], 'serving');
  const address = await prometheus(proxy.fields.admin);
  const from = Date.now() / 1000;
  // The clients go on while Prometheus is asked: the last minute is like the others.
  day.live({data: proxy.fields.data, pid: proxy.child.pid, seconds});
  await sleep(seconds * 1000);
  // It ends between two marks of the time axis, so that no label is cut.
  await sleep((((45 - (Date.now() / 1000) % 60) + 60) % 60) * 1000);
  const time = {from, to: Date.now() / 1000};
  writeFileSync(kept, JSON.stringify(time));
  return {address, time};
}

const {address, time} = options.again
  ? {address: await prometheus(), time: JSON.parse(readFileSync(kept, 'utf8'))}
  : await lived(Number(options.seconds));
const file = join(work, 'panels.json');
writeFileSync(file, JSON.stringify(await answers(address, time)));
console.log(file);
process.exit(0);
