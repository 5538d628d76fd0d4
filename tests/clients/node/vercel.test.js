// Vercel's AI SDK. Its OpenAI provider stores responses, and names their items in follow-ups by their ids.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { Output, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { key, model, url, weather } from "./warren.js";

const openai = createOpenAI({ baseURL: url, apiKey: key });
const tools = {
  weather: tool({ description: "The weather of a city", inputSchema: z.object({ city: z.string() }), execute: weather }),
};
const asked = "the weather in 'Oslo'?";
const answered = "The tools said: rain in Oslo";
const City = z.object({ name: z.string(), inhabitants: z.number() });
const thinking = { openai: { reasoningEffort: "low", reasoningSummary: "auto", forceReasoning: true } };

test("text is generated", async () => {
  const { text, usage, finishReason } = await generateText({ model: openai(model), prompt: "hello", maxRetries: 0 });
  assert.equal(text.trim(), "You said: hello");
  assert.equal(finishReason, "stop");
  assert.equal(usage.inputTokens, 7);
});

test("text is streamed", async () => {
  const { textStream, finishReason } = streamText({ model: openai(model), prompt: "hello", maxRetries: 0 });
  const parts = [];
  for await (const part of textStream) parts.push(part);
  assert.equal(parts.join("").trim(), "You said: hello");
  assert.ok(parts.length > 1);
  assert.equal(await finishReason, "stop");
});

for (const store of [true, false]) {
  test(`tools are called in steps, ${store ? "named by their ids" : "told in full"}`, async () => {
    const result = await generateText({
      model: openai(model),
      tools,
      prompt: asked,
      stopWhen: stepCountIs(4),
      maxRetries: 0,
      providerOptions: { openai: { store } },
    });
    assert.equal(result.text.trim(), answered);
    assert.equal(result.steps.length, 2);
    assert.deepEqual(result.warnings ?? [], []);
  });

  test(`what was thought comes back, ${store ? "named by its id" : "sealed"}`, async () => {
    const providerOptions = { openai: { ...thinking.openai, store } };
    const first = streamText({
      model: openai(model),
      tools,
      prompt: asked,
      stopWhen: stepCountIs(4),
      maxRetries: 0,
      providerOptions,
    });
    await first.consumeStream();
    assert.equal((await first.text).trim(), answered);
    const messages = [
      { role: "user", content: asked },
      ...(await first.response).messages,
      { role: "user", content: "and what did I ask?" },
    ];
    const second = await generateText({ model: openai(model), tools, messages, maxRetries: 0, providerOptions });
    assert.equal(second.text.trim(), `You said: ${asked} / and what did I ask?`);
    const steps = [...(await first.steps), second];
    assert.deepEqual(steps.flatMap((step) => step.warnings ?? []), []);
  });
}

test("objects are generated and streamed", async () => {
  const request = {
    model: openai(model),
    output: Output.object({ schema: City }),
    prompt: "is it 'Oslo' with 700000?",
    maxRetries: 0,
  };
  const wanted = { name: "Oslo", inhabitants: 700000 };
  assert.deepEqual((await generateText(request)).output, wanted);
  const stream = streamText(request);
  await stream.consumeStream();
  assert.deepEqual(await stream.output, wanted);
});

test("a refusal of the request reaches the caller", async () => {
  await assert.rejects(generateText({ model: openai("nobody"), prompt: "hello", maxRetries: 0 }), (error) => {
    assert.equal(error.statusCode, 404);
    return true;
  });
});
