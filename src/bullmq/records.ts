/**
 * What does Redis know of a request? One by its id, a page of them, and how many there are: what a service shows, as it would of a
 * store.
 */
import type { ChainableCommander } from 'ioredis'
import { jsonCodec } from '../core/keep/json-codec.ts'
import { priorities, priorityOf } from '../core/priority.ts'
import type { Encoded, StoredState, StoredView, StorePage, StoreQuery, StoreStats } from '../core/store.ts'
import type { RequestStateLike, RequestView } from '../core/watch/request-view.ts'
import type { Envelope } from './envelope.ts'
import { stateBy, storedErrorOf } from './error-text.ts'
import { idOf, jobIdOf } from './ids.ts'
import type { Parts } from './parts.ts'

/** What is read of a job, and where it is. */
export interface JobRecord {
  readonly id: string
  readonly jobId: string
  readonly state: RequestStateLike
  readonly generation: number
  readonly tier: number
  readonly attempts: number
  readonly stalled: number
  /** Undefined: it is not one that we understand. */
  readonly envelope: Envelope | undefined
  readonly position: number | undefined
  readonly startedAt: number | undefined
  readonly endedAt: number | undefined
  readonly returnValue: string | undefined
  readonly reason: string | undefined
  readonly progress: { readonly fraction: number; readonly message?: string | undefined } | undefined
}

const fields = [
  ...(['data', 'timestamp', 'priority', 'ats', 'stc', 'processedOn', 'finishedOn'] as const),
  ...(['returnvalue', 'failedReason', 'tqEnd', 'tqAt', 'progress'] as const),
]
const liveStates: ReadonlySet<string> = new Set(['held', 'waiting', 'running', 'retrying'])

/** Does it live, by the state that Redis knows of it? */
export function isLive(state: string): boolean {
  return liveStates.has(state)
}
const COMMANDS = 5
const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000

/** What Redis has of the requests of a queue, whoever has submitted them; as a store shows it. */
export interface RemoteRecords {
  find(id: string): Promise<StoredView | undefined>
  /** The youngest first; of those that live, those that run, then those that wait. */
  list(query?: StoreQuery): Promise<StorePage>
  /** `dead` is all that has failed, expired or was cancelled; there are no minutes. */
  stats(): Promise<StoreStats>
  /** A payload, a result or metadata of a view. */
  decode(encoded: Encoded): unknown
}

export class Records implements RemoteRecords {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async read(id: string): Promise<JobRecord | undefined> {
    return (await this.#readAll([jobIdOf(id)]))[0]
  }

  async #readAll(jobIds: readonly string[]): Promise<(JobRecord | undefined)[]> {
    if (jobIds.length === 0) return []
    const { link } = this.#parts
    return link.ask(async (client) => {
      const pipeline = client.pipeline()
      for (const jobId of jobIds) this.#ask(pipeline, jobId)
      const replies = ((await pipeline.exec()) ?? []).map(([error, reply]) => {
        if (error !== null) throw error
        return reply
      })
      return jobIds.map((jobId, i) => recordOf(jobId, replies.slice(i * COMMANDS, (i + 1) * COMMANDS)))
    })
  }

