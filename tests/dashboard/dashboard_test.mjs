// The page at the admin door, as a person sees it: one Chromium, the real binaries, real traffic. The tests of a `describe` share an
// instance and go on from each other's traffic, as a day at work does.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { AxeBuilder, Stage, becomes, openBrowser, openPage } from './stage.mjs';

const HOSTILE = '<img src=x onerror="window.hurt=1">';
const CONFIG = `
[listen]
[log]
access = "off"
[[upstream]]
name = "relay"
url = "{sim}/v1"
[[upstream]]
name = "backup"
url = "{sim}/v1"
keys = ["sk-backup"]
[[model]]
name = "gpt-4o"
fallback = ["backup:gpt-4.1-mini"]
retry = { attempts = 1 }
breaker = { failures = 1000 }
[[model]]
name = "broken"
retry = { attempts = 1 }
breaker = { failures = 1000 }
[[route]]
path = "/faq"
cache = { normalise = "faq" }
`;
const SIM = `
[[fault]]
model = "gpt-4o"
status = 503
[[fault]]
model = "broken"
status = 503
`;

let browser;
before(async () => { browser = await openBrowser(); });
after(() => browser.close());

const words = (page, selector) => page.locator(selector).innerText();
const rows = (page) => page.locator('#request-rows tr.request');
const verdicts = async (page) => [...new Set(await page.locator('#request-rows tr.request td:nth-child(3) .badge').allInnerTexts())].sort();
const live = (page) => becomes(() => words(page, '#live'), 'Live');
const serious = async (page) => (await new AxeBuilder({ page }).analyze()).violations
  .filter(({ impact }) => impact === 'serious' || impact === 'critical')
  .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);

