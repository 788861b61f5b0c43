// What Vercel's AI SDK does with a hub beside what its page shows: through each way to a model, the same
// checks. Arguments: the hub's address, an access token. Writes the outcomes by way and check.

import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const [url, apiKey] = process.argv.slice(1);
const options = { baseURL: `${url}/v1`, apiKey };
const compatible = createOpenAICompatible({
  name: 'hub',
  includeUsage: true,
  supportsStructuredOutputs: true,
  ...options,
});
const plain = createOpenAICompatible({ name: 'hub', ...options });
const openai = createOpenAI(options);
const ways = {
  compatible: compatible('echo/echo'),
  plain: plain('echo/echo'),
  responses: openai('echo/echo'),
  chat: openai.chat('echo/echo'),
};

const inputSchema = z.object({ city: z.string() });
const getWeather = (execute) => ({
  get_weather: tool({ description: 'The weather in a city, now.', inputSchema, execute }),
});
// The echo model calls what the question tells it to.
const prompt = ['Paris', 'Rome'].map((city) => `/call get_weather {"city": "${city}"}`).join('\n');
const stopWhen = stepCountIs(5);

const checks = {
  async streamedTools(model) {
    const tools = getWeather(async ({ city }) => `dry in ${city}`);
    const result = streamText({ model, prompt, tools, stopWhen });
    let said = '';
    for await (const piece of result.textStream) said += piece;
    return said;
  },
  async failingTool(model) {
    const tools = getWeather(async () => {
      throw new Error('no network');
    });
    return (await generateText({ model, prompt, tools, stopWhen })).text;
  },
  async streamedStructure(model) {
    const output = Output.object({ schema: z.object({ name: z.string(), age: z.number() }) });
    const result = streamText({ model, prompt: '{"name": "Ada", "age": 36}', output });
    let latest;
    for await (const one of result.partialOutputStream) latest = one;
    return latest;
  },
};

const outcomes = {};
for (const [way, model] of Object.entries(ways)) {
  outcomes[way] = {};
  for (const [name, check] of Object.entries(checks)) {
    outcomes[way][name] = await check(model).catch((error) => `${error.name}: ${error.message}`);
  }
}
const stranger = createOpenAI({ ...options, apiKey: 'hub-wrong' });
outcomes.wrongToken = await generateText({ model: stranger('echo/echo'), prompt: 'Hello?' }).catch(
  (error) => error.statusCode,
);
console.log(JSON.stringify(outcomes));
