/**
 * What a request looks like in the store. Asked when it arrives, before anything is done about it: what can't be kept is refused.
 */
import { OptionsError } from '../errors.ts'
import type { Extras } from '../request-extras.ts'
import { RequestRecord, subjectOf } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { NewRecord, QueueStore, StoredLimits } from '../store.ts'
import { PayloadTooLargeError } from '../store-errors.ts'
import { StoredRequest, storedOf } from './stored-request.ts'

/** With its number, in the order of arrival. @throws for what the store can't keep */
export function encode(record: RequestRecord, queue: QueueStore, key: string | undefined): StoredRequest {
  const extras = record.more()
  const after = extras.later?.after?.map((each) => idOf(each, queue.name))
  const payload = encoded(record, record.request, 'request', queue)
  const { metadata } = extras
  const kept = metadata === undefined ? undefined : encoded(record, metadata, 'metadata', queue)
  return new StoredRequest(queue.nextSeq(), payload, kept, {
    ...limitsOf(record, extras, after),
    ...(key === undefined ? {} : { key }),
  })
}

function encoded(record: RequestRecord, value: unknown, what: 'request' | 'metadata', queue: QueueStore) {
  try {
    return queue.encode(value, what)
  } catch (error) {
    if (!(error instanceof PayloadTooLargeError)) throw error
    throw new PayloadTooLargeError(what, error.bytes, error.maxBytes, subjectOf(record))
  }
}

/** By its id it is found again after a restart. */
function idOf(each: unknown, name: string): string {
  const { record = each } = Object(each) as { record?: unknown }
  if (record instanceof RequestRecord && record.owner.name === name) return record.id
  throw new OptionsError('after', 'an array of requests of this executor, since the store keeps their ids', each)
}

function limitsOf(record: RequestRecord, extras: Extras, after: readonly string[] | undefined): StoredLimits {
  const { cost, waitTimeoutMs, runTimeoutMs, timeoutMs, later } = extras
  const deadlineAt = later === undefined ? Number.POSITIVE_INFINITY : later.deadlineAt
  return {
    ...(cost > 1 ? { cost } : {}),
    ...(Number.isFinite(waitTimeoutMs) ? { waitTimeoutMs } : {}),
    ...(Number.isFinite(runTimeoutMs) ? { runTimeoutMs } : {}),
    ...(Number.isFinite(timeoutMs) ? { timeoutMs } : {}),
    ...(Number.isFinite(deadlineAt) ? { deadlineAt: Date.now() + deadlineAt - record.enqueuedAt } : {}),
    ...(after === undefined ? {} : { after }),
  }
}

/** What is kept of it when it is admitted. */
export function newRecordOf(record: RequestRecord, now: number): NewRecord {
  const { seq, payload, metadata, limits } = storedOf(record)
  const { ownId, later } = record.extras as Extras
  const submittedAt = Math.round(Date.now() - (now - record.enqueuedAt))
  const delayMs = later === undefined ? 0 : later.startAt - record.enqueuedAt
  return {
    ...{
      seq,
      id: record.lastId,
      isKey: ownId,
      kind: later?.kind,
      priority: record.priority,
      payload,
      metadata,
      submittedAt,
      limits,
    },
    startAt: delayMs > 0 ? submittedAt + delayMs : undefined,
    startedAt: record.status === State.STARTING ? Date.now() : undefined,
  }
}

/** Have these the same payload, by what is kept of it? Undefined: it is kept as it is, and must be compared as such. */
export function isSame(one: RequestRecord, other: RequestRecord): boolean | undefined {
  const [a, b] = [storedOf(one).payload, storedOf(other).payload]
  if (typeof a === 'string' || typeof b === 'string') return a === b
  if (!(a instanceof Uint8Array)) return undefined
  const bytes = b as Uint8Array
  return a.length === bytes.length && a.every((byte, i) => byte === bytes[i])
}
