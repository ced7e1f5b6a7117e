/**
 * Fairness as Kubernetes tests its own (queueset_test.go): clients that send again and again, slots, a max-min oracle of
 * what each should get, and a stated margin.
 */
import fc from 'fast-check'
import { OptionsError, type OrderQuestion, type Priority, RequestQueue } from 'triage-queue'
import { describe, expect, test, vi } from 'vitest'
import { type FairByOptions, fairBy } from '../../../../src/core/queue/orders/fair-by.ts'
import { maxMin } from '../../../support/max-min.ts'
import { seeded } from '../../../support/seeded.ts'
import { ask, Driver, type Job, pick, type Task } from './order-driver.ts'

// On a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const byKey = ({ key }: Job) => key
const about = (key: string, rest: Partial<OrderQuestion> = {}) => ask({ request: { key }, ...rest })

describe('the numbers', () => {
  test('S = max(V, F), F = S + cost / weight', () => {
    const policy = fairBy(byKey, { weight: (key) => (key === 'gold' ? 4 : 1), cost: 2 })
    expect(policy).toMatchObject({ name: 'fair by key', acrossTiers: false })
    const rank = (key: string) => policy.rank(about(key))
    expect([rank('a'), rank('a'), rank('gold'), rank('gold'), rank('a')]).toEqual([0, 2, 0, 0.5, 4])
    policy.started?.(about('a'), 2)
    // V is 2: a new key starts there, gold too, whose share is used up to 1 only; a goes on from 6.
    expect([rank('new'), rank('gold'), rank('a')]).toEqual([2, 2, 6])
  })

  test('each tier has its own virtual time', () => {
    const policy = fairBy(byKey)
    policy.rank(about('a', { tier: 0 }))
    policy.started?.(about('a', { tier: 0 }), 0)
    expect(policy.rank(about('a', { tier: 0 }))).toBe(1)
    expect(policy.rank(about('a', { tier: 3 }))).toBe(0)
  })

  test('when it has run, F += cost / weight · (actual / guess − 1)', () => {
    const policy = fairBy(byKey, { guessMs: 100, cost: 2 })
    const run = (runMs: number) => {
      const rank = policy.rank(about('a'))
      policy.started?.(about('a'), rank)
      policy.settled?.(about('a'), rank, runMs)
      return rank
    }
    expect([run(300), run(50), run(100), run(0), run(100)]).toEqual([0, 6, 7, 9, 9])
  })

  test('without a guess, the unit is the mean of recent runs', () => {
    const policy = fairBy(byKey)
    for (const [rank, runMs] of [40, 40, 160].entries()) {
      expect(policy.rank(about('a'))).toBe(rank)
      policy.started?.(about('a'), rank)
      policy.settled?.(about('a'), rank, runMs)
    }
    // The mean is 80, so that the last run was two.
    expect(policy.rank(about('a'))).toBe(4)
    // Where no run takes any time, each is one.
    const quick = fairBy(byKey)
    expect(quick.rank(about('a'))).toBe(0)
    quick.settled?.(about('a'), 0, 0)
    expect(quick.rank(about('a'))).toBe(1)
  })

  test('a run that settles when its key is forgotten is charged nevertheless', () => {
    const policy = fairBy(byKey, { guessMs: 10, maxKeys: 1 })
    const rank = policy.rank(about('slow'))
    policy.rank(about('b'))
    policy.settled?.(about('slow'), rank, 500)
    expect(policy.rank(about('slow'))).toBe(50)
  })

  test('what is given back lets no later request of a key pass an earlier one', () => {
    const policy = fairBy(byKey, { guessMs: 100 })
    const ranks = [1, 2, 3, 4].map(() => policy.rank(about('a')))
    for (const rank of ranks.slice(0, 2)) policy.settled?.(about('a'), rank, 0)
    // F is 2, but one with rank 3 still waits.
    expect(policy.rank(about('a'))).toBe(3)
    expect(policy.rank(about('a'))).toBe(3)
    expect(policy.rank(about('a'))).toBe(4)
  })

  test('a key that is idle saves up nothing of what is given back', () => {
    const policy = fairBy(byKey, { guessMs: 100 })
    const ranks = [1, 2].map(() => policy.rank(about('a')))
    for (const rank of ranks) policy.started?.(about('a'), rank)
    for (const rank of ranks) policy.settled?.(about('a'), rank, 0)
    // F is 0, and V is 1.
    expect([policy.rank(about('a')), policy.rank(about('a'))]).toEqual([1, 2])
  })

  test('what leaves before its turn is given back', () => {
    const driver = new Driver(fairBy(byKey), 0)
    const tasks = [1, 2, 3].map(() => driver.submit({ key: 'a', runMs: 1 }))
    for (const task of tasks) driver.leave(task)
    expect(driver.submit({ key: 'a', runMs: 1 }).rank).toBe(0)
  })
})

