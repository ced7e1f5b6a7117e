/**
 * What travels? The data of a job: the payload, and what a worker must know of the request.
 *
 * It has a version. What a worker does not know it refuses by name, and never guesses.
 */
import { OptionsError } from '../core/errors.ts'

/** Times are those of the Redis server, in ms since 1970. */
export interface Envelope {
  readonly v: 1
  /** The payload, as JSON text; '' is undefined. */
  readonly p: string
  /** When it was submitted. */
  readonly accepted: number
  /** Which of several that submit the same id at once it was. */
  readonly by?: string | undefined
  readonly kind?: string | undefined
  /** When it must be over. */
  readonly deadline?: number | undefined
  /** When it must have started. */
  readonly startBy?: number | undefined
  /** It is not to start before. */
  readonly startAt?: number | undefined
  readonly runTimeoutMs?: number | undefined
  readonly traceparent?: string | undefined
  /** As JSON text. */
  readonly metadata?: string | undefined
}

const VERSION = 1

/** @throws {OptionsError} for a version that is not known here */
export function readEnvelope(data: unknown): Envelope {
  const { v, p, accepted } = (typeof data === 'object' && data !== null ? data : {}) as Partial<Record<string, unknown>>
  if (v === VERSION && typeof p === 'string' && typeof accepted === 'number') return data as Envelope
  const expected = `version ${VERSION}, the one that this worker knows: use a later triage-queue here`
  throw new OptionsError('envelope.v', v === VERSION ? 'a job that triage-queue has made' : expected, v)
}
