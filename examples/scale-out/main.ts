/**
 * `node examples/scale-out/main.ts`: a gateway and two workers, each a process; one worker is killed in the middle of its work, another
 * one is added while all runs, something is cancelled, and something that has failed is requeued. Nothing that was acknowledged is lost.
 *
 * It needs a Redis: REDIS_URL, or a redis-server to start.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const JOBS = 40
const folder = mkdtempSync(join(tmpdir(), 'triage-queue-scale-out-'))
const token = randomUUID()
const children: ChildProcess[] = []

try {
  const REDIS_URL = process.env.REDIS_URL ?? (await startRedis())
  const env = { ...process.env, REDIS_URL, TOKEN: token, LOCK_MS: '1000', WORKER_SLOTS: '2' }
  const [url, gateway] = await start('gateway.ts', env)
  const [, first] = await start('worker.ts', env)
  await start('worker.ts', env)
  console.log('a gateway and two workers, each in a process of its own')

  const call = async (method: string, path: string, body?: unknown, headers = {}) => {
    const response = await fetch(`${url}/v1/queues/jobs${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const submit = async (id: string, job: object, kind: string): Promise<void> => {
    const headers = { 'idempotency-key': id, 'triage-options': JSON.stringify({ kind }) }
    const { status } = await call('POST', '/requests', job, headers)
    if (status !== 202) throw new Error(`${id} was answered with ${status}`)
  }
  const stateOf = async (id: string): Promise<unknown> => (await call('GET', `/requests/${id}`)).body.state
  const until = async (id: string, state: string): Promise<void> => {
    for (let i = 0; (await stateOf(id)) !== state; i++) {
      if (i === 300) throw new Error(`${id} is ${await stateOf(id)}, not ${state}`)
      await sleep(50)
    }
  }

  for (let i = 0; i < JOBS; i++)
    await submit(`job-${i}`, { name: `job ${i}`, ms: 100 }, i % 2 === 0 ? 'render' : 'report')
  await submit('no-data', { name: 'no data', ms: 1, fails: true }, 'report')
  await submit('unwanted', { name: 'unwanted', ms: 60_000 }, 'render')
  const { status } = await call('POST', '/requests/unwanted/cancel')
  console.log(`${JOBS + 2} requests are acknowledged; one of them was cancelled: ${status}`)

  first.kill('SIGKILL')
  await start('worker.ts', env)
  console.log('one worker was killed with SIGKILL in the middle of its work; another one was added')

  for (let i = 0; i < JOBS; i++) await until(`job-${i}`, 'completed')
  await until('no-data', 'dead')
  await until('unwanted', 'cancelled')
  console.log(`${JOBS} are completed, one is cancelled, and one is a dead letter after two attempts`)

  const { generation } = (await call('GET', '/requests/no-data')).body
  const requeued = await call('POST', '/requests/no-data/requeue', undefined, { 'if-match': `"${generation}"` })
  await until('no-data', 'dead')
  console.log(`it was requeued: ${requeued.status}; there was still no data`)

  const wanted = await fetch(`${url}/workers-wanted`)
  console.log((await wanted.text()).split('\n').at(-2))
  gateway.kill('SIGTERM')
  await once(gateway, 'exit')
  console.log('nothing that was acknowledged is lost')
} finally {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}

/** A process of this folder, and what it says first. */
async function start(file: string, env: NodeJS.ProcessEnv): Promise<[said: string, child: ChildProcess]> {
  const child = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, file)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  })
  children.push(child)
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return [line.toString().trim(), child]
}

async function startRedis(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  const settings = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes', '--save', '']
  const redis = spawn('redis-server', settings, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(redis)
  redis.once('error', () => console.error('There is no redis-server: apt-get install redis-server, or set REDIS_URL'))
  for await (const text of redis.stdout) if (String(text).includes('Ready to accept connections')) break
  return `redis://127.0.0.1:${port}`
}
