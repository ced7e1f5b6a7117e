/**
 * What is shown of a request, and to whom? Everyone who may look sees where it is and how long it took; what it is about is for whoever
 * submitted it, and for operators.
 */

import type { RequestView } from '../index.ts'
import { isAtLeast, ownerOf, type Principal } from './access.ts'
import type { Live } from './live-requests.ts'
import { type Ended, errorViewOf } from './recent-ends.ts'

/** May they see what it is about? */
export function seesAll({ name, level }: Principal, id: string): boolean {
  return isAtLeast(level, 'operator') || (isAtLeast(level, 'submitter') && ownerOf(id) === name)
}

export interface ViewOptions {
  readonly seesAll: boolean
  /** Messages of errors, too. */
  readonly exposeErrors: boolean
}

const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString())

/** A page shows many: without what costs time for each. */
export function lineOf(queue: string, live: Live): RequestView {
  const { id, generation, key, priority, state, submittedAt, startedAt, waitMs, attempts } = live
  return {
    ...{ id, queue, state, priority, key, generation, attempts, waitMs },
    ...{ submittedAt: iso(submittedAt) as string, startedAt: iso(startedAt) },
  }
}

export function endOf(queue: string, ended: Ended, { seesAll, exposeErrors }: ViewOptions): RequestView {
  const { id, generation, key, priority, state, attempts, waitMs, runMs, error, result, metadata } = ended
  return {
    ...{ id, queue, state, priority, key, generation, attempts, waitMs, runMs },
    ...{ submittedAt: iso(ended.submittedAt) as string, startedAt: iso(ended.startedAt), endedAt: iso(ended.endedAt) },
    ...(error !== undefined && { error: errorViewOf(error, seesAll && exposeErrors) }),
    ...(seesAll && { result, metadata }),
  }
}

const secrets = /pass(word|wd|phrase)?$|secret|token|api_?key|authorization|cookie|credential|private_?key/i

/** The payload, with what looks like a secret by its name taken out. In place of your own `redact`. */
export function withoutSecrets(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth > 20) return '[too deep]'
  if (Array.isArray(value)) return value.map((each) => withoutSecrets(each, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      secrets.test(name) ? '[redacted]' : withoutSecrets(each, depth + 1),
    ]),
  )
}
