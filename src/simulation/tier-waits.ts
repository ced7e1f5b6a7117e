/**
 * How long does each tier wait? Strict priorities that do not interrupt a run, over several slots, exponential runs of one mean.
 *
 * A request that finds all slots busy waits as in a queue with one slot that is as fast as all of them together. So the share that
 * waits is Erlang's C, and the time is that of the tier in such a queue: its mean by Cobham, its distribution from the Laplace transform
 * (a tier waits for what stands before it, and for what comes meanwhile and goes first: a busy period of the tiers above).
 *
 * @see A. Cobham, Priority assignment in waiting line problems, Operations Research 2 (1954)
 * @see O. Kella, U. Yechiali, Waiting times in the non-preemptive priority M/M/c queue, Stochastic Models 1 (1985)
 * @see J. Abate, W. Whitt, Numerical inversion of Laplace transforms, ORSA J. Computing 7 (1995): the Euler algorithm
 */
import { erlangC } from './erlang.ts'

export interface TierWait {
  /** The share that waits at all. */
  readonly waits: number
  /** In units of the mean run. */
  readonly mean: number
  /** The share that waits longer than a time. */
  beyond(time: number): number
  /** The time that a share `q` does not exceed, in units of the mean run. */
  quantile(q: number): number
}

/**
 * @param above the offered load of the tiers before it, in erlangs
 * @param own that of the tier itself
 * @param all that of all tiers; less than `slots`
 */
export function tierWait(slots: number, above: number, own: number, all: number): TierWait {
  const waits = erlangC(slots, all)
  const before = above / slots
  const upTo = (above + own) / slots
  const mean = waits / (slots * (1 - before) * (1 - upTo))
  const beyond = (time: number): number => waits * tail(time * slots, before, upTo)
  const quantile = (q: number): number => (1 - q >= waits ? 0 : root(beyond, 1 - q, mean / waits))
  return { waits, mean, beyond, quantile }
}

/** The time at which a falling function has come down to a value. */
function root(of: (time: number) => number, value: number, guess: number): number {
  let [low, high] = [0, guess]
  while (of(high) > value) [low, high] = [high, high * 2]
  for (let i = 0; i < 60 && high - low > 1e-9 * high; i++) {
    const middle = (low + high) / 2
    if (of(middle) > value) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** P(wait > time | it waits), with all slots as one of rate 1. The load before it and up to it are those of that slot. */
function tail(time: number, before: number, upTo: number): number {
  if (time <= 0) return 1
  // The first tier: the sum of a geometric number of runs, which is exponential.
  if (before === 0) return Math.exp(-(1 - upTo) * time)
  return Math.min(
    Math.max(
      inverted((re, im) => tailTransform(re, im, before, upTo), time),
      0,
    ),
    1,
  )
}

/** The transform of the tail: (1 − W(s)) / s. */
function tailTransform(re: number, im: number, before: number, upTo: number): number {
  const s: Complex = [re, im]
  // A run, with all that comes meanwhile and goes first: a busy period of the tiers above, B = 1 / (1 + s + before − before·B).
  const sum: Complex = add(s, [1 + before, 0])
  const root = squareRoot(subtract(multiply(sum, sum), [4 * before, 0]))
  const busy = scale(subtract(sum, root), 1 / (2 * before))
  // A geometric number of these, of at least one: that which runs now.
  const wait = divide(scale(busy, 1 - upTo), subtract([1, 0], scale(busy, upTo)))
  return divide(subtract([1, 0], wait), s)[0]
}

type Complex = readonly [re: number, im: number]

const add = ([a, b]: Complex, [c, d]: Complex): Complex => [a + c, b + d]
const subtract = ([a, b]: Complex, [c, d]: Complex): Complex => [a - c, b - d]
const scale = ([a, b]: Complex, by: number): Complex => [a * by, b * by]
const multiply = ([a, b]: Complex, [c, d]: Complex): Complex => [a * c - b * d, a * d + b * c]

function divide([a, b]: Complex, [c, d]: Complex): Complex {
  const size = c * c + d * d
  return [(a * c + b * d) / size, (b * c - a * d) / size]
}

/** The principal one. */
function squareRoot([a, b]: Complex): Complex {
  const size = Math.hypot(a, b)
  return [Math.sqrt((size + a) / 2), Math.sign(b || 1) * Math.sqrt(Math.max((size - a) / 2, 0))]
}

const TERMS = 15
const AVERAGED = 11
/** e^−18.4: the error of the discretization, 10^−8. */
const DECAY = 18.4

/** f(t) from its transform: a sum that alternates, its end averaged with binomial weights. */
function inverted(realPart: (re: number, im: number) => number, time: number): number {
  const re = DECAY / (2 * time)
  const front = Math.exp(DECAY / 2) / time
  let sum = realPart(re, 0) / 2
  let sign = -1
  const term = (k: number): number => {
    const value = sign * realPart(re, (k * Math.PI) / time)
    sign = -sign
    return value
  }
  for (let k = 1; k <= TERMS; k++) sum += term(k)
  let average = sum
  let weight = 1
  let total = sum
  for (let k = 1; k <= AVERAGED; k++) {
    total += term(TERMS + k)
    weight = (weight * (AVERAGED - k + 1)) / k
    average += weight * total
  }
  return (front * average) / 2 ** AVERAGED
}
