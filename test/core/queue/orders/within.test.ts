/**
 * Two orders as one: the outer one says which tier is next, as it would alone; the inner one says who of it goes.
 */
import fc from 'fast-check'
import { type OrderPolicy, priorities, RequestQueue, strict } from 'triage-queue'
import { describe, expect, test, vi } from 'vitest'
import { aging } from '../../../../src/core/queue/orders/aging.ts'
import { earliestDeadlineFirst } from '../../../../src/core/queue/orders/earliest-deadline-first.ts'
import { fairBy } from '../../../../src/core/queue/orders/fair-by.ts'
import { weighted } from '../../../../src/core/queue/orders/weighted.ts'
import type { WithinOptions } from '../../../../src/core/queue/orders/within.ts'
import { Driver, type Job, type Task } from './order-driver.ts'

// On a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const byKey = ({ key }: Job) => key
const low = (key: string, rest: Partial<Job> = {}): Job => ({ key, runMs: 1, priority: 'low', ...rest })
const urgent = (key: string, rest: Partial<Job> = {}): Job => ({ key, runMs: 1, priority: 'urgent', ...rest })
const keysOf = (tasks: readonly Task[]) => tasks.map(({ job }) => job.key)

describe('who goes first', () => {
  test('weighted, then fair by key: tiers take turns by weight, keys by what they have used', () => {
    const driver = new Driver(weighted({ urgent: 2, low: 1 }, { within: fairBy(byKey) }), 1)
    for (const key of ['a', 'a', 'a', 'b', 'b']) driver.submit(urgent(key))
    for (const key of ['c', 'c', 'd']) driver.submit(low(key))
    driver.run()
    expect(keysOf(driver.started).join(' ')).toBe('a b c a b d a c')
  })

  test('aging, then by deadline: a tier has its turn when its oldest is due, whoever takes it', () => {
    const driver = new Driver(aging({ stepMs: 10 }, { within: earliestDeadlineFirst() }), 1)
    for (let t = 0; t < 60; t++) driver.at(t, () => driver.submit(urgent(`urgent ${t}`)))
    driver.at(1, () => driver.submit(low('patient')))
    driver.at(5, () => driver.submit(low('hurried', { patienceMs: 1_000 })))
    driver.run(60)
    // LOW is due at 31 and 35; of those who are due at the same time URGENT goes first.
    const startOf = (key: string) => driver.started.find(({ job }) => job.key === key)?.startedAt
    expect([startOf('hurried'), startOf('patient')]).toEqual([32, 37])
  })

  test('equal turns are the upper tier’s', () => {
    for (const order of [aging({ stepMs: 0 }, { within: strict() }), weighted({ urgent: 1 }, { within: strict() })]) {
      const driver = new Driver(order, 0)
      const later = driver.submit(low('a'))
      const first = driver.submit(urgent('b', { priority: order.name.startsWith('aging') ? 'urgent' : 'low' }))
      expect(driver.line()).toEqual(order.name.startsWith('aging') ? [first, later] : [later, first])
    }
  })

  test.each([
    ['at the same time', { urgent: 1, high: 1, normal: 1, low: 1 }, 0],
    // 4 turns of urgent after 2 · 4/3 are at 6.66…6, as the fifth one of low; and 4 = (6.66…6 − 2.66…6) / 1 is a hair less.
    ['as near to it as rounding leaves them', { urgent: 4, high: 4, normal: 4, low: 3 }, 2],
  ])('positions say who starts before, also where turns are %s', (_when, weights, startedBefore) => {
    const queue = new RequestQueue<number>({ order: weighted(weights, { within: strict() }) })
    const lows = Array.from({ length: 20 }, (_, n) => queue.enqueue(n, { priority: 'low' }))
    for (let n = 0; n < startedBefore; n++) expect(queue.dequeue()).toBe(n)
    const urgents = Array.from({ length: 20 }, (_, n) => queue.enqueue(100 + n, { priority: 'urgent' }))
    const positions = new Map([...lows, ...urgents].map((ticket) => [queue.position(ticket), ticket.request]))
    positions.delete(undefined)
    const line = [...positions].sort(([one = 0], [other = 0]) => one - other).map(([, request]) => request)
    expect(line).toEqual(queue.clear())
  })

  test('another priority: it stands where the inner order puts it there, and brings a turn along', () => {
    const queue = new RequestQueue<string>({ order: weighted({ urgent: 2, low: 1 }, { within: strict() }) })
    const first = queue.enqueue('first', { priority: 'low' })
    queue.enqueue('second', { priority: 'low' })
    queue.enqueue('third', { priority: 'urgent' })
    expect(queue.setPriority(first, 'urgent')).toBe(true)
    expect(queue.position(first)).toBe(0)
    expect(queue.clear()).toEqual(['first', 'third', 'second'])
  })
})

