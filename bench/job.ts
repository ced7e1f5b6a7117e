/**
 * What is the work? The same request objects and the same tasks for every peer.
 */
import { seeded } from '../test/support/seeded.ts'

/** One request. The answer to it is its value plus one. */
export interface Job {
  /** Its place in the order of submission. */
  readonly index: number
  readonly value: number
  /** 0 for urgent … 3 for low. */
  readonly tier: number
}

export type Task = (job: Job) => number | Promise<number>

export type TaskKind = 'trivial' | 'setImmediate' | 'synchronous'

export const CONCURRENCY = 10
const NORMAL = 2
const SEED = 20_260_101

const trivial = async (job: Job): Promise<number> => job.value + 1

const immediate = async (job: Job): Promise<number> => {
  await new Promise((resolve) => setImmediate(resolve))
  return job.value + 1
}

const synchronous = (job: Job): number => job.value + 1

export const tasks: { readonly [K in TaskKind]: Task } = { trivial, setImmediate: immediate, synchronous }

/** Requests of normal priority. */
export function jobsOfOneTier(count: number): Job[] {
  return Array.from({ length: count }, (_, index) => ({ index, value: (index * 7) % 1_000, tier: NORMAL }))
}

/** Requests over four tiers at random, the same ones at every call. */
export function jobsOfFourTiers(count: number): Job[] {
  const next = randomInts(4)
  return Array.from({ length: count }, (_, index) => ({ index, value: (index * 7) % 1_000, tier: next() }))
}

/** Integers below a limit, the same sequence at every call. */
export function randomInts(limit: number): () => number {
  const random = seeded(SEED)
  return () => ((random() * 2 ** 32) >>> 0) % limit
}

/** @throws {Error} that names the first answer that is wrong */
export function checkAnswer(job: Job, answer: unknown): void {
  if (answer !== job.value + 1)
    throw new Error(`request ${job.index} was answered with ${answer}, not ${job.value + 1}`)
}

/**
 * Did they start as they should have? The expected order is by tier and then by submission, or by submission alone.
 * Whoever starts requests on their submitter's stack has filled its slots with the first of a burst before it knew of
 * the rest: those are left out.
 */
export function isOrdered(started: ArrayLike<number>, jobs: readonly Job[], byTier: boolean, slots: number): boolean {
  let from = 0
  while (from < slots && started[from] === from) from++
  for (let first = 0; first <= from; first++) if (isSorted(started, jobs, byTier, first)) return true
  return false
}

function isSorted(started: ArrayLike<number>, jobs: readonly Job[], byTier: boolean, from: number): boolean {
  for (let i = from + 1; i < started.length; i++) {
    const before = jobs[started[i - 1] as number] as Job
    const after = jobs[started[i] as number] as Job
    const tiers = byTier ? after.tier - before.tier : 0
    if (tiers < 0 || (tiers === 0 && after.index < before.index)) return false
  }
  return true
}
