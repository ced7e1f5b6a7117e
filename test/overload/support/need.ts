/**
 * What do requests need by themselves? The wait, the run and the room that a queue would give them in which they go first,
 * and in which all slots are always busy: no policy can do better without ending a run.
 *
 * The model: each of c slots is handed on once in a mean run, so that c / run requests start a second, whatever comes. Those
 * that go first ask for a part ρ of what there is. Their line is then geometric, and their wait exponential with the rate
 * (1 − ρ) · c / run (for exponential runs; constant ones spread less). For those below the line is longer by as much as those
 * above take away.
 */

export interface Line {
  /** What all those ask for that go before, and what is asked for here: parts of the capacity. */
  readonly ahead: number
  readonly own: number
  /** How much of the capacity there is for both. */
  readonly may: number
  readonly slots: number
  readonly runs: 'exponential' | 'constant'
}

export interface Need {
  /** In mean runs: a wait, and a run, that one in a thousand exceeds. */
  readonly waitRuns: number
  readonly runRuns: number
  /** How many places the line takes, but for one time in a thousand. */
  readonly places: number
}

const RARE = Math.log(1_000)
/** Orders that are not first-in first-out spread waits more, and arrivals are judged in thousands, not for ever. */
const MARGIN = 1.5

export function needOf({ ahead, own, may, slots, runs }: Line): Need {
  const busy = Math.min((ahead + own) / may, 0.99)
  const left = Math.max(may - ahead, 0.01 * may)
  const spare = (1 - busy) * may * (left / may)
  return {
    waitRuns: (MARGIN * RARE) / (spare * slots) + MARGIN,
    runRuns: runs === 'constant' ? 1 : MARGIN * RARE,
    places: Math.ceil((MARGIN * RARE) / -Math.log(busy)),
  }
}
