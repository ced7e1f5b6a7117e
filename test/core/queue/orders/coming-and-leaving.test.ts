/**
 * Requests that come only to leave again: whatever the order, they change nothing for the others.
 *
 * Two queues have the same requests, and to one of them 100,000 more come, which leave before their turn.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  aging,
  earliestDeadlineFirst,
  fairBy,
  type OrderPolicy,
  type Priority,
  priorities,
  QueuedExecutor,
  strict,
  weighted,
} from 'triage-queue'
import { describe, expect, test, vi } from 'vitest'
import { busy, turn, watch } from '../../../failures/support.ts'
import { seeded } from '../../../support/seeded.ts'
import { ask, Driver, type Job, pick, type Task } from './order-driver.ts'

// On a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const NEWCOMERS = 100_000
const ROUNDS = 500
/** So few that no key is forgotten: of one that is, it is not known what several of its runs have used together. */
const STRANGERS = 50
/** Powers of two, so that nothing is rounded, and equal ranks stay equal. */
const GUESS_MS = 64
const RUNS_MS = [16, 64, 128, 256]

const fair = () => fairBy(({ key }: Job) => key, { guessMs: GUESS_MS, weight: (key) => (key === 'gold' ? 4 : 1) })
const lastIn = (): OrderPolicy => ({ name: 'last in', acrossTiers: false, rank: ({ sequence }) => -sequence })

const inner: Record<string, () => OrderPolicy> = { strict, earliestDeadlineFirst, fairBy: fair, custom: lastIn }
const orders: Record<string, () => OrderPolicy> = {
  ...{ ...inner, aging: () => aging({ stepMs: 100 }), weighted: () => weighted() },
  ...Object.fromEntries(
    Object.entries(inner).flatMap(([name, within]) => [
      [`aging within ${name}`, () => aging({ stepMs: 100 }, { within: within() })],
      [`weighted within ${name}`, () => weighted({}, { within: within() })],
    ]),
  ),
}

/** A driver, and who of it waits by name. */
class Side {
  readonly driver: Driver
  readonly tasks = new Map<string, Task>()
  readonly #names = new Map<Task, string>()

  constructor(order: OrderPolicy) {
    this.driver = new Driver(order, 2)
  }

  submit(name: string, job: Job): void {
    const task = this.driver.submit(job)
    this.tasks.set(name, task)
    this.#names.set(task, name)
  }

  leave(name: string): void {
    this.driver.leave(this.tasks.get(name) as Task)
  }