  #ask(pipeline: ChainableCommander, jobId: string): void {
    const { base, delayed, prioritized, wait } = this.#parts.keys
    pipeline.hmget(base + jobId, ...fields)
    pipeline.zscore(delayed, jobId).zrank(prioritized, jobId).lpos(wait, jobId).llen(wait)
  }

  // What follows is what `httpApp()` asks of a store.

  async find(id: string): Promise<StoredView | undefined> {
    const record = await this.read(id)
    return record && this.#stored(record)
  }

  /** Of the view of a store: what is encoded is JSON text. */
  decode(encoded: Encoded): unknown {
    try {
      return jsonCodec.decode(encoded as string)
    } catch {
      // An answer that is none of our workers.
      return encoded
    }
  }

  /** The youngest first; of those that live, those that run, then those that wait. */
  async list({ state, priority, id, error, cursor, limit = DEFAULT_LIMIT }: StoreQuery = {}): Promise<StorePage> {
    const sets = setsFor(state)
    const most = Math.min(Math.max(Math.floor(limit), 1), MAX_LIMIT)
    let [set, from] = (cursor?.split(':').map(Number) ?? [0, 0]) as [number, number]
    const records: StoredView[] = []
    while (set < sets.length && records.length < most) {
      const jobIds = await this.#idsOf(sets[set] as SetName, from, most - records.length)
      for (const record of await this.#readAll(jobIds.filter((jobId) => idOf(jobId) !== undefined))) {
        if (record === undefined) continue
        const view = this.#stored(record)
        const isAsked =
          isOf(state, view.state) &&
          (priority === undefined || view.priority === priority) &&
          (id === undefined || view.id.startsWith(id)) &&
          (error === undefined || view.error?.code === error || view.error?.name === error)
        if (isAsked) records.push(view)
      }
      from += jobIds.length
      if (jobIds.length === 0) [set, from] = [set + 1, 0]
      // A page that finds nothing is a page, too: the rest is asked for by its cursor.
      else if (isSparse(state, priority, id, error)) break
    }
    return { records, cursor: set < sets.length ? `${set}:${from}` : undefined }
  }

  #idsOf(set: SetName, from: number, count: number): Promise<string[]> {
    const { keys, link } = this.#parts
    const to = from + count - 1
    return link.ask((client) =>
      set === 'active' || set === 'wait'
        ? client.lrange(keys[set], from, to)
        : set === 'prioritized' || set === 'delayed'
          ? client.zrange(keys[set], `${from}`, `${to}`)
          : client.zrange(keys[set], `${from}`, `${to}`, 'REV'),
    )
  }

  /** What has failed for any reason is in one set: its dead letters are those of `failed` that were not cancelled and did not expire. */
  async stats(): Promise<StoreStats> {
    const { link, scripts } = this.#parts
    const [wait, active, delayed, completed, failed, paused, , ...tiers] = (await link.ask((client) =>
      scripts.status(client),
    )) as number[]
    const waiting = priorities.reduce((sum, _, tier) => sum + (tiers[tier * 2] as number), wait as number)
    return {
      live: waiting + (active as number) + (delayed as number),
      completed: completed as number,
      dead: failed as number,
      ...{ expired: 0, cancelled: 0, shed: 0, isPaused: paused === 1, minutes: [] },
    }
  }

  #stored(record: JobRecord): StoredView {
    const { id, state, tier, generation, attempts, stalled, envelope, startedAt, endedAt, returnValue, reason } = record
    const isDead = state === 'dead'
    const lives = isLive(state)
    const submittedAt = envelope?.accepted ?? generation
    return {
      ...{ id, queue: this.#parts.name, kind: envelope?.kind, priority: priorityOf(tier), generation, attempts },
      state: state === 'retrying' ? 'held' : (state as StoredState),
      ...{ crashes: stalled, key: undefined, submittedAt, startAt: envelope?.startAt, startedAt, endedAt },
      ...{ ...timesOf(record), slot: undefined, error: reason === undefined ? undefined : storedErrorOf(reason) },
      reason: isDead ? (stalled > 1 ? 'crashed' : 'failed') : undefined,
      resultOmitted: undefined,
      payload: isDead || lives ? envelope?.p : undefined,
      result: returnValue === undefined || state !== 'completed' ? undefined : (JSON.parse(returnValue) as string),
      metadata: envelope?.metadata,
    }
  }

  /** As `find()` of an executor shows it. */
  async view(id: string): Promise<RequestView | undefined> {
    const record = await this.read(id)
    if (record === undefined) return undefined
    const { state, tier, generation, attempts, envelope, position, startedAt, endedAt, returnValue, reason } = record
    const error = reason === undefined ? undefined : storedErrorOf(reason)
    const view: RequestView = {
      ...{ id, queue: this.#parts.name, kind: envelope?.kind, state, priority: priorityOf(tier), generation, attempts },
      ...{ position, progress: state === 'running' ? record.progress : undefined },
      submittedAt: iso(envelope?.accepted ?? generation) as string,
      ...{ startedAt: iso(startedAt), endedAt: iso(endedAt), ...timesOf(record) },
      result:
        state === 'completed' && returnValue !== undefined ? this.decode(JSON.parse(returnValue) as string) : undefined,
      error: error && { name: error.name, code: error.code, message: error.message },
      metadata: envelope?.metadata === undefined ? undefined : jsonCodec.decode(envelope.metadata),
    }
    return Object.fromEntries(Object.entries(view).filter(([, value]) => value !== undefined)) as unknown as RequestView
  }
}

