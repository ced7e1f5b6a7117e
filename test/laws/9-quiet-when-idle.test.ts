/**
 * Law 9, quiet when idle: one microtask after the last answer no timer, handle or listener is left when nothing waits or runs;
 * an aborted signal and a settled request keep no reference.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { getEventListeners } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Clock, QueuedExecutor, type QueuedExecutorOptions, type RequestOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { holds } from './support/holds.ts'
import { type Law, must, type Seen } from './support/world.ts'

const isLive = ({ phase }: Seen): boolean => phase === 'blocked' || phase === 'waiting' || phase === 'running'

const quiet: Law = {
  settled(world) {
    const { executor, requests } = world
    for (const signal of new Set(requests.map((seen) => seen.signal))) {
      if (signal === undefined) continue
      const users = requests.filter((seen) => seen.signal === signal && isLive(seen.twin ?? seen)).length
      const listeners = getEventListeners(signal, 'abort').length
      must(listeners <= Math.min(users, 1), () => `${listeners} listeners on a signal of ${users} live requests`)
    }
    for (const seen of requests) {
      const hasHeir = requests.some((other) => other.id === seen.id && isLive(other))
      if (seen.id === undefined || hasHeir) continue
      must(executor.get(seen.id) === undefined, () => `request ${seen.n} has ended, and can still be got by its id`)
    }
    const { activeWorkers, stuckWorkers } = world.status
    if (requests.some(isLive) || activeWorkers > stuckWorkers) return
    must(world.timers === 0, () => `nothing waits or runs, but ${world.timers} timers are set`)
  },
  atEnd(world) {
    must(world.timers === 0, () => `closed, but ${world.timers} timers are set`)
  },
}

holds('no timer, no listener on a signal and no id outlives the requests that needed it, whatever happens', quiet)

test('one signal has one listener however many requests share it, and none when the last has ended', async () => {
  const clock = new VirtualClock()
  const control = new AbortController()
  const { signal } = control
  const executor = new QueuedExecutor(() => clock.sleep(10), {
    clock,
    concurrency: 10,
    maxQueueSize: 50,
    whenFull: 'block',
  })
  const answers = Array.from({ length: 100 }, (_, i) => executor.execute(i % 90, { signal, id: `${i % 90}` }))
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  await clock.advance(95)
  expect(getEventListeners(signal, 'abort').length).toBeLessThanOrEqual(1)
  await clock.advance(10)
  await Promise.all(answers)
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('map() takes its listeners off the signal, those for room included', async () => {
  const clock = new VirtualClock()
  const { signal } = new AbortController()
  const executor = new QueuedExecutor<number, number>((n) => clock.sleep(1).then(() => n), {
    clock,
    concurrency: 1,
    maxQueueSize: 1,
  })
  const results: number[] = []
  const consumed = (async () => {
    for await (const n of executor.map([1, 2, 3, 4], { signal, window: 10 })) results.push(n)
  })()
  await clock.settle()
  expect(getEventListeners(signal, 'abort').length).toBeGreaterThan(0)
  await clock.run({ until: consumed })
  expect(results).toEqual([1, 2, 3, 4])
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

describe('nothing that has ended is kept', () => {
  setFlagsFromString('--expose_gc')
  const collect = runInNewContext('gc') as () => void

  /** Names of what is still there after some collections. */
  async function kept(refs: ReadonlyMap<string, WeakRef<object>>): Promise<string[]> {
    let left: string[] = []
    for (let i = 0; i < 10; i++) {
      await nextTurn()
      collect()
      left = [...refs].filter(([, ref]) => ref.deref() !== undefined).map(([name]) => name)
      if (left.length === 0) break
    }
    return left
  }

  /** All that one request brings along, known by weak references only. */
  class Baggage {
    readonly refs = new Map<string, WeakRef<object>>()
    readonly #store = new AsyncLocalStorage<object>()

    note<T extends object>(name: string, value: T): T {
      this.refs.set(name, new WeakRef(value))
      return value
    }

    submit(executor: QueuedExecutor<object, object>, options?: RequestOptions): void {
      const { refs } = this
      const payload = this.note(`payload ${refs.size}`, { payload: true })
      const metadata = this.note(`metadata ${refs.size}`, { metadata: true })
      this.#store.run(this.note(`store ${refs.size}`, { store: true }), () => {
        executor.execute(payload, { ...options, metadata }).then(
          (answer) => void this.note(`answer ${refs.size}`, answer),
          (error) => void (typeof error === 'object' && this.note(`error ${refs.size}`, error)),
        )
      })
    }
  }

  const ways: [
    string,
    QueuedExecutorOptions<object>,
    (b: Baggage, e: QueuedExecutor<object, object>, c: VirtualClock) => unknown,
  ][] = [
    ['answered', {}, (baggage, executor) => baggage.submit(executor)],
    [
      'answered, with a deadline of each kind',
      {},
      (baggage, executor) =>
        baggage.submit(executor, { waitTimeoutMs: 100, runTimeoutMs: 100, timeoutMs: 100, id: 'it' }),
    ],
    [
      'handed over from one to the next',
      { concurrency: 1 },
      (baggage, executor) => {
        for (let i = 0; i < 5; i++) baggage.submit(executor)
      },
    ],
    [
      'over its wait timeout',
      { concurrency: 1 },
      (baggage, executor) => {
        baggage.submit(executor)
        baggage.submit(executor, { waitTimeoutMs: 5 })
      },
    ],
    ['over its run timeout', {}, (baggage, executor) => baggage.submit(executor, { runTimeoutMs: 5 })],
    [
      'cancelled while it waits',
      { concurrency: 1 },
      (baggage, executor) => {
        baggage.submit(executor)
        baggage.submit(executor, { id: 'it' })
        executor.cancel('it')
      },
    ],
    [
      'cancelled while it runs',
      {},
      async (baggage, executor, clock) => {
        baggage.submit(executor, { id: 'it' })
        await clock.settle()
        executor.cancel('it', baggage.note('reason', { reason: true }))
      },
    ],
    [
      'refused',
      { concurrency: 1, maxQueueSize: 1 },
      (baggage, executor) => {
        for (let i = 0; i < 4; i++) baggage.submit(executor)
      },
    ],
    [
      'blocked for a while',
      { concurrency: 1, maxQueueSize: 1, whenFull: 'block' },
      (baggage, executor) => {
        for (let i = 0; i < 4; i++) baggage.submit(executor, { waitTimeoutMs: 1_000 })
      },
    ],
    [
      'looked at by an asynchronous schema',
      {
        schema: {
          '~standard': { version: 1, vendor: 'test', validate: async (value) => ({ value: value as object }) },
        },
      },
      (baggage, executor) => baggage.submit(executor),
    ],
    [
      'refused while an asynchronous schema looked at it',
      { schema: { '~standard': { version: 1, vendor: 'test', validate: () => new Promise(() => {}) } } },
      (baggage, executor) => baggage.submit(executor, { waitTimeoutMs: 5 }),
    ],
    [
      'displaced',
      { concurrency: 1, maxQueueSize: 1, whenFull: 'shed' },
      (baggage, executor) => {
        for (const priority of ['low', 'low', 'high', 'urgent'] as const) baggage.submit(executor, { priority })
      },
    ],
    [
      'shared',
      {},
      (baggage, executor) => {
        for (let i = 0; i < 3; i++) baggage.submit(executor, { id: 'it', timeoutMs: 1_000 })
      },
    ],
    [
      'moved to another priority',
      { concurrency: 1 },
      (baggage, executor) => {
        for (let i = 0; i < 5; i++) baggage.submit(executor, { id: `${i}`, priority: 'low' })
        for (let i = 0; i < 5; i++) executor.get(`${i}`)?.setPriority('high')
      },
    ],
  ]

  test.each(ways)('of a request that was %s', async (_way, options, happen) => {
    const clock = new VirtualClock()
    const baggage = new Baggage()
    const executor = new QueuedExecutor<object, object>(
      async (payload) => {
        await clock.sleep(10)
        return baggage.note('answer itself', { of: payload })
      },
      { ...options, clock },
    )
    const { signal } = new AbortController()
    const work = happen.bind(undefined, baggage, executor, clock)
    await work()
    await clock.run()
    expect(executor.getStatus()).toMatchObject({ waiting: 0, running: 0, blocked: 0 })
    expect(baggage.refs.size).toBeGreaterThan(0)
    expect(await kept(baggage.refs)).toEqual([])
    // They, and what they could keep alive, must still be here by now.
    expect([executor.concurrency, signal.aborted]).toEqual([options.concurrency ?? 10, false])
  })

  test('of requests whose signal was aborted, while the signal lives on', async () => {
    const clock = new VirtualClock()
    const baggage = new Baggage()
    const executor = new QueuedExecutor<object, object>(
      async () => {
        await clock.sleep(10)
        return {}
      },
      { clock, concurrency: 1 },
    )
    const control = new AbortController()
    for (let i = 0; i < 3; i++) baggage.submit(executor, { signal: control.signal })
    await clock.settle()
    control.abort('enough')
    await clock.run()
    expect(await kept(baggage.refs)).toEqual([])
    expect([executor.concurrency, control.signal.aborted]).toEqual([1, true])
  })

  test('of a signal, while the handles of its requests live on', async () => {
    const clock = new VirtualClock()
    const refs = new Map<string, WeakRef<object>>()
    const executor = new QueuedExecutor<number, number>((n) => n, { clock })
    const handles = await (async () => {
      const { signal } = new AbortController()
      refs.set('signal', new WeakRef(signal))
      const options = { signal, id: 'it' }
      return await Promise.all([executor.submit(1, options), executor.submit(1, options)])
    })()
    await clock.run()
    expect(await kept(refs)).toEqual([])
    expect(handles.map(({ state }) => state)).toEqual(['completed', 'completed'])
  })

  test('of the context in which a timer was set that others need as well', async () => {
    const executor = new QueuedExecutor<object, object>(async () => ({}))
    const baggage = new Baggage()
    executor.pause()
    // On the system's clock: a timer of Node takes the context along in which it is set.
    baggage.submit(executor, { id: 'first', waitTimeoutMs: 60_000 })
    const other = executor.execute({}, { waitTimeoutMs: 90_000 }).catch((error) => error.code)
    executor.cancel('first')
    expect(await kept(baggage.refs)).toEqual([])
    await executor.close({ drain: false })
    expect(await other).toBe('TRIAGE_CANCELLED')
  })

  test('of an executor that nobody refers to any more', async () => {
    const refs = new Map<string, WeakRef<object>>()
    await (async () => {
      const executor = new QueuedExecutor((n: number) => n, { runTimeoutMs: 60_000 })
      refs.set('executor', new WeakRef(executor))
      await executor.execute(1, { signal: new AbortController().signal, waitTimeoutMs: 60_000 })
    })()
    expect(await kept(refs)).toEqual([])
  })
})

