// What the tests of the dashboard stand on: the real binaries on ports that the kernel chose, each ended by its own process id, and
// one headless Chromium.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, openSync, closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

// The packages are beside the other things that are made, not in the source tree.
const work = process.env.DASHBOARD_WORK;
assert(work, 'run tests/dashboard/run: it installs what these tests need');
const require = createRequire(join(work, 'package.json'));
const { chromium } = require('playwright-core');
export const { AxeBuilder } = require('@axe-core/playwright');

const build = process.env.OUTRIGGER_BUILD;

class Child {
  // `command`: what runs it, such as faketime and its arguments.
  constructor(directory, name, args, env = {}, command = []) {
    this.log = join(directory, `${name}.log`);
    const output = openSync(this.log, 'a');
    const [program, ...rest] = [...command, join(build, name), ...args];
    this.process = spawn(program, rest, { stdio: ['ignore', output, output], env: { ...process.env, ...env } });
    closeSync(output);
    this.ended = new Promise((done) => this.process.once('exit', done));
    this.said = readFileSync(this.log, 'utf8').length;
  }
  async wait(pattern) {
    for (let i = 0; i < 500; ++i) {
      const found = readFileSync(this.log, 'utf8').slice(this.said).match(pattern);
      if (found) return found;
      if (this.process.exitCode !== null) break;
      await sleep(20);
    }
    throw new Error(`it did not say ${pattern}:\n${readFileSync(this.log, 'utf8')}`);
  }
  async stop() {
    if (this.process.exitCode === null) this.process.kill('SIGTERM');
    await this.ended;
  }
}

// A simulated provider and an Outrigger before it. `{sim}` in `config` is the provider's address; `listen` is added.
export class Stage {
  static async open(config, { sim = '', env = {}, command = [], admin = '127.0.0.1:0' } = {}) {
    const stage = new Stage();
    stage.directory = mkdtempSync(join(tmpdir(), 'outrigger-dashboard-'));
    stage.env = env;
    stage.command = command;
    stage.config = config;
    const file = join(stage.directory, 'sim.toml');
    writeFileSync(file, `listen = "127.0.0.1:0"\nfirst_token = "30ms"\nbetween_tokens = "1ms"\n${sim}`);
    try {
      stage.sim = new Child(stage.directory, 'outrigger-sim', ['--config', file], {}, command);
      stage.simPort = (await stage.sim.wait(/listening on 127\.0\.0\.1:(\d+)/))[1];
      await stage.start('127.0.0.1:0', admin);
    } catch (error) {
      await stage.close();
      throw error;
    }
    return stage;
  }
  async start(llm, admin) {
    const file = join(this.directory, 'outrigger.toml');
    const config = this.config.replaceAll('{sim}', `http://127.0.0.1:${this.simPort}`);
    writeFileSync(file, config.replace('[listen]', `[listen]\nllm = "${llm}"\nadmin = "${admin}"`));
    this.outrigger = new Child(this.directory, 'outrigger', ['serve', '--config', file], this.env, this.command);
    const ready = await this.outrigger.wait(/ready: llm door on (\S+:\d+), admin door on \S+:(\d+)/);
    this.llm = ready[1];
    this.admin = `127.0.0.1:${ready[2]}`;
    this.url = `http://${this.admin}/`;
  }
  // A request as Dify sends it; resolves when its answer has ended.
  async chat(content, { model = 'gpt-4o-mini', path = '/v1/chat/completions', key = 'sk-test', ...members } = {}) {
    const answer = await fetch(`http://${this.llm}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content }], ...members }),
    });
    await answer.text();
    return answer;
  }
  async api(path, options) {
    return (await fetch(`http://${this.admin}${path}`, options)).json();
  }
  async close() {
    await this.outrigger?.stop();
    await this.sim?.stop();
    rmSync(this.directory, { recursive: true });
  }
}

export async function openBrowser() {
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: process.env.CHROMIUM, args });
}

// A page on the dashboard. Whatever it complains of, and whatever it asks of another place, is in `problems`.
export async function openPage(browser, url, { before, ...options } = {}) {
  const context = await browser.newContext({ reducedMotion: 'reduce', locale: 'en-US', viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(15000);
  const page = await context.newPage();
  page.problems = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) page.problems.push(message.text());
  });
  page.on('pageerror', (error) => page.problems.push(error.stack));
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) page.problems.push(`asked for ${request.url()}`);
  });
  if (before) await page.addInitScript(before);
  await page.goto(url);
  return page;
}

// Waits until `look` gives what is expected, and then says so as an assertion.
export async function becomes(look, expected, seconds = 10) {
  const deadline = Date.now() + 1000 * seconds;
  let seen;
  do {
    seen = await look();
    try {
      if (expected instanceof RegExp) assert.match(seen, expected);
      else assert.deepEqual(seen, expected);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await sleep(50);
  } while (true);
}