type SetName = 'active' | 'wait' | 'prioritized' | 'delayed' | 'completed' | 'failed'

function setsFor(state: StoreQuery['state']): readonly SetName[] {
  switch (state) {
    case 'running':
      return ['active']
    case 'waiting':
      return ['wait', 'prioritized']
    case 'held':
      return ['delayed']
    case 'live':
      return ['active', 'wait', 'prioritized', 'delayed']
    case 'completed':
      return ['completed']
    case 'shed':
      return []
    case undefined:
      return ['active', 'wait', 'prioritized', 'delayed', 'failed', 'completed']
    default:
      return ['failed', 'active']
  }
}

function isOf(asked: StoreQuery['state'], state: StoredState): boolean {
  return asked === undefined || (asked === 'live' ? isLive(state) : asked === state)
}

/** May a page have fewer than there are? */
function isSparse(state: StoreQuery['state'], ...filters: unknown[]): boolean {
  return filters.some((filter) => filter !== undefined) || state === 'expired' || state === 'cancelled'
}

function recordOf(jobId: string, replies: unknown[]): JobRecord | undefined {
  const [seen, delayed, rank, place, before] = replies as [
    (string | null)[],
    unknown,
    number | null,
    number | null,
    number,
  ]
  const [data, timestamp, priority, attempts, stalled, started, finished, result, reason, forced, forcedAt, progress] =
    seen
  if (data == null || timestamp == null) return undefined
  const begun = Number(attempts ?? 0)
  const end = forced ?? (result != null || finished == null ? undefined : (reason ?? ''))
  const state = ((): RequestStateLike => {
    if (end != null) return deadBy(end)
    if (finished != null) return 'completed'
    if (delayed !== null) return begun > 0 ? 'retrying' : 'held'
    if (rank !== null || place !== null) return begun > 0 ? 'retrying' : 'waiting'
    return 'running'
  })()
  return {
    ...{ jobId, id: idOf(jobId) ?? jobId, state, generation: Number(timestamp), attempts: begun },
    tier: Math.min(Math.max(Number(priority ?? 3) - 1, 0), 3),
    ...{ stalled: Number(stalled ?? 0), envelope: envelopeOf(data), reason: end ?? undefined },
    position: rank !== null ? rank + before : place !== null ? before - 1 - place : undefined,
    startedAt: started == null ? undefined : Number(started),
    endedAt: forced != null ? Number(forcedAt) : finished == null ? undefined : Number(finished),
    returnValue: result ?? undefined,
    progress: progress == null ? undefined : progressOf(progress),
  }
}

/** The state of one that has ended with this. */
function deadBy(text: string): RequestStateLike {
  const state = stateBy(text)
  return state === 'failed' ? 'dead' : state
}

export function progressOf(text: string): JobRecord['progress'] {
  try {
    const { fraction, message } = JSON.parse(text) as { fraction?: unknown; message?: string }
    if (typeof fraction !== 'number') return undefined
    return message === undefined ? { fraction } : { fraction, message }
  } catch {
    return undefined
  }
}

function envelopeOf(data: string): Envelope | undefined {
  try {
    const envelope = JSON.parse(data) as Envelope
    return envelope.v === 1 ? envelope : undefined
  } catch {
    return undefined
  }
}

function timesOf({ envelope, generation, startedAt, endedAt }: JobRecord) {
  const from = envelope?.startAt ?? envelope?.accepted ?? generation
  return {
    waitMs: startedAt === undefined ? undefined : Math.max(startedAt - from, 0),
    runMs: startedAt === undefined || endedAt === undefined ? undefined : Math.max(endedAt - startedAt, 0),
  }
}

function iso(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString()
}