const outer: Record<string, (options?: WithinOptions) => OrderPolicy> = {
  // No two turns of different tiers are at the same time: `aging()` and `weighted()` alone go by sequence then.
  aging: (options) => aging({ urgent: 0, high: 3.1, normal: 7.3, low: 15.7 }, options),
  weighted: (options) => weighted({ urgent: 7.9, high: 4.13, normal: 2.31, low: 1.07 }, options),
}
const inner: Record<string, () => OrderPolicy> = {
  strict: () => strict(),
  'earliest deadline first': () => earliestDeadlineFirst(),
  'fair by key': () => fairBy(byKey),
}
const pairs = Object.keys(outer).flatMap((one) => Object.keys(inner).map((other): [string, string] => [one, other]))
const made = (one: string, other: string): OrderPolicy =>
  (outer[one] as (options: WithinOptions) => OrderPolicy)({ within: (inner[other] as () => OrderPolicy)() })

const arrive = {
  weight: 6,
  arbitrary: fc.record({
    do: fc.constant('submit' as const),
    key: fc.constantFrom('a', 'b', 'c'),
    priority: fc.constantFrom(...priorities),
    runMs: fc.integer({ min: 1, max: 3 }),
    patienceMs: fc.integer({ min: 1_000, max: 1_100 }),
  }),
}
const run = {
  weight: 3,
  arbitrary: fc.record({ do: fc.constant('run' as const), ms: fc.integer({ min: 1, max: 6 }) }),
}
const leave = { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat() }) }
const move = {
  weight: 1,
  arbitrary: fc.record({ do: fc.constant('move' as const), which: fc.nat(), to: fc.constantFrom(...priorities) }),
}
const comings = fc.array(fc.oneof(arrive, run), { maxLength: 60, size: 'max' })
const goings = fc.array(fc.oneof(arrive, run, leave, move), { maxLength: 60, size: 'max' })

type Going = typeof goings extends fc.Arbitrary<(infer A)[]> ? A : never

function play(order: OrderPolicy, all: readonly Going[]): Driver {
  const driver = new Driver(order, 1)
  const tasks: Task[] = []
  for (const act of all) {
    const task = 'which' in act ? tasks[act.which % Math.max(tasks.length, 1)] : undefined
    if (act.do === 'submit') tasks.push(driver.submit(act))
    else if (act.do === 'run') driver.run(driver.now + act.ms)
    else if (task === undefined || !driver.waiting.has(task)) continue
    else if (act.do === 'leave') driver.leave(task)
    else driver.setPriority(task, act.to)
  }
  return driver
}

describe.each(pairs)('%s, then %s', (one, other) => {
  test('tiers start in the sequence in which they start without an inner order', () => {
    const tiersOf = (order: OrderPolicy, all: readonly Going[]) => {
      const driver = play(order, all)
      driver.run()
      return driver.started.map(({ job }) => job.priority)
    }
    fc.assert(
      fc.property(comings, (all) => {
        // All runs alike: who of a tier goes must not change when slots come free.
        const alike = all.map((act) => ({ ...act, runMs: 1 }))
        expect(tiersOf(made(one, other), alike)).toEqual(tiersOf((outer[one] as () => OrderPolicy)(), alike))
      }),
      { seed: 31 },
    )
  })

  test('within each tier they start as with the inner order alone', () => {
    const byTier = (order: OrderPolicy, all: readonly Going[]) => {
      const driver = new Driver(order, 0)
      const tasks = all.flatMap((act) => (act.do === 'submit' ? [driver.submit(act)] : []))
      const line = driver.line().map((task) => tasks.indexOf(task))
      return priorities.map((priority) => line.filter((n) => tasks[n]?.job.priority === priority))
    }
    fc.assert(
      fc.property(comings, (all) => {
        expect(byTier(made(one, other), all)).toEqual(byTier((inner[other] as () => OrderPolicy)(), all))
      }),
      { seed: 32 },
    )
  })

  test('positions are exact: if nobody comes or leaves, they start in that order', () => {
    fc.assert(
      fc.property(goings, (all) => {
        const driver = play(made(one, other), all)
        const line = driver.line()
        const before = driver.started.length
        driver.run(driver.now + 500)
        expect(driver.started.slice(before)).toEqual(line)
      }),
      { seed: 33 },
    )
  })
})

