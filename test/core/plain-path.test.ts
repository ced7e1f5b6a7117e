/**
 * The plain path and the full one are one executor: what is seen from outside does not say which of them a request takes.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type ExecutorEvent, QueuedExecutor, type QueuedExecutorOptions, type RunContext } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test, vi } from 'vitest'

type Task = (name: string, run: RunContext) => unknown

const clock = new VirtualClock()
const open = (task: Task, options: QueuedExecutorOptions<string> = {}) =>
  new QueuedExecutor<string, unknown>(task, { clock, concurrency: 1, ...options })
const answers: Task = async (name) => name

describe('a single listener hears all, though nothing else is listened to:', () => {
  test.each<[ExecutorEvent, number]>([
    ['queued', 3],
    ['full', 1],
    ['started', 3],
    ['completed', 3],
    ['idle', 2],
  ])('%s', async (event, times) => {
    const queue = open(() => clock.sleep(10), { maxQueueSize: 1 })
    let heard = 0
    queue.on(event, () => heard++)
    const first = [queue.execute('a'), queue.execute('b')]
    await clock.advance(100)
    await Promise.all(first)
    const last = queue.execute('c')
    await clock.advance(100)
    await last
    await clock.settle()
    expect(heard).toBe(times)
  })

  test('also one who comes while a request runs', async () => {
    const queue = open(() => clock.sleep(10))
    const context = new AsyncLocalStorage<string>()
    const answer = context.run('submitter', () => queue.execute('a'))
    await clock.advance(5)
    const heard: unknown[] = []
    queue.on('completed', ({ request, waitMs, runMs }) => heard.push([request, waitMs, runMs, context.getStore()]))
    await clock.advance(5)
    await answer
    expect(heard).toEqual([['a', 0, 10, 'submitter']])
  })
})

test('the second request of a burst starts first if it is more urgent', async () => {
  const order: string[] = []
  const queue = open(async (name) => void order.push(name))
  // One after the other, so that a slot is there that has run before.
  await queue.execute('before')
  await clock.settle()
  await Promise.all([queue.execute('a', { priority: 'low' }), queue.execute('b', { priority: 'urgent' })])
  expect(order).toEqual(['before', 'b', 'a'])
})

test('each runs in the context of its own submitter: alone, in a burst, handed over, and with none', async () => {
  const context = new AsyncLocalStorage<string>()
  const queue = open(async (name) => {
    // What a run enters is not for the next one.
    const store = context.getStore()
    context.enterWith('polluted')
    return `${name}: ${store}`
  })
  const submit = (name: string, store: string | undefined) =>
    store === undefined ? queue.execute(name) : context.run(store, () => queue.execute(name))
  const seen: unknown[] = []
  for (const burst of [['x'], [undefined], [undefined], ['y'], ['x', undefined, 'y', 'y', undefined]]) {
    seen.push(...(await Promise.all(burst.map((store, i) => submit(`${i}`, store)))))
    await clock.settle()
  }
  expect(seen).toEqual([
    ...['0: x', '0: undefined', '0: undefined', '0: y'],
    ...['0: x', '1: undefined', '2: y', '3: y', '4: undefined'],
  ])
})

test('whoever looks in the same burst sees it as waiting for nothing but its dispatch', async () => {
  const queue = open(answers)
  const answer = queue.execute('a')
  const { running, waiting, totals } = queue.getStatus()
  expect([running, waiting, totals.admitted]).toEqual([1, 0, 1])
  expect([...queue.waiting()].map(({ request }) => request)).toEqual(['a'])
  expect(await answer).toBe('a')
})

test('where time moves within one stretch of code, the second request of it has come later', async () => {
  vi.useFakeTimers()
  try {
    const queue = new QueuedExecutor(async (_name: string, run) => run.enqueuedAt)
    const first = queue.execute('a')
    vi.advanceTimersByTime(10)
    const second = queue.execute('b')
    expect((await second) - (await first)).toBe(10)
  } finally {
    vi.useRealTimers()
  }
})

test('those that are blocked come in as others start, one after the other', async () => {
  const queue = open((name) => clock.sleep(10).then(() => name), { maxQueueSize: 1, whenFull: 'block' })
  const all = ['a', 'b', 'c', 'd'].map((name) => queue.execute(name))
  await clock.advance(100)
  expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd'])
})

test('a pause in the same burst keeps it from starting', async () => {
  const started: string[] = []
  const queue = open((name) => started.push(name))
  await queue.execute('before')
  const answer = queue.execute('a')
  queue.pause()
  await clock.settle()
  expect(started).toEqual(['before'])
  queue.resume()
  await answer
  expect(started).toEqual(['before', 'a'])
})

test('close() in the same burst finishes it, and without drain cancels it', async () => {
  for (const drain of [true, false]) {
    const queue = open(answers)
    const answer = queue.execute('a').then(String, ({ code }) => code)
    await queue.close({ drain })
    expect(await answer).toBe(drain ? 'a' : 'TRIAGE_CANCELLED')
  }
})

test('a run that awaits close() of its own executor does not wait for itself', async () => {
  const queue: QueuedExecutor<string, unknown> = open(async (name, run) => {
    if (name === 'closes') await run.close()
    return name
  })
  await queue.execute('before')
  await clock.settle()
  expect(await queue.execute('closes')).toBe('closes')
})

describe('the timer', () => {
  test('is set for a run that lasts, a microtask after it was called, and gone a microtask after the answer', async () => {
    const timers: number[] = []
    let answer: () => void = () => {}
    const queue = open(
      () =>
        new Promise<void>((resolve) => {
          answer = resolve
        }),
    )
    const ended = queue.execute('a')
    await clock.settle()
    timers.push(clock.timers)
    answer()
    await ended
    await Promise.resolve()
    timers.push(clock.timers)
    expect(timers).toEqual([1, 0])
  })

  test('is not even set for one that has its answer at once', async () => {
    let set = 0
    const counting = {
      now: () => clock.now(),
      setTimeout: (callback: () => void, ms: number) => {
        set++
        return clock.setTimeout(callback, ms)
      },
      clearTimeout: (handle: unknown) => clock.clearTimeout(handle),
    }
    const queue = open(answers, { clock: counting })
    for (const name of ['a', 'b', 'c']) await queue.execute(name)
    expect(set).toBe(0)
  })

  test('ends a run that is too long, and one that waits too long behind it', async () => {
    const queue = open(() => new Promise(() => {}), { runTimeoutMs: 20, waitTimeoutMs: 10 })
    const ends = ['a', 'b'].map((name) => queue.execute(name).catch(({ code }) => `${code} at ${clock.now() - from}`))
    const from = clock.now()
    await clock.advance(100)
    expect(await Promise.all(ends)).toEqual(['TRIAGE_RUN_TIMEOUT at 20', 'TRIAGE_WAIT_TIMEOUT at 10'])
  })

  test('finds a call stuck that nobody waits for any more', async () => {
    const queue = open(() => new Promise(() => {}), { runTimeoutMs: 20 })
    const end = queue.execute('a').catch(({ code }) => code)
    await Promise.resolve()
    const closed = queue.close({ graceMs: 0 })
    await clock.advance(100)
    await closed
    expect(await end).toBe('TRIAGE_CANCELLED')
    expect(clock.timers).toBe(0)
  })
})

test('where a pause was, an idle executor has forgotten it', async () => {
  const queue = open(answers)
  const answer = queue.execute('a')
  queue.pause()
  await clock.advance(50)
  queue.resume()
  expect(await answer).toBe('a')
  await clock.settle()
  expect(await queue.execute('b')).toBe('b')
  expect(queue.getStatus().totals.completed).toBe(2)
})

test('an answer whose `then` submits another request: that one runs, too', async () => {
  const started: string[] = []
  let reads = 0
  const queue: QueuedExecutor<string, unknown> = open(
    async (name) => {
      started.push(name)
      if (name !== 'a') return name
      return Object.defineProperty({}, 'then', {
        get: () => {
          reads++
          if (reads === 2) void queue.execute('b')
          return undefined
        },
      })
    },
    { concurrency: 2 },
  )
  await queue.execute('a')
  await clock.settle()
  expect([started, reads >= 2, queue.getStatus().totals.completed]).toEqual([['a', 'b'], true, 2])
})

test('a pause while it runs is forgotten when all is done', async () => {
  const queue = open(() => clock.sleep(10))
  const answer = queue.execute('a')
  await clock.advance(5)
  queue.pause()
  queue.resume()
  await clock.advance(5)
  await answer
  const next = queue.execute('b')
  await clock.advance(10)
  await next
  expect(queue.getStatus()).toMatchObject({ state: 'open', totals: { completed: 2 } })
})

test('a synchronous answer may hold its slot', async () => {
  let free: () => void = () => {}
  const queue = open((name, run) => {
    run.holdUntil(
      new Promise<void>((resolve) => {
        free = resolve
      }),
    )
    return name
  })
  const second = [await queue.execute('a'), queue.getStatus().activeWorkers]
  expect(second).toEqual(['a', 1])
  free()
  await queue.idle()
  expect(queue.getStatus().activeWorkers).toBe(0)
})

test('where it is full a plain request is refused, and one with an id finds it as it is', async () => {
  const queue = open(() => clock.sleep(10), { maxQueueSize: 1, whenFull: 'reject' })
  const all = [queue.execute('a'), queue.execute('b', { id: 'b' }), queue.execute('c').catch(({ code }) => code)]
  await clock.settle()
  expect([await all[2], queue.getStatus().waiting, queue.name]).toEqual(['TRIAGE_QUEUE_FULL', 1, 'triage'])
  queue.setConcurrency(2)
  expect(queue.concurrency).toBe(2)
  await clock.advance(20)
  await Promise.all(all)
})

test('a pause in the middle of a run is forgotten when all is done', async () => {
  const queue: QueuedExecutor<string, unknown> = open(async (name) => {
    queue.pause()
    queue.resume()
    return name
  })
  expect(await queue.execute('a')).toBe('a')
  await clock.settle()
  expect([await queue.execute('b'), queue.getStatus().state]).toEqual(['b', 'open'])
})

test('of three that are all alike the third one finds it full', async () => {
  const queue = open(() => clock.sleep(10), { maxQueueSize: 1, whenFull: 'reject' })
  const all = ['a', 'b', 'c'].map((name) => queue.execute(name).catch(({ code }) => code))
  await clock.advance(20)
  expect(await Promise.all(all)).toEqual([undefined, undefined, 'TRIAGE_QUEUE_FULL'])
  const handles = [queue.offer('d'), queue.offer('e'), queue.offer('f')]
  expect(handles.map((handle) => handle === undefined)).toEqual([false, false, true])
  await clock.advance(20)
})
