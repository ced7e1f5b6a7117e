/** `size()`: against closed forms that are written down here once more and otherwise, and against the production classes on virtual time. */
import { type Priority, priorities, QueuedExecutor } from 'triage-queue'
import { type SizeOptions, size, VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { bounded, erlangB, erlangC } from '../../src/simulation/erlang.ts'
import { readGoal } from '../../src/simulation/goal.ts'
import { seeded } from '../support/seeded.ts'

/** To four digits. */
const expectSame = (actual: number, expected: number): void =>
  expect(actual.toPrecision(4)).toBe(expected.toPrecision(4))

/** M/M/c from its sum, with logarithms in place of a recursion. */
function waitsByTheSum(slots: number, load: number): number {
  const logs: number[] = []
  let log = 0
  for (let n = 0; n < slots; n++) {
    if (n > 0) log += Math.log(load) - Math.log(n)
    logs.push(log)
  }
  const last = log + Math.log(load) - Math.log(slots) - Math.log(1 - load / slots)
  const top = Math.max(
    last,
    logs.reduce((most, each) => Math.max(most, each), 0),
  )
  const below = logs.reduce((sum, each) => sum + Math.exp(each - top), 0)
  return Math.exp(last - top) / (below + Math.exp(last - top))
}

describe('against closed forms, to four digits', () => {
  test.each([0.1, 0.5, 0.8, 0.95, 0.999])('one slot that is %d busy: M/M/1', (use) => {
    const { wait, utilization, load } = size({ ratePerSecond: use * 10, runMs: 100, slots: 1 })
    expectSame(load, use)
    expectSame(utilization, use)
    expectSame(wait.waits, use)
    expectSame(wait.meanMs, (use / (1 - use)) * 100)
    const quantile = (q: number): number => Math.max((100 / (1 - use)) * Math.log(use / (1 - q)), 0)
    expectSame(wait.p50Ms, quantile(0.5))
    expectSame(wait.p95Ms, quantile(0.95))
    expectSame(wait.p99Ms, quantile(0.99))
  })

  test.each([
    [2, 1.5],
    [8, 7.2],
    [50, 45],
    [1_000, 970],
    [4_058, 4_000.5],
  ])('%d slots under %d erlangs: M/M/c', (slots, load) => {
    const waits = waitsByTheSum(slots, load)
    expectSame(erlangC(slots, load), waits)
    const { wait } = size({ ratePerSecond: load * 2, runMs: 500, slots })
    expectSame(wait.meanMs, (waits * 500) / (slots - load))
    expectSame(wait.p99Ms, Math.max((500 * Math.log(waits / 0.01)) / (slots - load), 0))
  })

  test.each([
    [1, 0.3, 0.5],
    [4, 1, 2.6],
    [100, 20, 75],
  ])('%d slots, two tiers of %d and %d erlangs that do not interrupt: Cobham', (slots, high, low) => {
    const { byPriority } = size({ ratePerSecond: high + low, runMs: 1_000, slots, mix: { high, low } })
    const residual = (waitsByTheSum(slots, high + low) * 1_000) / slots
    expectSame(byPriority.high?.meanMs as number, residual / (1 - high / slots))
    expectSame(byPriority.low?.meanMs as number, residual / ((1 - high / slots) * (1 - (high + low) / slots)))
    // Conservation: strict priorities move waits between tiers, and make none (Kleinrock).
    const { wait } = size({ ratePerSecond: high + low, runMs: 1_000, slots })
    const mixed = size({ ratePerSecond: high + low, runMs: 1_000, slots, mix: { high, low } }).wait
    expectSame(mixed.meanMs, wait.meanMs)
  })

  test.each([
    [1, 0.8, 5],
    [3, 2, 4],
    [2, 5, 10],
    [10, 10, 7],
  ])('%d slots, %d erlangs, room for %d: M/M/c/K', (slots, load, room) => {
    const state: number[] = [1]
    for (let n = 1; n <= slots + room; n++) state.push(((state[n - 1] as number) * load) / Math.min(n, slots))
    const whole = state.reduce((sum, each) => sum + each, 0)
    const found = bounded(slots, load, room)
    expectSame(found.refused, (state.at(-1) as number) / whole)
    const waiting = state.reduce((sum, each, n) => sum + Math.max(n - slots, 0) * each, 0)
    expectSame(found.waiting, waiting / whole)
  })

  test.each([
    [1, 0.5],
    [5, 9],
    [10, 5],
    [20, 12],
    [40, 30],
  ])('%d slots, %d erlangs, and nothing may wait: Erlang B from its factorials', (slots, load) => {
    let term = 1
    let sum = 1
    for (let n = 1; n <= slots; n++) {
      term *= load / n
      sum += term
    }
    expectSame(erlangB(slots, load), term / sum)
    expectSame(bounded(slots, load, 0).refused, term / sum)
    if (load < slots) {
      expectSame(size({ ratePerSecond: load, runMs: 1_000, slots }).refusedWithoutQueue, term / sum)
    }
  })

  test('runs that vary otherwise: half the wait for equal ones (M/D/1), more for those that vary much (M/G/1)', () => {
    const options = { ratePerSecond: 8, runMs: 100, slots: 1 }
    // Pollaczek and Khinchine, for one slot.
    for (const cv of [0, 0.5, 1, 2])
      expectSame(size({ ...options, cv }).wait.meanMs, ((0.8 * (1 + cv * cv)) / 2 / 0.2) * 100)
  })
})

/** The waits of so many requests, by tier, on virtual time: Poisson arrivals, and a function that takes as long as it is told. */
async function simulated(question: SizeOptions, slots: number, count: number, seed: number) {
  const { ratePerSecond, runMs, cv = 1, mix = { normal: 1 } } = question
  const random = seeded(seed)
  const clock = new VirtualClock()
  const exponential = (mean: number): number => -mean * Math.log(1 - random())
  const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), {
    clock,
    concurrency: slots,
    maxQueueSize: 0,
    runTimeoutMs: Number.POSITIVE_INFINITY,
  })
  const waits = new Map<Priority, number[]>(priorities.map((priority) => [priority, []]))
  queue.on('started', ({ priority, waitMs }) => void waits.get(priority)?.push(waitMs))
  const tiers = priorities.filter((priority) => (mix[priority] ?? 0) > 0)
  const sum = tiers.reduce((all, priority) => all + (mix[priority] as number), 0)
  const tier = (): Priority => {
    let rest = random() * sum
    for (const priority of tiers) {
      rest -= mix[priority] as number
      if (rest < 0) return priority
    }
    return tiers.at(-1) as Priority
  }
  let left = count
  const arrive = (): void => {
    void queue.execute(cv === 0 ? runMs : exponential(runMs), { priority: tier() })
    if (--left > 0) clock.setTimeout(arrive, exponential(1_000 / ratePerSecond))
  }
  clock.setTimeout(arrive, exponential(1_000 / ratePerSecond))
  await clock.run()
  return waits
}

