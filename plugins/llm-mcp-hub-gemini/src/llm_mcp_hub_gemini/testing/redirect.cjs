// Sends what the Gemini CLI would ask of Google to $HUB_FAKE_GOOGLE, and nothing anywhere else.
// Loaded by NODE_OPTIONS="--require=…", for tests.
const http = require('node:http')
const https = require('node:https')

// A proxy would be asked for the fake as well.
for (const name of Object.keys(process.env)) if (/^https?_proxy$/i.test(name)) delete process.env[name]

const fake = new URL(process.env.HUB_FAKE_GOOGLE)
const local = (host) => host === '127.0.0.1' || host === 'localhost'

function optionsOf(first, second) {
  if (typeof first !== 'string' && !(first instanceof URL)) return { ...first }
  const url = new URL(first)
  const more = typeof second === 'object' ? second : {}
  return { hostname: url.hostname, port: url.port, path: url.pathname + url.search, ...more }
}

const request = https.request
https.request = function (first, second, third) {
  const options = optionsOf(first, second)
  if (local(options.hostname || options.host)) return request.apply(https, arguments)
  const done = typeof second === 'function' ? second : third
  const to = { protocol: 'http:', hostname: fake.hostname, host: fake.hostname, port: fake.port }
  return http.request({ ...options, ...to, agent: undefined, servername: undefined }, done)
}
https.get = function (...words) {
  const asked = https.request(...words)
  asked.end()
  return asked
}

const ask = globalThis.fetch
globalThis.fetch = function (target, init) {
  const url = new URL(typeof target === 'string' ? target : target.url || target.href)
  if (url.protocol === 'data:' || local(url.hostname)) return ask(target, init)
  return ask(new URL(url.pathname + url.search, fake), init)
}
