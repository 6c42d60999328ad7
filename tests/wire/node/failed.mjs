// The official SDK for Node when a provider fails, with its own retries on: Outrigger's answers are final.
import assert from "node:assert/strict";
import OpenAI from "openai";

const [proxy, primary, backup] = process.argv.slice(2);
const client = new OpenAI({ baseURL: proxy + "/v1", apiKey: "sk-node", maxRetries: 4, timeout: 10_000 });
const fail = (sim) =>
  fetch(sim + "/sim/faults", { method: "POST", body: "[[fault]]\nstatus = 503\n", headers: { "content-type": "application/toml" } });
const ask = (content) => client.chat.completions.create({ model: "gpt-4o-mini", messages: [{ role: "user", content }] });

await fail(primary);
const { data, response } = await ask("Is anybody there?").withResponse();
assert.equal(data.model, "gpt-4o");
assert.equal(response.headers.get("x-outrigger-served-by"), "backup:gpt-4o");

await fail(backup);
await assert.rejects(ask("And now?"), (error) => error instanceof OpenAI.InternalServerError && error.status === 503);
console.log("all good");
