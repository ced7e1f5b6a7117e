/**
 * What is known of a request: live, or kept by the store. As plain data, for whoever looks from outside. Step 7 of 7.
 */
import { keyedBy, keyOf, type Policy } from '../policy.ts'
import type { Priority } from '../priority.ts'
import type { RunProgress } from '../queued-request.ts'
import type { RequestRecord } from '../request-record.ts'
import { type RequestState, State } from '../request-state.ts'
import type { Encoded, StoredView } from '../store.ts'

/** The states of a request, those included that only a store or a service speaks of. */
export type RequestStateLike = RequestState | 'checking' | 'held' | 'dead'

/** What an error is, where its class can't be told. */
export interface ErrorView {
  readonly name: string
  readonly code?: string | undefined
  readonly message?: string | undefined
}

/** A request as it is shown: live, or kept by a store. Times are ISO strings of the wall clock, or ms where the name says so. */
export interface RequestView {
  readonly id: string
  readonly queue: string
  readonly kind?: string | undefined
  /** `'held'`: not before its time. `'dead'`: what a store says of one that has failed for good. */
  readonly state: RequestStateLike
  readonly priority: Priority
  /** What the key function of `fairBy()` has answered, else that of the first rate with `per` a function; 200 characters at most. */
  readonly key?: string | undefined
  /** Which life of its id it is: the `seq` of the store; 0 without one. */
  readonly generation: number
  /** How many attempts were begun. */
  readonly attempts: number
  readonly position?: number | undefined
  /** About when it starts, in ms from now. */
  readonly estimateMs?: number | undefined
  /** How far its run has come. */
  readonly progress?: { readonly fraction: number; readonly message?: string | undefined } | undefined
  readonly submittedAt: string
  readonly startedAt?: string | undefined
  readonly endedAt?: string | undefined
  readonly waitMs?: number | undefined
  readonly runMs?: number | undefined
  readonly slot?: number | undefined
  readonly result?: unknown
  readonly error?: ErrorView | undefined
  readonly metadata?: unknown
}

/** Where to look. */
export interface FindParts {
  readonly settings: { readonly name: string; readonly order: Policy; readonly rateLimits: readonly Policy[] }
  readonly timeline: { now(): number }
  readonly parties: { byId(id: string): RequestRecord | undefined }
  readonly keeper: { find(id: string): Promise<StoredView | undefined>; decode(encoded: Encoded): unknown } | undefined
}

export async function findIn(parts: FindParts, id: string): Promise<RequestView | undefined> {
  const record = parts.parties.byId(id)
  if (record !== undefined) return liveView(record, parts)
  const { keeper } = parts
  if (keeper === undefined) return undefined
  const view = await keeper.find(id)
  return view === undefined ? undefined : keptView(view, keeper)
}

function liveView(record: RequestRecord, { settings, timeline }: FindParts): RequestView {
  const { extras, id, priority, progress, startedAt, stateOfAll, status, attempt } = record
  const now = timeline.now()
  // From the executor's clock to that of the wall.
  const sinceMs = Date.now() - now
  const ranFrom = stateOfAll === 'running' ? startedAt : undefined
  const state = status === State.HELD && attempt === 1 && stateOfAll === 'waiting' ? 'held' : stateOfAll
  return defined({
    ...{ id, queue: settings.name, kind: extras?.later?.kind, state, priority, generation: extras?.stored?.seq ?? 0 },
    key: keyOf(keyedBy(settings), record.request, record.metadata),
    attempts: record.attemptsWith(ranFrom === undefined ? attempt - 1 : attempt),
    ...{
      position: record.position(),
      progress: progressOf(progress),
      submittedAt: iso(sinceMs + record.enqueuedAt) as string,
    },
    startedAt: startedAt === undefined ? undefined : iso(sinceMs + startedAt),
    waitMs: Math.max((ranFrom ?? now) - record.timedFrom, 0),
    runMs: ranFrom === undefined ? undefined : now - ranFrom,
    metadata: record.metadata,
  })
}

function iso(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString()
}

/** What a store keeps of one, without what costs to decode. */
export function keptLineOf(view: StoredView): RequestView {
  const { id, queue, kind, state, priority, key, generation, attempts, waitMs, runMs, slot, error } = view
  return {
    ...{ id, queue, kind, state, priority, key, generation, attempts, waitMs, runMs, slot },
    ...{ submittedAt: iso(view.submittedAt) as string, startedAt: iso(view.startedAt), endedAt: iso(view.endedAt) },
    error: error && { name: error.name, code: error.code, message: error.message },
  }
}

function keptView(view: StoredView, keeper: NonNullable<FindParts['keeper']>): RequestView {
  const read = (encoded: Encoded | undefined) => (encoded === undefined ? undefined : keeper.decode(encoded))
  return defined({ ...keptLineOf(view), result: read(view.result), metadata: read(view.metadata) })
}

function progressOf(progress: RunProgress | undefined): RequestView['progress'] {
  if (progress === undefined) return undefined
  const { fraction, message } = progress
  return message === undefined ? { fraction } : { fraction, message }
}

/** Without what is not known. */
function defined(view: RequestView): RequestView {
  return Object.fromEntries(Object.entries(view).filter(([, value]) => value !== undefined)) as unknown as RequestView
}
