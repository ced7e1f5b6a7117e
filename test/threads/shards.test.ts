import { type ExecutorStatus, QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { type Shards, type ShardsOptions, type ShardsStatus, shards } from 'triage-queue/threads'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { turn, watch } from '../failures/support.ts'
import { seeded } from '../support/seeded.ts'
import { isExact, million } from './million.ts'

// Hundreds of instants, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 60_000 })

interface Held {
  readonly all: Shards<string, string>
  readonly started: string[]
  /** By shard. */
  readonly runsIn: string[][]
  end(request: string): void
}

/** Shards whose runs wait until they are told to end. */
function held(n: number, options: ShardsOptions<string> = {}, each: QueuedExecutorOptions<string> = {}): Held {
  const started: string[] = []
  const runsIn: string[][] = []
  const ends = new Map<string, (value: string) => void>()
  const all = shards<string, string>(
    n,
    (index) => {
      const runs: string[] = []
      runsIn[index] = runs
      const run = (request: string): Promise<string> => {
        started.push(request)
        runs.push(request)
        return new Promise((resolve) => ends.set(request, resolve))
      }
      return new QueuedExecutor<string, string>(run, { concurrency: 1, name: 'llm', ...each })
    },
    options,
  )
  onTestFinished(() => all.close({ drain: false, graceMs: 0 }))
  return { all, started, runsIn, end: (request) => ends.get(request)?.(request) }
}

const statusOf = (all: Shards<string, string>): ShardsStatus => all.getStatus() as ShardsStatus

describe('where a request goes', () => {
  test('in turn, by default for what has no id', async () => {
    const { all, runsIn } = held(3)
    for (const name of ['a', 'b', 'c', 'd']) void watch(all.execute(name))
    await turn()
    expect(runsIn).toEqual([['a'], ['b'], ['c']])
    expect(statusOf(all)).toMatchObject({
      running: 3,
      waiting: 1,
      shards: [{ waiting: 1 }, { waiting: 0 }, { waiting: 0 }],
    })
  })

  test('by a key: what belongs together is in one queue', async () => {
    const { all, runsIn } = held(4, { key: (request) => request.split(' ')[0] }, { concurrency: 100 })
    for (let i = 0; i < 40; i++) void watch(all.execute(`tenant${i % 4} ${i}`))
    await turn()
    for (const tenant of ['tenant0', 'tenant1', 'tenant2', 'tenant3']) {
      expect(runsIn.filter((runs) => runs.some((name) => name.startsWith(`${tenant} `))).length).toBe(1)
    }
  })

  test.each(['roundRobin', 'leastLoaded', 'hash'] as const)(
    '%s: who has the id of a live one shares its run',
    async (route) => {
      const options = route === 'hash' ? { route, key: () => undefined } : { route }
      const { all, started, end } = held(4, options as ShardsOptions<string>)
      const answers = Array.from({ length: 8 }, () => all.execute('a', { id: 'x' }))
      await turn()
      expect(started).toEqual(['a'])
      end('a')
      expect(new Set(await Promise.all(answers))).toEqual(new Set(['a']))
      expect(statusOf(all).totals).toMatchObject({ admitted: 1, joined: 7 })
    },
  )

  test('to the less loaded: a shard that is slow gets less', async () => {
    const { all } = held(4, { route: 'leastLoaded', random: seeded(3) })
    for (let i = 0; i < 400; i++) void watch(all.execute(`${i}`))
    await turn()
    const sizes = statusOf(all).shards.map(({ waiting, running }) => waiting + running)
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(8)
    expect(all.shards[0]?.cancel('none')).toBe(false)
  })

  test('a key that is no text, and one that throws, are told to the caller', async () => {
    const wrong = held(2, { key: () => 7 as unknown as string })
    await expect(wrong.all.execute('a')).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path: 'key' })
    const thrown = new Error('mine')
    const throwing = held(2, {
      key: () => {
        throw thrown
      },
    })
    await expect(throwing.all.submit('a')).rejects.toBe(thrown)
  })
})