describe('an instance and its page', () => {
  let stage, page;
  before(async () => {
    stage = await Stage.open(CONFIG, { sim: SIM });
    page = await openPage(browser, stage.url);
  });
  after(() => stage?.close());
  // Whatever is done: no error on the console, nothing asked of another place, never loaded anew.
  afterEach(() => assert.deepEqual(page.problems, []));

  test('before the first request it says what to do', async () => {
    await live(page);
    assert.equal(await words(page, '#verdict'), 'All is well');
    await page.getByRole('heading', { name: 'No requests yet' }).waitFor();
    assert.deepEqual(await page.locator('#urls code').allInnerTexts(), ['http://outrigger:8080/v1', 'http://outrigger:8080/backup/v1']);
    assert.equal(await page.locator('#t-saved').isVisible(), false);
    assert.deepEqual(await serious(page), []);
  });

  test('values change by themselves', async () => {
    await page.evaluate(() => { window.sameDocument = true; });
    await stage.chat('How do I return goods?');
    await becomes(() => words(page, '#t-requests'), '1');
    assert.equal(await page.locator('#welcome').isVisible(), false);
    assert.equal(await words(page, '#saved-in-all'), 'Nothing saved yet');
    await stage.chat('How do I return goods?');
    await stage.chat('How do I return goods?', { stream: true });
    await becomes(() => words(page, '#t-requests'), '3');
    await becomes(() => words(page, '#saved-in-all'), /^\$0\.0\d+ saved$/);
    assert.equal(await words(page, '#saved-more'), '2 requests of 3 were not paid for');
    assert.equal(await words(page, '#t-unpaid'), '67%');
    assert.match(await words(page, '#kinds'), /hit\s*67%[^]*asked\s*33%/);
    await becomes(() => rows(page).count(), 3);
    assert.deepEqual(await verdicts(page), ['asked', 'hit']);
    assert.match(await words(page, '#target-rows'), /relay:gpt-4o-mini/);
    assert.equal(await page.evaluate(() => window.sameDocument), true);
  });

  test('what the page adds up is what the server counts', async () => {
    const { requests, savings } = await stage.api('/api/status');
    assert.equal(requests.total, 3);
    for (const [span, button] of [['day', 'Last day'], ['month', 'Last 30 days'], ['hour', 'Last hour']]) {
      const told = page.waitForResponse((response) => response.url().includes(`span=${span}`) && response.ok());
      await page.getByRole('button', { name: button }).click();
      await told;
      await becomes(() => words(page, '#t-requests'), '3');
      await becomes(() => words(page, '#t-saved-more'), new RegExp(`^${savings.prompt_tokens + savings.completion_tokens} tokens`));
    }
    await becomes(() => words(page, '#breakdown tbody'), /gpt-4o-mini\s+3\s/);
  });

  test('the charts can be read with the keyboard', async () => {
    await page.locator('#chart-requests').focus();
    await page.keyboard.press('ArrowLeft');
    await becomes(() => words(page, '#read-requests'), /^\d\d:\d\d · hit 2 · asked 1$/);
    await page.keyboard.press('ArrowLeft');
    assert.match(await words(page, '#read-requests'), /^\d\d:\d\d · 0$/);
    await page.getByRole('button', { name: 'Tokens' }).click();
    assert.equal(await words(page, '#money-title'), 'Tokens over time');
    await page.getByRole('button', { name: 'Money' }).click();
  });

  test('requests tell their attempts, and filters find them', async () => {
    await stage.chat('What does it cost?', { model: 'gpt-4o', path: '/faq/v1/chat/completions' });
    await stage.chat('Anybody there?', { model: 'broken' });
    await stage.chat('Two of them, please', { n: 2 });
    await becomes(() => rows(page).count(), 6);
    const { requests } = await stage.api('/api/requests?limit=10');

    await page.getByRole('combobox', { name: 'Cache', exact: true }).selectOption('hit');
    assert.deepEqual(await verdicts(page), ['hit']);
    assert.equal(await rows(page).count(), requests.filter(({ cache }) => cache === 'hit').length);
    await page.getByRole('combobox', { name: 'Cache', exact: true }).selectOption('bypass');
    assert.match(await words(page, '#request-rows'), /not cached\s+it asks for several answers/);
    await page.getByRole('combobox', { name: 'Cache', exact: true }).selectOption('');

    await page.getByRole('combobox', { name: 'Result', exact: true }).selectOption('failed');
    assert.equal(await rows(page).count(), 1);
    assert.match(await words(page, '#request-rows'), /broken[^]*503/);
    await page.getByRole('combobox', { name: 'Result', exact: true }).selectOption('retried');
    assert.equal(await rows(page).count(), 1);
    await rows(page).locator('.toggle').press('Enter');
    assert.match(await words(page, '.details'), /Route\s+\/?faq/);
    assert.match(await words(page, '.attempts'), /relay:gpt-4o\s+503 · [^]*backup:gpt-4\.1-mini\s+answered · /);
    await page.getByRole('combobox', { name: 'Result', exact: true }).selectOption('');

    await page.getByLabel('Search').fill('backup:gpt-4.1');
    assert.equal(await rows(page).count(), 1);
    await page.getByLabel('Search').fill('nobody asked this');
    assert.equal(await words(page, '#requests-empty'), 'No recent request fits these filters.');
    await page.getByLabel('Search').fill('');
    await page.getByRole('combobox', { name: 'Model', exact: true }).selectOption('broken');
    assert.equal(await rows(page).count(), 1);
    // A filter holds for what comes, too.
    await stage.chat('Still there?', { model: 'broken' });
    await stage.chat('How do I return goods?');
    await becomes(() => rows(page).count(), 2);
    await page.getByRole('combobox', { name: 'Model', exact: true }).selectOption('');
    await becomes(() => rows(page).count(), 8);
  });

  test('a paused list stands still', async () => {
    await page.getByRole('button', { name: 'Pause' }).click();
    await stage.chat('How do I return goods?');
    await page.getByRole('button', { name: 'Go on (1 new)' }).waitFor();
    assert.equal(await rows(page).count(), 8);
    // Whoever comes back to the tab finds it as it was left, though the page asks for everything anew.
    const fetched = page.waitForResponse((response) => response.url().includes('/api/requests') && response.ok());
    const listening = page.waitForResponse((response) => response.url().includes('/api/events') && response.ok());
    await page.evaluate(() => {
      for (const hidden of [true, false]) {
        Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }
      delete document.hidden;
    });
    await Promise.all([fetched, listening]);
    await stage.chat('How do I return goods?');
    await page.getByRole('button', { name: 'Go on (2 new)' }).waitFor();
    assert.equal(await rows(page).count(), 8);
    await page.getByRole('button', { name: 'Go on (2 new)' }).click();
    assert.equal(await rows(page).count(), 10);
  });

  test('a hostile name is a name', async () => {
    await stage.chat('hello', { model: HOSTILE });
    await becomes(() => words(page, '#request-rows tr:first-child td:nth-child(2)'), HOSTILE);
    await becomes(() => words(page, '#target-rows'), /relay:<img.src=x.onerror="window.hurt=1">/);  // fit for a header
    await page.getByRole('button', { name: 'Last day' }).click();  // it is in the breakdown and among the choices, too
    await becomes(() => words(page, '#breakdown'), new RegExp(HOSTILE));
    await page.getByRole('combobox', { name: 'Model', exact: true }).selectOption(HOSTILE);
    assert.equal(await rows(page).count(), 1);
    await rows(page).locator('.toggle').click();
    assert.match(await words(page, '.details'), new RegExp(HOSTILE));
    await page.getByRole('combobox', { name: 'Model', exact: true }).selectOption('');
    assert.equal(await page.locator('img').count(), 0);
    assert.equal(await page.evaluate(() => window.hurt), undefined);
    await page.getByRole('button', { name: 'Last hour' }).click();
  });

  test('a request is explained', async () => {
    const explain = async (body, { key = 'sk-test' } = {}) => {
      await page.getByLabel(/^API key/).fill(key);
      await page.getByLabel('Body (JSON)').fill(typeof body === 'string' ? body : JSON.stringify(body));
      await page.getByRole('button', { name: 'Explain', exact: true }).click();
    };
    const question = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'How do I return goods?' }] };
    await explain('');
    await becomes(() => words(page, '#explain-result'), 'Paste a request’s body first.');
    await explain(question);
    await becomes(() => words(page, '#explain-result'), /^A hit: [^]*Answered by\s+relay:gpt-4o-mini[^]*"content": "How do I return goods\?"/);
    await explain(question, { key: 'sk-of-another-team' });
    await becomes(() => words(page, '#explain-result'), /^A miss: /);
    await explain({ ...question, messages: [{ role: 'user', content: 'How do I return shoes?' }] });
    await becomes(() => words(page, '#explain-result'), /^A miss: [^]*differs? in:[^]*content/);
    await explain({ ...question, n: 2 });
    await becomes(() => words(page, '#explain-result'), /^Not answered from the cache: it asks for several answers \(several_answers\)/);
    await explain('{"model": ');
    await becomes(() => words(page, '#explain-result'), /^Not answered from the cache: the body is not valid JSON/);
  });

  test('a purge is looked at first', async () => {
    const stored = (await stage.api('/api/status')).cache.memory.entries;
    assert.ok(stored >= 2);
    const go = page.getByRole('button', { name: /^Forget \d/ });
    await page.getByRole('button', { name: 'Preview' }).click();
    await becomes(() => words(page, '#purge-result'), 'Say which.');
    await page.getByLabel('Which').fill('no-such-model');
    await page.getByRole('button', { name: 'Preview' }).click();
    await becomes(() => words(page, '#purge-result'), 'Nothing stored matches.');
    assert.equal(await go.isVisible(), false);
    await page.getByLabel('Which').fill('gpt-4o-mini');
    await page.getByLabel('Which').press('Enter');
    await becomes(() => words(page, '#purge-result'), '1 stored answer would be forgotten (memory 1, Redis 0).');
    // Another choice takes the permission back.
    await page.getByLabel('Which').fill('gpt-4o-mini-2');
    assert.equal(await go.isVisible(), false);
    await page.getByLabel('Which').fill('gpt-4o-mini');
    await page.getByRole('button', { name: 'Preview' }).click();
    assert.equal((await stage.api('/api/status')).cache.memory.entries, stored);
    await page.getByRole('button', { name: 'Forget 1 answer' }).click();
    await becomes(() => words(page, '#purge-result'), '1 stored answer was forgotten.');
    await becomes(() => words(page, '#cache-facts'), new RegExp(`\\b${stored - 1} answers?,`));
    await page.getByRole('combobox', { name: 'What' }).selectOption('all');
    assert.equal(await page.getByLabel('Which').isVisible(), false);
    await page.getByRole('button', { name: 'Preview' }).click();
    await go.click();
    await becomes(async () => (await stage.api('/api/status')).cache.memory.entries, 0);
  });

  test('a target is shut off and let in again, after a question', async () => {
    const name = 'relay:gpt-4o-mini';
    await page.getByRole('button', { name: `Shut off: ${name}`, exact: true }).click();
    await page.getByRole('dialog').waitFor();
    assert.deepEqual(await serious(page), []);
    await page.keyboard.press('Escape');
    assert.equal((await stage.api('/api/status')).targets.some(({ by_hand }) => by_hand), false);
    await page.getByRole('button', { name: `Shut off: ${name}`, exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Shut off' }).click();
    await becomes(() => words(page, '#verdict'), '1 thing needs attention');
    assert.match(await words(page, '#reasons'), /relay:gpt-4o-mini is shut off by hand/);
    assert.match(await page.title(), /^1 thing needs attention · Outrigger$/);
    await page.getByRole('button', { name: `Let in again: ${name}`, exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Let in again' }).click();
    await becomes(() => words(page, '#target-rows'), /coming back|well/);
    await becomes(async () => (await stage.api('/api/status')).targets.some(({ by_hand }) => by_hand), false);
  });

  test('the configuration is read again', async () => {
    await page.getByRole('button', { name: 'Read the file again' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Read the file again' }).click();
    await becomes(() => words(page, '#toast'), 'The configuration has been read again.');
  });

  test('language and theme are chosen and kept', async () => {
    await page.getByRole('button', { name: '中文' }).click();
    await becomes(() => words(page, 'nav'), /概览\s*目标\s*请求/);
    assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN');
    // No English is left where the page itself speaks.
    const spoken = await page.evaluate(() => [...document.querySelectorAll('[data-t]')].map((node) => node.textContent).filter((said) => !/[\u4e00-\u9fff]/.test(said)));
    assert.deepEqual(spoken, ['Token', 'Token']);
    await page.getByRole('button', { name: '主题：跟随系统' }).click();
    await page.getByRole('button', { name: '主题：浅色' }).click();
    assert.equal(await page.getAttribute('html', 'data-theme'), 'dark');
    await page.reload();
    await becomes(() => words(page, '#live'), '实时');
    assert.equal(await page.getAttribute('html', 'data-theme'), 'dark');
    await page.getByRole('button', { name: '主题：深色' }).click();
    await page.getByRole('button', { name: 'English' }).click();
    await live(page);
  });

  const looks = {
    light: {}, dark: { colorScheme: 'dark' }, Chinese: { locale: 'zh-CN' },
    'a phone': { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
    'a phone in the dark, in Chinese': { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: 'dark', locale: 'zh-CN' },
  };
  for (const [look, options] of Object.entries(looks)) {
    test(`no serious fault for those who cannot see or point well: ${look}`, async () => {
      const other = await openPage(browser, stage.url, options);
      await becomes(() => words(other, '#live'), options.locale ? '实时' : 'Live');
      await becomes(() => rows(other).count(), (await stage.api('/api/requests')).requests.length);
      await rows(other).locator('.toggle').first().click();
      await other.locator('#x-example').click();
      await other.locator('#explain-form button.main').click();
      await other.locator('#explain-result pre').waitFor();
      assert.deepEqual(await serious(other), []);
      // Nothing is cut off or scrolls sideways.
      assert.equal(await other.evaluate(() => document.documentElement.scrollWidth), options.viewport?.width ?? 1280);
      assert.deepEqual(other.problems, []);
      await other.context().close();
    });
  }

  test('everything is reached with the keyboard, and seen there', async () => {
    const other = await openPage(browser, stage.url);
    await live(other);
    const reached = new Set();
    for (let i = 0; i < 120; ++i) {
      await other.keyboard.press('Tab');
      const at = await other.evaluate(() => {
        const node = document.activeElement, style = getComputedStyle(node);
        return { name: node.id || node.dataset.value || node.className || node.tagName, seen: style.outlineStyle !== 'none' };
      });
      if (at.name === 'BODY') break;
      assert.ok(at.seen, `${at.name} does not show that it has the focus`);
      reached.add(at.name);
    }
    for (const name of ['skip', 'language', 'theme', 'day', 'routes', 'chart-requests', 'chart-money', 'f-text', 'f-cache', 'pause', 'toggle', 'x-body', 'x-key', 'p-what', 'p-preview', 'reload']) {
      assert.ok(reached.has(name), `${name} is not reached`);
    }
    assert.deepEqual(other.problems, []);
    await other.context().close();
  });

  test('a browser that keeps nothing will do', async () => {
    const before = () => Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });
    const other = await openPage(browser, stage.url, { before });
    await live(other);
    await other.getByRole('button', { name: '中文' }).click();
    await becomes(() => words(other, '#live'), '实时');
    assert.deepEqual(other.problems, []);
    await other.context().close();
  });

  test('where all places for listeners are taken, the page asks instead', async () => {
    const holders = [];
    for (;;) {
      const abort = new AbortController();
      const answer = await fetch(`${stage.url}api/events`, { signal: abort.signal });
      if (!answer.ok) break;
      holders.push(abort);
    }
    const other = await openPage(browser, stage.url);
    await becomes(() => words(other, '#live'), 'Not live, asks every 5 s');
    const before = (await stage.api('/api/status')).requests.total;
    await stage.chat('How do I return goods?');
    await becomes(() => words(other, '#t-requests'), String(before + 1), 12);
    const shown = await rows(other).count();
    await other.getByRole('button', { name: 'Pause' }).click();
    await stage.chat('How do I return goods?');
    await other.getByRole('button', { name: 'Go on (1 new)' }).waitFor();
    assert.equal(await rows(other).count(), shown);
    await other.getByRole('button', { name: 'Go on (1 new)' }).click();
    assert.equal(await rows(other).count(), Math.min(shown + 1, 25));
    for (const abort of holders) abort.abort();
    await becomes(() => words(other, '#live'), 'Live', 15);
    await other.context().close();
  });
});

test('a backend of the dify door is not called a provider', async () => {
  const stage = await Stage.open(`
[listen]
dify = "127.0.0.1:0"
[[upstream]]
name = "dify"
url = "http://127.0.0.1:1"
dialect = "dify"
[[upstream]]
name = "relay"
url = "{sim}/v1"
[[upstream]]
name = "backup"
url = "{sim}/v1"
`);
  try {
    const page = await openPage(browser, stage.url);
    await page.getByRole('heading', { name: 'No requests yet' }).waitFor();
    assert.deepEqual(await page.locator('#urls code').allInnerTexts(), ['http://outrigger:8080/v1', 'http://outrigger:8080/backup/v1']);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  } finally {
    await stage.close();
  }
});

test('a server that is started anew is found again', async () => {
  const stage = await Stage.open(CONFIG, { sim: SIM });
  const page = await openPage(browser, stage.url);
  try {
    await live(page);
    for (let i = 0; i < 3; ++i) await stage.chat('How do I return goods?');
    await becomes(() => words(page, '#t-requests'), '3');
    const { llm, admin } = stage;
    await stage.outrigger.stop();
    await becomes(() => words(page, '#verdict'), 'No connection to Outrigger');
    assert.match(await words(page, '#verdict-more'), /What you see is from \d\d:\d\d:\d\d/);
    assert.equal(await words(page, '#t-requests'), '3');  // the last that is known stays readable
    await stage.start(llm, admin);
    await becomes(() => words(page, '#live'), 'Live', 20);
    await becomes(() => words(page, '#verdict'), 'All is well');
    await page.getByRole('heading', { name: 'No requests yet' }).waitFor();
    await stage.chat('How do I return goods?');
    await becomes(() => words(page, '#t-requests'), '1');
    await becomes(() => rows(page).count(), 1);
    // The browser itself tells of connections that failed; the page tells of nothing.
    assert.deepEqual(page.problems.filter((problem) => !/net::ERR_/.test(problem)), []);
  } finally {
    await page.context().close();
    await stage.close();
  }
});

test('with a token, the browser asks for it, and the page works as ever', async () => {
  // On loopback alone nobody is asked for it.
  const stage = await Stage.open('admin_token = "env:TOKEN"\n' + CONFIG, { sim: SIM, env: { TOKEN: 'a-token-of-thirty-two-characters' }, admin: '0.0.0.0:0' });
  try {
    assert.equal((await fetch(stage.url)).status, 401);
    assert.equal((await fetch(`${stage.url}api/events`)).status, 401);
    const wrong = await browser.newContext({ httpCredentials: { username: 'me', password: 'wrong' } });
    assert.equal((await (await wrong.newPage()).goto(stage.url)).status(), 401);
    await wrong.close();

    const page = await openPage(browser, stage.url, { httpCredentials: { username: 'anybody', password: 'a-token-of-thirty-two-characters' } });
    await live(page);
    await stage.chat('How do I return goods?');
    await becomes(() => words(page, '#t-requests'), '1');
    // Who may come in here says nothing of whose request is explained: that is told by the key in the form.
    const explain = page.locator('#explain-form');
    await explain.getByLabel('Body (JSON)').fill('{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How do I return goods?"}]}');
    await explain.getByRole('button', { name: 'Explain' }).click();
    await becomes(() => words(page, '#explain-result'), /^A miss: /);
    await explain.getByLabel(/^API key/).fill('sk-test');
    await explain.getByRole('button', { name: 'Explain' }).click();
    await becomes(() => words(page, '#explain-result'), /^A hit: /);
    await page.getByRole('combobox', { name: 'What' }).selectOption('all');
    await page.getByRole('button', { name: 'Preview' }).click();
    await page.getByRole('button', { name: 'Forget 1 answer' }).click();
    await becomes(() => words(page, '#purge-result'), '1 stored answer was forgotten.');
    // The browser keeps the token; the page never has it.
    assert.equal(await page.evaluate(() => document.documentElement.outerHTML.includes('a-token-of')), false);
    assert.deepEqual(page.problems.filter((problem) => !/401/.test(problem)), []);
    await page.context().close();
  } finally {
    await stage.close();
  }
});