test('the oracle: max-min by weight', () => {
  expect(maxMin(10, [2, 8, 8])).toEqual([2, 4, 4])
  expect(maxMin(30, [2, 8, 8])).toEqual([2, 8, 8])
  expect(maxMin(12, [8, 8, 1], [2, 1, 1])).toEqual([22 / 3, 11 / 3, 1])
})

/** A client with threads that send, wait for the answer, think, and send again. */
interface Client {
  readonly key: string
  readonly threads: number
  readonly thinkMs: number
  readonly runMs?: number
  readonly weight?: number
  readonly cost?: number
  /** When its threads begin. */
  readonly fromMs?: number
}

/** How many slots has each client had on average, from one time to another? */
function averages(clients: readonly Client[], slots: number, fromMs: number, untilMs: number, options?: FairByOptions) {
  const weights = new Map(clients.map(({ key, weight = 1 }) => [key, weight]))
  const policy = fairBy(byKey, {
    weight: (key) => weights.get(key) as number,
    cost: ({ cost = 1 }) => cost,
    ...options,
  })
  const driver = new Driver(policy, slots)
  for (const { key, threads, thinkMs, runMs = 1_000, cost = 1, fromMs = 0 } of clients) {
    const again = () => driver.at(driver.now + thinkMs, send)
    const send = () => void driver.submit({ key, runMs, cost, ended: again })
    for (let i = 0; i < threads; i++) driver.at(fromMs, send)
  }
  driver.run(untilMs)
  return clients.map(({ key, runMs = 1_000 }) => {
    let usedMs = 0
    for (const { job, startedAt = 0 } of driver.started) {
      if (job.key === key) usedMs += Math.max(Math.min(startedAt + runMs, untilMs) - Math.max(startedAt, fromMs), 0)
    }
    return usedMs / (untilMs - fromMs)
  })
}

function expectFair(got: readonly number[], wanted: readonly number[], margin: number): void {
  for (const [i, want] of wanted.entries()) expect(Math.abs((got[i] as number) / want - 1)).toBeLessThanOrEqual(margin)
}

const demandOf = ({ threads, thinkMs, runMs = 1_000 }: Client) => (threads * runMs) / (runMs + thinkMs)

describe('clients that send again and again, against the oracle', () => {
  // Names, numbers and margins are those of Kubernetes' tests.
  test.each<[string, number, number, number, Client[]]>([
    ['one client', 1, 20, 0, [{ key: 'a', threads: 1, thinkMs: 0 }]],
    [
      'uniform flows',
      4,
      50,
      0.01,
      [
        { key: 'a', threads: 8, thinkMs: 1_000 },
        { key: 'b', threads: 8, thinkMs: 1_000 },
      ],
    ],
    [
      'different flows, expect equal',
      4,
      40,
      0.01,
      [
        { key: 'a', threads: 8, thinkMs: 1_000 },
        { key: 'b', threads: 7, thinkMs: 500 },
      ],
    ],
    [
      'different flows, expect unequal',
      3,
      20,
      0.01,
      [
        { key: 'a', threads: 4, thinkMs: 1_000 },
        { key: 'b', threads: 2, thinkMs: 1_000 },
      ],
    ],
  ])('%s', (_name, slots, seconds, margin, clients) => {
    const wanted = maxMin(slots, clients.map(demandOf))
    expectFair(averages(clients, slots, 0, seconds * 1_000), wanted, margin)
  })

  test('windup: while the other was away, nothing was saved up, and nothing is owed', () => {
    const clients: Client[] = [
      { key: 'steady', threads: 6, thinkMs: 0 },
      { key: 'late', threads: 6, thinkMs: 0, fromMs: 40_000 },
    ]
    expectFair(averages(clients, 3, 40_000, 80_000), [1.5, 1.5], 0.05)
  })

  test('a client with a thousand threads takes nothing from one with four', () => {
    const clients: Client[] = [
      { key: 'crowd', threads: 1_000, thinkMs: 0 },
      { key: 'few', threads: 4, thinkMs: 0 },
    ]
    expectFair(averages(clients, 4, 5_000, 105_000), [2, 2], 0.03)
  })

  test('shares are of time: a key with runs ten times as long has as many slots, not as many starts', () => {
    const clients: Client[] = [
      { key: 'long', threads: 8, thinkMs: 0, runMs: 1_000 },
      { key: 'short', threads: 8, thinkMs: 0, runMs: 100 },
    ]
    expectFair(averages(clients, 4, 20_000, 220_000), [2, 2], 0.03)
    // So does a guess that is far off, since it is corrected.
    expectFair(averages(clients, 4, 20_000, 220_000, { guessMs: 3 }), [2, 2], 0.03)
    expectFair(averages(clients, 4, 20_000, 220_000, { guessMs: 5_000 }), [2, 2], 0.03)
  })

  test('by weight', () => {
    const clients: Client[] = [
      { key: 'gold', threads: 12, thinkMs: 0, weight: 3 },
      { key: 'iron', threads: 12, thinkMs: 0 },
    ]
    expectFair(averages(clients, 4, 0, 100_000), [3, 1], 0.03)
  })

  test('by cost: a key whose runs cost three times as much has a third of the slots', () => {
    const clients: Client[] = [
      { key: 'dear', threads: 12, thinkMs: 0, cost: 3 },
      { key: 'cheap', threads: 12, thinkMs: 0 },
    ]
    expectFair(averages(clients, 4, 0, 100_000), [1, 3], 0.03)
  })
})

