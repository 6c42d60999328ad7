// The official SDK for Node against the real binary: chat, streaming, tools, embeddings, models, file upload, errors, timeouts.
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

const [proxy, sim] = process.argv.slice(2);
const client = new OpenAI({ baseURL: proxy + "/v1", apiKey: "sk-node", maxRetries: 0, timeout: 10_000 });
const faults = (toml) => fetch(sim + "/sim/faults", { method: "POST", body: toml, headers: { "content-type": "application/toml" } });
const messages = [{ role: "user", content: "What is your return policy?" }];

const first = await client.chat.completions.create({ model: "gpt-4o-mini", messages });
const { data: again, response } = await client.chat.completions.create({ model: "gpt-4o-mini", messages }).withResponse();
assert.equal(response.headers.get("x-outrigger-cache"), "hit");
assert.equal(again.choices[0].message.content, first.choices[0].message.content);

let text = "";
for await (const chunk of await client.chat.completions.create({ model: "gpt-4o-mini", messages, stream: true })) {
  text += chunk.choices[0]?.delta?.content ?? "";
}
assert.equal(text, first.choices[0].message.content);

const tools = ["stock", "price"].map((name) => ({ type: "function", function: { name, parameters: { type: "object", properties: {} } } }));
const called = await client.chat.completions.create({
  model: "gpt-4o-mini", tools, messages: [{ role: "user", content: "Use the tools stock and price." }],
});
assert.deepEqual(called.choices[0].message.tool_calls.map((c) => c.function.name), ["stock", "price"]);

const embedded = await client.embeddings.create({ model: "text-embedding-3-small", input: ["a", "b"], dimensions: 8 });
const once = await client.embeddings.create({ model: "text-embedding-3-small", input: "b", dimensions: 8 });
assert.deepEqual(once.data[0].embedding, embedded.data[1].embedding);

assert.ok((await client.models.list()).data.length > 0);
assert.ok((await client.files.create({ file: await toFile(Buffer.alloc(200_000, "x"), "a.txt"), purpose: "assistants" })).bytes > 0);

await faults("[[fault]]\nstatus = 429\n");
await assert.rejects(client.chat.completions.create({ model: "gpt-4o-mini", messages: [{ role: "user", content: "x" }] }), OpenAI.RateLimitError);
await faults('[[fault]]\nfirst_token = "5s"\n');
await assert.rejects(client.chat.completions.create({ model: "gpt-4o-mini", messages: [{ role: "user", content: "y" }] }, { timeout: 300 }),
  OpenAI.APIConnectionTimeoutError);
await faults("");
console.log("all good");
