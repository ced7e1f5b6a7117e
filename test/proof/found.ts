/**
 * Bugs that other means than simulation have found, each with the test that fails without its cure. Those of simulation are
 * its own seeds: `test/simulation/seeds.ts`.
 */
export interface Found {
  readonly was: string
  /** What has mended it, and in which commit. */
  readonly cure: string
  readonly commit: string
  readonly by: string
  readonly test: string
}

export const found: readonly Found[] = [
  {
    was: 'a timer that holds nothing is cleared, and Node keeps the list of its duration for as long as it was',
    cure: 'it is held again before it is cleared',
    commit: '1772b43',
    by: 'soak, in a heap snapshot',
    test: 'test/laws/9-quiet-when-idle.test.ts',
  },
  {
    was: '`run.deadline` of a pool is never',
    cure: 'it is told the deadline of its run',
    commit: '08cb162',
    by: 'coverage',
    test: 'test/core/run/worker-pool.test.ts',
  },
  {
    was: '`RequestQueue.clear()` leaves cleared requests charged to their keys',
    cure: 'each is reported to the order as having left',
    commit: '4c458da',
    by: 'mutants of the order policies',
    test: 'test/core/queue/request-queue.test.ts',
  },
  {
    was: 'a further attempt is not charged to its key',
    cure: 'it is charged when it starts, and corrected when it has run',
    commit: '4c458da',
    by: 'reading, and then a test',
    test: 'test/core/queue/orders/fair-by-attempts.test.ts',
  },
  {
    was: 'a newcomer passes one that takes several slots and is blocked',
    cure: 'it is asked who of the blocked would be passed',
    commit: 'ecc9392',
    by: 'the law of handover, under random schedules',
    test: 'test/core/run/cost.test.ts',
  },
  {
    was: 'a request that a policy submits as it hears of a start passes those who are blocked',
    cure: 'whoever could do with a slot would be passed, also when there is room for all by then',
    commit: '2839929',
    by: 'mutants of who comes in',
    test: 'test/core/admit/room.test.ts',
  },
  {
    was: 'one that would end at its very deadline is told when to try again, though it would be as late then',
    cure: 'it is told so only if that helps',
    commit: '2839929',
    by: 'mutants of the guards',
    test: 'test/core/admit/guards/meets-deadline.test.ts',
  },
]