  namesOf = (tasks: readonly Task[]) => tasks.map((task) => this.#names.get(task))
}

/** They come, and leave in the order in which they came, the other way round, or in any order. */
function comeAndLeave(driver: Driver, count: number, random: () => number, jobOf: () => Job): void {
  const leaving = Array.from({ length: count }, () => driver.submit(jobOf()))
  const how = Math.floor(random() * 3)
  if (how === 1) leaving.reverse()
  if (how === 2) leaving.sort(() => random() - 0.5)
  for (const task of leaving) driver.leave(task)
}

describe.each(Object.entries(orders))('%s', (name, make) => {
  test('whoever comes and leaves before its turn changes neither who starts when, nor any later rank', () => {
    const random = seeded(13)
    const [with_, without] = [new Side(make()), new Side(make())]
    const hasPatience = name.includes('Deadline')
    const jobOf = (): Job => ({
      key: pick(['gold', 'a', 'b', 'c'], random),
      priority: pick<Priority>(priorities, random),
      runMs: pick(RUNS_MS, random),
      // Nobody's time is over.
      ...(hasPatience && random() < 0.5 && { patienceMs: 1e6 + Math.floor(random() * 1_000) }),
    })
    let strangers = 0
    const newcomer = (): Job => (random() < 0.5 ? jobOf() : { ...jobOf(), key: `stranger ${strangers++ % STRANGERS}` })
    let submitted = 0
    for (let round = 0; round < ROUNDS; round++) {
      const per = NEWCOMERS / ROUNDS
      // One after the other, and many at once.
      const atOnce = round % 3 === 0 ? per : round % 3 === 1 ? 1 : 7
      for (let left = per; left > 0; left -= atOnce) {
        comeAndLeave(with_.driver, Math.min(atOnce, left), random, newcomer)
      }
      for (let n = Math.floor(random() * 4); n > 0; n--) {
        const job = jobOf()
        const each = `${submitted++}`
        for (const side of [with_, without]) side.submit(each, job)
        // Those that stay come between those that leave.
        comeAndLeave(with_.driver, 1, random, newcomer)
      }
      if (random() < 0.2 && submitted > 0) {
        const leaves = `${Math.floor(random() * submitted)}`
        for (const side of [with_, without]) side.leave(leaves)
      }
      const until = without.driver.now + pick(RUNS_MS, random) / 2
      for (const side of [with_, without]) side.driver.run(until)
      if (round % 50 > 0) continue
      expect(with_.namesOf(with_.driver.line())).toEqual(without.namesOf(without.driver.line()))
    }
    for (const side of [with_, without]) side.driver.run()
    expect(without.driver.started.length).toBeGreaterThan(ROUNDS)
    expect(with_.namesOf(with_.driver.started)).toEqual(without.namesOf(without.driver.started))
    // The ranks of the others are numbers in the order of admission, and those who have left were counted, too.
    const ranksOf = ({ tasks }: Side) => [...tasks.values()].map(({ rank }) => rank)
    if (/^aging$|Deadline|fairBy/.test(name)) expect(ranksOf(with_)).toEqual(ranksOf(without))
    if (/Deadline|custom/.test(name)) return
    const last = new Map<string, number>()
    const names = with_.namesOf(with_.driver.started).map(Number)
    for (const [n, { job }] of with_.driver.started.entries()) {
      const line = `${job.priority} ${job.key}`
      expect(names[n]).toBeGreaterThan(last.get(line) ?? -1)
      last.set(line, names[n] as number)
    }
  })
})

describe('fairBy()', () => {
  const about = (key: string, sequence: number) => ask({ request: { key }, sequence })

  test('of a key with a few waiting, no later request passes an earlier one, however many come and leave meanwhile', () => {
    const policy = fair()
    const waiting = [0, 1, 2, 3].map((sequence) => policy.rank(about('a', sequence)))
    // Two have run for no time, so that F is behind those who still wait.
    for (const sequence of [0, 1]) {
      policy.started?.(about('a', sequence), waiting[sequence] as number)
      policy.settled?.(about('a', sequence), waiting[sequence] as number, 0)
    }
    for (let sequence = 4; sequence < NEWCOMERS; sequence++) {
      const rank = policy.rank(about('a', sequence))
      if (rank < 3) expect(rank, `newcomer ${sequence}`).toBeGreaterThanOrEqual(3)
      policy.left?.(about('a', sequence), rank)
    }
    expect([1, 2].map((n) => policy.rank(about('a', NEWCOMERS + n)))).toEqual([3, 3])
  })

  test('when the last ones leave, a key goes on behind the last that still waits, in whatever order they leave', () => {
    for (const leaving of [
      [1, 2, 3, 4],
      [4, 3, 2, 1],
      [2, 4, 1, 3],
    ]) {
      const policy = fair()
      const ranks = [0, 1, 2, 3, 4].map((sequence) => policy.rank(about('a', sequence)))
      for (const sequence of leaving) policy.left?.(about('a', sequence), ranks[sequence] as number)
      expect([5, 6].map((sequence) => policy.rank(about('a', sequence)))).toEqual([1, 2])
    }
  })

  test('an idle key that somebody came to and left is as idle as before, though a run of it settles later', () => {
    const ranksAfter = (comesAndLeaves: number) => {
      const policy = fair()
      const first = policy.rank(about('a', 0))
      policy.started?.(about('a', 0), first)
      policy.started?.(about('b', 1), 10)
      const ranks = Array.from({ length: comesAndLeaves }, (_, n) => policy.rank(about('a', 2 + n)))
      for (const [n, rank] of ranks.entries()) policy.left?.(about('a', 2 + n), rank)
      policy.settled?.(about('a', 0), first, 50 * GUESS_MS)
      return [7, 8].map((sequence) => policy.rank(about('a', sequence)))
    }
    expect(ranksAfter(0)).toEqual([50, 51])
    for (const count of [1, 2, 3]) expect(ranksAfter(count)).toEqual(ranksAfter(0))
  })

  test('nothing is saved up by those who leave while others have begun behind them', () => {
    const policy = fair()
    policy.started?.(about('b', 0), 10)
    policy.started?.(about('a', 1), policy.rank(about('a', 1)))
    policy.started?.(about('b', 2), 20)
    const [leaves] = [3, 4].map((sequence) => policy.rank(about('a', sequence)))
    policy.left?.(about('a', 3), leaves as number)
    // The other one has begun at 21, and goes on from there, not from where the key was when it was idle.
    expect([5, 6].map((sequence) => policy.rank(about('a', sequence)))).toEqual([21, 22])
  })

  test('one that was given its turn, and ended before its call, has used nothing', async () => {
    const ranks: number[] = []
    const policy = fair()
    const order: OrderPolicy = {
      ...{ name: 'fair', acrossTiers: false },
      rank: (question) => {
        const rank = policy.rank(question)
        ranks.push(rank)
        return rank
      },
      started: (question, rank) => policy.started?.(question, rank),
      left: (question, rank) => policy.left?.(question, rank),
    }
    const queue = new QueuedExecutor<Job, string>(async ({ key }) => key, { concurrency: 1, order })
    const job: Job = { key: 'a', runMs: 1 }
    queue.once('started', () => void queue.cancel('leaves'))
    const leaves = watch(queue.execute(job, { id: 'leaves' }))
    await turn()
    expect(leaves.outcome).toBe('TRIAGE_CANCELLED')
    await Promise.all([queue.execute(job), queue.execute(job)])
    // V stands at 0, where the first one was to start.
    expect(ranks).toEqual([0, 0, 1])
  })

  test('nor has one whose key is forgotten by then', () => {
    const policy = fairBy(({ key }: Job) => key, { maxKeys: 1 })
    policy.started?.(about('a', 0), policy.rank(about('a', 0)))
    // V moves on to 1, and nothing is known of the other key any more.
    expect(policy.rank(about('b', 1))).toBe(1)
    policy.left?.(about('a', 0), 0)
    expect([2, 3].map((sequence) => policy.rank(about('b', sequence)))).toEqual([2, 3])
  })

  test('nothing is kept of those who have come and left, or started', () => {
    setFlagsFromString('--expose_gc')
    const collect = runInNewContext('gc') as () => void
    const policy = fair()
    let sequence = 0
    const heldBy = (count: number) => {
      for (let n = 0; n < count; n++) {
        const key = n % 3 === 0 ? `${n}` : 'a'
        const question = about(key, ++sequence)
        const rank = policy.rank(question)
        if (n % 2 === 0) policy.started?.(question, rank)
        else policy.left?.(question, rank)
      }
      collect()
      return process.memoryUsage().heapUsed
    }
    const before = heldBy(10_000)
    expect(heldBy(NEWCOMERS) - before).toBeLessThan(2_000_000)
  })
})

test('a delayed request that is given another priority is charged once, where it comes to the queue', async () => {
  const { clock, gate, queue } = await busy({ order: fairBy((name) => (name as string).slice(0, 1)) })
  const handle = await queue.submit('a later', { priority: 'low', delayMs: 10 })
  expect(handle.setPriority('normal')).toBe(true)
  watch(handle.result)
  for (const name of ['c 1', 'c 2']) watch(queue.execute(name))
  await clock.advance(10)
  for (const name of ['a 1', 'c 3']) watch(queue.execute(name))
  await gate.finishAll()
  expect(gate.started).toEqual(['busy 0', 'c 1', 'a later', 'c 2', 'a 1', 'c 3'])
})
