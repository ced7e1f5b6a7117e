/**
 * Law 6, every promise settles, after `close()` too; and nobody who did not ask for a promise gets an
 * `unhandledRejection`.
 */
import fc from 'fast-check'
import { type CloseOptions, isTriageError, QueuedExecutor, RequestQueue, type StandardSchema } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { PATIENCE_MS } from './support/holds.ts'
import { schedules } from './support/schedule.ts'
import { unhandledIn } from './support/unhandled.ts'
import { type Law, must, type Seen, World } from './support/world.ts'

/** What the promise of a request says must be what its last event said. */
function agrees({ n, history, answer, handle, arrive }: Seen): void {
  if (answer === undefined) return
  const { state, value } = answer
  const way = `request ${n}, '${history.join(' ')}'`
  must(state !== 'open', () => `${way}, was told nothing`)
  const isCompleted = history.includes('completed')
  must(isCompleted === (state === 'fulfilled'), () => `${way}, was told '${state}'`)
  if (history.includes('failed')) {
    must(value instanceof Error && value.message === `failure ${n}`, () => `${way}, was told ${value}`)
  }
  if (isCompleted && arrive.work.kind === 'thenable') must(value === n, () => `${way}, was answered ${value}`)
  if (handle === undefined || isCompleted || history.includes('failed')) return
  const code = isTriageError(value) ? value.code : 'an aborted signal'
  const wanted =
    { expired: /_TIMEOUT$/, cancelled: /CANCELLED|aborted/, shed: /SHED/ }[handle.state as string] ?? /never/
  must(wanted.test(code), () => `${way}, was told ${code}`)
}

const settling: Law = {
  settled(world) {
    for (const seen of world.requests) if (seen.phase === 'ended' && !seen.shared) agrees(seen)
  },
  atEnd(world) {
    const open = world.promises.filter(({ state }) => state === 'open')
    must(open.length === 0, () => `open after close(): ${open.map(({ name, n }) => `${name} ${n ?? ''}`).join(', ')}`)
  },
}

test(
  'every promise that was handed out settles, as the events say, and none is rejected unheard',
  async () => {
    const unheard = await unhandledIn(async () => {
      const property = fc.asyncProperty(schedules(), (schedule) => new World(schedule, settling).play())
      await fc.assert(property, { numRuns: 600 })
    })
    expect(unheard).toEqual([])
  },
  PATIENCE_MS,
)

/** An executor with one request that runs for ever, one that waits, and some callers who are blocked. */
async function crowded() {
  const clock = new VirtualClock()
  const options = { clock, concurrency: 1, maxQueueSize: 1, whenFull: 'block' as const }
  const executor = new QueuedExecutor(() => new Promise<never>(() => {}), options)
  const told = new Map<string, unknown>()
  const hand = (name: string, promise: Promise<unknown>): void => {
    const tell = (value: unknown): void => void told.set(name, isTriageError(value) ? value.code : value)
    promise.then(tell, tell)
  }
  hand('running', executor.execute(1))
  await clock.settle()
  hand('waiting', executor.execute(2))
  hand('blocked execute', executor.execute(3))
  hand('blocked submit', executor.submit(4))
  hand('ready', executor.ready())
  hand('idle', executor.idle())
  hand('map', executor.map([5]).next())
  await clock.settle()
  const close = (options: CloseOptions) => hand(`close ${JSON.stringify(options)}`, executor.close(options))
  return { clock, executor, told, hand, close }
}

test('close() answers everybody: at once who is not in, after the grace the rest', async () => {
  const { clock, executor, told, hand, close } = await crowded()
  close({ graceMs: 100 })
  hand('late', executor.execute(6))
  hand('late ready', executor.ready())
  await clock.settle()
  const refused = {
    'blocked execute': 'TRIAGE_QUEUE_CLOSED',
    'blocked submit': 'TRIAGE_QUEUE_CLOSED',
    ready: 'TRIAGE_QUEUE_CLOSED',
    map: 'TRIAGE_QUEUE_CLOSED',
    late: 'TRIAGE_QUEUE_CLOSED',
    'late ready': 'TRIAGE_QUEUE_CLOSED',
  }
  expect(Object.fromEntries(told)).toEqual(refused)
  await clock.advance(99)
  expect(told.size).toBe(6)
  await clock.advance(1)
  expect(Object.fromEntries(told)).toEqual({
    ...refused,
    running: 'TRIAGE_CANCELLED',
    waiting: 'TRIAGE_CANCELLED',
    idle: undefined,
    'close {"graceMs":100}': undefined,
  })
})

test('close() may be called again with less patience, and all its promises settle', async () => {
  const { clock, told, close } = await crowded()
  close({})
  close({ drain: false })
  close({ drain: false, graceMs: 1_000 })
  close({ graceMs: 10 })
  await clock.settle()
  expect(told.get('waiting')).toBe('TRIAGE_CANCELLED')
  await clock.advance(10)
  const closes = [...told.keys()].filter((name) => name.startsWith('close'))
  expect(closes).toHaveLength(4)
})