const mean = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / values.length
const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(q * values.length)] as number

/** Within so many per cent. */
const expectNear = (actual: number, expected: number, percent: number): void => {
  expect(Math.abs(actual - expected) / expected).toBeLessThan(percent / 100)
}

describe('against the production classes on virtual time, within a few per cent', { timeout: 120_000 }, () => {
  test('one tier: the waits of M/M/c', async () => {
    const question = { ratePerSecond: 75, runMs: 100 }
    const { wait } = size({ ...question, slots: 10 })
    const waits = (await simulated(question, 10, 60_000, 1)).get('normal') as number[]
    expectNear(mean(waits), wait.meanMs, 5)
    expectNear(quantile(waits, 0.99), wait.p99Ms, 5)
  })

  test('two tiers: the mean and the p99 of each', async () => {
    const question = { ratePerSecond: 30, runMs: 100, mix: { urgent: 30, low: 70 } }
    const { byPriority } = size({ ...question, slots: 4 })
    const trials = await Promise.all([1, 2, 3].map((seed) => simulated(question, 4, 100_000, seed)))
    for (const priority of ['urgent', 'low'] as const) {
      const own = trials.map((waits) => waits.get(priority) as number[])
      expectNear(mean(own.map(mean)), byPriority[priority]?.meanMs as number, 5)
      expectNear(mean(own.map((waits) => quantile(waits, 0.99))), byPriority[priority]?.p99Ms as number, 5)
    }
  })

  test('runs that all take the same time: Allen and Cunneen', async () => {
    const question = { ratePerSecond: 18, runMs: 100, cv: 0 }
    const { wait } = size({ ...question, slots: 2 })
    const waits = (await simulated(question, 2, 60_000, 3)).get('normal') as number[]
    expectNear(mean(waits), wait.meanMs, 8)
  })
})

test('the least slots keep the goals, and one less does not', () => {
  for (const goals of [['p99wait<200ms'], ['wait.mean < 5ms'], ['p95wait < 1s', 'p99.9wait < 1.5s']]) {
    const question = { ratePerSecond: 1_143, runMs: 3_500, goals }
    const { slots, isEnough, load } = size(question)
    expect(load).toBeCloseTo(4_000.5)
    expect(isEnough).toBe(true)
    expect(size({ ...question, slots: slots - 1 }).isEnough).toBe(false)
  }
  const tiered = { ratePerSecond: 100, runMs: 80, mix: { urgent: 5, normal: 80, low: 15 } }
  const urgent = size({ ...tiered, goals: ['urgent.wait.p99 < 40ms'] }).slots
  const low = size({ ...tiered, goals: ['low.wait.p99 < 40ms'] }).slots
  expect(urgent).toBeLessThan(low)
})

