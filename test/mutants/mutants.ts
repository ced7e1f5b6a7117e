/**
 * All seeded bugs, in the order of the path that a request travels.
 */
import { whenAdmitted } from './bugs/admit.ts'
import { inGuards } from './bugs/guards.ts'
import { onThePlainWay } from './bugs/plain.ts'
import { whileQueued } from './bugs/queue.ts'
import { inRuns } from './bugs/run.ts'
import { atTheEnd } from './bugs/settle.ts'
import { inTime } from './bugs/time.ts'
import { forWatchers } from './bugs/watch.ts'
import type { Mutant } from './mutant.ts'

export const mutants: readonly Mutant[] = [
  ...whenAdmitted,
  ...inGuards,
  ...whileQueued,
  ...inTime,
  ...onThePlainWay,
  ...inRuns,
  ...atTheEnd,
  ...forWatchers,
]
