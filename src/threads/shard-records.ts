/**
 * What the stores of shards keep, as one: each shard is asked, and its records are put among those of the others, the youngest first.
 *
 * A cursor has that of each shard in it, the number of the last record that was shown of it.
 */
import { OptionsError } from '../core/errors.ts'
import { type Readable, readableStoreOf } from '../core/readable-store.ts'
import type { Encoded, StoredView, StoreMinute, StorePage, StoreQuery, StoreStats } from '../core/store.ts'
import type { Maybe } from '../index.ts'
import { summed } from './totals.ts'

/** What the store of one shard keeps of it. */
export interface ShardRecords {
  find(id: string): Promise<StoredView | undefined>
  list(query: StoreQuery): Promise<StorePage>
  stats(): Promise<StoreStats>
  decode(encoded: Encoded): Maybe<unknown>
}

/** A minute of one shard: waits of several can't be added up. */
interface ShardMinute extends StoreMinute {
  readonly shard: number
}

/** Of an executor in this thread. */
export function recordsIn(executor: { readonly name: string; readonly settings?: object | undefined }) {
  const store = readableStoreOf(executor)
  if (store === undefined) return undefined
  const queue = executor.name
  const records: ShardRecords = {
    find: (id) => store.find(id, queue),
    list: (query) => store.list({ ...query, queue }),
    stats: () => store.stats(queue),
    decode: (encoded) => store.decode(encoded),
  }
  return records
}

/** In the place of a cursor: it is not begun, and there is no more. */
const BEGIN = ''
const OVER = '0'

/** All of them, for whoever asks about the queue that they are together. */
export class AllRecords implements Pick<Readable, 'find' | 'list' | 'decode'> {
  readonly #queue: string
  readonly #shards: readonly ShardRecords[]

  constructor(queue: string, shards: readonly ShardRecords[]) {
    this.#queue = queue
    this.#shards = shards
  }

  async find(id: string): Promise<StoredView | undefined> {
    const found = await Promise.all(this.#shards.map((shard) => shard.find(id)))
    return this.#named(found.find((view) => view !== undefined))
  }

  #named<View extends StoredView | undefined>(view: View): View {
    return view && { ...view, queue: this.#queue }
  }

  async list({ queue: _, cursor, limit = 100, ...query }: StoreQuery & { readonly queue?: string | undefined } = {}) {
    const places = this.#placesOf(cursor)
    const pages = await Promise.all(this.#shards.map((shard, index) => this.#page(shard, places[index], query, limit)))
    const records: StoredView[] = []
    const shown = pages.map(() => 0)
    while (records.length < limit) {
      const index = youngest(pages, shown)
      if (index === undefined) break
      const at = shown[index] as number
      records.push(this.#named((pages[index] as StorePage).records[at] as StoredView))
      shown[index] = at + 1
    }
    const next = pages.map((page, index) => placeAfter(page, shown[index] as number, places[index] as string))
    return { records, cursor: next.every((place) => place === OVER) ? undefined : next.join('.') }
  }

  #placesOf(cursor: string | undefined): readonly string[] {
    if (cursor === undefined) return this.#shards.map(() => BEGIN)
    const places = cursor.split('.')
    if (places.length === this.#shards.length) return places
    throw new OptionsError('cursor', 'a cursor that a page has given', cursor)
  }

  async #page(shard: ShardRecords, place: string | undefined, query: StoreQuery, limit: number): Promise<StorePage> {
    if (place === OVER) return { records: [], cursor: undefined }
    return shard.list({ ...query, limit, ...(place !== BEGIN && { cursor: place }) })
  }

  async stats(): Promise<StoreStats> {
    const all = await Promise.all(this.#shards.map((shard) => shard.stats()))
    const counts = all.map(({ minutes: _, isPaused: __, ...counts }) => counts)
    const minutes: ShardMinute[] = all.flatMap((stats, shard) => stats.minutes.map((minute) => ({ ...minute, shard })))
    return {
      ...summed(counts),
      isPaused: all.every(({ isPaused }) => isPaused),
      minutes: minutes.sort((a, b) => a.at - b.at),
    }
  }

  /** All shards are made in the same way, and so their stores read alike. */
  decode(encoded: Encoded): Maybe<unknown> {
    return this.#shards[0]?.decode(encoded)
  }
}

/** Which page has the youngest record of those that are not shown yet? */
function youngest(pages: readonly StorePage[], shown: readonly number[]): number | undefined {
  let found: number | undefined
  let at = Number.NEGATIVE_INFINITY
  for (const [index, { records }] of pages.entries()) {
    const submittedAt = records[shown[index] as number]?.submittedAt
    if (submittedAt === undefined || submittedAt <= at) continue
    found = index
    at = submittedAt
  }
  return found
}

/** Where a shard goes on. */
function placeAfter({ records, cursor }: StorePage, shown: number, before: string): string {
  if (shown === records.length) return cursor ?? OVER
  return shown === 0 ? before : (records[shown - 1] as StoredView).generation.toString(36)
}
