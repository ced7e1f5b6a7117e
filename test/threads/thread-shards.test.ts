import { AsyncLocalStorage } from 'node:async_hooks'
import { QueueFullError, WorkerLostError } from 'triage-queue'
import { type Shards, type ShardsStatus, shards, type ThreadShardsOptions } from 'triage-queue/threads'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { watch } from '../failures/support.ts'
import { nested } from './fixtures/shard-work.ts'
import { isExact } from './million.ts'
import { fixture, until } from './support.ts'

// A thread takes its time to start on a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

type Request = string | number

function made(n: number, options: ThreadShardsOptions<Request> = {}): Shards<Request, unknown> {
  const all = shards<Request, unknown>(n, fixture('shard-work'), { executor: { concurrency: 2 }, ...options })
  onTestFinished(() => all.close({ drain: false, graceMs: 0 }))
  return all
}

const failureOf = async (answer: Promise<unknown>) => {
  const watched = watch(answer)
  await watched.done
  expect(watched.state).toBe('rejected')
  return watched.error as Error & Record<string, unknown>
}

test('each shard is in a thread of its own', async () => {
  const all = made(3, { route: 'roundRobin' })
  const threads = await Promise.all([1, 2, 3, 4].map(() => all.execute('thread')))
  expect(new Set(threads).size).toBe(3)
  expect(threads[0]).toBe(threads[3])
})

test('the file may make the executors itself, of what it is given', async () => {
  const all = made(2, { route: 'roundRobin', executor: undefined, exportName: 'make', data: { slots: 7 } })
  expect(await Promise.all([1, 2].map((request) => all.execute(request)))).toEqual(['shard 0: 1', 'shard 1: 2'])
  const status = (await all.getStatus()) as ShardsStatus
  expect([status.maxWorkers, status.shards.map(({ name }) => name)]).toEqual([14, ['made 0', 'made 1']])
})

test('errors cross with class, code, properties and cause: those of the executor, and ours', async () => {
  const all = made(1, { executor: { concurrency: 1, maxQueueSize: 1, whenFull: 'reject', name: 'llm' } })
  const mine = await failureOf(all.execute('fail'))
  expect(mine).toBeInstanceOf(RangeError)
  expect(mine).toMatchObject({ message: 'mine', code: 'E_MINE', detail: [1] })
  expect(mine.cause).toBeInstanceOf(TypeError)
  void watch(all.execute('hold'))
  await until(async () => expect((await all.getStatus()).running).toBe(1))
  void watch(all.execute('a'))
  const full = await failureOf(all.execute('b', { id: 'b', priority: 'low' }))
  expect(full).toBeInstanceOf(QueueFullError)
  expect(full).toMatchObject({
    ...{ code: 'TRIAGE_QUEUE_FULL', statusCode: 503, queue: 'llm', requestId: 'b', priority: 'low', started: false },
    ...{ size: 1, maxSize: 1, bound: 'total', retryAfterMs: expect.any(Number) },
  })
  expect(full.headers).toEqual({ 'retry-after': expect.any(String) })
  await expect(all.execute('a', { priority: 'none' as 'low' })).rejects.toMatchObject({ path: 'priority' })
})

test('whoever listens while there is no thread is told once', async () => {
  const all = made(1)
  await failureOf(all.execute('exit'))
  const told: string[] = []
  all.on('completed', ({ id }) => void told.push(id))
  await all.execute('a', { id: 'a' })
  await all.execute('b', { id: 'b' })
  expect(told.slice(0, 2)).toEqual(['a', 'b'])
})

