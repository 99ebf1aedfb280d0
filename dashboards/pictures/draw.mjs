// Draws the dashboards from what a Prometheus answered; `draw` beside it tells how it is called.

import {spawnSync} from 'node:child_process';
import {existsSync, mkdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {parseArgs} from 'node:util';

import {build} from 'esbuild';
import {chromium} from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');

/** A page in the documentation is not to load for long. */
const LARGEST = 400 * 1024;

/** Where Debian and others have it; `CHROMIUM` names another. */
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

function fail(words) {
  console.error(`draw: ${words}`);
  process.exit(1);
}

const {values: options, positionals} = parseArgs({
  allowPositionals: true,
  options: {theme: {type: 'string', default: 'dark'}, out: {type: 'string', default: join(root, 'docs/images/dashboards')}},
});
if (!['dark', 'light'].includes(options.theme)) fail(`no theme ${options.theme}; there are dark and light`);
const source = positionals[0] ?? join(root, 'target/pictures/panels.json');
if (!existsSync(source)) fail(`no ${source}: draw --record`);
const browserFile = process.env.CHROMIUM ?? BROWSERS.find(existsSync) ?? fail('no Chromium; CHROMIUM names one');

const work = join(root, 'target/pictures');
for (const folder of [work, options.out]) mkdirSync(folder, {recursive: true});

/** Script and style of every page. */
async function bundle() {
  const {outputFiles} = await build({
    entryPoints: [join(here, 'src/page.jsx')],
    outdir: work,
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    jsx: 'automatic',
    alias: {icons: join(here, 'node_modules/@grafana/ui/dist/public/img/icons/unicons')},
    loader: {'.ttf': 'empty', '.svg': 'text', '.woff2': 'dataurl', '.woff': 'empty'},
    define: {'process.env.NODE_ENV': '"production"', 'process.env.NODE_DEBUG': 'undefined', global: 'window'},
    logLevel: 'error',
  });
  const text = end => outputFiles.find(file => file.path.endsWith(end))?.text ?? '';
  return {script: text('.js'), style: text('.css')};
}

/** One file without outside resources. */
function page({script, style}, picture) {
  // It would end the element.
  const inside = text => text.replaceAll('</script', '<\\/script');
  return `<!doctype html><meta charset="utf-8"><title>${picture.dashboard.title}</title><style>${style}</style>
<body style="margin:0"><div id="root"></div>
<script>window.picture = ${inside(JSON.stringify(picture))}</script>
<script type="module">${inside(script)}</script>`;
}

/** Fewer colours make it a third of the size. */
function smaller(png) {
  const {status, stdout, error} = spawnSync('pngquant', ['--speed', '1', '--strip', '128', '-'], {input: png, maxBuffer: 1 << 26});
  if (error || status !== 0) fail(`pngquant: ${error ?? `exit ${status}`}`);
  return stdout;
}

/** Panels that have data and nothing in a colour of a series: axes, grid and words are grey, and what is faint has no colour. In the page. */
function blank() {
  const coloured = canvas => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4) {
      const [red, green, blue, opaque] = data.subarray(at, at + 4);
      if (opaque > 60 && Math.max(red, green, blue) - Math.min(red, green, blue) > 40) return true;
    }
    return false;
  };
  const shows = panel => {
    const plots = [...panel.querySelectorAll('canvas')];
    return plots.length > 0 ? plots.some(coloured) : panel.innerText.trim() !== panel.dataset.panel;
  };
  return [...document.querySelectorAll('[data-empty=false]')].filter(panel => !shows(panel)).map(panel => panel.dataset.panel);
}

async function picture(browser, file) {
  // As high as any dashboard: what is outside of the window is not always drawn.
  const tab = await browser.newPage({viewport: {width: 1400, height: 5000}});
  const wrong = [];
  tab.on('pageerror', error => fail(error.stack || error.message));
  tab.on('console', message => message.type() === 'error' && wrong.push(message.text()));
  tab.on('request', request => /^https?:/.test(request.url()) && wrong.push(`it asked for ${request.url()}`));
  await tab.goto(pathToFileURL(file).href);
  // The page is there at once, or it had an error.
  await tab.waitForFunction(() => document.getElementById('dashboard'), null, {timeout: 60_000}).catch(() => fail(`nothing was drawn: ${wrong.join('\n')}`));
  // Legends are measured, then plots get what is left: until they keep their sizes.
  const still = () => {
    const sizes = [...document.querySelectorAll('canvas')].map(plot => `${plot.width} ${plot.height}`).join();
    const same = sizes === window.sizes;
    window.sizes = sizes;
    return same;
  };
  await tab.waitForFunction(still, null, {polling: 800, timeout: 60_000});
  const dashboard = await tab.$('#dashboard');
  const png = await dashboard.screenshot({animations: 'disabled'});
  const empty = await tab.$$eval('[data-empty=true]', all => all.map(one => one.dataset.panel));
  for (const title of await tab.evaluate(blank)) wrong.push(`"${title}" has data and shows nothing`);
  // A check that passes everything is none: a panel that is wiped must be found.
  await tab.$$eval('canvas', ([plot]) => (plot.width = plot.width));
  if ((await tab.evaluate(blank)).length === 0) wrong.push('a wiped panel was not found');
  await tab.close();
  return {png, wrong, empty};
}

const parts = await bundle();
// Chromium refuses root its sandbox; it opens nothing but these pages.
const sandbox = process.getuid() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({executablePath: browserFile, args: [...sandbox, '--force-color-profile=srgb', '--font-render-hinting=none']});
for (const {uid, dashboard, panels} of JSON.parse(readFileSync(source, 'utf8'))) {
  const name = uid.replace('tidegate-', '');
  const html = join(work, `${name}.html`);
  writeFileSync(html, page(parts, {dashboard, panels, theme: options.theme}));
  const {png, wrong, empty} = await picture(browser, html);
  const file = join(options.out, `${name}.png`);
  writeFileSync(file, smaller(png));
  const size = statSync(file).size;
  console.log(`${file}: ${Math.ceil(size / 1024)} KiB${empty.length > 0 ? `; without data: ${empty.join(', ')}` : ''}`);
  if (wrong.length > 0) fail(`${name}: ${wrong.join('\n')}`);
  if (size > LARGEST) fail(`${name}.png has ${size} bytes, more than ${LARGEST}`);
}
await browser.close();
