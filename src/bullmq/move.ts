/**
 * From a store in a file to Redis, without losing what waits: each request is submitted there with its id, and only then has it ended here.
 * Where that is cut off, it is done again: who comes with the same id joins what is there.
 */
import { aFunction, type OptionRule, readGiven } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import { jsonCodec } from '../core/keep/json-codec.ts'
import type { RequestOptions } from '../core/options.ts'
import type { LiveRecord, QueueStore, Store } from '../core/store.ts'
import { isBranded } from '../core/triage-error.ts'
import { requireRequest } from './read-request.ts'
import { RemoteExecutor } from './remote-executor.ts'

/** What became of it. */
export interface Moved {
  /** How many are in Redis now. */
  readonly moved: number
  /** How many were over their time before they could be moved. */
  readonly expired: number
  /** Which stay where they are, and why: what Redis can't do (`after`, `cost`), or what could not be read. The first 1,000 of them. */
  readonly left: readonly { readonly id: string; readonly why: string }[]
  /** How many stay. */
  readonly leftCount: number
}

export interface MoveOptions {
  /**
   * Only looks: the answer says what would become of it, and nothing is moved. Redis is not asked.
   * @default false
   */
  readonly dryRun?: boolean | undefined
  /** Called after each request, with what has become of all until then. */
  readonly onProgress?: ((soFar: Moved) => void) | undefined
  /** Ends it after the request that is on its way: the promise rejects with the reason, and the rest stays. Do it again to go on. */
  readonly signal?: AbortSignal | undefined
}

const rules: { readonly [K in keyof MoveOptions]-?: OptionRule } = {
  dryRun: { expected: 'true or false', fits: (value) => typeof value === 'boolean' },
  onProgress: aFunction,
  signal: { expected: 'an AbortSignal', fits: (value) => value instanceof AbortSignal },
}

const REPORTED = 1_000
/** So many may be in Redis, and not have ended in the file yet: they share a sync of its disk. */
const ENDING = 64

/**
 * Moves all that waits for an executor of this name from a store to Redis. No executor may have that part of the store open.
 *
 * ```ts
 * const store = await openStore('requests.db')
 * console.log(await moveRequests(store, remoteExecutor('llm', { connection, maxQueueSize: Infinity })))
 * ```
 * Ids, priorities, kinds, metadata, delays and what is left of time limits go with them. The order within a priority is that of arrival.
 * Dead letters and answers stay in the file. Nobody waits here for what was moved: to the executor it is parked.
 * @param store one that is durable, such as `await openStore('requests.db')`
 * @throws {StoreUnavailableError} through the promise, when Redis or the file does not answer: what was moved until then is moved; do it again
 * @throws {QueueFullError} through the promise, when there is no room for more in Redis (`maxQueueSize`): as above
 * @throws {OptionsError} through the promise, while an executor has that part of the store
 */
export async function moveRequests(
  store: Store,
  to: RemoteExecutor<never, unknown>,
  options: MoveOptions = {},
): Promise<Moved> {
  if (!store.isDurable) throw new OptionsError('store', 'one that is durable', store)
  const { dryRun = false, onProgress, signal } = readGiven<MoveOptions>('', options, rules)
  const from = store.queue(to.name)
  const left: { id: string; why: string }[] = []
  const soFar = { moved: 0, expired: 0, left, leftCount: 0 }
  const endings = new Endings(from)
  try {
    let after: number | undefined
    do {
      const page = await from.recover(after)
      for (const record of page.records) {
        signal?.throwIfAborted()
        const outcome = dryRun ? look(from, record) : await move(endings, record, to)
        if (typeof outcome === 'string') soFar[outcome]++
        else {
          soFar.leftCount++
          if (left.length < REPORTED) left.push({ id: record.id, why: outcome.why })
        }
        onProgress?.(soFar)
      }
      after = page.next
    } while (after !== undefined)
    await endings.written()
  } finally {
    await endings.written().catch(() => {})
    from.release()
  }
  return soFar
}