describe('the whole', () => {
  test('the totals are sums, at every instant', async () => {
    const clock = new VirtualClock()
    const random = seeded(11)
    const all = shards<string, string>(
      5,
      (index) =>
        new QueuedExecutor<string, string>(
          async (request) => {
            await clock.sleep(random() * 100)
            if (random() < 0.2) throw new Error('one in five')
            return request
          },
          { clock, concurrency: 1 + index, maxQueueSize: 5, waitTimeoutMs: 150, name: `llm ${index}` },
        ),
      { route: 'roundRobin' },
    )
    expect(all.name).toBe('shards')
    for (let step = 0; step < 300; step++) {
      for (let i = 0; i < 4; i++) {
        const priority = (['urgent', 'high', 'normal', 'low'] as const)[Math.floor(random() * 4)]
        void watch(all.execute(`${step} ${i}`, { priority, id: `${step} ${i}` }))
      }
      if (step % 7 === 0) all.cancel(`${step - 3} 1`)
      await clock.advance(10)
      const status = all.getStatus() as ShardsStatus
      expect(isExact(status)).toBe(true)
      for (const name of ['waiting', 'running', 'activeWorkers', 'maxWorkers', 'blocked'] as const) {
        expect(status[name]).toBe(status.shards.reduce((sum, shard) => sum + shard[name], 0))
      }
      expect(status.wait.count).toBe(status.shards.reduce((sum, shard) => sum + shard.wait.count, 0))
    }
    const { totals, wait, run, shards: each, maxQueueSize } = all.getStatus() as ShardsStatus
    for (const name of ['admitted', 'rejected', 'completed', 'failed', 'expired', 'cancelled', 'shed'] as const) {
      expect(totals[name]).toBe(each.reduce((sum, shard) => sum + shard.totals[name], 0))
    }
    expect([totals.completed > 100, totals.failed > 20, totals.rejected + totals.shed > 20]).toEqual([true, true, true])
    expect(maxQueueSize).toBe(25)
    expect(wait.maxMs).toBe(Math.max(...each.map((shard) => shard.wait.maxMs)))
    expect(run.p50Ms).toBeGreaterThan(30)
    expect(run.p50Ms).toBeLessThan(70)
    const closed = all.close({ drain: false })
    await clock.advance(1_000)
    await closed
  })

  test('one shard says what its executor says, to the last bit', async () => {
    const clock = new VirtualClock()
    const only = new QueuedExecutor<number, number>(async (ms) => clock.sleep(ms).then(() => ms), {
      clock,
      concurrency: 3,
    })
    const all = shards<number, number>(1, () => only)
    for (let ms = 1; ms < 200; ms += 3) void watch(all.execute(ms))
    await clock.advance(50_000)
    const { shards: each, ...status } = all.getStatus() as ShardsStatus
    expect(status).toEqual(only.getStatus())
    expect(each).toEqual([only.getStatus()])
  })

  test('pause, resume and idle mean all of them, and each is told once', async () => {
    const { all, started, end } = held(3, { route: 'roundRobin' })
    const told: string[] = []
    for (const event of ['paused', 'resumed', 'idle', 'closed'] as const) all.on(event, () => told.push(event))
    all.pause()
    expect([told, statusOf(all).state]).toEqual([['paused'], 'paused'])
    const answers = ['a', 'b'].map((name) => all.execute(name))
    await turn()
    expect(started).toEqual([])
    all.resume()
    await turn()
    const idle = watch(all.idle())
    end('a')
    await turn()
    expect([told, idle.state]).toEqual([['paused', 'resumed'], 'pending'])
    end('b')
    await Promise.all(answers)
    await idle.done
    expect(told).toEqual(['paused', 'resumed', 'idle'])
    await all.close()
    expect([told.at(-1), statusOf(all).state]).toEqual(['closed', 'closed'])
  })

  test('a listener hears every shard, until it is taken away', async () => {
    const all = shards<string, string>(3, () => new QueuedExecutor<string, string>(async (name) => name), {
      route: 'roundRobin',
    })
    const heard: string[] = []
    const listener = ({ result }: { result: string }): void => void heard.push(result)
    all.on('completed', listener)
    await Promise.all(['a', 'b', 'c'].map((name) => all.execute(name)))
    all.off('completed', listener)
    await all.execute('d')
    expect(heard.sort()).toEqual(['a', 'b', 'c'])
  })

  test('the total of slots is shared out', () => {
    const { all } = held(3)
    all.setConcurrency(8)
    expect(statusOf(all).shards.map(({ maxWorkers }) => maxWorkers)).toEqual([3, 3, 2])
    expect(() => all.setConcurrency(2)).toThrow(expect.objectContaining({ path: 'concurrency' }))
  })

  test('slots are numbered through, and say whose they are', async () => {
    const { all } = held(2, {}, { concurrency: 2 })
    void watch(all.execute('a', { id: 'a' }))
    await turn()
    const slots = all.getWorkerHealth() as { shard: number; slot: number; currentRequest: string | null }[]
    expect(slots.map(({ shard, slot }) => [shard, slot])).toEqual(
      [...slots.keys()].map((slot) => [slots[slot]?.shard, slot]),
    )
    expect(slots.filter(({ currentRequest }) => currentRequest === 'a').length).toBe(1)
    expect(all.health()).toEqual({ live: true, ready: true, reasons: [] })
  })

  test('what waits is found, and moved, and cancelled by its id', async () => {
    const { all, started } = held(2, { route: 'roundRobin' })
    for (const name of ['a', 'b', 'c', 'd']) void watch(all.execute(name, { id: name }))
    await turn()
    expect(started).toEqual(['a', 'b'])
    expect(all.get('d')?.state).toBe('waiting')
    expect(await all.find('d')).toMatchObject({ id: 'd', state: 'waiting' })
    expect([...all.waiting()].map(({ id }) => id)).toEqual(['c', 'd'])
    expect([all.cancel('d'), all.cancel('d'), all.get('d')]).toEqual([true, false, undefined])
    expect(await all.requeue('d')).toBe(false)
    await all.flushed()
  })

  test('describe() says what holds where', () => {
    const { all } = held(4, { key: (request) => request })
    const { lines } = all.describe()
    expect(lines[0]).toBe("'llm' is 4 shards, each with a queue, bounds and slots of its own.")
    expect(String(all.describe())).toContain('Priority and order: in each shard. Strict per shard only')
  })

  test.each([
    [0, {}, 'n'],
    [2.5, {}, 'n'],
    [2, { route: 'random' }, 'route'],
    [2, { route: 'roundRobin', key: () => 'a' }, 'key'],
    [2, { keys: () => 'a' }, 'keys'],
  ])('%o shards with %o are refused', (n, options, path) => {
    const make = () => new QueuedExecutor(async () => 1)
    expect(() => shards(n, make, options as object)).toThrow(expect.objectContaining({ path }))
  })

  test('what makes no executor is refused', () => {
    expect(() => shards(2, (() => ({})) as never)).toThrow(expect.objectContaining({ path: 'make' }))
    expect(() => shards(2, 5 as never)).toThrow(expect.objectContaining({ code: 'TRIAGE_INVALID_OPTIONS' }))
  })
})

/** What `npm run prove:shards` runs by each route, and says at length. */
test('a million requests of 3.5 s through 4 × 1,000 slots: 14.6 minutes of virtual time, and each is accounted for', {
  timeout: 300_000,
}, async () => {
  const outcome = await million({
    requests: 1_000_000,
    shards: 4,
    slots: 1_000,
    runMs: 3_500,
    route: 'hash',
    waiting: 100_000,
  })
  expect(outcome.simulatedMs / 60_000).toBeGreaterThan(14.5)
  expect(outcome.simulatedMs / 60_000).toBeLessThan(14.7)
  expect(outcome.runs.every((count) => count === 1)).toBe(true)
  expect(outcome.answers.every((count) => count === 1)).toBe(true)
  expect(outcome.status.totals).toMatchObject({
    admitted: 1_000_000,
    completed: 1_000_000,
    rejected: 0,
    shed: 0,
    failed: 0,
  })
  expect(outcome.mostWaiting).toBeGreaterThan(390_000)
  const sizes = outcome.status.shards.map((status: ExecutorStatus) => status.totals.completed)
  for (const size of sizes) expect(Math.abs(size / 250_000 - 1)).toBeLessThan(0.05)
})
