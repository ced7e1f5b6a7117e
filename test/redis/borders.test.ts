/** Where two things happen in the same moment, or where what BullMQ does is not what is promised. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'bullmq'
import { backoff, CancelledError, QueueFullError, RunTimeoutError } from 'triage-queue'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { RedisTime } from '../../src/bullmq/connections.ts'
import { watch } from '../failures/support.ts'
import { startRedis } from '../support/redis-server.ts'
import { executorFor, freshName, until, workerFor } from './support/pair.ts'

const redis = await startRedis()
afterAll(() => redis.close())
const url = redis.url
const forEver = () => new Promise<never>(() => {})

describe('the wait of a delayed request', () => {
  test('begins when it may start: for the event, the numbers and find() as for the run', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const events: { waitMs: number; delayMs?: number }[] = []
    executor.on('started', ({ waitMs, delayMs }) => events.push({ waitMs, delayMs }))
    executor.on('completed', ({ waitMs }) => events.push({ waitMs }))
    // All that is measured of it is far below the delay.
    const delayMs = 3_000
    workerFor(name, url, async (_, run) => run.waitMs)
    const handle = await executor.submit('a', { id: 'a', delayMs })
    const inRun = (await handle.result) as number
    const { wait } = await executor.getStatus()
    const shown = (await executor.find('a'))?.waitMs as number
    expect(events[0]?.delayMs).toBe(delayMs)
    const waits = [inRun, wait.averageMs as number, shown, ...events.map(({ waitMs }) => waitMs)]
    expect(waits).toHaveLength(5)
    for (const waitMs of waits) expect(waitMs).toBeLessThan(delayMs)
  })

  test('is what its error speaks of, with the limit that was given', async () => {
    const executor = executorFor(freshName(), url)
    const handle = await executor.submit('a', { delayMs: 100, waitTimeoutMs: 50 })
    await expect(handle.result).rejects.toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', timeoutMs: 50, started: false })
    const total = await executor.submit('b', { delayMs: 100, timeoutMs: 60 })
    await expect(total.result).rejects.toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', timeoutMs: 60, started: false })
  })
})

describe('who waits for a request whose submitter has gone', () => {
  test.each([
    ['joined it', { waitTimeoutMs: 300 }],
    ['joined it', { timeoutMs: 300 }],
    ['has its handle', { waitTimeoutMs: 300 }],
    ['has its handle', { timeoutMs: 300 }],
  ])('and %s is told when its time is over, also while there is no worker: %o', async (how, limits) => {
    const name = freshName()
    const [gone, executor] = [executorFor(name, url), executorFor(name, url)]
    watch((await gone.submit('a', { id: 'a', ...limits })).result)
    const handle = how === 'joined it' ? await executor.submit('a', { id: 'a' }) : await executor.get('a')
    await gone.close({ drain: false })
    await expect(handle?.result).rejects.toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', timeoutMs: 300 })
  })

  test('and has its handle is told when it is closed here', async () => {
    const name = freshName()
    const [executor, other] = [executorFor(name, url), executorFor(name, url)]
    watch((await executor.submit('a', { id: 'a' })).result)
    const told = watch(((await other.get('a')) as { result: Promise<unknown> }).result)
    await other.close()
    await told.done
    expect(told.error).toMatchObject({ code: 'TRIAGE_PARKED' })
  })
})

describe('one that has begun, and waits for another attempt', () => {
  const failing = async () => {
    throw new Error('no')
  }
  const inTenMinutes = () => backoff({ attempts: 2, baseMs: 600_000, maxMs: 600_000, jitter: 'none' })

  test('is cancelled as one that was started', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    workerFor(name, url, failing, { retry: inTenMinutes() })
    const handle = await executor.submit('a', { id: 'a' })
    await until(() => handle.state).toBe('retrying')
    expect(await executor.cancel('a')).toBe(true)
    await expect(handle.result).rejects.toMatchObject({ code: 'TRIAGE_CANCELLED', started: true })
  })

  test('expires as one that was started', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const worker = workerFor(name, url, failing, { retry: backoff({ attempts: 9, baseMs: 1 }) })
    // It may be tried again at once, and there is nobody who would.
    executor.on('retrying', () => void executor.pause())
    const handle = await executor.submit('a', { waitTimeoutMs: 2_000 })
    await worker.ready()
    await expect(handle.result).rejects.toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', started: true })
  })

  test('is not tried again where that would be after its time to wait: its failure is told at once', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    workerFor(name, url, failing, { retry: inTenMinutes() })
    await expect(executor.execute('a', { waitTimeoutMs: 60_000 })).rejects.toThrow('no')
  })
})

test.each([
  ['a full queue', () => new QueueFullError('total', 1, 1, {}, 5)],
  ['a run timeout', () => new RunTimeoutError(5, 5, {})],
  ['a cancellation', () => new CancelledError(undefined, {}, 'id')],
])(
  'what the function had from another executor is a failure of its own: tried again, and no end of this request: %s',
  async (_, make) => {
    const name = freshName()
    const executor = executorFor(name, url)
    let runs = 0
    const work = (request: string) => {
      runs++
      const error = make()
      if (request === 'now') throw error
      return Promise.reject(error)
    }
    workerFor(name, url, work, { retry: backoff({ attempts: 3, baseMs: 1 }) })
    for (const request of ['now', 'later']) {
      runs = 0
      const handle = await executor.submit(request, { id: request })
      await expect(handle.result).rejects.toMatchObject({ code: make().code })
      expect([handle.state, (await executor.find(request))?.state, runs]).toEqual(['failed', 'dead', 3])
    }
  },
)

test('an answer that is none of our workers is lost, and keeps no other caller waiting', async () => {
  const name = freshName()
  const executor = executorFor(name, url, { reconcileMs: 50 })
  const requests = ['odd', 'even', 'odd', 'even']
  const handles = await Promise.all(requests.map((request, i) => executor.submit(request, { id: `${i}` })))
  handles.push(await executor.submit('odd'))
  const ends = Promise.allSettled(handles.map(({ result }) => result))
  const { hostname: host, port } = new URL(url)
  const direct = new Worker(name, async (job) => (job.data.p === '"odd"' ? 'not JSON' : '"fine"'), {
    connection: { host, port: Number(port) },
  })
  onTestFinished(() => direct.close())
  const lost = { status: 'rejected', reason: { code: 'TRIAGE_RESULT_LOST', started: true } }
  const fine = { status: 'fulfilled', value: 'fine' }
  expect(await ends).toMatchObject([lost, fine, lost, fine, lost])
  expect(await executor.find('0')).toMatchObject({ state: 'completed', result: 'not JSON' })
  await expect(executor.submit('odd', { id: '0' })).rejects.toMatchObject({ code: 'TRIAGE_RESULT_LOST' })
})

test('a dead letter that is requeued tells of its new life, however often all is looked at', async () => {
  const name = freshName()
  const executor = executorFor(name, url, { reconcileMs: 1 })
  let isWell = false
  workerFor(name, url, async () => {
    if (!isWell) throw new Error('ill')
  })
  const ids = Array.from({ length: 20 }, (_, i) => `${i}`)
  for (const id of ids) await watch(executor.execute('a', { id })).done
  const told: string[] = []
  for (const event of ['queued', 'started', 'failed', 'completed'] as const) {
    executor.on(event, ({ id }) => told.push(`${id} ${event}`))
  }
  isWell = true
  for (const id of ids) {
    expect(await executor.requeue(id)).toBe(true)
    await until(() => told.at(-1)).toBe(`${id} completed`)
  }
  expect(told).toEqual(ids.flatMap((id) => ['queued', 'started', 'completed'].map((event) => `${id} ${event}`)))
})

test('a worker that has lost a run, and has the same request once more, keeps it when the lost call ends at last', async () => {
  const own = await startRedis()
  onTestFinished(() => own.close())
  const name = freshName()
  const executor = executorFor(name, own.url)
  const runs: { signal: AbortSignal; end: (value: unknown) => void }[] = []
  const work = (_: string, { signal }: { signal: AbortSignal }) => new Promise((end) => runs.push({ signal, end }))
  workerFor(name, own.url, work, { lockMs: 400, stalledMs: 100 })
  const handle = await executor.submit('a')
  await until(() => runs.length).toBe(1)
  await own.kill()
  await until(() => runs[0]?.signal.aborted).toBe(true)
  await own.start()
  await until(() => runs.length).toBe(2)
  runs[0]?.end('lost')
  // Three times as long as it would be its own without being renewed.
  await sleep(1_200)
  expect([runs.length, runs[1]?.signal.aborted]).toEqual([2, false])
  runs[1]?.end('kept')
  expect(await handle.result).toBe('kept')
})

test('what happens to a request before the answer comes that it was added is told, in its order', async () => {
  const name = freshName()
  // The one that our source loads.
  const { Queue } = createRequire(import.meta.url)('bullmq') as typeof import('bullmq')
  const add = Queue.prototype.add
  const executor = executorFor(name, url)
  vi.spyOn(Queue.prototype, 'add').mockImplementation(async function (this: typeof Queue.prototype, ...args) {
    const job = await add.apply(this, args)
    await until(() => job.getState()).toBe('completed')
    // Its events have come by then, too.
    await sleep(100)
    return job
  })
  onTestFinished(() => void vi.restoreAllMocks())
  const told: string[] = []
  for (const event of ['queued', 'started', 'retrying', 'progress', 'completed'] as const) {
    executor.on(event, () => told.push(event))
  }
  const work = async (_: string, run: { attempt: number; progress: (fraction: number) => void }) => {
    if (run.attempt === 1) throw new Error('once')
    run.progress(1)
  }
  workerFor(name, url, work, { retry: backoff({ attempts: 2, baseMs: 1 }) })
  await executor.execute('a')
  expect(told).toEqual(['queued', 'started', 'retrying', 'started', 'progress', 'completed'])
  expect((await executor.getStatus()).totals).toMatchObject({ admitted: 1, retries: 1, completed: 1 })
})

describe('while Redis is away, a worker closes when its time is over', () => {
  test.each([
    ['what runs was to go back', 60_000, 50],
    ['what runs was over its time', 200, 1_000],
  ])('%s', async (_, runTimeoutMs, graceMs) => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const name = freshName()
    const executor = executorFor(name, own.url)
    const worker = workerFor(name, own.url, forEver, { runTimeoutMs })
    watch((await executor.submit('a')).result)
    await until(() => worker.running).toBe(1)
    await own.kill()
    await worker.close({ graceMs })
    expect(worker.running).toBe(0)
  })

  test('and its process ends by itself', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const name = freshName()
    const file = new URL('fixtures/closing-worker.ts', import.meta.url).pathname
    const loader = ['--import', new URL('../support/from-source.ts', import.meta.url).pathname]
    const child = spawn(process.execPath, [...loader, file, name, own.url], { stdio: ['pipe', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const said: string[] = []
    child.stdout.setEncoding('utf8').on('data', (text: string) => said.push(...text.split('\n').filter(Boolean)))
    const exited = once(child, 'exit')
    watch((await executorFor(name, own.url).submit('a')).result)
    await until(() => said).toContain('started')
    await own.kill()
    child.stdin.end()
    // The locks of BullMQ would be looked at again and again: thirty seconds.
    const late = sleep(10_000, 'late', { ref: false })
    expect(await Promise.race([exited, late])).toEqual([0, null])
    expect(said).toContain('closed')
  })
})

describe('the time of Redis', () => {
  test('is not taken from an answer that has waited until Redis was back', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const time = new RedisTime()
    const aheadMs = 5_000
    const answers: (() => void)[] = []
    const clientThat = {
      time: () => new Promise((resolve) => answers.push(() => resolve(timeOf(Date.now() + aheadMs)))),
    }
    const timeOf = (at: number) => [Math.floor(at / 1_000), (at % 1_000) * 1_000]
    const first = time.sync(clientThat as never)
    answers.shift()?.()
    await first
    expect(time.now() - Date.now()).toBeCloseTo(aheadMs, 0)
    // Asked while it was away for a minute.
    const second = time.sync(clientThat as never)
    vi.advanceTimersByTime(60_000)
    answers.shift()?.()
    await second
    expect(time.now() - Date.now()).toBeCloseTo(aheadMs, 0)
  })
})
