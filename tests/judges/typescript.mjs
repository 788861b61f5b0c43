// Does the same through either release line of the official TypeScript SDK, and writes what it saw.
// Arguments: v1 | v2-legacy | v2-auto, the endpoint, an access token.

const [line, endpoint, token] = process.argv.slice(1);
const url = new URL(endpoint);
const options = { requestInit: { headers: { Authorization: `Bearer ${token}` } } };

const connect = async () => {
  const info = { name: 'typescript', version: '1' };
  if (line === 'v1') {
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
    const { StreamableHTTPClientTransport } = await import(
      '@modelcontextprotocol/sdk/client/streamableHttp.js'
    );
    const client = new Client(info);
    await client.connect(new StreamableHTTPClientTransport(url, options));
    return [client, (params, more) => client.callTool(params, undefined, more)];
  }
  const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
  const client = new Client(info, { versionNegotiation: { mode: line.replace('v2-', '') } });
  await client.connect(new StreamableHTTPClientTransport(url, options));
  return [client, (params, more) => client.callTool(params, more)];
};

const [client, callTool] = await connect();
const progress = [];
const message = 'one two three four five six seven eight nine ten';
const chat = await callTool(
  { name: 'chat', arguments: { message, model: 'echo/echo', session_id: line } },
  { onprogress: (one) => progress.push(one.message ?? '') },
);
const wrong = await callTool({ name: 'chat', arguments: { message, model: 'nobody/nothing' } });
console.log(
  JSON.stringify({
    version: client.getServerVersion(),
    tools: (await client.listTools()).tools.map((one) => one.name),
    resources: (await client.listResources()).resources.map((one) => one.uri),
    templates: (await client.listResourceTemplates()).resourceTemplates.map((one) => one.uriTemplate),
    prompts: (await client.listPrompts()).prompts.map((one) => one.name),
    session: await client.readResource({ uri: `session://${line}` }),
    prompt: await client.getPrompt({
      name: 'translate',
      arguments: { text: 'guten Morgen', language: 'English' },
    }),
    chat,
    wrong,
    progress,
  }),
);
await client.close();