test('10,000 random allocation problems: each key has what the oracle gives it, but for one request by weight', () => {
  const random = seeded(8)
  const unfair: string[] = []
  for (let problem = 0; problem < 10_000; problem++) {
    const count = 2 + Math.floor(random() * 5)
    const weights = Array.from({ length: count }, () => pick([1, 1, 2, 3, 4], random))
    const demands = Array.from({ length: count }, () => Math.floor(random() * 16))
    const jobs = demands.flatMap((demand, key) => new Array<Job>(demand).fill({ key: `${key}`, runMs: 1 }))
    const capacity = Math.floor(random() * (jobs.length + 1))
    const driver = new Driver(fairBy(byKey, { weight: (key) => weights[Number(key)] as number }), capacity)
    // All that they ask for, shuffled, for as many slots as there is capacity.
    for (let i = jobs.length - 1; i >= 0; i--) {
      const j = Math.floor(random() * (i + 1))
      driver.submit(jobs[j] as Job)
      jobs[j] = jobs[i] as Job
    }
    driver.run(0)
    const given = demands.map(() => 0)
    for (const { job } of driver.started) given[Number(job.key)] = (given[Number(job.key)] as number) + 1
    for (const [i, want] of maxMin(capacity, demands, weights).entries()) {
      // One request of its own, and its part of one of each other's: the bound of start-time fair queuing.
      const off = Math.abs((given[i] as number) - want)
      if (off > 1 + (weights[i] as number)) unfair.push(`problem ${problem}: key ${i} has ${given[i]}, not ${want}`)
    }
  }
  expect(unfair).toEqual([])
})

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      key: fc.constantFrom('a', 'b', 'c'),
      priority: fc.constantFrom<Priority>('urgent', 'low'),
      runMs: fc.integer({ min: 1, max: 30 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('run' as const), ms: fc.integer({ min: 1, max: 30 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('move' as const),
      which: fc.nat(),
      to: fc.constantFrom<Priority>('urgent', 'low'),
    }),
  },
)

const actions = fc.array(action, { maxLength: 60, size: 'max' })
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never

/** A request comes, or time passes. */
function play(driver: Driver, tasks: Task[], act: Action): void {
  if (act.do === 'run') driver.run(driver.now + act.ms)
  if (act.do === 'submit') tasks.push(driver.submit(act))
}

