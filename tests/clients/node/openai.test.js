// OpenAI's own SDK.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { ResponsesWS } from "openai/resources/responses/ws";
import { z } from "zod";
import { key, model, url } from "./warren.js";

const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0 });
const tool = {
  type: "function",
  name: "get_weather",
  strict: true,
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};

test("a response is created, retrieved and deleted", async () => {
  const made = await client.responses.create({ model, input: "hello" });
  assert.equal(made.output_text.trim(), "You said: hello");
  assert.deepEqual((await client.responses.retrieve(made.id)).output, made.output);
  await client.responses.delete(made.id);
  await assert.rejects(client.responses.retrieve(made.id), OpenAI.NotFoundError);
});

test("a stream tells what the response holds at its end", async () => {
  const stream = client.responses.stream({ model, input: "hello", reasoning: { effort: "low" } });
  let said = "";
  let last = -1;
  for await (const event of stream) {
    assert.equal(event.sequence_number, last + 1);
    last = event.sequence_number;
    if (event.type === "response.output_text.delta") said += event.delta;
  }
  const final = await stream.finalResponse();
  assert.equal(said, final.output_text);
  assert.deepEqual((await client.responses.retrieve(final.id)).output.map((item) => item.type), ["reasoning", "message"]);
});

test("a tool's result comes back into the answer", async () => {
  const asked = { model, input: "the weather in 'Oslo'?", tools: [tool] };
  const first = await client.responses.create(asked);
  const [call] = first.output;
  assert.deepEqual(JSON.parse(call.arguments), { city: "Oslo" });
  const result = { type: "function_call_output", call_id: call.call_id, output: "rain" };
  const second = await client.responses.create({ ...asked, previous_response_id: first.id, input: [result] });
  assert.equal(second.output_text.trim(), "The tools said: rain");
});

test("structured output is parsed", async () => {
  const City = z.object({ name: z.string(), inhabitants: z.number().int(), tags: z.array(z.string()) });
  const asked = { model, input: "is it 'Oslo' with 700000?", text: { format: zodTextFormat(City, "city") } };
  const wanted = { name: "Oslo", inhabitants: 700000, tags: ["Oslo"] };
  assert.deepEqual((await client.responses.parse(asked)).output_parsed, wanted);
  assert.deepEqual((await client.responses.stream(asked).finalResponse()).output_parsed, wanted);
});

test("failures are the SDK's own", async () => {
  await assert.rejects(client.responses.create({ model: "nobody", input: "hello" }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    return true;
  });
});

test("input items come by pages", async () => {
  const input = ["one", "two", "three"].map((content) => ({ role: "user", content }));
  const made = await client.responses.create({ model, input });
  const texts = [];
  for await (const item of client.responses.inputItems.list(made.id, { limit: 1, order: "asc" })) {
    texts.push(item.content[0].text);
  }
  assert.deepEqual(texts, ["one", "two", "three"]);
});

test("a background response is polled, and its stream is read again", async () => {
  const events = [];
  for await (const event of await client.responses.create({
    model,
    input: "hello",
    background: true,
    stream: true,
  })) {
    events.push(event);
  }
  const { id } = events[0].response;
  const rest = [];
  for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: 2 })) rest.push(event);
  assert.deepEqual(rest, events.slice(3));
  let polled = await client.responses.create({ model, input: "hello", background: true });
  while (["queued", "in_progress"].includes(polled.status)) polled = await client.responses.retrieve(polled.id);
  assert.equal(polled.output_text.trim(), "You said: hello");
});

test("a conversation remembers", async () => {
  const conversation = await client.conversations.create({ metadata: { topic: "names" } });
  await client.responses.create({ model, input: "my name is Ada", conversation: conversation.id });
  const made = await client.responses.create({ model, input: "who am I?", conversation: { id: conversation.id } });
  assert.equal(made.output_text.trim(), "You said: my name is Ada / who am I?");
  const roles = [];
  for await (const item of client.conversations.items.list(conversation.id, { order: "asc" })) roles.push(item.role);
  assert.deepEqual(roles, ["user", "assistant", "user", "assistant"]);
});

test("a socket serves one turn after the other", async () => {
  const socket = new ResponsesWS(client);
  const said = ["my name is Ada", "who am I?"];
  const texts = [];
  await new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("response.completed", ({ response }) => {
      texts.push(response.output[0].content[0].text.trim());
      if (said.length === 0) resolve();
      else ask(response.id);
    });
    const ask = (previous) =>
      socket.send({
        type: "response.create",
        model,
        input: said.shift(),
        store: false,
        previous_response_id: previous,
      });
    ask(null);
  }).finally(() => socket.close());
  assert.deepEqual(texts, ["You said: my name is Ada", "You said: my name is Ada / who am I?"]);
});
