/**
 * What is known of requests that live no more, and what may be done with them? Of an executor with a store, what the store says; of
 * any other, what is kept here of its last ends.
 */
import type { Priority } from '../core/priority.ts'
import type { Readable } from '../core/readable-store.ts'
import type { StoredState, StoredView } from '../core/store.ts'
import { keptLineOf } from '../core/watch/request-view.ts'
import type { RequestView } from '../index.ts'
import type { ServedExecutor } from './executor-like.ts'
import type { Identities } from './identity.ts'
import { type EndedState, errorViewOf, type RecentEnds } from './recent-ends.ts'
import { endOf, type ViewOptions } from './view.ts'

/** How a change of a request went, one by one or many at once. */
export type Change = 'done' | 'missing' | 'stale' | 'ended' | 'not-waiting' | 'not-dead' | 'not-offered'

export interface KeptQuery {
  readonly states: ReadonlySet<EndedState>
  readonly priority: Priority | undefined
  readonly id: string | undefined
  readonly error: string | undefined
  /** From the page before. */
  readonly cursor: string | undefined
  readonly limit: number
}

export interface KeptPage {
  /** Without results and metadata. */
  readonly lines: readonly RequestView[]
  readonly cursor: string | undefined
}

export interface Kept {
  /** The youngest with this id; where a store knows, also one that lives. */
  view(id: string, options: ViewOptions): Promise<RequestView | undefined>
  /** The youngest first. */
  page(query: KeptQuery, exposeErrors: (id: string) => boolean): Promise<KeptPage>
  /** How many are kept of each. */
  stats(): Promise<{ readonly [state: string]: unknown }>
  /** Of one that is dead. */
  payload(id: string): Promise<unknown>
  /** A dead letter, once more; its generation was looked at. */
  requeue(id: string, generation: number): Promise<Change>
  /** Forgets a dead letter. */
  discard(id: string, generation: number | undefined): Promise<Change>
}

/** In memory. */
export class KeptHere implements Kept {
  readonly #queue: string
  readonly #executor: ServedExecutor
  readonly #ends: RecentEnds
  readonly #identities: Identities

  constructor(queue: string, executor: ServedExecutor, ends: RecentEnds, identities: Identities) {
    this.#queue = queue
    this.#executor = executor
    this.#ends = ends
    this.#identities = identities
  }

