import { QueuedExecutor, WorkerLostError } from 'triage-queue'
import { threads } from 'triage-queue/threads'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { watch } from '../failures/support.ts'
import type { Order } from './fixtures/work.ts'
import { fixture, threaded, until } from './support.ts'

// A thread takes its time to start on a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const work = (options = {}, queueOptions = {}) => threaded<Order>('work', options, queueOptions)

type AnyError = Error & Record<string, unknown>

const failureOf = async (answer: Promise<unknown>): Promise<AnyError> => {
  const watched = watch(answer)
  await watched.done
  expect(watched.state).toBe('rejected')
  return watched.error as AnyError
}

describe('a call', () => {
  test('runs in a thread, and its answer comes back', async () => {
    const { queue } = work()
    expect(await queue.execute({ echo: { list: [1, new Map([['a', 2n]])], at: new Date(3) } })).toEqual({
      ...{ list: [1, new Map([['a', 2n]])], at: new Date(3) },
    })
    expect(await queue.execute('thread')).toBeGreaterThan(0)
  })

  test('knows of its run what it would know here', async () => {
    const { queue } = work({}, { timeoutMs: 50_000 })
    const about = await queue.execute('about', { id: 'a', priority: 'high', metadata: { user: 1 } })
    expect(about).toMatchObject({
      id: 'a',
      priority: 'high',
      kind: undefined,
      attempt: 1,
      delayMs: 0,
      metadata: { user: 1 },
    })
    const { waitMs, remainingMs } = about as { waitMs: number; remainingMs: number }
    expect(waitMs).toBeGreaterThanOrEqual(0)
    expect(remainingMs).toBeGreaterThan(1_000)
    expect(remainingMs).toBeLessThanOrEqual(50_000)
  })

  test('is the export that was named', async () => {
    const { queue } = threaded<string>('work', { exportName: 'named' })
    expect(await queue.execute('a')).toBe('named a')
  })

  test('says how far it has come, and moves what it answers', async () => {
    const { queue } = work()
    const said: unknown[] = []
    queue.on('progress', ({ progress, message }) => said.push([progress, message]))
    expect(await queue.execute('progress')).toBe('done')
    expect(said).toEqual([[0.5, 'half']])
    expect(await queue.execute('transfer')).toEqual(new Uint8Array(1_000).fill(7))
  })

  test('leaves the timers of its thread running while there is nothing to do', async () => {
    const { queue } = work()
    const before = (await queue.execute('tick')) as number
    await until(async () => expect(await queue.execute('tick')).toBeGreaterThan(before + 5))
  })
})