test('clear() answers all that wait, and whoever was blocked comes in', async () => {
  const { clock, executor, told, close } = await crowded()
  expect(executor.clear()).toBe(1)
  await clock.settle()
  expect(Object.fromEntries(told)).toEqual({ waiting: 'TRIAGE_CANCELLED' })
  // Of the blocked the first has the place now, and is cleared too.
  for (let cleared = 1; cleared > 0; ) {
    cleared = executor.clear()
    await clock.settle()
  }
  expect(told.get('blocked execute')).toBe('TRIAGE_CANCELLED')
  close({ graceMs: 0 })
  await clock.advance(1)
  expect([...told.keys()].sort()).toEqual(
    ['blocked execute', 'blocked submit', 'close {"graceMs":0}', 'idle', 'map', 'ready', 'running', 'waiting'].sort(),
  )
})

test('a lame duck answers everybody, and so does its end', async () => {
  const { clock, told, hand, executor, close } = await crowded()
  close({ lameDuckMs: 50, graceMs: 50 })
  hand('late', executor.execute(6))
  await clock.advance(49)
  expect(told.size).toBe(0)
  await clock.advance(51)
  expect(told.size).toBe(9)
})

test('a paused executor closes', async () => {
  for (const drain of [true, false]) {
    const executor = new QueuedExecutor((n: number) => n, { clock: new VirtualClock() })
    executor.pause()
    const answer = executor.execute(1).catch((error) => error.code)
    await executor.close({ drain })
    expect(await answer).toBe(drain ? 1 : 'TRIAGE_CANCELLED')
  }
})

test('close() awaited inside runs does not deadlock, and still waits for the runs that do not await it', async () => {
  const clock = new VirtualClock()
  let other = false
  const sawOther: boolean[] = []
  const executor = new QueuedExecutor<string, void>(
    async (kind) => {
      if (kind === 'other') {
        await clock.sleep(100)
        other = true
        return
      }
      // However often a run asks, it is one run.
      await Promise.all([executor.close(), executor.close()])
      sawOther.push(other)
    },
    { clock, concurrency: 3 },
  )
  const answers = ['other', 'closes', 'closes'].map((kind) => executor.execute(kind))
  await clock.advance(200)
  await Promise.all(answers)
  expect(sawOther).toEqual([true, true])
})

test('close() waits for what runs, when it is called by what a run has left behind', async () => {
  // In another slot: a task that was left behind counts as part of whatever its own slot runs now.
  const clock = new VirtualClock()
  let done = false
  let sawDone: boolean | undefined
  const executor = new QueuedExecutor<string, void>(
    async (kind) => {
      if (kind === 'long') {
        await clock.sleep(100)
        done = true
      } else {
        clock.sleep(10).then(async () => {
          await executor.close()
          sawDone = done
        })
      }
    },
    { clock, concurrency: 2 },
  )
  const answers = ['short', 'long'].map((kind) => executor.execute(kind))
  await clock.advance(200)
  await Promise.all(answers)
  expect(sawDone).toBe(true)
})

test('who joins a blocked request is told when it is admitted, however the first one came', async () => {
  for (const first of ['execute', 'submit', 'leaves'] as const) {
    const clock = new VirtualClock()
    const options = { clock, concurrency: 1, maxQueueSize: 1, whenFull: 'block' as const }
    const executor = new QueuedExecutor<string, string>(async (name) => {
      await clock.sleep(10)
      return name
    }, options)
    const others = [executor.execute('running')]
    await clock.settle()
    others.push(executor.execute('waiting'))
    const control = new AbortController()
    const twin = { id: 'twin', signal: control.signal }
    const promise = first === 'execute' ? executor.execute('first', twin) : executor.submit('first', twin)
    promise.catch(() => {})
    let answer: unknown
    executor.submit('first', { id: 'twin' }).then(
      async ({ result }) => {
        answer = await result
      },
      (error) => {
        answer = error
      },
    )
    if (first === 'leaves') control.abort()
    await clock.advance(100)
    expect(answer, first).toBe('first')
    await Promise.all([...others, executor.close()])
  }
})

test('offer() with the id of a blocked request is not admitted, and shares nothing', async () => {
  const clock = new VirtualClock()
  const executor = new QueuedExecutor(() => clock.sleep(10), {
    clock,
    concurrency: 1,
    maxQueueSize: 1,
    whenFull: 'block',
  })
  for (let i = 0; i < 2; i++) executor.execute(i)
  const blocked = executor.submit('twin', { id: 'twin' }).catch((error) => error.code)
  expect(executor.offer('twin', { id: 'twin' })).toBeUndefined()
  executor.get('twin')?.cancel()
  expect(executor.get('twin')).toBeUndefined()
  await Promise.all([executor.close(), clock.advance(100)])
  expect(await blocked).toBe('TRIAGE_CANCELLED')
})

