// The official SDK for Node on responses: create, stream, tools, errors.
import assert from "node:assert/strict";
import OpenAI from "openai";

const [proxy, sim] = process.argv.slice(2);
const client = new OpenAI({ baseURL: proxy + "/v1", apiKey: "sk-node", maxRetries: 0, timeout: 10_000 });
const faults = (toml) => fetch(sim + "/sim/faults", { method: "POST", body: toml, headers: { "content-type": "application/toml" } });
const model = "gpt-4o-mini";
const ask = { model, input: "What is your return policy?", instructions: "Be brief." };

const first = await client.responses.create(ask);
const { data: again, response } = await client.responses.create(ask).withResponse();
assert.equal(response.headers.get("x-outrigger-cache"), "hit");
assert.equal(again.output_text, first.output_text);

let text = "";
const stream = client.responses.stream(ask).on("response.output_text.delta", (event) => (text += event.delta));
const final = await stream.finalResponse();
assert.equal(text, first.output_text);
assert.equal(final.output[0].content[0].text, text);
assert.deepEqual(final.usage, first.usage);

const parameters = { type: "object", properties: { item: { type: "string" } } };
const tools = ["stock", "price"].map((name) => ({ type: "function", name, parameters, strict: false }));
const input = [{ role: "user", content: "Use the tools stock and price." }];
const called = await client.responses.stream({ model, tools, input }).finalResponse();
const calls = called.output.filter((item) => item.type === "function_call");
assert.deepEqual(calls.map((call) => call.name), ["stock", "price"]);
input.push(...called.output.map(({ parsed_arguments, ...item }) => item));
input.push(...calls.map((call) => ({ type: "function_call_output", call_id: call.call_id, output: "7" })));
const end = await client.responses.create({ model, tools, input });
assert.equal(end.status, "completed");
assert.ok(end.output_text);

await faults("[[fault]]\nstatus = 401\n");
await assert.rejects(client.responses.create({ ...ask, input: "x" }), OpenAI.AuthenticationError);
await faults("[[fault]]\nafter = 3\nerror_in_stream = true\n");
await assert.rejects(client.responses.stream({ ...ask, input: "y" }).finalResponse());
await faults("");
console.log("all good");
