/**
 * Who asks for what, and when? A load is a list of arrivals; both ways are sent the same one.
 *
 * It is an open loop: arrivals come at their times, whether or not the earlier ones were answered, as users do.
 */
import { setTimeout as sleep, setImmediate as yieldToAnswers } from 'node:timers/promises'
import { type ByPriority, type Priority, priorities } from '../../src/index.ts'

export interface Arrival {
  /** Since the start. */
  readonly atMs: number
  readonly priority: Priority
  /** How many bytes the service shall compress for it. */
  readonly bytes: number
}

/** How long the caller of each tier is willing to wait for an answer. */
export const DEADLINE_MS: ByPriority<number> = { urgent: 250, high: 500, normal: 1_000, low: 3_000 }

/**
 * The parts of the tiers in the made-up load. Most of it can wait, as where users and background jobs share a service: at
 * three times the capacity, LOW alone is twice what there is, and the rest together 90 % of it.
 */
export const MIX: ByPriority<number> = { urgent: 5, high: 10, normal: 15, low: 70 }

/** 4 to 12 ms of one core of an ordinary machine. */
const MIN_BYTES = 160 * 1024
const MAX_BYTES = 480 * 1024

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** How much work one made-up request is. */
export function randomBytes(random: () => number): number {
  return Math.round(MIN_BYTES + (MAX_BYTES - MIN_BYTES) * random())
}

/** Independent users: exponential gaps, and priorities drawn by their part in the mix. */
export function madeUpLoad(perSecond: number, seconds: number, seed: number, mix: ByPriority<number>): Arrival[] {
  const random = randomFrom(seed)
  const arrivals: Arrival[] = []
  for (let atMs = 0; ; ) {
    atMs -= (Math.log(1 - random()) / perSecond) * 1000
    if (atMs >= seconds * 1000) return arrivals
    arrivals.push({ atMs, priority: drawPriority(random(), mix), bytes: randomBytes(random) })
  }
}

function drawPriority(share: number, mix: ByPriority<number>): Priority {
  let rest = share * (mix.urgent + mix.high + mix.normal + mix.low)
  for (const priority of priorities) {
    rest -= mix[priority]
    if (rest < 0) return priority
  }
  return 'low'
}

/**
 * Calls `call` for each arrival at its time, and fulfils when all calls have settled; they must not reject.
 * @returns by how many ms the sender itself was behind its schedule, at worst: what the numbers may be wrong by
 */
export async function send(arrivals: readonly Arrival[], call: (arrival: Arrival) => Promise<void>): Promise<number> {
  const startedAt = performance.now()
  const open = new Set<Promise<void>>()
  let behindMs = 0
  let yieldedAt = 0
  for (const arrival of arrivals) {
    let now = performance.now() - startedAt
    // A sender that can't keep up must still let the answers in.
    if (arrival.atMs > now || now - yieldedAt > 10) {
      await (arrival.atMs > now ? sleep(arrival.atMs - now) : yieldToAnswers())
      now = performance.now() - startedAt
      yieldedAt = now
    }
    behindMs = Math.max(behindMs, now - arrival.atMs)
    const done = call(arrival).then(() => {
      open.delete(done)
    })
    open.add(done)
  }
  await Promise.all(open)
  return behindMs
}