test('whoever never looks at a result is not told of its failure; the promise of execute() is its caller’s own', async () => {
  const clock = new VirtualClock()
  const failures = [
    () => Promise.reject(new Error('later')),
    () => {
      throw new Error('at once')
    },
    () => clock.sleep(500),
  ]
  const unheard = await unhandledIn(async () => {
    for (const fail of failures) {
      const executor = new QueuedExecutor(fail, { clock, runTimeoutMs: 100, concurrency: 1, waitTimeoutMs: 50 })
      await executor.submit(1)
      executor.offer(2)
      await executor.submit(3, { id: 'joined' })
      await executor.submit(3, { id: 'joined' })
      ;(await executor.submit(4)).cancel()
      await clock.advance(1_000)
      await executor.close()
    }
  })
  expect(unheard).toEqual([])

  const [own, ...others] = await unhandledIn(async () => {
    const executor = new QueuedExecutor(() => Promise.reject(new Error('mine')), { clock })
    executor.execute(1)
    await executor.close()
  })
  expect(own).toEqual(new Error('mine'))
  expect(others).toEqual([])
})

test('an executor may fail with anything, and its caller gets that very thing', async () => {
  const things = [undefined, null, 0, '', Number.NaN, Symbol('s'), new Error('e'), { code: 1 }]
  for (const thing of things) {
    for (const fail of [
      () => {
        throw thing
      },
      () => Promise.reject(thing),
    ]) {
      const executor = new QueuedExecutor(fail, { clock: new VirtualClock() })
      const outcome = await executor.execute(1).then(
        () => ['fulfilled'],
        (error) => ['rejected', error],
      )
      expect(outcome).toEqual(['rejected', thing])
      await executor.close()
    }
  }
})

test('a check that never ends does not keep its caller waiting beyond close()', async () => {
  const clock = new VirtualClock()
  const schema: StandardSchema<number> = {
    '~standard': { version: 1, vendor: 'test', validate: () => new Promise(() => {}) },
  }
  const executor = new QueuedExecutor<number, number>((n) => n, { clock, schema })
  const codes = [executor.execute(1), executor.submit(2)].map((promise) => promise.catch((error) => error.code))
  await clock.settle()
  await executor.close()
  expect(await Promise.all(codes)).toEqual(['TRIAGE_QUEUE_CLOSED', 'TRIAGE_QUEUE_CLOSED'])
})

test('map() settles, closes its source and leaves nobody unheard, however it ends', async () => {
  for (const end of ['break', 'failure', 'abort', 'close'] as const) {
    const clock = new VirtualClock()
    const control = new AbortController()
    let closed = false
    async function* source(): AsyncGenerator<number> {
      try {
        for (let n = 0; ; n++) yield n
      } finally {
        closed = true
      }
    }
    const executor = new QueuedExecutor<number, number>(
      async (n) => {
        await clock.sleep(1)
        if (end === 'failure' && n === 5) throw new Error('five')
        return n
      },
      { clock, concurrency: 2, maxQueueSize: 2 },
    )
    const got: number[] = []
    let outcome: unknown
    const unheard = await unhandledIn(async () => {
      const consumed = (async () => {
        for await (const n of executor.map(source(), { signal: control.signal })) {
          got.push(n)
          if (n < 4) continue
          if (end === 'break') break
          if (end === 'abort') control.abort(new Error('enough'))
          if (end === 'close') executor.close()
        }
      })().then(
        () => 'done',
        (error) => (error.code ?? error.message) as unknown,
      )
      await clock.run({ until: consumed })
      await clock.advance(100)
      outcome = await consumed
      await executor.close()
    })
    const wanted = { break: 'done', failure: 'five', abort: 'enough', close: 'TRIAGE_QUEUE_CLOSED' }[end]
    expect({ outcome, closed, unheard }, end).toEqual({ outcome: wanted, closed: true, unheard: [] })
    expect(got.slice(0, 5)).toEqual([0, 1, 2, 3, 4])
  }
})

test('whoever takes from a queue used on its own is told when nothing will come any more', async () => {
  const told: unknown[] = []
  const unheard = await unhandledIn(async () => {
    const queue = new RequestQueue<number>({ clock: new VirtualClock() })
    const control = new AbortController()
    const takes = [queue.take(), queue.take({ signal: control.signal }), queue.take()]
    const all = Promise.allSettled(takes)
    const iterated = (async () => {
      for await (const n of queue) told.push(n)
    })()
    control.abort('gone')
    queue.enqueue(1)
    queue.clear()
    queue.close()
    for (const outcome of await all) told.push(outcome.status === 'fulfilled' ? outcome.value : codeOf(outcome.reason))
    await iterated
  })
  expect(told).toEqual([1, 'gone', 'TRIAGE_QUEUE_CLOSED'])
  expect(unheard).toEqual([])
})

function codeOf(error: unknown): unknown {
  return isTriageError(error) ? error.code : error
}
