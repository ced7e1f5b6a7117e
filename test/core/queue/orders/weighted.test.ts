import fc from 'fast-check'
import {
  backoff,
  OptionsError,
  type Priority,
  priorities,
  QueuedExecutor,
  type QueueTicket,
  RequestQueue,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test, vi } from 'vitest'
import { StrideTurns, type Weights, weighted } from '../../../../src/core/queue/orders/weighted.ts'
import { seeded } from '../../../support/seeded.ts'
import { Driver, type Task } from './order-driver.ts'

// On a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const byTier = (tasks: readonly Task[]) =>
  priorities.map((priority) => tasks.filter(({ job }) => job.priority === priority).length)

/** Two waiting requests more for each tier at a time, whenever one starts: all of these tiers always wait. */
function saturated(weights: Weights, starts: number, tiers: readonly Priority[] = priorities): Task[] {
  const driver = new Driver(weighted(weights), 1, ({ job }) => {
    if (driver.started.length < starts) driver.submit(job)
  })
  for (const priority of tiers) for (let i = 0; i < 2; i++) driver.submit({ key: '', runMs: 1, priority })
  driver.run(starts - 1)
  return driver.started
}

/** Takes what is next, and says whose turns these were. */
const next = (queue: RequestQueue<string>, count: number) =>
  Array.from({ length: count }, () => queue.dequeue()).join(' ')

test('turn = max(V, last of the tier) + stride, and V is the last turn that was taken', () => {
  // Strides are 1, 2, 2 and 4.
  const queue = new RequestQueue<string>({ order: weighted({ urgent: 4, high: 2, normal: 2, low: 1 }) })
  const fill = (priority: Priority, count: number) => {
    for (let n = 1; n <= count; n++) queue.enqueue(`${priority[0]}${n}`, { priority })
  }
  fill('low', 3)
  fill('urgent', 5)
  fill('high', 2)
  // u 1 2 3 4 5, h 2 4, l 4 8 12; of equal turns the more urgent tier has the first.
  expect(next(queue, 6)).toBe('u1 u2 h1 u3 u4 h2')
  // V is 4: NORMAL was idle, and begins at 6; HIGH begins again, at 6 as well.
  fill('normal', 2)
  fill('high', 1)
  expect(next(queue, 7)).toBe('l1 u5 h1 n1 n2 l2 l3')
  // V is 12, and all are idle.
  fill('low', 1)
  fill('urgent', 4)
  expect(next(queue, 5)).toBe('u1 u2 u3 u4 l1')
})

test('each attempt takes a turn, and goes before those of its tier who came after it', async () => {
  const starts: string[] = []
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(
    async (job: string) => {
      starts.push(job)
      if (job === 'low 1' && starts.filter((each) => each === job).length < 3) throw new Error('again')
      await new Promise((resolve) => clock.setTimeout(() => resolve(undefined), 10))
    },
    {
      concurrency: 1,
      order: weighted({ urgent: 1, high: 1, normal: 1, low: 1 }),
      retry: backoff({ attempts: 3, baseMs: 1, jitter: 'none', budget: Number.POSITIVE_INFINITY }),
      clock,
    },
  )
  const all = [1, 2, 3, 4].flatMap((n) => [`low ${n}`, `urgent ${n}`])
  const ended = all.map((job) => queue.execute(job, { priority: job.split(' ')[0] as Priority }))
  await clock.run({ until: Promise.all(ended) })
  expect(starts).toEqual([
    ...['urgent 1', 'low 1', 'urgent 2', 'low 1', 'urgent 3', 'low 1', 'urgent 4'],
    'low 2',
    'low 3',
    'low 4',
  ])
})

test('whoever leaves, those behind it move up; a newcomer passes nobody of its tier', () => {
  const queue = new RequestQueue<string>({ order: weighted({ urgent: 2, low: 1 }) })
  const lows = ['l1', 'l2', 'l3', 'l4'].map((name) => queue.enqueue(name, { priority: 'low' }))
  for (let n = 1; n <= 8; n++) queue.enqueue(`u${n}`, { priority: 'urgent' })
  for (const ticket of lows.slice(0, 2)) expect(queue.remove(ticket)).toBe(true)
  queue.enqueue('l5', { priority: 'low' })
  expect(next(queue, 11)).toBe('u1 u2 l3 u3 u4 l4 u5 u6 l5 u7 u8')
})

test('the shares of a round, by default: 8, 4, 2, 1', () => {
  const driver = new Driver(weighted(), 1)
  for (const priority of priorities) for (let i = 0; i < 8; i++) driver.submit({ key: '', runMs: 1, priority })
  driver.run(14)
  expect(byTier(driver.started)).toEqual([8, 4, 2, 1])
})

test('what is set to undefined has its default', () => {
  const { turns } = weighted({ urgent: 4, low: undefined } as unknown as Weights)
  // Strides are 4 / weight: of 4, 4, 2 and 1.
  expect([0, 1, 2, 3].map((tier) => turns?.at(tier, 0))).toEqual([1, 1, 2, 4])
})

