// The status page of the real program in headless Chromium: what an operator reads off it, and what they do with it.
//
//     node page.mjs [--pictures FOLDER]
//
// One line a check. The last is `N passed, N failed`; the exit code is 1 if any failed.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import http from "node:http";
import { parseArgs } from "node:util";

import { chromium } from "playwright-core";

import { KEY, start } from "./world.mjs";

const { values: options } = parseArgs({ options: { pictures: { type: "string" } } });
const LONG = 30_000;
let passed = 0, failed = 0;

async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack ?? error}`);
  }
}

/** Sends a chat request whose stream is not read to its end by anybody. */
function ask(port, model, scenario, headers = {}) {
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content: `sim:${scenario}` }] });
  return new Promise((done, broke) => {
    const request = http.request({ port, host: "127.0.0.1", path: "/v1/chat/completions", method: "POST", agent: false, headers });
    request.on("response", (response) => {
      response.on("error", () => {});
      response.resume();
      done({ request, response });
    });
    request.on("error", broke);
    request.end(body);
  });
}

const world = await start();
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const picture = async (page, name) => {
  if (!options.pictures) return;
  await mkdir(options.pictures, { recursive: true });
  await page.screenshot({ path: `${options.pictures}/${name}.png`, fullPage: true });
};
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  const complaints = [], asked = new Set();
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => asked.add(new URL(request.url()).host));
  await page.goto(`http://127.0.0.1:${world.admin}/`);
  const attention = page.locator("#attention");
  const rows = page.locator("#streams tbody tr");

  await check("an idle gateway needs no attention", async () => {
    await attention.getByText("Nothing needs attention.").waitFor({ timeout: LONG });
    await page.getByText("serving ·").waitFor({ timeout: LONG });
    await page.getByText("No stream.").waitFor({ timeout: LONG });
  });

  // A stream that spins, in observation so that it goes on; some that wait; a deployment that is limited.
  const hot = ask(world.data, "openai", "stall-mid", { "user-agent": "Spinner/1.0 x", "x-tidegate-fault": "spin-wake" });
  const calm = [await ask(world.data, "gemini", "stall-mid", { "user-agent": "Calm/2.0" }), await ask(world.data, "gemini", "stall-mid")];
  await ask(world.data, "limited", "http-429");
  hot.catch(() => {});

  await check("it names the stream that burns CPU, and its client", async () => {
    await attention.getByText(/Stream \d+ of openai, for 127\.0\.0\.1 Spinner\/1\.0, uses \d+ % of a core/).waitFor({ timeout: LONG });
  });
  await check("it names the deployment that is limited, and how long it is put aside", async () => {
    await attention.getByText(/limited.* is put aside for .*; 429s since the start: 1\./).waitFor({ timeout: LONG });
    await page.locator("#deployments").getByText(/put aside, .* left/).waitFor({ timeout: LONG });
  });
  await check("the busiest stream is the first, and sorting changes that", async () => {
    await page.waitForFunction(() => document.querySelectorAll("#streams tbody tr").length === 3, null, { timeout: LONG });
    assert.match(await rows.first().innerText(), /openai/);
    const sort = page.locator("#streams");
    await sort.getByRole("button", { name: "Group" }).click();
    assert.match(await rows.first().innerText(), /gemini/);
    assert.equal(await page.locator("#streams th").nth(1).getAttribute("aria-sort"), "ascending");
    await sort.getByRole("button", { name: "CPU" }).click();
  });
  await check("a key jumps to the filter, and the filter finds a client", async () => {
    await page.keyboard.press("/");
    await page.keyboard.type("calm");
    await page.waitForFunction(() => document.querySelectorAll("#streams tbody tr").length === 1, null, { timeout: LONG });
    assert.match(await rows.first().innerText(), /Calm\/2\.0/);
    await page.locator("#filter").fill("");
  });
  await picture(page, "light");

  await check("an incident opens with its timeline", async () => {
    const incident = page.locator("#incidents details").first();
    await incident.waitFor({ timeout: LONG });
    await incident.locator("summary").click();
    await incident.locator("li").first().waitFor({ timeout: LONG });
  });
  await check("the configuration is shown without its keys", async () => {
    await page.getByText("Show it, with secrets hidden").click();
    await page.waitForFunction(() => document.getElementById("config").textContent.includes("[redacted]"), null, { timeout: LONG });
    assert.ok(!(await page.content()).includes(KEY));
    await page.getByText("Show it, with secrets hidden").click();
  });
  await check("an abort asks for the key, and a wrong one changes nothing", async () => {
    const answers = ["wrong", null];
    const dialogs = [];
    const answer = async (dialog) => {
      dialogs.push(dialog.message());
      await (dialog.type() === "prompt" ? dialog.accept(answers.shift() ?? "") : dialog.accept());
    };
    page.on("dialog", answer);
    await page.locator("#filter").fill("calm");
    await page.getByRole("button", { name: /^Abort stream/ }).first().click();
    await page.waitForFunction(() => document.querySelectorAll("#streams tbody tr").length === 1);
    await assert.doesNotReject(async () => {
      for (let i = 0; i < 100 && dialogs.length < 2; i += 1) await page.waitForTimeout(50);
    });
    assert.match(dialogs.at(-1), /not the admin key/);
    answers.splice(0, answers.length, KEY);
    await page.getByRole("button", { name: /^Abort stream/ }).first().click();
    await page.waitForFunction(() => document.querySelectorAll("#streams tbody tr").length === 0, null, { timeout: LONG });
    page.off("dialog", answer);
    await page.locator("#filter").fill("");
  });

  await check("a key that is no longer right is asked for anew, and stands nowhere", async () => {
    await page.evaluate(() => sessionStorage.setItem("tidegate-key", "old"));
    await page.reload();
    await page.getByText("That is not the key.").waitFor({ timeout: LONG });
    await page.locator("#key").fill(KEY);
    await page.keyboard.press("Enter");
    await page.getByText("serving ·").waitFor({ timeout: LONG });
    assert.equal(await page.locator("#key").inputValue(), "");
    assert.ok(!await page.locator("#unlock").isVisible());
  });

  await check("dark, and on a narrow screen", async () => {
    await page.emulateMedia({ colorScheme: "dark" });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(await ground(), "rgb(18, 21, 23)");
    await picture(page, "dark");
    await page.setViewportSize({ width: 390, height: 844 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 390, `the page is ${wide} wide`);
    await picture(page, "narrow");
    await page.setViewportSize({ width: 1400, height: 900 });
    await page.emulateMedia({ colorScheme: "light" });
  });

  const many = [];
  await check("two thousand streams can be read", async () => {
    for (let i = 0; i < 40; i += 1) {
      many.push(...await Promise.all(Array.from({ length: 50 }, () => ask(world.data, "gemini", "stall-mid"))));
    }
    await page.waitForFunction(() => /^2,00\d$/.test(document.querySelector("#streams-title .count").textContent), null, { timeout: LONG });
    assert.equal(await rows.count(), 200);
    await page.getByText(/1,80\d more are not shown/).waitFor({ timeout: LONG });
    // The busy one is still the first of them.
    assert.match(await rows.first().innerText(), /openai/);
    // It keeps up: a snapshot is drawn in far less than the second between two.
    const took = await page.evaluate(async () => {
      const status = await (await fetch("api/status")).json();
      const began = performance.now();
      draw(status);
      return performance.now() - began;
    });
    console.log(`        a snapshot of 2,000 streams is drawn in ${took.toFixed(0)} ms`);
    await picture(page, "many");
  });
  for (const { request } of [...calm, ...many]) request.destroy();

  await check("it asks nothing of anybody else, and nothing went wrong in it", async () => {
    assert.deepEqual([...asked], [`127.0.0.1:${world.admin}`]);
    assert.deepEqual(complaints.filter((text) => !text.includes("401")), []);
  });
  await check("it says so when the program is gone, and comes back", async () => {
    await world.stop();
    await page.getByText("no connection; trying again").waitFor({ timeout: LONG });
  });
} finally {
  await browser.close();
  await world.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
