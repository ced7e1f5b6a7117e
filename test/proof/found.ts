/**
 * Bugs that other means than simulation have found, each with the test that fails without its cure. Those of simulation are
 * its own seeds: `test/simulation/seeds.ts`.
 */
export interface Found {
  readonly was: string
  readonly by: string
  readonly test: string
}

export const found: readonly Found[] = [
  {
    was: 'a timer that holds nothing is cleared, and Node keeps the list of its duration for as long as it was',
    by: 'soak, in a heap snapshot',
    test: 'test/laws/9-quiet-when-idle.test.ts',
  },
  {
    was: '`run.deadline` of a pool is never',
    by: 'coverage',
    test: 'test/core/run/worker-pool.test.ts',
  },
  {
    was: '`RequestQueue.clear()` leaves cleared requests charged to their keys',
    by: 'mutants of the order policies',
    test: 'test/core/queue/request-queue.test.ts',
  },
  {
    was: 'a further attempt is not charged to its key',
    by: 'reading, and then a test',
    test: 'test/core/queue/fair-by-attempts.test.ts',
  },
  {
    was: 'a newcomer passes one that takes several slots and is blocked',
    by: 'the law of handover, under random schedules',
    test: 'test/core/run/cost.test.ts',
  },
]
