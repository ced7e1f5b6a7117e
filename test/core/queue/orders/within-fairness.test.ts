/**
 * Fairness on two floors: tiers share by weight, and the keys of each tier share what it has. As for keys alone, the oracle is
 * max-min, on each floor.
 */
import { type Priority, priorities } from 'triage-queue'
import { expect, test, vi } from 'vitest'
import { fairBy } from '../../../../src/core/queue/orders/fair-by.ts'
import { type Weights, weighted } from '../../../../src/core/queue/orders/weighted.ts'
import { maxMin } from '../../../support/max-min.ts'
import { seeded } from '../../../support/seeded.ts'
import { Driver, type Job, pick, type Task } from './order-driver.ts'

// On a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const byKey = ({ key }: Job) => key
const count = (tasks: readonly Task[], key: string, priority: Priority) =>
  tasks.filter(({ job }) => job.key === key && job.priority === priority).length

test('10,000 random allocation problems: each tier, and each key within it, has what the oracle gives it, but for one', () => {
  const random = seeded(41)
  const unfair: string[] = []
  for (let problem = 0; problem < 10_000; problem++) {
    const weights = priorities.map(() => pick([1, 1, 2, 4, 8], random))
    const keys = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, i) => `${i}`)
    const keyWeights = keys.map(() => pick([1, 2, 3], random))
    const demands = priorities.map(() => keys.map(() => Math.floor(random() * 8)))
    const jobs = priorities.flatMap((priority, tier) =>
      keys.flatMap((key, i) => new Array<Job>(demands[tier]?.[i] as number).fill({ key, runMs: 1, priority })),
    )
    const capacity = Math.floor(random() * (jobs.length + 1))
    const [urgent, high, normal, low] = weights as [number, number, number, number]
    const order = weighted(
      { urgent, high, normal, low },
      { within: fairBy(byKey, { weight: (key) => keyWeights[Number(key)] as number }) },
    )
    const driver = new Driver(order, capacity)
    // All that they ask for, shuffled, for as many slots as there is capacity.
    for (let i = jobs.length - 1; i >= 0; i--) {
      const j = Math.floor(random() * (i + 1))
      driver.submit(jobs[j] as Job)
      jobs[j] = jobs[i] as Job
    }
    driver.run(0)
    const given = priorities.map((priority) => keys.map((key) => count(driver.started, key, priority)))
    const sums = given.map(sum)
    for (const [tier, want] of maxMin(capacity, demands.map(sum), weights).entries()) {
      // Of its own turns one, and a part of each other's: who comes first when several are equal is not by weight.
      const off = Math.abs((sums[tier] as number) - want)
      if (off > 1 + (weights[tier] as number))
        unfair.push(`problem ${problem}: tier ${tier} has ${sums[tier]}, not ${want}`)
      for (const [i, wanted] of maxMin(sums[tier] as number, demands[tier] as number[], keyWeights).entries()) {
        const has = given[tier]?.[i] as number
        if (Math.abs(has - wanted) > 1 + (keyWeights[i] as number)) {
          unfair.push(`problem ${problem}: key ${i} of tier ${tier} has ${has}, not ${wanted}`)
        }
      }
    }
  }
  expect(unfair).toEqual([])
})

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

/** Clients with threads that send, wait for the answer, think, and send again. */
interface Client {
  readonly key: string
  readonly priority: Priority
  readonly threads: number
  readonly thinkMs?: number
  /** All its threads send together, after each so many ms. */
  readonly burstMs?: number
}

/** How many slots each has had on average. Runs take a second, as in Kubernetes' tests. */
function averages(weights: Weights, clients: readonly Client[], slots: number, seconds: number): number[] {
  const driver = new Driver(weighted(weights, { within: fairBy(byKey) }), slots)
  for (const { key, priority, threads, thinkMs = 0, burstMs } of clients) {
    const send = () => {
      const job: Job = { key, priority, runMs: 1_000 }
      driver.submit(burstMs === undefined ? { ...job, ended: () => driver.at(driver.now + thinkMs, send) } : job)
    }
    const times = burstMs === undefined ? 1 : Math.ceil((seconds * 1_000) / burstMs)
    for (let n = 0; n < times; n++) for (let i = 0; i < threads; i++) driver.at(n * (burstMs ?? 0), send)
  }
  driver.run(seconds * 1_000)
  return clients.map(({ key, priority }) => count(driver.started, key, priority) / seconds)
}

test.each<[string, Weights, number, Client[], number[]]>([
  [
    'uniform flows',
    { urgent: 3, low: 1 },
    4,
    [
      { key: 'a', priority: 'urgent', threads: 8 },
      { key: 'b', priority: 'urgent', threads: 8 },
      { key: 'a', priority: 'low', threads: 8 },
      { key: 'b', priority: 'low', threads: 8 },
    ],
    [1.5, 1.5, 0.5, 0.5],
  ],
  [
    'unequal flows: what one does not need, its neighbours share, and then the other tiers',
    { urgent: 3, low: 1 },
    8,
    [
      { key: 'crowd', priority: 'urgent', threads: 100 },
      { key: 'few', priority: 'urgent', threads: 2, thinkMs: 1_000 },
      { key: 'some', priority: 'low', threads: 20 },
      { key: 'many', priority: 'low', threads: 200 },
    ],
    [5, 1, 1, 1],
  ],
  [
    'bursty flows: a key that comes in bursts has what it asks for, up to its share',
    { urgent: 1, low: 1 },
    4,
    [
      { key: 'steady', priority: 'low', threads: 20 },
      { key: 'bursts', priority: 'low', threads: 5, burstMs: 10_000 },
      { key: 'steady', priority: 'urgent', threads: 20 },
    ],
    [1.5, 0.5, 2],
  ],
])('%s', (_name, weights, slots, clients, wanted) => {
  const got = averages(weights, clients, slots, 400)
  for (const [i, want] of wanted.entries()) expect(Math.abs((got[i] as number) / want - 1)).toBeLessThanOrEqual(0.03)
})