describe('what is thrown', () => {
  test('keeps its class, name, code, properties and cause', async () => {
    const { queue } = work()
    const error = (await failureOf(queue.execute('throw an error'))) as TypeError & Record<string, unknown>
    expect(error).toBeInstanceOf(TypeError)
    expect([error.name, error.message, error.code, error.detail, error.when]).toEqual([
      ...['MyError', 'outer', 'E_OUTER', { list: [1, 2] }, new Date(5)],
    ])
    expect(error.stack).toContain('work.ts')
    expect(error).not.toHaveProperty('callback')
    expect(error.other).toBeInstanceOf(SyntaxError)
    expect(error.cause).toBeInstanceOf(RangeError)
    expect(error.cause).toMatchObject({ message: 'inner', code: 'E_INNER' })
  })

  test.each([
    ['throw a text', 'just a text'],
    ['throw null', null],
    ['throw undefined', undefined],
    ['throw a function', 'a function'],
  ] as const)('%s: it rejects with that', async (order, thrown) => {
    const { queue, executor } = work()
    const answer = watch(queue.execute(order))
    await answer.done
    expect([answer.state, answer.error]).toEqual(['rejected', thrown])
    expect(await queue.execute({ echo: 1 })).toBe(1)
    expect(executor.getStatus()).toMatchObject({ ended: 0 })
  })

  test('an answer that can be sent but not be read is a lost one, and its thread lives', async () => {
    const { queue, executor } = work()
    await expect(queue.execute('answer what is nested deeply')).rejects.toMatchObject({
      ...{ code: 'TRIAGE_RESULT_LOST', started: true },
    })
    expect(await queue.execute({ echo: 1 })).toBe(1)
    expect(executor.getStatus()).toMatchObject({ ended: 0 })
  })

  const circle: { self?: object } = {}
  circle.self = circle

  test.each([5n, circle, Symbol('code'), Number.NaN])('an aborted signal whose error has the code %o', async (code) => {
    const { queue, executor } = work({ killAfterMs: 60_000 })
    const controller = new AbortController()
    const reason = Object.assign(new Error('mine'), { code })
    const progressed = new Promise((resolve) => queue.on('progress', resolve))
    const answer = queue.execute('wait for the signal', { signal: controller.signal })
    const refused = expect(answer).rejects.toBe(reason)
    await progressed
    controller.abort(reason)
    await refused
    await queue.idle()
    expect(executor.getStatus()).toMatchObject({ ended: 0 })
  })

  test('an answer that can not be sent is a lost one, and its thread lives', async () => {
    const { queue, executor } = work()
    await expect(queue.execute('answer a function')).rejects.toMatchObject({
      code: 'TRIAGE_RESULT_LOST',
      started: true,
    })
    expect(await queue.execute({ echo: 1 })).toBe(1)
    expect(executor.getStatus()).toMatchObject({ ended: 0 })
  })

  test('a request that can not be sent is an invalid one', async () => {
    const { queue } = work()
    await expect(queue.execute({ echo: () => 1 })).rejects.toMatchObject({ code: 'TRIAGE_INVALID_REQUEST' })
    expect(await queue.execute({ echo: 1 })).toBe(1)
  })
})