test('ranks are finite, and a new priority changes the order of nobody else', () => {
  fc.assert(
    fc.property(actions, (all) => {
      const driver = new Driver(fairBy(byKey), 1)
      const tasks: Task[] = []
      for (const act of all) {
        play(driver, tasks, act)
        if (act.do !== 'move') continue
        const task = tasks[act.which % Math.max(tasks.length, 1)]
        if (task === undefined || !driver.waiting.has(task)) continue
        const others = driver.line().filter((other) => other !== task)
        driver.setPriority(task, act.to)
        const once = driver.line()
        expect(once.filter((other) => other !== task)).toEqual(others)
        driver.setPriority(task, act.to)
        expect(driver.line()).toEqual(once)
      }
      for (const { rank } of tasks) expect(Number.isFinite(rank)).toBe(true)
    }),
    { seed: 9, numRuns: 50 },
  )
})

test('a key’s requests of one priority never pass each other, whatever their runs turn out to be', () => {
  fc.assert(
    fc.property(actions, (all) => {
      const driver = new Driver(fairBy(byKey), 1)
      const tasks: Task[] = []
      for (const act of all) play(driver, tasks, act)
      driver.run()
      const numbers = new Map(tasks.map((task, n) => [task, n]))
      const last = new Map<string, number>()
      for (const task of driver.started) {
        const line = `${task.job.key} ${task.job.priority}`
        const n = numbers.get(task) as number
        expect(n).toBeGreaterThan(last.get(line) ?? -1)
        last.set(line, n)
      }
    }),
    { seed: 10, numRuns: 100 },
  )
})

describe('hostile input', () => {
  test.each<[unknown, unknown, string]>([
    ['tenant', {}, "Option 'fairBy.key': expected a function that returns a string, got 'tenant'"],
    [byKey, null, "Option 'fairBy.options': expected an object, got null"],
    [byKey, 5, "Option 'fairBy.options': expected an object, got 5"],
    [byKey, { weight: 2 }, "Option 'fairBy.weight': expected a function that returns a number, got 2"],
    [
      byKey,
      { cost: 0 },
      "Option 'fairBy.cost': expected a number greater than 0, at most 1000000, or a function, got 0",
    ],
    [byKey, { cost: Number.NaN }, 'got NaN'],
    [byKey, { cost: '2' }, "got '2'"],
    [byKey, { guessMs: 0 }, "Option 'fairBy.guessMs': expected a finite number of ms greater than 0, got 0"],
    [byKey, { guessMs: Number.POSITIVE_INFINITY }, 'got Infinity'],
    [byKey, { maxKeys: 0 }, "Option 'fairBy.maxKeys': expected an integer of at least 1, got 0"],
    [byKey, { maxKeys: 2.5 }, 'got 2.5'],
    [byKey, { toString: 1 }, "Unknown option 'fairBy.toString'"],
  ])('an OptionsError names the option, what it must be, and what it is: %#', (key, options, message) => {
    const make = () => fairBy(key as typeof byKey, options as FairByOptions<Job>)
    expect(make).toThrow(OptionsError)
    expect(make).toThrow(message)
  })

  test('the least and the greatest of each option is taken, and what is set to undefined has its default', () => {
    for (const weight of [0.001, 1_000]) {
      const policy = fairBy(byKey, { weight: () => weight, cost: 1_000_000, guessMs: 1e-9, maxKeys: 1 })
      expect([1, 2].map(() => policy.rank(about('a')))).toEqual([0, 1_000_000 / weight])
    }
    const unset = { weight: undefined, cost: undefined, guessMs: undefined, maxKeys: undefined }
    const policy = fairBy(byKey, unset as unknown as FairByOptions<Job>)
    expect([1, 2].map(() => policy.rank(about('a')))).toEqual([0, 1])
  })

  test.each<[string, FairByOptions<Job>, string]>([
    ['no weight', { weight: () => 0 }, "'fairBy.weight': expected a function that returns a number from 0.001 to 1000"],
    ['no cost', { cost: () => Number.NaN }, "'fairBy.cost': expected a function that returns a number greater than 0"],
    ['too much', { cost: () => 1e300 }, 'got 1e+300'],
  ])('a request with %s is refused', (_name, options, message) => {
    const driver = new Driver(fairBy(byKey, options), 1)
    expect(() => driver.submit({ key: 'a', runMs: 1 })).toThrow(message)
  })

  test('a key that throws, or is no string, refuses its request, and changes nothing for the others', () => {
    const order = fairBy((request: unknown) => {
      if (request === 'bad') throw new Error('no tenant')
      return request as string
    })
    const queue = new RequestQueue<unknown>({ order })
    queue.enqueue('a')
    expect(() => queue.enqueue('bad')).toThrow('no tenant')
    for (const key of [undefined, null, 7, {}]) {
      expect(() => queue.enqueue(key)).toThrow("Option 'fairBy.key': expected a function that returns a string, got")
    }
    queue.enqueue('a')
    queue.enqueue('b')
    expect(queue.clear()).toEqual(['a', 'b', 'a'])
  })

  test('__proto__ and constructor are keys like any other', () => {
    const policy = fairBy(byKey)
    const rank = (key: string) => policy.rank(about(key))
    expect(['__proto__', 'constructor', '__proto__', 'constructor', ''].map(rank)).toEqual([0, 0, 1, 1, 0])
  })
})