/** What has ended in the file, and is being written. */
class Endings {
  readonly from: QueueStore
  #writing: Promise<void>[] = []

  constructor(from: QueueStore) {
    this.from = from
  }

  /** @throws {StoreUnavailableError} that one before could not be written */
  async add(record: LiveRecord, outcome: 'cancelled' | 'expired', error: unknown): Promise<void> {
    const { seq, attempts } = record
    const writing = this.from.ended(seq, { outcome, endedAt: Date.now(), attempts, error })
    // Whoever asks for all of them is told.
    writing.catch(() => {})
    this.#writing.push(writing)
    if (this.#writing.length >= ENDING) await this.written()
  }

  async written(): Promise<void> {
    const all = this.#writing
    this.#writing = []
    await Promise.all(all)
  }
}

type Outcome = 'moved' | 'expired' | { readonly why: string }

async function move(endings: Endings, record: LiveRecord, to: RemoteExecutor<never, unknown>): Promise<Outcome> {
  const { from } = endings
  try {
    const request = from.decode(record.payload) as never
    const handle = await to.submit(request, optionsOf(from, record))
    // Nobody here waits for its answer.
    handle.result.catch(() => {})
    RemoteExecutor.letGo(to, record.id)
  } catch (error) {
    const code = isBranded(error) ? error.code : undefined
    if (code === 'TRIAGE_WAIT_TIMEOUT') {
      await endings.add(record, 'expired', error)
      return 'expired'
    }
    // The rest would find the same.
    if (code === 'TRIAGE_STORE_UNAVAILABLE' || code === 'TRIAGE_QUEUE_FULL' || code === 'TRIAGE_QUEUE_CLOSED')
      throw error
    return { why: whyOf(error) }
  }
  await endings.add(record, 'cancelled', new Error('It was moved to Redis'))
  return 'moved'
}

/** What would become of it? What only Redis knows is not: another request may have its id there. */
function look(from: QueueStore, record: LiveRecord): Outcome {
  try {
    const options = optionsOf(from, record)
    const { delayMs, deadlineMs, timeoutMs } = requireRequest(options)
    if (Math.min(delayMs + timeoutMs, deadlineMs) <= delayMs) return 'expired'
    jsonCodec.encode(from.decode(record.payload), 'request', Number.POSITIVE_INFINITY)
    if (options.metadata !== undefined) jsonCodec.encode(options.metadata, 'metadata', Number.POSITIVE_INFINITY)
    return 'moved'
  } catch (error) {
    return { why: whyOf(error) }
  }
}

function whyOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function optionsOf(from: QueueStore, record: LiveRecord): RequestOptions {
  const { id, priority, kind, metadata, submittedAt, startAt, limits } = record
  const { cost, waitTimeoutMs, runTimeoutMs, timeoutMs, deadlineAt, after } = limits
  const now = Date.now()
  // What is left of them; over is over.
  const begun = Math.max(submittedAt, startAt ?? 0)
  const dueAt = Math.min(deadlineAt ?? Number.POSITIVE_INFINITY, begun + (timeoutMs ?? Number.POSITIVE_INFINITY))
  const waitMs = waitTimeoutMs === undefined ? undefined : begun + waitTimeoutMs - now
  if (waitMs !== undefined && waitMs <= 0) return { id, priority, deadline: now - 1 }
  return {
    ...{ id, priority, runTimeoutMs },
    ...(kind !== undefined && { kind }),
    ...(metadata !== undefined && { metadata: from.decode(metadata) }),
    ...(startAt !== undefined && startAt > now && { startAt: new Date(startAt) }),
    ...(Number.isFinite(dueAt) && { deadline: dueAt }),
    ...(waitMs !== undefined && Number.isFinite(waitMs) && { waitTimeoutMs: waitMs }),
    ...(cost !== undefined && { cost }),
    ...(after !== undefined && after.length > 0 && { after: [] }),
  }
}