test('turns of different tiers at the same time are counted as they are taken, however they are rounded', () => {
  const { turns } = weighted({ urgent: 99, high: 33, normal: 7, low: 1.1 }, { within: strict() })
  if (turns === undefined) throw new Error('no turns')
  for (let i = 0; i < 1_000; i++) {
    for (const tier of [3, 1]) turns.came(tier, 0)
    for (const tier of [3, 1]) turns.started(tier)
  }
  for (const tier of [0, 1, 2, 3]) for (let i = 0; i < 300; i++) turns.came(tier, 0)
  for (let i = 0; i < 50; i++) for (const tier of [0, 0, 1]) turns.started(tier)
  const left = [200, 250, 300, 300]
  const wrong: string[] = []
  for (const [tier, size] of left.entries()) {
    const all = Array.from({ length: size }, (_, index) => turns.at(tier, index))
    for (const turn of left.flatMap((_, other) => [0, 1, 5, 60, 150, 199].map((index) => turns.at(other, index)))) {
      const before = [turns.countBefore(tier, turn, false), turns.countBefore(tier, turn, true)]
      const wanted = [all.filter((own) => own < turn).length, all.filter((own) => own <= turn).length]
      if (before.join() !== wanted.join()) wrong.push(`tier ${tier}, ${turn}: ${before}, not ${wanted}`)
    }
  }
  expect(wrong).toEqual([])
})

describe('a tier does not starve, whoever of it goes first', () => {
  test('aging: what is old has its turn when it is due, though the young who would go before it come and give up', () => {
    const driver = new Driver(aging({ stepMs: 10 }, { within: earliestDeadlineFirst() }), 1)
    for (let t = 0; t < 100; t++) driver.at(t, () => driver.submit(urgent('urgent')))
    driver.at(1, () => driver.submit(low('old')))
    for (let t = 2; t < 100; t += 2) driver.at(t, () => driver.submit(low('young', { patienceMs: 4 })))
    driver.run(40)
    // At 31 LOW is due. One of the young takes that turn, and leaves his own; from then on one of them is due every 2 ms.
    expect(driver.started.filter(({ job }) => job.priority === 'low').length).toBeGreaterThan(0)
    expect(driver.started.find(({ job }) => job.priority === 'low')?.startedAt).toBe(32)
  })

  test('aging: whoever leaves takes his own turn along, and nobody is due by it', () => {
    const driver = new Driver(aging({ stepMs: 10 }, { within: strict() }), 1)
    for (let t = 0; t < 100; t++) driver.at(t, () => driver.submit(urgent('urgent')))
    driver.at(1, () => driver.submit(low('gone', { patienceMs: 25 })))
    driver.at(20, () => driver.submit(low('there')))
    driver.run(100)
    expect(driver.started.find(({ job }) => job.key === 'there')?.startedAt).toBe(51)
  })

  test('weighted: a tier has its share from the first start on, though nine of ten of its requests give up', () => {
    const shareOfLow = (options: WithinOptions) => {
      const order = weighted({ urgent: 1, high: 1, normal: 1, low: 1 }, options)
      const driver = new Driver(order, 1, ({ job }) => job.priority === 'urgent' && driver.submit(job))
      for (let i = 0; i < 3; i++) driver.submit(urgent('', { runMs: 100 }))
      for (let t = 0; t < 100_000; t += 20) {
        driver.at(t, () => driver.submit(low('', { runMs: 100, patienceMs: 5_000 })))
      }
      driver.run(100_000)
      const started = driver.started.slice(0, 1_000)
      return started.filter(({ job }) => job.priority === 'low').length / started.length
    }
    expect(Math.abs(shareOfLow({ within: strict() }) - 0.5)).toBeLessThan(0.01)
    expect(Math.abs(shareOfLow({ within: fairBy(byKey) }) - 0.5)).toBeLessThan(0.01)
    expect(Math.abs(shareOfLow({}) - 0.5)).toBeLessThan(0.01)
  })
})
