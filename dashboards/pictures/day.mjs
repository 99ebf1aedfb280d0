// An ordinary day, made short: people and an agent ask, mostly with success; a provider limits them for a
// while; a stream spins; a plugin's process dies; a provider has a bad minute.

import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {Agent, request} from 'node:http';
import {setTimeout as sleep} from 'node:timers/promises';

/** Requests in flight at most. */
const CLIENTS = 14;

/** Groups by how much they are asked for. */
const GROUPS = [['gpt-4.1', 5], ['claude-sonnet', 4], ['gemini-pro', 4], ['gpt-4.1-mini', 3]];

/** Answers on an ordinary minute, for each group, by how often they come; names are the simulator's. */
const ORDINARY = [['healthy', 50], ['fast', 30], ['split-utf8', 10], ['http-400', 1], ['http-500', 1], ['no-finish', 1], ['rst-headers', 1]];

/** From a share of the day to another, a group's answers are these instead. */
const EPISODES = [
  {from: 0.25, to: 0.5, group: 'gemini-pro', answers: [['http-429', 6], ['429-first', 3], ['429-frame-end', 4], ['healthy', 3]]},
  {from: 0.68, to: 0.78, group: 'gpt-4.1', answers: [['http-500', 5], ['http-503', 3], ['healthy', 6]]},
  {from: 0.55, to: 0.9, group: 'gpt-4.1-mini', answers: [['no-finish', 2], ['healthy', 8], ['stall-mid', 1]]},
];

/** The same day each time. */
let state = 7;
function random() {
  state = (state * 1103515245 + 12345) % 2147483648;
  return state / 2147483648;
}

function pick(weighted) {
  let at = random() * weighted.reduce((sum, [, weight]) => sum + weight, 0);
  return weighted.find(([, weight]) => (at -= weight) < 0)[0];
}

/** What OpenAI's client libraries say: such a request is no client's return. */
const FIRST_TRY = {'x-stainless-retry-count': '0'};

const agent = new Agent({keepAlive: true});

/** The status; 0 for no answer. The scenario is the group's own: where the request falls back to, all is well. */
function chat(data, {model, scenario, place = model, stream = random() < 0.8, headers = FIRST_TRY, patience = 30_000}) {
  const body = JSON.stringify({model, stream, messages: [{role: 'user', content: `sim:${scenario}@${place.replace('.', '')}`}]});
  return new Promise(done => {
    const [host, port] = data.split(':');
    const asked = request({host, port, path: '/v1/chat/completions', method: 'POST', agent, headers: {'content-type': 'application/json', ...headers}}, answer => {
      answer.on('data', () => {}).on('close', () => done(answer.statusCode)).on('error', () => {});
    });
    asked.on('error', () => done(0));
    setTimeout(() => asked.destroy(), patience).unref();
    asked.end(body);
  });
}

/** The processes of plugins. Each thread has children of its own. */
function childrenOf(pid) {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).flatMap(task => readFileSync(`${tasks}/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number));
}

/** Writes the configuration, and returns what lives. */
export async function play(sim, config, guarded) {
  const at = group => `api_base: "http://${sim}/at/${group.replace('.', '')}`;
  const key = 'api_key: sim-key';
  writeFileSync(
    config,
    `model_list:
  - {model_name: gpt-4.1, litellm_params: {model: openai/gpt-4.1, ${at('gpt-4.1')}/v1", ${key}}}
  - {model_name: gpt-4.1, litellm_params: {model: openai/gpt-4.1-eu, ${at('gpt-4.1')}/v1", ${key}}}
  - {model_name: gpt-4.1-mini, litellm_params: {model: openai/gpt-4.1-mini, ${at('gpt-4.1-mini')}/v1", ${key}}}
  - {model_name: claude-sonnet, litellm_params: {model: anthropic/claude-sonnet-4-5, ${at('claude-sonnet')}", ${key}}}
  - {model_name: gemini-flash, litellm_params: {model: gemini/gemini-2.5-flash, ${at('gemini-pro')}/v1beta", ${key}}}
  - {model_name: gemini-pro, litellm_params: {model: gemini/gemini-2.5-pro, ${at('gemini-pro')}/v1beta", ${key}}}
router_settings:
  num_retries: 2
  cooldown_time: 6
  allowed_fails: 8
  fallbacks: [{gemini-pro: [gpt-4.1]}, {gpt-4.1: [claude-sonnet]}, {gpt-4.1-mini: [gpt-4.1]}]
tidegate:
  listen: 127.0.0.1:0
  admin: 127.0.0.1:0
  groups: {gpt-4.1-mini: {mid_stream: continue}}
  plugins: {use: {anthropic: {isolation: process}}}
  clocks: {first_content: 3s, content_idle: 2s, byte_idle: 2s, total: 30s}
  # A litellm that hangs after three minutes.
  guard:
    - name: litellm
      pid_file: ${guarded.file}
      probe: {url: "http://127.0.0.1:${guarded.port}/health", every: 1s, timeout: 1s}
      start_grace: 2s
      restart: [/bin/sh, -c, '${guarded.program} ${guarded.port} ${guarded.file} 180:spin > /dev/null 2>&1 &']
`,
  );
  return {live};
}

function live({data, pid, seconds}) {
  const began = Date.now();
  const share = () => (Date.now() - began) / 1000 / seconds;
  const answersOf = group => EPISODES.find(one => one.group === group && share() >= one.from && share() < one.to)?.answers ?? ORDINARY;
  const client = async () => {
    for (;;) {
      const model = pick(GROUPS);
      await chat(data, {model, scenario: pick(answersOf(model)), patience: random() < 0.02 ? 400 : 30_000});
      // More is asked in the middle of the day.
      await sleep((-Math.log(1 - random()) * 900) / (0.6 + Math.sin(Math.PI * Math.min(1, share()))));
    }
  };
  // An agent that takes a 429 for "try again now", in a group that has no fallback.
  const stubborn = async () => {
    for (;;) {
      const scenario = pick(answersOf('gemini-pro'));
      const status = await chat(data, {model: 'gemini-flash', place: 'gemini-pro', scenario, stream: true, headers: {}});
      await sleep(status === 429 ? 700 : 4000);
    }
  };
  for (let one = 0; one < CLIENTS; one += 1) client();
  stubborn();
  const at = (when, what) => setTimeout(what, when * seconds * 1000);
  const faulty = fault => chat(data, {model: 'claude-sonnet', scenario: 'healthy', stream: true, headers: {'x-tidegate-fault': fault}});
  at(0.15, () => process.kill(pid, 'SIGHUP'));
  at(0.6, () => faulty('spin-wake'));
  at(0.62, () => faulty('blocked=3s'));
  at(0.82, () => childrenOf(pid).forEach(child => process.kill(child, 'SIGKILL')));
}
