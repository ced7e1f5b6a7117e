/** What is measured? In the order of a whole run. */
import type { Case } from '../case.ts'
import { acceptanceCase } from './acceptance.ts'
import { jitlessCase, lightlyLoadedCase, oneAtATimeCase } from './alone.ts'
import { burstCase } from './burst.ts'
import { churnCase } from './churn.ts'
import { closedLoopCase } from './closed-loop.ts'
import { countsCase } from './counts.ts'
import { fullCase } from './full.ts'
import { latencyCase } from './latency.ts'
import { lookingCase } from './looking.ts'
import { memoryCase } from './memory.ts'
import { priceCase } from './price.ts'
import { verifyCase } from './verify.ts'

export const cases: readonly Case[] = [
  verifyCase,
  closedLoopCase,
  burstCase,
  latencyCase,
  lightlyLoadedCase,
  oneAtATimeCase,
  jitlessCase,
  memoryCase,
  churnCase,
  fullCase,
  priceCase,
  lookingCase,
  countsCase,
  acceptanceCase,
]
