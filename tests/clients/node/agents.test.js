// OpenAI's Agents SDK.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Agent, OpenAIResponsesModel, Runner, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { key, model as name, url, weather } from "./warren.js";

const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0 });
const model = new OpenAIResponsesModel(client, name);
const runner = new Runner({ tracingDisabled: true });
const tools = [
  tool({
    name: "read_weather",
    description: "The weather of a city",
    parameters: z.object({ city: z.string() }),
    execute: weather,
  }),
];
const asked = "the weather in 'Oslo'?";
const answered = "The tools said: rain in Oslo";

test("an agent calls its tools and tells what they said", async () => {
  const result = await runner.run(new Agent({ name: "Assistant", model, tools }), asked);
  assert.equal(result.finalOutput.trim(), answered);
});

test("an agent streams", async () => {
  const result = await runner.run(new Agent({ name: "Assistant", model, tools }), asked, { stream: true });
  let said = "";
  for await (const part of result.toTextStream()) said += part;
  await result.completed;
  assert.equal(said.trim(), answered);
});

test("an agent hands over to another", async () => {
  const spanish = new Agent({ name: "Spanish", handoffDescription: "speaks Spanish", model });
  const result = await runner.run(new Agent({ name: "Triage", model, handoffs: [spanish] }), "I want to speak Spanish");
  assert.equal(result.lastAgent.name, "Spanish");
});

test("an agent answers in the form that is asked for", async () => {
  const outputType = z.object({ name: z.string(), inhabitants: z.number() });
  const result = await runner.run(new Agent({ name: "Assistant", model, outputType }), "is it 'Oslo' with 700000?");
  assert.deepEqual(result.finalOutput, { name: "Oslo", inhabitants: 700000 });
});

test("an agent remembers by the response before", async () => {
  const agent = new Agent({ name: "Assistant", model, tools });
  const first = await runner.run(agent, "my name is Ada");
  const second = await runner.run(agent, "who am I?", { previousResponseId: first.lastResponseId });
  assert.equal(second.finalOutput.trim(), "You said: my name is Ada / who am I?");
});