describe('an OptionsError names the option, what it must be, and what it is', () => {
  test.each<[unknown, string]>([
    [{ low: 0 }, "Option 'weighted.low': expected a number from 1 to 100, got 0"],
    [{ urgent: 101 }, "Option 'weighted.urgent': expected a number from 1 to 100, got 101"],
    [{ high: Number.NaN }, "Option 'weighted.high': expected a number from 1 to 100, got NaN"],
    [{ high: '2' }, "Option 'weighted.high': expected a number from 1 to 100, got '2'"],
    [{ constructor: 1 }, "Unknown option 'weighted.constructor'"],
    [null, "Option 'weighted': expected an object with a weight for each tier, got null"],
    [8, 'got 8'],
    [[8, 4], 'got [8,4]'],
  ])('%j', (weights, message) => {
    expect(() => weighted(weights as Weights)).toThrow(OptionsError)
    expect(() => weighted(weights as Weights)).toThrow(message)
  })
})

test('while all wait, each tier has its share of the starts, within 1 part in 100', () => {
  const random = seeded(5)
  for (let i = 0; i < 5; i++) {
    const [urgent, high, normal, low] = [0, 0, 0, 0].map(() => 1 + Math.floor(random() * 8 * 4) / 4) as [
      number,
      number,
      number,
      number,
    ]
    const sum = urgent + high + normal + low
    const counts = byTier(saturated({ urgent, high, normal, low }, 20_000))
    for (const [tier, weight] of [urgent, high, normal, low].entries()) {
      const share = (20_000 * weight) / sum
      expect(Math.abs((counts[tier] as number) - share) / share).toBeLessThan(0.01)
    }
  }
})

test('what a tier does not need, the others share by weight', () => {
  const counts = byTier(saturated({}, 21_000, ['urgent', 'high', 'low']))
  expect(counts[2]).toBe(0)
  for (const [tier, weight] of [8, 4, 0, 1].entries()) {
    const share = (21_000 * weight) / 13
    expect(Math.abs((counts[tier] as number) - share)).toBeLessThanOrEqual(0.01 * share)
  }
})

test('a tier that was idle has saved up nothing: it gets its share, no more, from when it comes back', () => {
  const driver = new Driver(weighted(), 1)
  const fill = (priority: Priority) => {
    for (let i = 0; i < 3_000; i++) driver.submit({ key: '', runMs: 1, priority })
  }
  for (const priority of ['high', 'normal', 'low'] as const) fill(priority)
  driver.at(2_000, () => fill('urgent'))
  driver.run(1_999)
  const before = driver.started.length
  driver.run(1_999 + 1_500)
  const counts = byTier(driver.started.slice(before))
  expect(counts.reduce((a, b) => a + b)).toBe(1_500)
  for (const [tier, share] of [800, 400, 200, 100].entries()) {
    expect(Math.abs((counts[tier] as number) - share)).toBeLessThanOrEqual(0.01 * share)
  }
})

test('idle spells again and again leave the shares of the saturated time as they are', () => {
  const random = seeded(6)
  const driver = new Driver(weighted(), 1)
  // LOW and HIGH always wait; URGENT comes in bursts of 200, which take 200 · 13 / 8 = 325 ms, with idle time between.
  for (let i = 0; i < 8_000; i++)
    for (const priority of ['high', 'low'] as const) driver.submit({ key: '', runMs: 1, priority })
  const bursts: Task[][] = []
  for (let t = 0; t < 10_000; t += 400 + Math.floor(random() * 100)) {
    driver.at(t, () => {
      bursts.push(Array.from({ length: 200 }, () => driver.submit({ key: '', runMs: 1, priority: 'urgent' })))
    })
  }
  driver.run(10_000)
  expect(bursts.length).toBeGreaterThan(20)
  for (const burst of bursts.slice(0, -1)) {
    const [from, to] = [burst[0] as Task, burst.at(-1) as Task].map(({ startedAt }) => startedAt as number) as [
      number,
      number,
    ]
    const counts = byTier(driver.started.slice(from, to + 1))
    expect(Math.abs((counts[0] as number) / (to - from + 1) - 8 / 13)).toBeLessThan(0.0062)
  }
  const counts = byTier(driver.started)
  expect(Math.abs((counts[1] as number) / (counts[3] as number) / 4 - 1)).toBeLessThan(0.01)
})

test('after 10^12 requests the shares are the same', () => {
  for (const weights of [{}, { urgent: 100, high: 33, normal: 7, low: 1 }]) {
    const values = priorities.map((priority, tier) => (weights as Weights)[priority] ?? [8, 4, 2, 1][tier]) as number[]
    const strides = values.map((weight) => Math.max(...values) / weight)
    const turns = new StrideTurns(strides, 1e12 * Math.max(...strides))
    const driver = new Driver({ ...weighted(weights), turns }, 1)
    const sum = values.reduce((a, b) => a + b)
    for (const [tier, priority] of priorities.entries()) {
      for (let i = 0; i < 100 * (values[tier] as number); i++) driver.submit({ key: '', runMs: 1, priority })
    }
    driver.run(50 * sum - 1)
    const counts = byTier(driver.started)
    for (const [tier, weight] of values.entries()) {
      expect(Math.abs((counts[tier] as number) - 50 * weight)).toBeLessThanOrEqual(Math.max(0.01 * 50 * weight, 1))
    }
  }
})

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('submit' as const), priority: fc.constantFrom(...priorities) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('move' as const), which: fc.nat(), to: fc.constantFrom(...priorities) }),
  },
)

