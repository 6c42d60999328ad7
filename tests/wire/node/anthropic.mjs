// Anthropic's official SDK for Node against the real binary: create, stream, tools, errors.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const [proxy, sim] = process.argv.slice(2);
const client = new Anthropic({ baseURL: proxy, apiKey: "sk-node", maxRetries: 0, timeout: 10_000 });
const faults = (toml) => fetch(sim + "/sim/faults", { method: "POST", body: toml, headers: { "content-type": "application/toml" } });
const model = "claude-sonnet-4-6";
const ask = { model, max_tokens: 1000, messages: [{ role: "user", content: "What is your return policy?" }] };

const first = await client.messages.create(ask);
const { data: again, response } = await client.messages.create(ask).withResponse();
assert.equal(response.headers.get("x-outrigger-cache"), "hit");
assert.deepEqual(again.content, first.content);

let text = "";
const stream = client.messages.stream(ask).on("text", (piece) => (text += piece));
const final = await stream.finalMessage();
assert.equal(text, first.content[0].text);
assert.equal(final.content[0].text, text);
assert.equal(final.usage.output_tokens, first.usage.output_tokens);

const tools = ["stock", "price"].map((name) => ({ name, input_schema: { type: "object", properties: { item: { type: "string" } } } }));
const messages = [{ role: "user", content: "Use the tools stock and price." }];
const called = await client.messages.stream({ model, max_tokens: 1000, tools, messages }).finalMessage();
const calls = called.content.filter((block) => block.type === "tool_use");
assert.deepEqual(calls.map((call) => call.name), ["stock", "price"]);
assert.equal(called.stop_reason, "tool_use");
messages.push({ role: "assistant", content: called.content });
messages.push({ role: "user", content: calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "7" })) });
const end = await client.messages.create({ model, max_tokens: 1000, tools, messages });
assert.equal(end.stop_reason, "end_turn");

assert.ok((await client.messages.countTokens({ model, messages: ask.messages })).input_tokens > 0);

await faults("[[fault]]\nstatus = 401\n");
await assert.rejects(client.messages.create({ ...ask, system: "x" }), Anthropic.AuthenticationError);
await faults("[[fault]]\nafter = 3\nerror_in_stream = true\n");
await assert.rejects(client.messages.stream({ ...ask, system: "y" }).finalMessage(), Anthropic.APIError);
await faults("");
console.log("all good");
