/**
 * What the model is told: who asks, and under which options. Plain numbers, by tier where they may differ.
 */

/** One who asks; several callers with the same id share one job. */
export interface Caller {
  readonly n: number
  readonly at: number
  readonly tier: number
  readonly via: 'execute' | 'submit' | 'offer'
  readonly id: string | undefined
  /** Of its token bucket, where a rate keeps one for each. */
  readonly key: number
  /** Equal for equal payloads. */
  readonly payload: string
  readonly signal: object | undefined
  readonly waitMs: number | undefined
  readonly runMs: number | undefined
  readonly totalMs: number | undefined
  readonly deadlineAt: number
  readonly cost: number
  /** Not before this time, nor before these have ended. */
  readonly startAt: number
  readonly after: readonly Caller[]
  /** What the schema and the guards say: the code of the refusal, or ''. */
  readonly refusal: string
  /** How it ended: 'ok', 'failure', 'aborted' or the code of an error; '' while it is open. */
  end: string
  /** In which order they have ended. */
  endedAs: number
}

export interface Rules {
  readonly total: number
  readonly byTier: readonly number[]
  readonly whenFull: 'reject' | 'block' | 'shed'
  readonly maxBlocked: number
  readonly waitMs: readonly number[]
  readonly runMs: readonly number[]
  readonly totalMs: readonly number[]
  readonly maxReplaced: number
  readonly onDuplicate: 'join' | 'join-by-id' | 'reject'
  /** Whether ranks are compared across priorities. */
  readonly across: boolean
  rank(job: Job, deadline: number): number
  /** Is each priority promised its turn? */
  readonly targets: boolean
  /** With it, priorities take turns. */
  readonly weights?: readonly number[]
  readonly reserve: readonly number[]
  readonly lends: boolean
  /** With it, each start takes a token of its key. */
  readonly tokens?: { readonly perSecond: number; readonly burst: number }
  readonly maxRetrying: number
  /** After so many failures, in how many ms to try again; undefined: not at all. */
  retryMs(failures: number): number | undefined
}

export type Place = 'new' | 'blocked' | 'held' | 'line' | 'chosen' | 'slot' | 'gone'

/** What is run once, for one caller or for several with the same id. */
export interface Job {
  readonly first: Caller
  /** Those who still wait for its outcome. */
  callers: Caller[]
  place: Place
  tier: number
  sequence: number
  rank: number
  failures: number
  /** Its timeouts count from then. */
  from: number
  /** When it may come to the queue (again). */
  backAt: number
  /** Its call has not settled; it is stuck when that time has come. */
  inCall: boolean
  startedAt: number
  dueAt: number
}