test('a signal: its caller is told at once, with its reason, and the run is aborted there', async () => {
  const all = made(1, { executor: { concurrency: 1 } })
  const controller = new AbortController()
  const answer = watch(all.execute('hold', { signal: controller.signal }))
  await until(async () => expect((await all.getStatus()).running).toBe(1))
  const reason = new Error('enough')
  controller.abort(reason)
  await answer.done
  expect(answer.error).toBe(reason)
  expect(await all.execute('a')).toBe('a')
  await expect(all.execute('a', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
})

test('what can not be sent is refused: a request, an answer, a promise to wait for', async () => {
  const all = made(1)
  await expect(all.execute((() => 1) as never)).rejects.toMatchObject({ code: 'TRIAGE_INVALID_REQUEST' })
  await expect(all.execute('function')).rejects.toMatchObject({ code: 'TRIAGE_RESULT_LOST', started: true })
  await expect(all.execute('a', { after: [Promise.resolve()] })).rejects.toMatchObject({ path: 'after' })
  expect(await Promise.all(['a', 'function', 'b'].map((name) => watch(all.execute(name)).done))).toEqual(
    new Array(3).fill(undefined),
  )
})

test('events are told here; those of the whole once', async () => {
  const all = made(2, { route: 'roundRobin' })
  const told: string[] = []
  all.on('completed', ({ id, result }) => void told.push(`${id} ${result}`))
  all.on('failed', ({ id, error }) => void told.push(`${id} ${(error as Error).message}`))
  all.on('paused', () => void told.push('paused'))
  const off = (): void => void told.push('off')
  all.on('started', off)
  all.off('started', off)
  await all.execute('one', { id: 'a' })
  await failureOf(all.execute('fail', { id: 'b' }))
  await all.pause()
  await all.getStatus()
  expect(told).toEqual(['a one', 'b mine', 'paused'])
  await all.resume()
})

test('a listener is told in no context, and one that throws changes nothing', async () => {
  const all = made(1)
  const warnings: string[] = []
  const warn = (warning: Error): void => void warnings.push(warning.message)
  process.on('warning', warn)
  onTestFinished(() => void process.off('warning', warn))
  all.on('completed', () => {
    throw new Error('not my day')
  })
  const storage = new AsyncLocalStorage<string>()
  expect(await storage.run('mine', async () => [await all.execute('a'), storage.getStore()])).toEqual(['a', 'mine'])
  await until(() => expect(warnings).toContainEqual(expect.stringContaining('not my day')))
})

describe('a thread that dies', () => {
  test('rejects what lived there, says what is known, and the next request has another thread', async () => {
    const all = made(2, { key: (request) => `${request}`.split(' ')[1] })
    const handle = await all.submit('hold x')
    await until(() => expect(handle.state).toBe('running'))
    const [running, exit, asked] = [handle.result, all.execute('exit x'), all.execute('a x')].map((answer) =>
      failureOf(answer),
    )
    expect(await running).toBeInstanceOf(WorkerLostError)
    expect(await running).toMatchObject({ code: 'TRIAGE_WORKER_LOST', started: true, statusCode: 502 })
    expect((await running)?.message).toContain('exited with code 7')
    expect(await exit).toMatchObject({ started: 'unknown' })
    expect(await asked).toMatchObject({ code: 'TRIAGE_WORKER_LOST' })
    expect(handle.state).toBe('failed')
    expect(await all.execute('b x')).toBe('b x')
  })

  test('is told again what holds: that it is paused, how many may run, who listens', async () => {
    const all = made(1)
    const completed: unknown[] = []
    all.on('completed', ({ result }) => void completed.push(result))
    await all.setConcurrency(5)
    await failureOf(all.execute('exit'))
    expect(await all.execute('a')).toBe('a')
    expect([(await all.getStatus()).maxWorkers, completed]).toEqual([5, ['a']])
  })

  test.each([
    ['start/throws', 'can not be loaded today'],
    ['start/none', 'Cannot find module'],
    ['start/no-function', 'exports a function'],
  ])('%s: the fifth death at start-up is the last', async (file, why) => {
    const all = shards<string, unknown>(1, fixture(file), { executor: {} })
    for (let i = 0; i < 5; i++)
      expect((await failureOf(all.execute('a'))).message).toMatch(new RegExp(`${why}|does not start`))
    expect(await failureOf(all.execute('a'))).toMatchObject({
      code: 'TRIAGE_WORKER_LOST',
      cause: { message: expect.stringContaining(why) },
    })
    expect(all.health()).toEqual({ live: false, ready: false, reasons: ['stuck'] })
    expect((await all.getStatus()).totals.admitted).toBe(0)
    await all.close()
  })

  test('what makes no executor is said', async () => {
    const all = shards<string, unknown>(1, fixture('shard-work'), { exportName: 'notAnExecutor' })
    onTestFinished(() => all.close({ drain: false, graceMs: 0 }))
    expect((await failureOf(all.execute('a'))).message).toContain("'notAnExecutor' makes an executor")
  })
})

describe('close()', () => {
  test('finishes what was admitted, and ends the threads', async () => {
    const all = made(2, { route: 'roundRobin' })
    const answers = Promise.all([20, 21, 22, 23, 24].map((ms) => all.execute(ms)))
    await all.close()
    expect(await answers).toEqual([20, 21, 22, 23, 24])
    const status = (await all.getStatus()) as ShardsStatus
    expect([status.state, status.totals.completed]).toEqual(['closed', 5])
    await expect(all.execute('a')).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
    await all.close()
  })

  test('a shard in an endless loop is ended: every promise settles', async () => {
    const all = made(1, { killAfterMs: 500 })
    await all.execute('a')
    const handle = await all.submit('loop')
    const looping = failureOf(handle.result)
    await until(() => expect(handle.state).toBe('running'))
    const waiting = failureOf(all.execute('b'))
    await all.close({ drain: false, graceMs: 50 })
    expect(await looping).toMatchObject({ code: 'TRIAGE_WORKER_LOST' })
    expect(await waiting).toMatchObject({ code: expect.stringMatching(/WORKER_LOST|CANCELLED/) })
  })

  test('it settles however often it is called meanwhile, and so does all that is asked until it has', async () => {
    const all = made(2)
    await all.execute('a')
    const settled: Promise<unknown>[] = []
    let isClosed = false
    const closed = all.close().then(() => {
      isClosed = true
    })
    while (!isClosed) {
      const answer = failureOf(all.execute('b')).then(({ code }) => expect(code).toBe('TRIAGE_QUEUE_CLOSED'))
      const cancelled = Promise.resolve(all.cancel('a'))
      settled.push(answer, all.close(), all.idle(), all.flushed(), cancelled)
      settled.push(Promise.resolve(all.getStatus()), Promise.resolve(all.getWorkerHealth()))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all([closed, ...settled])
    expect(settled.length).toBeGreaterThan(0)
  })

  test('a lame duck says so', async () => {
    const all = made(1)
    const closed = all.close({ lameDuckMs: 60_000 })
    expect(all.health()).toEqual({ live: true, ready: false, reasons: ['lameDuck'] })
    expect(await all.execute('a')).toBe('a')
    const sooner = all.close()
    await Promise.all([closed, sooner])
    expect(all.health()).toEqual({ live: true, ready: false, reasons: ['closed'] })
  })

  test.each([-1, 'soon', Symbol('soon'), 5n])('bad options are refused, and it is open still: %o', async (graceMs) => {
    const all = made(1)
    await expect(all.close({ graceMs: graceMs as number })).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS' })
    expect(await all.execute('a')).toBe('a')
  })
})

describe('a thread that dies', () => {
  test('what is lost with it is told as failed, each request once, and then that it is idle', async () => {
    const all = made(1, { executor: { concurrency: 3 } })
    const told: unknown[] = []
    for (const event of ['started', 'failed', 'idle'] as const) {
      all.on(event, (about) => {
        const { id, error, errors, request, metadata, options, attempts } = about as Record<string, unknown>
        told.push([event, id, (error as Error | undefined)?.name, request, metadata, options, attempts, errors])
      })
    }
    const ids = { id: 'a', metadata: { tenant: 'acme' }, timeoutMs: 60_000 }
    const answers = [all.execute('hold', ids), all.execute('hold', ids)].map(failureOf)
    const handle = await all.submit('hold', { id: 'b' })
    await until(() => expect(handle.state).toBe('running'))
    void watch(all.execute('exit', { id: 'c' }))
    const { message } = await failureOf(handle.result)
    await Promise.all(answers)
    const errors = [expect.objectContaining({ message })]
    expect(told).toEqual(
      expect.arrayContaining([
        ['failed', 'a', 'WorkerLostError', 'hold', ids.metadata, { timeoutMs: 60_000 }, 0, expect.anything()],
        ['failed', 'b', 'WorkerLostError', 'hold', undefined, {}, 1, errors],
      ]),
    )
    const ends = told.filter((each) => (each as string[])[0] === 'failed')
    expect(ends.map((each) => (each as string[])[1]).sort()).toEqual(['a', 'b', 'c'])
    expect((told.at(-1) as string[])[0]).toBe('idle')
  })

  test('nothing waits or runs in it any more, also when it is closed', async () => {
    const all = made(1, { killAfterMs: 300 })
    const handle = await all.submit('loop')
    void watch(handle.result)
    await until(() => expect(handle.state).toBe('running'))
    await all.close({ drain: false, graceMs: 0 })
    const { running, state } = await all.getStatus()
    expect([running, state]).toEqual([0, 'closed'])
    // It would ask for ever, and leave no turn to anything else.
    await all.idle()
  })

  test('the times that it tells are those of the clock here', async () => {
    const all = made(2, { route: 'roundRobin', executor: { concurrency: 1 } })
    const before = performance.now()
    const at: number[] = []
    all.on('started', (about) => at.push(about.at))
    const handles = await Promise.all([all.submit('hold'), all.submit('hold')])
    await until(() => expect(handles.map(({ state }) => state)).toEqual(['running', 'running']))
    const since = (await all.getWorkerHealth()).map((slot) => slot.since)
    const after = performance.now()
    expect([at.length, since.length]).toEqual([2, 2])
    for (const time of [...at, ...since]) {
      expect(time).toBeGreaterThan(before - 2)
      expect(time).toBeLessThan(after + 2)
    }
  })
})

describe('callers with one id', () => {
  test('whoever leaves takes it from no other: it is found, joined and cancelled by its id', async () => {
    const all = made(2, { route: 'roundRobin' })
    const first = failureOf(all.execute('hold', { id: 'a' }))
    const controller = new AbortController()
    const second = failureOf(all.execute('hold', { id: 'a', signal: controller.signal }))
    await until(async () => expect((await all.getStatus()).totals.joined).toBe(1))
    controller.abort(new Error('left'))
    expect((await second).message).toBe('left')
    // The thread has heard of it when it answers.
    await all.getStatus()
    const third = failureOf(all.execute('hold', { id: 'a' }))
    const { totals } = await all.getStatus()
    expect([totals.admitted, totals.joined]).toEqual([1, 2])
    expect(await all.cancel('a', 'why')).toBe(true)
    expect([(await first).code, (await third).code]).toEqual(['TRIAGE_CANCELLED', 'TRIAGE_CANCELLED'])
    expect(all.get('a')).toBe(undefined)
  })

  test('a handle cancels its own share', async () => {
    const all = made(1)
    const [one, other] = await Promise.all([all.submit('hold', { id: 'a' }), all.submit('hold', { id: 'a' })])
    expect(await other.cancel()).toBe(true)
    expect((await failureOf(other.result)).code).toBe('TRIAGE_CANCELLED')
    await until(() => expect([one.state, other.state]).toEqual(['running', 'cancelled']))
    expect([await other.cancel(), await one.cancel()]).toEqual([false, true])
    expect((await failureOf(one.result)).code).toBe('TRIAGE_CANCELLED')
  })

  test('a handle of one that has ended does nothing to a later life of its id', async () => {
    const all = made(1, { executor: { concurrency: 1 } })
    const old = await all.submit('a', { id: 'a' })
    await old.result
    void watch(all.execute('hold'))
    const later = await all.submit('b', { id: 'a' })
    expect([await old.setPriority('urgent'), await old.position(), await old.cancel()]).toEqual([
      ...[false, undefined, false],
    ])
    expect([await later.position(), later.state]).toEqual([0, 'waiting'])
  })

  test('one whose signal was aborted is cancelled', async () => {
    const all = made(1)
    const controller = new AbortController()
    const { signal } = controller
    const handle = await all.submit('hold', { signal })
    controller.abort()
    expect(await failureOf(handle.result)).toBe(signal.reason)
    expect(handle.state).toBe('cancelled')
    await all.idle()
    expect(handle.state).toBe('cancelled')
  })
})

test.each([new AbortController(), 5, {}])('%o is no signal', async (signal) => {
  const all = made(1)
  const refused = { code: 'TRIAGE_INVALID_OPTIONS', path: 'signal', expected: 'an AbortSignal' }
  await expect(all.execute('a', { signal: signal as AbortSignal })).rejects.toMatchObject(refused)
  await expect(all.submit('a', { signal: signal as AbortSignal })).rejects.toMatchObject(refused)
})

test('an answer that can be sent but not be read is lost; what was said with it is not', async () => {
  const all = made(1, { executor: { concurrency: 8 } })
  const deep = failureOf(all.execute('deep 8000'))
  const handles = await Promise.all([all.submit('deep 8000'), all.submit('hold'), all.submit('hold')])
  expect((await deep).code).toBe('TRIAGE_RESULT_LOST')
  expect((await failureOf(handles[0].result)).code).toBe('TRIAGE_RESULT_LOST')
  await until(() => expect(handles.map(({ state }) => state)).toEqual(['failed', 'running', 'running']))
  expect(await all.execute('a')).toBe('a')
})

test('a request that can be sent but not be read is refused, and its shard lives', async () => {
  const all = made(1, { resourceLimits: { stackSizeMb: 0.3 } })
  expect(await all.execute('a')).toBe('a')
  const refused = await failureOf(all.execute(nested(3_000) as never))
  expect(refused).toMatchObject({ code: 'TRIAGE_INVALID_REQUEST' })
  expect(await all.execute('b')).toBe('b')
})

test('slots, health and what is observed', async () => {
  const all = made(2, { name: 'llm' })
  expect(await all.getWorkerHealth()).toEqual(expect.any(Array))
  expect(all.health()).toEqual({ live: true, ready: true, reasons: [] })
  await Promise.all(Array.from({ length: 10 }, (_, index) => all.execute(1, { id: `${index}` })))
  await until(() => {
    const completed = all.observed.map(({ executor }) => executor.getStatus().totals.completed)
    expect(completed.reduce((sum, count) => sum + count, 0)).toBe(10)
  })
  expect(all.observed.map(({ shard, executor }) => [shard, executor.getStatus().name])).toEqual([
    ...[
      ['0', 'llm'],
      ['1', 'llm'],
    ],
  ])
  const { wait, run } = (await all.getStatus()) as ShardsStatus
  expect([wait.count, run.count]).toEqual([10, 10])
  expect(run.p50Ms).toBeGreaterThan(0.5)
})

test.each([
  [{ executor: { order: { name: 'mine', rank: () => 1 } } }, 'executor'],
  [{ data: () => 1 }, 'data'],
  [{ threads: 4 }, 'threads'],
])('%o are refused', (options, path) => {
  expect(() => shards(2, fixture('shard-work'), options as object)).toThrow(expect.objectContaining({ path }))
})

/** `npm run bench:threads` has ten times as many. */
test('4 × 1,000 slots with 40,000 waiting: all are counted, and cancelled', async () => {
  const all = made(4, {
    ...{ route: 'roundRobin', executor: { concurrency: 1_000, maxQueueSize: 10_000, whenFull: 'reject' } },
  })
  let cancelled = 0
  const ended = (error: { code?: unknown }): void => {
    if (error.code === 'TRIAGE_CANCELLED') cancelled++
  }
  const answers = Array.from({ length: 44_000 }, () => all.execute('hold').then(undefined, ended))
  const status = (await all.getStatus()) as ShardsStatus
  expect([status.waiting, status.running, status.totals.rejected]).toEqual([40_000, 4_000, 0])
  expect(status.shards.map(({ waiting }) => waiting)).toEqual([10_000, 10_000, 10_000, 10_000])
  expect(isExact(status)).toBe(true)
  await all.close({ drain: false, graceMs: 0 })
  await Promise.all(answers)
  expect(cancelled).toBe(44_000)
})
