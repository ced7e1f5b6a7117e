/**
 * How many may wait? Queues of 0.25 to 10 s of work, and the default size, under lasting overload, and under a load that can
 * just be served: who is answered in time, and how long those wait that start.
 *
 * 8 slots, exponential runs of 200 ms: 40 requests a second. Callers leave after 2 s; the queue is told so, or it is not.
 */
import { priorities } from 'triage-queue'
import { seeded } from '../support/seeded.ts'
import { type Counts, type Load, play, sum } from './support/play.ts'

const SLOTS = 8
const MEAN_RUN_MS = 200
const PATIENCE_MS = 2_000
const SECONDS = [0.25, 0.5, 1, 2, 5, 10, Number.POSITIVE_INFINITY]
const LOADS = { '3 × capacity': [0.3, 0.3, 0.9, 1.5], '0.9 × capacity': [0.1, 0.2, 0.3, 0.3] }

export async function howMany(): Promise<string> {
  const parts: string[] = []
  for (const [name, byTier] of Object.entries(LOADS)) {
    for (const isTold of [false, true]) {
      const rows: string[][] = []
      for (const seconds of SECONDS) rows.push(await row(seconds, byTier, isTold))
      const told = isTold ? `timeoutMs: ${PATIENCE_MS}` : 'the queue is not told'
      parts.push(`${name}, callers leave after ${PATIENCE_MS} ms; ${told}\n\n${table(rows)}`)
    }
  }
  return parts.join('\n\n')
}

async function row(seconds: number, byTier: readonly number[], isTold: boolean): Promise<string[]> {
  const load: Load = {
    ...{ seed: 1, slots: SLOTS, runs: 'exponential', meanRunMs: MEAN_RUN_MS, failing: 0 },
    loads: { byTier, quiet: [0, 0, 0, 0] },
    ...{ limitsMs: priorities.map(() => PATIENCE_MS), limitSpread: 0 },
    // Until a queue of the default size has been full for some time.
    ...{ isTold, arrivals: sum(byTier) > 1 ? 20_000 : 8_000 },
  }
  const size = Number.isFinite(seconds) ? { maxQueueSize: (seconds * 1_000 * SLOTS) / MEAN_RUN_MS } : {}
  const {
    byTier: counts,
    useful,
    waitsMs,
  } = await play(load, {
    ...size,
    ...{ concurrency: SLOTS, random: seeded(2) },
  })
  const inTime = counts.map(({ inTime, came }: Counts) => `${((100 * inTime) / came).toFixed(0)} %`)
  const p99 = waitsMs.map((waits) => (waits.length === 0 ? '–' : `${(quantile(waits, 0.99) / 1_000).toFixed(2)} s`))
  const places = Number.isFinite(seconds)
    ? `${seconds} s (${(seconds * 1_000 * SLOTS) / MEAN_RUN_MS})`
    : 'the default (10,000)'
  return [places, ...inTime, ...p99, `${(100 * useful).toFixed(0)} %`]
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(q * (sorted.length - 1))] as number
}

function table(rows: readonly (readonly string[])[]): string {
  const waits = priorities.map((priority) => `wait of ${priority}, p99`)
  const head = [
    'queue of',
    ...priorities.map((priority) => `${priority} in time`),
    ...waits,
    'of slots’ time for these',
  ]
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
