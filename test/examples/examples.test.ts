/** Each example runs as it is; its output is what its comments promise. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

async function run(example: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [`examples/${example}.ts`], { cwd: root })
  return stdout.trim().split('\n')
}

test('quick start: by priority, one refused, one cancelled', async () => {
  expect(await run('quick-start')).toEqual([
    expect.stringMatching(/^refused: {2}TRIAGE_QUEUE_FULL - The queue is full: 3 of at most 3 requests wait; retry in/),
    'answered: an alert (urgent, attempt 1)',
    'answered: a chat message (high, attempt 1)',
    'answered: a summary (normal, attempt 1)',
    'answered: a report (low, attempt 1)',
    "ended:    cancelled - Cancelled: 'no longer needed'",
    'totals:   admitted 5 = completed 4 + cancelled 1',
  ])
})

test('gateway: every caller is told, the free plan is refused first', async () => {
  const [free, paying, abandoned] = await run('gateway')
  // How many of which kind depends on the machine's pace; that each kind is there, and all are answered, does not.
  expect(free).toMatch(/200 patience left: true.*503 TRIAGE_QUEUE_FULL/)
  expect(paying).toMatch(/hung up/)
  expect(abandoned).toMatch(/^calls that the service could stop early: \d+$/)
  for (const line of [free, paying]) {
    const counts = [...(line as string).matchAll(/(\d+) ×/g)].map(([, n]) => Number(n))
    expect(counts.reduce((a, b) => a + b)).toBe(line === free ? 8 : 4)
  }
})

test('stream: never far ahead of the writer', async () => {
  const last = (await run('stream')).at(-1) as string
  const [, lines, ahead] = /all (\d+) lines, in order; at most (\d+) read ahead/.exec(last) ?? []
  expect(Number(lines)).toBe(2_000)
  expect(Number(ahead)).toBeLessThanOrEqual(55)
})

interface Server {
  readonly child: ChildProcess
  readonly url: string
  /** Resolves as soon as a line that contains this has been printed. */
  printed(text: string): Promise<void>
  output(): string
}

async function startServer(): Promise<Server> {
  const child = spawn(process.execPath, ['examples/graceful-shutdown.ts'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout?.setEncoding('utf8')
  child.stdout?.on('data', (text) => {
    output += text
  })
  const printed = async (text: string): Promise<void> => {
    while (!output.includes(text)) await once(child.stdout as NonNullable<typeof child.stdout>, 'data')
  }
  await printed('pid')
  const port = /listening on (\d+)/.exec(output)?.[1]
  return { child, url: `http://127.0.0.1:${port}`, printed, output: () => output }
}

const status = (url: string): Promise<number> => fetch(url).then((response) => response.status)

test('graceful shutdown: on SIGTERM no admitted request is lost, and new ones are refused', async () => {
  const { child, url, printed, output } = await startServer()
  const exited = once(child, 'exit')
  const first = Array.from({ length: 6 }, (_, i) => status(`${url}/job/${i}`))
  // When one is answered, all six have long been admitted.
  await Promise.race(first)
  child.kill('SIGTERM')
  await printed('stopping:')
  const late = [status(`${url}/late`), status(`${url}/late`)]
  expect(await Promise.all(first)).toEqual([200, 200, 200, 200, 200, 200])
  expect(await Promise.all(late)).toEqual([503, 503])
  expect(await exited).toEqual([0, null])
  expect(output()).toContain('stopped: 6 of 6 admitted requests completed, 2 refused')
})

test('graceful shutdown: a second SIGTERM means now', async () => {
  const { child, url, printed } = await startServer()
  const exited = once(child, 'exit')
  const first = Array.from({ length: 20 }, () => status(`${url}/job`).catch(() => 'cut off'))
  await Promise.race(first)
  child.kill('SIGTERM')
  await printed('stopping:')
  child.kill('SIGTERM')
  expect(await exited).toEqual([1, null])
  await Promise.all(first)
})

test('tracing: who waited, who shared a run, who was refused', async () => {
  const lines = await run('tracing')
  expect(lines).toContain('GET /too-many · TRIAGE_QUEUE_FULL')
  expect(lines).toContain('  process llm · completed · shared by 2 callers · linked with GET /summary again')
  expect(lines).toContain('    run llm · RangeError')
})

test('durable: killed twice in the middle of its work, and nothing is lost', { timeout: 60_000 }, async () => {
  const lines = await run('durable/main')
  expect(lines.slice(0, 2)).toEqual([
    'life 1: 30 jobs acknowledged so far; killed with SIGKILL in the middle of its work',
    'life 2: 60 jobs acknowledged so far; killed with SIGKILL in the middle of its work',
  ])
  expect(lines.at(-1)).toBe('60 jobs were acknowledged, 60 are completed, 0 are lost')
})

test('threads: urgent first, this thread is free, and what takes too long is ended', { timeout: 60_000 }, async () => {
  expect(await run('threads/main')).toEqual([
    'primes below 1,000: 168',
    'primes below 200,000: 17984',
    expect.stringMatching(/^reports that had ended before the alert: [0-2]$/),
    'this thread was free meanwhile: true',
    'too much at once: TRIAGE_RUN_TIMEOUT',
    'after it: 25 primes below 100',
  ])
})

test('shards: each in a thread, a tenant in one of them', { timeout: 60_000 }, async () => {
  expect(await run('threads/shards')).toEqual([
    '2000 answers, the first: answered tenant 0',
    'totals: admitted 2000 = completed 2000',
    'by shard: 420 + 700 + 420 + 460',
  ])
})