describe('on the system clock', () => {
  const library = new URL('../../src/index.ts', import.meta.url).href

  /** What a program prints that uses the library, and how long it lived beyond its own start, in ms. */
  async function printed(program: string): Promise<unknown> {
    const code = `import { QueuedExecutor } from ${JSON.stringify(library)}
      const say = (value) => console.log(JSON.stringify(value))
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
      ${program}`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      timeout: 20_000,
    })
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  test('an idle executor holds no timer, and lets the process end', async () => {
    const program = `
      const executor = new QueuedExecutor(async (n) => n, { waitTimeoutMs: 60_000, timeoutMs: 90_000 })
      say(timers())
      const answers = Array.from({ length: 100 }, (_, n) => executor.execute(n))
      await Promise.all(answers)
      say(timers())
      const stuck = new QueuedExecutor(() => new Promise(() => {}), { runTimeoutMs: 20 })
      await stuck.execute(1).catch((error) => say(error.code))
      say(timers())`
    expect(await printed(program)).toEqual([0, 0, 'TRIAGE_RUN_TIMEOUT', 0])
  })

  // Of a timer that is cleared while it is unref'ed, Node keeps the list of its duration until that is over.
  test('a timer that holds nothing any more is held again before it is cleared', async () => {
    const held = new Map<object, boolean>()
    const cleared: (boolean | undefined)[] = []
    let letGo = 0
    const clock: Clock = {
      now: () => 0,
      setTimeout: () => {
        const timer = {
          ref: () => held.set(timer, true),
          unref: () => {
            letGo++
            held.set(timer, false)
          },
        }
        held.set(timer, true)
        return timer
      },
      clearTimeout: (timer) => void cleared.push(held.get(timer as object)),
    }
    let finish = (): void => {}
    const hangs = (): Promise<void> =>
      new Promise((resolve) => {
        finish = resolve
      })
    const executor = new QueuedExecutor(() => hangs, { clock })
    const handle = executor.offer(1)
    await nextTurn()
    handle?.cancel()
    finish()
    await nextTurn()
    expect(letGo).toBeGreaterThan(0)
    expect(cleared.length).toBe(held.size)
    expect(cleared).not.toContain(false)
  })

  test('a live request keeps the process alive until it has ended', async () => {
    const program = `
      const executor = new QueuedExecutor(() => new Promise(() => {}), { concurrency: 2 })
      const tell = (error) => say(error.code)
      // Nobody waits for the end of this one any more, so its timer holds nothing; until the others come.
      executor.execute(0, { id: 'it', runTimeoutMs: 20 }).catch(tell)
      await Promise.resolve()
      executor.cancel('it')
      await Promise.resolve()
      executor.execute(1, { runTimeoutMs: 60 }).catch(tell)
      executor.execute(2, { waitTimeoutMs: 30 }).catch(tell)`
    expect(await printed(program)).toEqual(['TRIAGE_CANCELLED', 'TRIAGE_WAIT_TIMEOUT', 'TRIAGE_RUN_TIMEOUT'])
  })
})