describe('keys are forgotten', () => {
  test('a known key is not held up for longer by an endless stream of new ones', () => {
    const startsBefore = (maxKeys: number) => {
      let strangers = 0
      const driver = new Driver(fairBy(byKey, { maxKeys }), 1, ({ job }) => {
        // Three strangers always wait, and each comes once.
        if (job.key !== 'known') driver.submit({ key: `stranger ${strangers++}`, runMs: 1 })
      })
      for (let i = 0; i < 3; i++) driver.submit({ key: `stranger ${strangers++}`, runMs: 1 })
      driver.submit({ key: 'known', runMs: 1 })
      const second = driver.submit({ key: 'known', runMs: 1 })
      driver.run(5_000)
      return driver.started.indexOf(second)
    }
    expect(startsBefore(10)).toBeLessThanOrEqual(20)
    expect(startsBefore(100)).toBeLessThanOrEqual(200)
    expect(startsBefore(100)).toBeGreaterThan(10)
  })

  test('one that leaves when its key is forgotten gives nothing back to anybody', () => {
    const ranksAfter = (leaves: boolean) => {
      const policy = fairBy(byKey, { maxKeys: 1 })
      const ask = (key: string, sequence: number) => policy.rank(about(key, { sequence }))
      for (const [i, key] of ['forgotten', 'known'].entries()) ask(key, i)
      if (leaves) policy.left?.(about('forgotten', { sequence: 0 }), 0)
      return ['known', 'forgotten', 'new'].map((key, i) => ask(key, 2 + i))
    }
    expect(ranksAfter(true)).toEqual(ranksAfter(false))
  })

  test('first those whose share is past, and if that is enough, V stays where it is', () => {
    const policy = fairBy(byKey, { maxKeys: 4, weight: (key) => (key.startsWith('heavy') ? 0.1 : 1) })
    const rank = (key: string) => policy.rank(about(key))
    for (const key of ['a', 'b', 'heavy 1', 'heavy 2']) expect(rank(key)).toBe(0)
    policy.started?.(about('c'), 1)
    expect(['new', 'a', 'heavy 1'].map(rank)).toEqual([1, 1, 10])
  })

  test('if it is not, the half that has used the least: V is as far as they had come', () => {
    const policy = fairBy(byKey, { maxKeys: 4, weight: (key) => (key.startsWith('heavy') ? 0.1 : 1) })
    const rank = (key: string) => policy.rank(about(key))
    for (const key of ['a', 'b', 'heavy', 'c']) expect(rank(key)).toBe(0)
    expect(['new', 'heavy'].map(rank)).toEqual([1, 10])
  })

  test('one whose run settles afterwards, with nothing left to pay, is no new key', () => {
    const policy = fairBy(byKey, { guessMs: 100, maxKeys: 4, weight: (key) => (key === 'light' ? 10 : 1) })
    const rank = (key: string) => policy.rank(about(key))
    for (const key of ['forgotten', 'a', 'b', 'c']) expect(rank(key)).toBe(0)
    for (const key of ['d', 'e', 'f', 'light']) expect(rank(key)).toBe(1)
    policy.settled?.(about('forgotten'), 0, 100)
    // V is still 1, and what the light one has used is remembered.
    expect(rank('light')).toBe(1.1)
  })

  test.each([1_000, 10])('of 200,000 keys that came once each, no more are kept than %i', (maxKeys) => {
    const policy = fairBy((request: { key: string }) => request.key, { maxKeys })
    let known = 0
    for (let i = 0; i < 200_000; i++) {
      const question = about(`${i}`, { sequence: i + 1 })
      const rank = policy.rank(question)
      policy.started?.(question, rank)
      known = rank
    }
    // V has moved on with every half of them that was forgotten.
    expect(known).toBeGreaterThan(200_000 / maxKeys / 2)
  })
})
