/**
 * What became of each request, as its caller saw it? The counts behind the tables; the same for both ways.
 */
import { type ByPriority, isTriageError } from '../../src/index.ts'
import { type Arrival, DEADLINE_MS } from './load.ts'

/** The requests that were refused with one code. */
export interface Refusals {
  count: number
  /** After how long each was told. */
  readonly afterMs: number[]
  /** What each was told of when to come again, if anything. */
  readonly retryAfterMs: number[]
}

/** One tier, one way: sent = inTime + late + refused + failed, once all have settled. */
export class TierTally {
  sent = 0
  inTime = 0
  /** Answered after the deadline, or given up at it while the service worked on it. */
  late = 0
  /** By code: those that never reached the service. */
  readonly refused = new Map<string, Refusals>()
  /** By reason: anything else, such as a lost connection. */
  readonly failed = new Map<string, number>()
  /** How long each answer took; Infinity for one that was given up. */
  readonly answerMs: number[] = []

  get refusedCount(): number {
    return sum([...this.refused.values()].map(({ count }) => count))
  }

  get failedCount(): number {
    return sum([...this.failed.values()])
  }

  get settled(): number {
    return this.inTime + this.late + this.refusedCount + this.failedCount
  }

  answered(ms: number, deadlineMs: number): void {
    this.answerMs.push(ms)
    if (ms <= deadlineMs) this.inTime++
    else this.late++
  }

  /** Finds out from its error what became of a request. */
  rejected(error: unknown, ms: number): void {
    const isGivenUp =
      (isTriageError(error) && error.code === 'TRIAGE_RUN_TIMEOUT') || (error as Error)?.name === 'TimeoutError'
    if (isGivenUp) {
      this.late++
      this.answerMs.push(Number.POSITIVE_INFINITY)
    } else if (isTriageError(error) && !error.started) this.#refuse(error.code, ms, retryAfterMsOf(error))
    else {
      const reason = reasonOf(error)
      this.failed.set(reason, (this.failed.get(reason) ?? 0) + 1)
    }
  }

  #refuse(code: string, ms: number, retryAfterMs: number | undefined): void {
    const refusals = this.refused.get(code) ?? { count: 0, afterMs: [], retryAfterMs: [] }
    this.refused.set(code, refusals)
    refusals.count++
    refusals.afterMs.push(ms)
    if (retryAfterMs !== undefined) refusals.retryAfterMs.push(retryAfterMs)
  }
}

export type Tally = ByPriority<TierTally>

export function newTally(): Tally {
  return { urgent: new TierTally(), high: new TierTally(), normal: new TierTally(), low: new TierTally() }
}

/** Makes one call, and writes down what became of it. Never rejects. */
export async function observe(tally: Tally, { priority }: Arrival, call: () => Promise<unknown>): Promise<void> {
  const tier = tally[priority]
  const startedAt = performance.now()
  tier.sent++
  try {
    await call()
    tier.answered(performance.now() - startedAt, DEADLINE_MS[priority])
  } catch (error) {
    tier.rejected(error, performance.now() - startedAt)
  }
}

/** The value that a share `q` of all are not above; undefined when there are none. */
export function quantile(values: readonly number[], q: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(Math.ceil(q * sorted.length) - 1, 0)]
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function retryAfterMsOf(error: object): number | undefined {
  return 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : undefined
}

function reasonOf(error: unknown): string {
  const { code, message, cause } = (error ?? {}) as { code?: string; message?: string; cause?: { code?: string } }
  return cause?.code ?? code ?? message ?? String(error)
}