test('the queue is as short as the goal for refusals allows', () => {
  const question = { ratePerSecond: 90, runMs: 100, slots: 10, goals: ['refused < 1%'] }
  const { maxQueueSize, refused } = size(question)
  expect(refused).toBeLessThanOrEqual(0.01)
  expect(size({ ...question, maxQueueSize: maxQueueSize - 1 }).refused).toBeGreaterThan(0.01)
})

test('memory and threads follow from what was measured', () => {
  const { memory } = size({ ratePerSecond: 1_143, runMs: 3_500, payloadBytes: 2_000, memoryBytes: 2 * 1024 ** 3 })
  expect(memory.totalBytes).toBe(memory.baseBytes + memory.runningBytes + memory.waitingBytes)
  expect(memory.fits).toBe(true)
  expect(size({ ratePerSecond: 100, runMs: 50, cpuMs: 50, cores: 8 }).threads).toBe(8)
  expect(size({ ratePerSecond: 10_000, runMs: 50, overHttp: true }).processes).toBe(5)
  const small = size({ ratePerSecond: 1_143, runMs: 3_500, overHttp: true, memoryBytes: 128 * 1024 ** 2 })
  expect(small.memory.fits).toBe(false)
})

test('nonsense is told in a sentence', () => {
  const cases: [options: unknown, says: string][] = [
    [{}, "Option 'ratePerSecond': expected a number greater than 0, got undefined"],
    [{ ratePerSecond: 10 }, "Option 'runMs': expected a number greater than 0, got undefined"],
    [{ ratePerSecond: -3, runMs: 10 }, "Option 'ratePerSecond': expected a number greater than 0, got -3"],
    [{ ratePerSecond: 10, runMs: Number.NaN }, "Option 'runMs': expected a number greater than 0, got NaN"],
    [
      { ratePerSecond: 100, runMs: 100, slots: 8 },
      '8 slots can do 80 requests a second of 100 ms, and 100 come: it takes 11 at least',
    ],
    [{ ratePerSecond: 1e9, runMs: 1e6 }, "Option 'ratePerSecond': expected at most what 1000000 slots can do"],
    [{ ratePerSecond: 1, runMs: 1, goals: ['fast'] }, "Option 'goals': expected goals as 'p99wait < 200ms'"],
    [{ ratePerSecond: 1, runMs: 1, goals: ['p99wait > 3ms'] }, "Option 'goals': expected goals as"],
    [{ ratePerSecond: 1, runMs: 1, goals: ['high.p99wait < 3ms'] }, 'goals of priorities that the mix has'],
    [{ ratePerSecond: 1, runMs: 1, mix: { urgnt: 3 } }, "Unknown option 'mix.urgnt': did you mean 'urgent'?"],
    [
      { ratePerSecond: 1, runMs: 1, mix: { urgent: -1 } },
      "Option 'mix.urgent': expected a number of at least 0, got -1",
    ],
    [{ ratePerSecond: 1, runMs: 1, mix: {} }, "Option 'mix': expected a share greater than 0"],
    [{ rate: 1, runMs: 1 }, "Unknown option 'rate'"],
  ]
  for (const [options, says] of cases) expect(() => size(options as SizeOptions), says).toThrow(says)
})

test('a goal is read however it is written', () => {
  for (const text of ['p99wait<200ms', 'wait.p99 < 200ms', 'p99.wait < 0.2s', 'wait.p99<=200ms']) {
    expect(readGoal(text)).toMatchObject({
      of: 'wait',
      statistic: 'p99',
      isUpper: true,
      bound: 200,
      priority: undefined,
    })
  }
  expect(readGoal('urgent.wait.p99.9 < 1s')).toMatchObject({ priority: 'urgent', statistic: 'p99.9', bound: 1_000 })
  expect(readGoal('refused < 0.1%')).toMatchObject({ of: 'refused', bound: 0.001 })
  expect(readGoal('rate >= 1000/s')).toMatchObject({ of: 'rate', isUpper: false, bound: 1_000 })
  for (const text of ['', 'wait<3ms', 'p99wait<200', 'refused<3', 'hgih.wait.p99<3ms', 'p99wait=3ms']) {
    expect(readGoal(text), text).toBeUndefined()
  }
})