  async view(id: string, options: ViewOptions): Promise<RequestView | undefined> {
    const ended = this.#ends.find(id)
    if (ended !== undefined) return endOf(this.#queue, ended, options)
    const found = await this.#executor.find?.(id)
    return found === undefined || options.seesAll ? found : withoutPrivate(found)
  }

  async page({ cursor, ...query }: KeptQuery, exposeErrors: (id: string) => boolean): Promise<KeptPage> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
    const { found, next } = this.#ends.list({ ...query, before })
    const lines = found.map((ended) => {
      const shown = exposeErrors(ended.id)
      const { result, metadata, ...line } = endOf(this.#queue, ended, { seesAll: shown, exposeErrors: shown })
      return line
    })
    return { lines, cursor: next === undefined ? undefined : `${next}` }
  }

  async stats() {
    return this.#ends.stats()
  }

  async payload(id: string): Promise<unknown> {
    return this.#ends.find(id)?.request
  }

  async requeue(id: string, generation: number): Promise<Change> {
    const ended = this.#ends.find(id)
    // Of a store that can't be read as one, such as those of shards by a key.
    if (ended === undefined) return (await this.#executor.requeue?.(id, generation)) === true ? 'done' : 'not-dead'
    if (ended.state !== 'dead') return 'not-dead'
    if (ended.generation !== generation) return 'stale'
    const { priority, request, metadata, options, identity } = ended
    const { kind } = identity
    const again = { ...options, ...(kind && { kind }), id, priority, metadata, onDuplicate: 'reject' as const }
    const decided = this.#identities.comes(id, request, identity)
    // Taken out first: whoever asks at the same time finds none. It comes back if it is refused.
    this.#ends.delete(id)
    try {
      await this.#executor.submit(request as never, again as never)
    } catch (error) {
      this.#ends.add(ended)
      throw error
    } finally {
      decided()
    }
    return 'done'
  }

  async discard(id: string, generation: number | undefined): Promise<Change> {
    const ended = this.#ends.find(id)
    if (ended === undefined) return (await this.#executor.discard?.(id, generation)) === true ? 'done' : 'not-dead'
    if (ended.state !== 'dead') return 'not-dead'
    if (generation !== undefined && ended.generation !== generation) return 'stale'
    this.#ends.delete(id)
    return 'done'
  }
}

/** So many pages of a store are looked through for one of ours. */
const MAX_PAGES = 5

/** In a store, which the executor writes. */
export class KeptInStore implements Kept {
  readonly #queue: string
  readonly #executor: ServedExecutor
  readonly #store: Readable

  constructor(queue: string, executor: ServedExecutor, store: Readable) {
    this.#queue = queue
    this.#executor = executor
    this.#store = store
  }

  async view(id: string, { seesAll, exposeErrors }: ViewOptions): Promise<RequestView | undefined> {
    const view = await this.#executor.find?.(id)
    if (view === undefined) return undefined
    const shown = seesAll ? view : withoutPrivate(view)
    return exposeErrors && seesAll ? shown : withoutMessage(shown)
  }

  async page({ states, cursor, limit, ...query }: KeptQuery, exposeErrors: (id: string) => boolean): Promise<KeptPage> {
    const state: StoredState | undefined = states.size === 1 ? [...states][0] : undefined
    const lines: RequestView[] = []
    let next = cursor
    for (let pages = 0; pages < MAX_PAGES && lines.length < limit; pages++) {
      const asked = { ...query, state, cursor: next, limit: limit - lines.length, queue: this.#queue }
      const page = await this.#store.list(asked)
      for (const view of page.records) {
        if (states.has(view.state as EndedState)) lines.push(lineOf(view, exposeErrors(view.id)))
      }
      next = page.cursor
      if (next === undefined) break
    }
    return { lines, cursor: next }
  }

  async stats() {
    const { minutes, isPaused: _, live: __, ...counts } = await this.#store.stats(this.#queue)
    return { ...counts, minutes: minutes.map(({ at, ...minute }) => ({ at: new Date(at).toISOString(), ...minute })) }
  }

  async payload(id: string): Promise<unknown> {
    const view = await this.#store.find(id, this.#queue)
    return view?.payload === undefined ? undefined : this.#store.decode(view.payload)
  }

  async requeue(id: string, generation: number): Promise<Change> {
    if ((await this.#executor.find?.(id))?.state !== 'dead') return 'not-dead'
    return (await this.#executor.requeue?.(id, generation)) === true ? 'done' : 'not-dead'
  }

  async discard(id: string, generation: number | undefined): Promise<Change> {
    if (this.#executor.discard === undefined) return 'not-offered'
    return (await this.#executor.discard(id, generation)) ? 'done' : 'not-dead'
  }
}

function lineOf(view: StoredView, isShown: boolean): RequestView {
  // Why it is dead: `'crashed'` and `'corrupt'` are for whoever requeues it.
  const { error, ...rest } = keptLineOf(view)
  const line = view.reason === undefined ? rest : { ...rest, reason: view.reason }
  return error === undefined ? line : { ...line, error: errorViewOf(error, isShown) }
}

function withoutPrivate({ result, metadata, progress, ...view }: RequestView): RequestView {
  return withoutMessage(progress === undefined ? view : { ...view, progress: { fraction: progress.fraction } })
}

function withoutMessage({ error, ...view }: RequestView): RequestView {
  return error === undefined
    ? view
    : { ...view, error: { name: error.name, ...(error.code !== undefined && { code: error.code }) } }
}
