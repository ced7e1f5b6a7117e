/**
 * Can it still be answered in time? What can't is refused at once: goodput, not throughput. Step 2 of 7.
 *
 * The model, with the wait that is predicted from the work that goes before it in the order that there is (`outlook.ts`):
 *
 *     refused if now + wait + run + margin ≥ deadline;  shed, when its turn has come, if now + run + margin ≥ deadline
 *
 * At its deadline a request's time is over: the executor ends a run that would end at that very instant, and so it is late.
 *
 * Started too late, it would hold a slot for an answer that nobody waits for, and so make the next one late too: under
 * lasting overload first-in first-out serves nearly everybody too late. Those of a higher priority who come after it are
 * not foreseen; that is what the second look is for.
 *
 * It says nothing before the first run, nor of requests without a deadline. And when nothing runs, one is let through that
 * a run alone would make late: were all of those refused because runs were slow once, nobody would ever learn that they
 * are fast again.
 */
import { msFromZero, readGiven } from '../../checks.ts'
import type { Guard, GuardQuestion, Refusal } from '../guard.ts'
import { rounded } from './guard-options.ts'

export interface MeetsDeadlineOptions {
  /**
   * How long before its deadline the answer must be there, in ms: the greater, the fewer answers are late because a run took
   * longer than the mean.
   * @default 0
   */
  readonly marginMs?: number | undefined
}

/**
 * Refuses requests that can't meet their deadline (`timeoutMs`): `overload: meetsDeadline()`.
 * @throws {OptionsError}
 */
export function meetsDeadline(options: MeetsDeadlineOptions = {}): Guard {
  const { marginMs = 0 } = readGiven<MeetsDeadlineOptions>('meetsDeadline', options, { marginMs: msFromZero })

  /** By how many ms it would be late, at least 0; it is in time when less, or NaN: there is nothing to tell it by. */
  const lateMs = ({ at, deadline, recentRunMs }: Readonly<GuardQuestion>, waitMs: number): number =>
    at + waitMs + recentRunMs + marginMs - deadline

  const refusal = ({ at, deadline, recentRunMs }: Readonly<GuardQuestion>, waitMs: number): Refusal => ({
    rule: 'meetsDeadline',
    compared: {
      leftMs: rounded(deadline - at),
      predictedWaitMs: rounded(waitMs),
      predictedRunMs: rounded(recentRunMs),
    },
    wouldAdmit: `a deadline in more than ${rounded(waitMs + recentRunMs + marginMs)} ms`,
  })

  return {
    name: 'meetsDeadline',
    option: 'overload',
    needsDeadline: true,
    admit(question) {
      const { ahead, running, predictedWaitMs: waitMs } = question
      if (running === 0 && ahead === 0) return undefined
      const late = lateMs(question, waitMs)
      if (!(late >= 0)) return undefined
      const answer = refusal(question, waitMs)
      // So much must be worked off first; a run that is too long by itself does not become shorter by that.
      return late < waitMs ? { ...answer, retryAfterMs: Math.max(Math.ceil(late), 1) } : answer
    },
    drop(question) {
      const { running, waitMs } = question
      if (!(lateMs(question, 0) >= 0)) return undefined
      // Would it have been late also without waiting? Then it is the mean run that must be measured anew.
      if (running === 0 && lateMs(question, -waitMs) >= 0) return undefined
      return refusal(question, 0)
    },
  }
}
