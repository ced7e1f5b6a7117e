/**
 * How likely is it to wait, or to be refused? The formulas of Erlang, for Poisson arrivals and exponential runs.
 *
 * `load` is the offered load, in erlangs: how many slots would be busy if there were no end of them (arrivals a second times the run).
 *
 * @see A. K. Erlang (1917); L. Kleinrock, Queueing Systems I (1975), sections 3.4 to 3.6
 */

/** The share that is lost when nothing may wait. By the recursion, which never overflows. */
export function erlangB(slots: number, load: number): number {
  let blocked = 1
  for (let n = 1; n <= slots; n++) blocked = (load * blocked) / (n + load * blocked)
  return blocked
}

/** The share that has to wait when any number may. 1 when the load is too much. */
export function erlangC(slots: number, load: number): number {
  if (load >= slots) return 1
  const blocked = erlangB(slots, load)
  return blocked / (1 - (load / slots) * (1 - blocked))
}

/** A queue with a bound: M/M/c/K. */
export interface Bounded {
  /** The share of arrivals that finds no room. */
  readonly refused: number
  /** How many wait, on average. */
  readonly waiting: number
}

/** Works above the capacity as well: then most of what comes is refused. */
export function bounded(slots: number, load: number, room: number): Bounded {
  // Relative to the state in which all slots are busy and nobody waits, so that nothing overflows.
  const use = load / slots
  const blocked = erlangB(slots, load)
  // What is below that state, in its measure: 1 / B is the whole of the loss system.
  const below = 1 / blocked - 1
  let inQueue = 0
  let waiting = 0
  let state = 1
  for (let n = 1; n <= room; n++) {
    state *= use
    inQueue += state
    waiting += n * state
    // What follows is nothing, beside what there is.
    if (state < 1e-18 * inQueue && use < 1) {
      state = 0
      break
    }
    if (state > 1e280) return { refused: 1 - 1 / use, waiting: room }
  }
  const whole = below + 1 + inQueue
  return { refused: (room === 0 ? 1 : state) / whole, waiting: waiting / whole }
}
