/** The examples that mount a service: in Express, in Fastify, and where fetch is. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { handle, token } from '../../examples/http/fetch.ts'
import { ask } from '../http/support/service.ts'
import { freePort } from '../support/free-port.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

async function start(file: string): Promise<{ url: string; child: ChildProcess }> {
  const port = await freePort()
  const args = ['--import', './test/support/from-source.ts', file]
  const env = { ...process.env, PORT: `${port}` }
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data')
  return { url: `http://127.0.0.1:${port}`, child }
}

test.each(['express', 'fastify'])(
  '%s has the routes beside its own, and loses nothing at its end',
  { timeout: 30_000 },
  async (name) => {
    const { url, child } = await start(`examples/http/${name}.ts`)
    expect((await ask(url, '/')).text).toBe('Hello World!')
    const reply = await ask(url, '/queue/process', { body: { id: 1 }, headers: { prefer: 'wait=5' } })
    expect([reply.status, reply.body]).toEqual([200, { done: { id: 1 } }])
    const record = await ask(url, reply.headers.location as string)
    expect(record.body.state).toBe('completed')
    expect((await ask(url, '/queue/process', { raw: '{}', headers: { 'content-type': 'text/plain' } })).status).toBe(
      415,
    )
    const socket = new WebSocket(`${url.replace('http', 'ws')}/queue/v1/ws`)
    const [first] = await once(socket, 'message')
    expect(JSON.parse(String(first)).event).toBe('snapshot')
    const [closed, exited] = [once(socket, 'close'), once(child, 'exit')]
    child.kill('SIGTERM')
    await closed
    expect((await exited)[0]).toBe(0)
  },
)

test('a handler of fetch', async () => {
  const call = async (path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...init.headers }
    const response = await handle(new Request(`https://queue.example.com${path}`, { ...init, headers }))
    return [response.status, await response.json()]
  }
  const post = { method: 'POST', body: '{"id":1}', headers: { prefer: 'wait=5' } }
  expect(await call('/queue/process', post)).toEqual([200, { done: { id: 1 } }])
  expect(await call('/queue/status/1')).toMatchObject([200, { state: 'completed', result: { done: { id: 1 } } }])
  expect((await handle(new Request('https://queue.example.com/queue/v1/queues'))).status).toBe(401)
  const events = await handle(
    new Request('https://queue.example.com/queue/v1/events', { headers: { authorization: `Bearer ${token}` } }),
  )
  const reader = (events.body as ReadableStream<Uint8Array>).getReader()
  expect(new TextDecoder().decode((await reader.read()).value)).toContain('"event":"snapshot"')
  await reader.cancel()
})