/** The formula, on plain arrays: who waits in each tier, and the last turn of each. */
class Oracle {
  readonly #strides: readonly number[]
  readonly #lines: number[][] = [[], [], [], []]
  readonly #last = [0, 0, 0, 0]
  #now = 0

  constructor(weights: readonly number[]) {
    this.#strides = weights.map((weight) => Math.max(...weights) / weight)
  }

  come(n: number, tier: number): void {
    const line = this.#lines[tier] as number[]
    if (line.length === 0) this.#last[tier] = this.#now
    line.push(n)
    line.sort((a, b) => a - b)
  }

  leave(n: number): void {
    for (const line of this.#lines) if (line.includes(n)) line.splice(line.indexOf(n), 1)
  }

  take(): number | undefined {
    const turns = this.#strides.map((stride, tier) => (this.#last[tier] as number) + stride)
    const waits = [0, 1, 2, 3].filter((tier) => (this.#lines[tier] as number[]).length > 0)
    const tier = waits.sort((a, b) => (turns[a] as number) - (turns[b] as number) || a - b)[0]
    if (tier === undefined) return undefined
    this.#last[tier] = turns[tier] as number
    this.#now = Math.max(this.#now, turns[tier] as number)
    return (this.#lines[tier] as number[]).shift()
  }
}

test('they start as the formula says, first-in first-out within each tier, whoever leaves or moves', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80, size: 'max' }), (actions) => {
      const queue = new RequestQueue<number>({ order: weighted() })
      const oracle = new Oracle([8, 4, 2, 1])
      const tickets = new Map<number, QueueTicket<number>>()
      for (const [n, act] of actions.entries()) {
        const ticket = 'which' in act ? [...tickets.values()][act.which % tickets.size] : undefined
        if (act.do === 'submit') {
          tickets.set(n, queue.enqueue(n, { priority: act.priority }))
          oracle.come(n, priorities.indexOf(act.priority))
        } else if (act.do === 'take') {
          const taken = queue.dequeue()
          expect(taken).toBe(oracle.take())
          tickets.delete(taken as number)
        } else if (ticket !== undefined && act.do === 'leave') {
          queue.remove(ticket)
          oracle.leave(ticket.request)
          tickets.delete(ticket.request)
        } else if (ticket !== undefined && act.do === 'move' && ticket.priority !== act.to) {
          queue.setPriority(ticket, act.to)
          oracle.leave(ticket.request)
          oracle.come(ticket.request, priorities.indexOf(act.to))
        }
      }
      const rest = Array.from({ length: queue.size + 1 }, () => oracle.take())
      expect([...queue.clear(), undefined]).toEqual(rest)
    }),
    { seed: 7, numRuns: 1_000 },
  )
})

test('priorities that go to and fro cost those who come later nothing', () => {
  const lineAfter = (moves: number) => {
    const driver = new Driver(weighted(), 1)
    const tasks = [1, 2, 3].map(() => driver.submit({ key: '', runMs: 1, priority: 'low' }))
    for (let i = 0; i < moves; i++)
      for (const to of ['urgent', 'low'] as const) driver.setPriority(tasks[0] as Task, to)
    for (const priority of [...priorities, ...priorities]) tasks.push(driver.submit({ key: '', runMs: 1, priority }))
    return driver.line().map((task) => tasks.indexOf(task))
  }
  expect(lineAfter(100)).toEqual(lineAfter(0))
})

test('requests that leave before their turn use up nothing of their tier’s share', () => {
  const driver = new Driver(weighted({ urgent: 1, high: 1, normal: 1, low: 1 }), 1, ({ job }) => {
    if (job.priority === 'urgent') driver.submit(job)
  })
  // URGENT always waits; LOW comes ten times as often as it can start, and nine of ten give up.
  for (let i = 0; i < 3; i++) driver.submit({ key: '', runMs: 100, priority: 'urgent' })
  for (let t = 0; t < 200_000; t += 20) {
    driver.at(t, () => driver.submit({ key: '', runMs: 100, priority: 'low', patienceMs: 5_000 }))
  }
  driver.run(200_000)
  const counts = byTier(driver.started)
  expect(Math.abs((counts[3] as number) / (counts[0] as number) - 1)).toBeLessThan(0.01)
})

test('one that starts before its turn, in a slot of its own, does not make the others wait for that turn', () => {
  const turns = new StrideTurns([1, 2, 4, 8])
  for (let n = 0; n < 3; n++) turns.came(3)
  turns.came(2)
  // Its first turn is at 8, that of NORMAL at 4.
  turns.started(3)
  turns.came(0)
  expect([turns.at(0, 0), turns.at(2, 0), turns.at(3, 0)]).toEqual([5, 4, 16])
})
