/**
 * A service that gets more requests than it can serve.
 *
 * The service has 8 slots, runs of 50 to 150 ms, and so a capacity of 80 requests a second. Each request must be answered
 * within a second. A call whose caller has given up runs on to its end: the slot is lost.
 */

import { type Priority, priorities, QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { seeded } from '../../../support/seeded.ts'

/** Which of some shares, that add up to 1, a number from 0 to 1 falls into. */
export function pick(shares: readonly number[], at: number): number {
  let sum = 0
  for (const [index, share] of shares.entries()) {
    sum += share
    if (at < sum) return index
  }
  return 0
}

interface Ends {
  submitted: number
  /** Answered within a second. */
  answered: number
  /** Refused, or shed when their turn came. */
  refused: number
}

const SLOTS = 8
const MEAN_RUN_MS = 100

/** Requests at random times, `load` times the capacity of them; LOW is six in ten of them, URGENT one. */
export async function overload(
  options: QueuedExecutorOptions<number>,
  { load = 2, seconds = 30, seed = 1, shares = [0.1, 0.15, 0.15, 0.6] } = {},
): Promise<{ byPriority: Record<Priority, Ends>; goodput: number; errors: Set<string> }> {
  const clock = new VirtualClock()
  const random = seeded(seed)
  const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), {
    clock,
    random,
    concurrency: SLOTS,
    timeoutMs: 1_000,
    ...options,
  })
  const byPriority = Object.fromEntries(
    priorities.map((priority) => [priority, { submitted: 0, answered: 0, refused: 0 }]),
  ) as Record<Priority, Ends>
  const errors = new Set<string>()
  let goodMs = 0
  const submit = async (priority: Priority, runMs: number): Promise<void> => {
    const ends = byPriority[priority]
    ends.submitted++
    try {
      await queue.execute(runMs, { priority, metadata: `caller ${Math.floor(random() * 200)}` })
      ends.answered++
      if (clock.now() <= seconds * 1_000) goodMs += runMs
    } catch (error) {
      const { code } = error as { code: string }
      errors.add(code)
      if (code === 'TRIAGE_OVERLOADED') ends.refused++
    }
  }
  const meanGapMs = MEAN_RUN_MS / SLOTS / load
  const next = (): void => {
    if (clock.now() > seconds * 1_000) return
    void submit(priorities[pick(shares, random())] as Priority, MEAN_RUN_MS * (0.5 + random()))
    clock.setTimeout(next, -Math.log(1 - random()) * meanGapMs)
  }
  next()
  await clock.run()
  return { byPriority, goodput: goodMs / (SLOTS * seconds * 1_000), errors }
}
