// The pictures of the dashboard in docs/. With SCREENSHOTS=N they are made anew, after N seconds of traffic (300 gives the charts
// something to show); without it, a few requests show that they still can be made, and nothing in docs/ changes.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage, becomes, openBrowser, openPage } from './stage.mjs';

const k_largest = 250_000;  // bytes: they stand in the repository
const seconds = Number(process.env.SCREENSHOTS ?? 0);
const docs = seconds > 0 ? 'docs' : process.env.DASHBOARD_WORK;

const CONFIG = `
[listen]
[log]
access = "off"
[[upstream]]
name = "relay"
url = "{sim}/v1"
[[upstream]]
name = "openai"
url = "{sim}/v1"
keys = ["sk-of-our-own"]
[[model]]
name = "gpt-4o"
fallback = ["openai:gpt-4o-mini"]
[[model]]
name = "claude-sonnet-4"
concurrency = 8
fallback = ["openai:gpt-4o"]
[[route]]
path = "/faq"
cache = { normalise = "faq" }
`;
// On the way, one model has a bad time.
const SIM = `
tokens = 220
[[fault]]
model = "claude-sonnet-4"
at = "100s"
for = "40s"
status = 503
[[fault]]
model = "deepseek-chat"
at = "210s"
for = "15s"
status = 503
`;

const QUESTIONS = ['How do I return goods?', 'Where is my parcel?', 'Which sizes are there?', 'Do you ship to Norway?', '怎么退货？', '什么时候发货？', 'Can I pay by invoice?'];
const MODELS = [['gpt-4o-mini', '/faq/v1/chat/completions', 0.5], ['gpt-4o', '/v1/chat/completions', 0.75], ['claude-sonnet-4', '/v1/chat/completions', 0.9], ['deepseek-chat', '/v1/chat/completions', 1]];

// What a support team's apps ask: much of it again and again, some of it by several at once. The same each time.
function makeCrowd(stage) {
  let state = 7;
  const random = () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
  let asked = 0;
  return () => {
    const dice = random();
    const [model, path] = MODELS.find(([, , upTo]) => dice < upTo);
    const isOften = random() < (path.startsWith('/faq') ? 0.75 : 0.3);
    const question = isOften ? QUESTIONS[Math.floor(random() * QUESTIONS.length)] : `Order ${++asked}: where is it, and what does the contract of this customer say about delays?`;
    const members = { model, path, stream: true, ...(random() < 0.05 ? { n: 2 } : {}) };
    const same = random() < 0.12 ? 3 : 1;
    return Array.from({ length: same }, () => stage.chat(question, members).catch(() => {}));
  };
}

test('pictures of the dashboard', async () => {
  const stage = await Stage.open(CONFIG, { sim: SIM });
  const browser = await openBrowser();
  const picture = async (name, options, prepare = () => {}) => {
    const page = await openPage(browser, stage.url, { viewport: { width: 1280, height: 1280 }, ...options });
    const isChinese = options.locale === 'zh-CN';
    await becomes(() => page.locator('#live').innerText(), isChinese ? '实时' : 'Live');
    await page.locator('#request-rows tr.request').first().waitFor();
    await prepare(page);
    await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
    const file = join(docs, `dashboard-${name}.png`);
    await page.screenshot({ path: file });
    assert.ok(statSync(file).size < k_largest, `${file} has ${statSync(file).size} bytes`);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  };
  try {
    const ask = makeCrowd(stage);
    const under = new Set();
    const began = Date.now();
    for (const end = began + 1000 * seconds; Date.now() < end; await sleep(40)) {
      // Busier, and quieter again.
      const busy = 0.2 + 0.8 * Math.max(0, Math.sin((Date.now() - began) / 30000));
      if (Math.random() < busy) for (const one of ask()) under.add(one.finally(() => under.delete(one)));
    }
    await Promise.all(under);
    for (let i = 0; i < 30; ++i) await Promise.all(ask());
    await picture('light', {});
    await picture('chinese', { locale: 'zh-CN' });
    await picture('phone', { viewport: { width: 390, height: 1180 }, isMobile: true, hasTouch: true });

    // And when something is wrong: a target fails, and the page says which, and what that means.
    await fetch(`http://127.0.0.1:${stage.simPort}/sim/faults`, { method: 'POST', headers: { 'content-type': 'application/toml' }, body: '[[fault]]\nmodel = "claude-sonnet-4"\nstatus = 503\n' });
    const isOpen = async () => (await stage.api('/api/status')).health.reasons.some(({ code }) => code === 'target_open');
    for (let i = 0; i < 60 && !(await isOpen()); ++i) await stage.chat(`What is new, for the ${i + 1}th time?`, { model: 'claude-sonnet-4' });
    await picture('dark', { colorScheme: 'dark' }, async (page) => {
      await becomes(() => page.locator('#verdict').innerText(), /problem|attention/);  // now and then it is tried again
    });
  } finally {
    await browser.close();
    await stage.close();
  }
});