describe('a thread that dies', () => {
  test.each([
    ['exit', 'it has exited with code 7'],
    ['throw later', 'an error that nobody has caught: Error: nobody catches this'],
    ['throw null later', /has exited|nobody has caught/],
  ] as const)('%s: WORKER_LOST says why, and the next request works', async (order, why) => {
    const { queue } = work()
    const error = await failureOf(queue.execute(order, { id: 'a' }))
    expect(error).toBeInstanceOf(WorkerLostError)
    expect(error).toMatchObject({ code: 'TRIAGE_WORKER_LOST', requestId: 'a', started: true, statusCode: 502 })
    expect(error.message).toMatch(why)
    expect(await queue.execute({ echo: 1 })).toBe(1)
  })

  test('while it has nothing to do is a warning, and the next request works', async () => {
    const { queue, executor } = work()
    const warnings: string[] = []
    const warn = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', warn)
    onTestFinished(() => void process.off('warning', warn))
    expect(await queue.execute('throw when idle')).toBe('answered')
    await until(() => expect(executor.getStatus()).toMatchObject({ live: 0, ended: 1 }))
    await until(() => expect(warnings).toContainEqual(expect.stringContaining('nothing to do: Error: all alone')))
    expect(await queue.execute({ echo: 1 })).toBe(1)
  })

  test('out of memory: it says so, and the next request works', async () => {
    const { queue } = work({ resourceLimits: { maxOldGenerationSizeMb: 24 } })
    const error = await failureOf(queue.execute('out of memory'))
    expect(error).toMatchObject({ code: 'TRIAGE_WORKER_LOST', cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' } })
    expect(error.message).toContain('it ran out of memory')
    expect(await queue.execute({ echo: 1 })).toBe(1)
  })

  test('is for the retry policy to judge', async () => {
    const codes: unknown[] = []
    const retry = {
      name: 'mine',
      option: 'retry' as const,
      delayMs: ({ error }: { error: unknown }) => {
        codes.push((error as { code?: unknown }).code)
        return codes.length < 3 ? 0 : undefined
      },
    }
    const { queue } = work({}, { retry })
    await expect(queue.execute('exit')).rejects.toMatchObject({ code: 'TRIAGE_WORKER_LOST' })
    expect(codes).toEqual(['TRIAGE_WORKER_LOST', 'TRIAGE_WORKER_LOST', 'TRIAGE_WORKER_LOST'])
  })
})

describe('cancel is to ask, and then to kill', () => {
  test('an endless loop with a run timeout: its caller is told in time, and the slot is free once the thread has gone', async () => {
    const { queue, executor } = work({ killAfterMs: 300 }, { runTimeoutMs: 400 })
    await queue.execute({ echo: 1 }, { runTimeoutMs: 20_000 })
    const from = performance.now()
    await expect(queue.execute('loop')).rejects.toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT' })
    expect(performance.now() - from).toBeLessThan(2_000)
    // Told, but not gone.
    expect([executor.getStatus().live, queue.getStatus().activeWorkers, queue.getStatus().stuckWorkers]).toEqual([
      1, 1, 1,
    ])
    const next = queue.execute({ echo: 2 }, { runTimeoutMs: 20_000 })
    await until(() => expect(executor.getStatus()).toMatchObject({ killed: 1 }))
    expect(await next).toBe(2)
  })

  test('a loop that asks is not killed', async () => {
    const { queue, executor } = work({ killAfterMs: 20_000 }, { runTimeoutMs: 200 })
    await queue.execute({ echo: 1 }, { runTimeoutMs: 20_000 })
    await expect(queue.execute('loop until aborted')).rejects.toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT' })
    expect(await queue.execute({ echo: 2 }, { runTimeoutMs: 20_000 })).toBe(2)
    expect(executor.getStatus()).toMatchObject({ killed: 0, ended: 0 })
  })

  test('the signal is aborted, with the reason', async () => {
    const executor = threads<Order, unknown>(fixture('work'), { threads: 1, killAfterMs: 20_000 })
    let answer: unknown
    const queue = new QueuedExecutor<Order, unknown>(
      async (order, run) => {
        answer = await executor(order, run)
      },
      { concurrency: 1 },
    )
    const begun = new Promise((resolve) => queue.on('progress', resolve))
    const running = watch(queue.execute('wait for the signal', { id: 'a' }))
    await begun
    expect(queue.cancel('a', 'enough')).toBe(true)
    await running.done
    expect(running.outcome).toBe('TRIAGE_CANCELLED')
    await queue.close()
    expect([answer, executor.getStatus().killed]).toEqual(['TRIAGE_CANCELLED', 0])
    await executor.close()
  })

  test('a thread that loads its file is not ended for a caller who has left: it is no failed start', async () => {
    const { queue, executor } = threaded<number>('start/slow', { killAfterMs: 400 })
    await expect(queue.execute(1, { runTimeoutMs: 5 })).rejects.toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT' })
    expect(await queue.execute(2)).toBe(2)
    expect(executor.getStatus()).toMatchObject({ ended: 0, killed: 0, failed: false })
  })

  test('no call is begun that nobody waits for', async () => {
    const { queue, executor } = work({}, {})
    const answer = watch(queue.execute('exit', { id: 'a' }))
    await until(() => expect(executor.getStatus().busy).toBe(1))
    queue.cancel('a')
    await answer.done
    expect(await queue.execute({ echo: 1 })).toBe(1)
    expect(executor.getStatus().ended).toBe(0)
  })
})

describe('a file that does not start', () => {
  test.each([
    ['throws', 'can not be loaded today'],
    ['exits', 'it has exited with code 3 before it had loaded its file'],
    ['no-function', 'exports a function'],
    ['none', 'Cannot find module'],
  ])('%s: typed; the fifth death in ten seconds is the last', async (file, why) => {
    const { queue, executor } = threaded<number>(`start/${file}`, { threads: 2 })
    for (let i = 0; i < 5; i++) {
      const error = await failureOf(queue.execute(i))
      expect(error).toMatchObject({ code: 'TRIAGE_WORKER_LOST' })
      expect(error.message).toContain(why)
    }
    const from = executor.getStatus()
    expect(from).toMatchObject({ failed: true, live: 0, ended: 5 })
    await expect(queue.execute(6)).rejects.toMatchObject({ code: 'TRIAGE_WORKER_LOST', started: false })
    expect(executor.getStatus()).toMatchObject({ ended: 5, live: 0 })
  })

  test('an import that fails once is tried again in another thread', async () => {
    const { queue } = threaded<number>('start/throws-once', {}, {})
    process.env.TRIAGE_TEST_THROWS_ONCE = 'yes'
    await expect(queue.execute(1)).rejects.toMatchObject({ code: 'TRIAGE_WORKER_LOST', cause: { message: 'once' } })
    delete process.env.TRIAGE_TEST_THROWS_ONCE
    expect(await queue.execute(2)).toBe(2)
  })

  test('one that takes for ever is ended', async () => {
    const { queue, executor } = threaded<number>('start/hangs', { startTimeoutMs: 300 })
    await expect(queue.execute(1)).rejects.toMatchObject({ code: 'TRIAGE_WORKER_LOST' })
    expect(executor.getStatus()).toMatchObject({ ended: 1, live: 0 })
  })
})

describe('how many', () => {
  test('a queue that runs more at once than there are threads is told so by its first request', async () => {
    const executor = threads<Order>(fixture('work'), { threads: 2 })
    const queue = new QueuedExecutor<Order>(executor, { concurrency: 3 })
    await expect(queue.execute('thread')).rejects.toMatchObject({
      ...{ code: 'TRIAGE_INVALID_OPTIONS', path: 'concurrency', received: 3 },
    })
    queue.concurrency = 2
    expect(await queue.execute({ echo: 1 })).toBe(1)
    await queue.close()
    await executor.close()
  })

  test('each call has a thread of its own, and idle ones go', async () => {
    const { queue, executor } = work({ threads: 2, idleMs: 50 })
    const threads = await Promise.all([1, 2].map(() => queue.execute('thread and spin')))
    expect(new Set(threads).size).toBe(2)
    await until(() => expect(executor.getStatus()).toMatchObject({ live: 0, ended: 2 }))
    expect(await queue.execute({ echo: 1 })).toBe(1)
  })

  test('an urgent request behind a long low backlog starts after at most one running task for each thread', async () => {
    const { queue } = work({ threads: 2 })
    const started: string[] = []
    queue.on('started', ({ priority }) => started.push(priority))
    const backlog = Array.from({ length: 60 }, () => queue.execute({ spinMs: 5 }, { priority: 'low' }))
    await backlog[5]
    const before = started.length
    await queue.execute({ spinMs: 5 }, { priority: 'urgent' })
    // Those that ran when it came had started before; the next slot that is free is its own.
    expect(started.indexOf('urgent')).toBe(before)
    expect(queue.getStatus().waiting).toBeGreaterThan(30)
    await Promise.all(backlog)
  })

  test('after close() no thread is left, and nothing is run', async () => {
    const { queue, executor } = work()
    const running = queue.execute({ spinMs: 50 })
    await until(() => expect(executor.getStatus().busy).toBe(1))
    await executor.close()
    expect(await running).toEqual(expect.any(Number))
    expect(executor.getStatus().live).toBe(0)
    await expect(queue.execute({ echo: 1 })).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
  })

  test.each([
    [{ threads: 0 }, 'threads'],
    [{ killAfterMs: -1 }, 'killAfterMs'],
    [{ idleMs: Number.NaN }, 'idleMs'],
    [{ exportName: '' }, 'exportName'],
    [{ concurrency: 4 }, 'concurrency'],
  ])('%o is refused', (options, path) => {
    expect(() => threads(fixture('work'), options as object)).toThrow(expect.objectContaining({ path }))
  })

  test('a relative file is refused', () => {
    expect(() => threads('./work.js')).toThrow(expect.objectContaining({ path: 'file' }))
  })
})
