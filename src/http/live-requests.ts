/**
 * Which requests live, by state and tier, in the order of arrival? Kept from an executor's events, so that a page of a list costs
 * what it shows, however many wait.
 *
 * What waits stands in a line of chunks for each priority: a newcomer is put at the end, one that leaves makes a hole, and a chunk of
 * holes goes. What runs or backs off is bounded by slots and by `maxRetrying`, and is sorted when it is asked for.
 */
import { type Priority, priorities } from '../core/priority.ts'
import type { Identity } from './identity.ts'

/** One that lives, as far as events say it. */
export interface Live {
  readonly id: string
  /** The number of this life: greater than that of each before it. */
  readonly generation: number
  /** What the order, or a rate, tells it apart by. */
  readonly key: string | undefined
  priority: Priority
  state: 'waiting' | 'running' | 'retrying'
  /** Wall-clock times, in ms since 1970. */
  readonly submittedAt: number
  startedAt: number | undefined
  waitMs: number | undefined
  attempts: number
  readonly identity: Identity
}

const CHUNK = 512
/** So many are looked at for one page, at most. */
const MAX_LOOKED_AT = 20_000

interface Chunk {
  readonly items: (Live | undefined)[]
  size: number
}

class Line {
  readonly #chunks: Chunk[] = []

  add(live: Live): void {
    const last = this.#chunks.at(-1)
    if (last !== undefined && generationAt(last, last.items.length - 1) > live.generation) {
      this.#insert(live)
      return
    }
    if (last === undefined || last.items.length >= CHUNK) this.#chunks.push({ items: [live], size: 1 })
    else {
      last.items.push(live)
      last.size++
    }
  }

  /** One that comes from another line, to its place by age. */
  #insert(live: Live): void {
    const index = Math.max(this.#chunkOf(live.generation), 0)
    const chunk = this.#chunks[index] as Chunk
    const items = chunk.items.filter((item) => item !== undefined)
    const at = items.findIndex((item) => item.generation > live.generation)
    items.splice(at < 0 ? items.length : at, 0, live)
    this.#chunks[index] = { items, size: items.length }
  }

  delete(live: Live): void {
    const index = this.#chunkOf(live.generation)
    const chunk = this.#chunks[index]
    const at = chunk === undefined ? -1 : chunk.items.lastIndexOf(live)
    if (chunk === undefined || at < 0) return
    chunk.items[at] = undefined
    if (--chunk.size === 0) this.#chunks.splice(index, 1)
    // The first and the last item tell where a chunk begins and ends.
    else if (at === 0 || at === chunk.items.length - 1) {
      const items = chunk.items.filter((item) => item !== undefined)
      this.#chunks[index] = { items, size: items.length }
    }
  }

  /** The youngest first, of those that are older than a generation. */
  *olderThan(generation: number): Generator<Live> {
    for (let index = this.#chunkOf(generation); index >= 0; index--) {
      const { items } = this.#chunks[index] as Chunk
      for (let at = items.length - 1; at >= 0; at--) {
        const live = items[at]
        if (live !== undefined && live.generation < generation) yield live
      }
    }
  }

  /** The oldest first, of those that are younger than a generation. */
  *youngerThan(generation: number): Generator<Live> {
    for (let index = Math.max(this.#chunkOf(generation), 0); index < this.#chunks.length; index++) {
      for (const live of (this.#chunks[index] as Chunk).items) {
        if (live !== undefined && live.generation > generation) yield live
      }
    }
  }

  /** Of the last chunk that begins no later. */
  #chunkOf(generation: number): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (generationAt(this.#chunks[middle] as Chunk, 0) <= generation) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

function generationAt({ items }: Chunk, at: number): number {
  return (items[at] as Live).generation
}

export interface LiveQuery {
  readonly states: ReadonlySet<Live['state']>
  readonly priority: Priority | undefined
  /** Whose ids begin with this. */
  readonly id: string | undefined
  /** Only those that are older. */
  readonly before: number
  readonly limit: number
}

/** Where a page of what is next has ended. */
export interface NextPlace {
  /** From 0, the most urgent. */
  readonly tier: number
  readonly generation: number
}

export interface NextQuery {
  readonly priority: Priority | undefined
  readonly id: string | undefined
  readonly after: NextPlace
  readonly limit: number
}

export interface NextPage {
  readonly found: readonly Live[]
  readonly next: NextPlace | undefined
}

export interface LivePage {
  readonly found: readonly Live[]
  /** Up to where was looked; undefined: to the end. */
  readonly next: number | undefined
}

export class LiveRequests {
  readonly #byId = new Map<string, Live>()
  readonly #lines = new Map(priorities.map((priority) => [priority, new Line()]))
  /** What runs, or backs off. */
  readonly #others = new Set<Live>()

  get size(): number {
    return this.#byId.size
  }

  get(id: string): Live | undefined {
    return this.#byId.get(id)
  }

  add(live: Live): void {
    // An end of an earlier life was not told: it must not stay.
    this.delete(live.id)
    this.#byId.set(live.id, live)
    this.#put(live)
  }

  /** It has a slot, or backs off. */
  becomes(id: string, state: Live['state']): Live | undefined {
    const live = this.#byId.get(id)
    if (live === undefined || live.state === state) return live
    this.#take(live)
    live.state = state
    this.#put(live)
    return live
  }

  moves(id: string, priority: Priority): void {
    const live = this.#byId.get(id)
    if (live === undefined || live.priority === priority) return
    this.#take(live)
    live.priority = priority
    this.#put(live)
  }

  delete(id: string): Live | undefined {
    const live = this.#byId.get(id)
    if (live === undefined) return undefined
    this.#byId.delete(id)
    this.#take(live)
    return live
  }

  #put(live: Live): void {
    if (live.state === 'waiting') this.#lines.get(live.priority)?.add(live)
    else this.#others.add(live)
  }

  #take(live: Live): void {
    if (live.state === 'waiting') this.#lines.get(live.priority)?.delete(live)
    else this.#others.delete(live)
  }

  /** What waits, tier by tier and the oldest first: from a place on, which is the last one that was looked at. */
  next({ priority, id, after, limit }: NextQuery): NextPage {
    const found: Live[] = []
    let looked = 0
    let place = after
    for (const [tier, of] of priorities.entries()) {
      if (tier < after.tier || (priority !== undefined && of !== priority)) continue
      for (const live of this.#lines.get(of)?.youngerThan(tier === after.tier ? after.generation : 0) ?? []) {
        if (found.length >= limit || ++looked > MAX_LOOKED_AT) return { found, next: place }
        if (id === undefined || live.id.startsWith(id)) found.push(live)
        place = { tier, generation: live.generation }
      }
    }
    return { found, next: undefined }
  }

  /** The youngest first. */
  list({ states, priority, id, before, limit }: LiveQuery): LivePage {
    const sources: Iterator<Live>[] = []
    if (states.has('waiting')) {
      for (const [of, line] of this.#lines)
        if (priority === undefined || of === priority) sources.push(line.olderThan(before))
    }
    const others = [...this.#others].filter(
      (live) =>
        states.has(live.state) && live.generation < before && (priority === undefined || live.priority === priority),
    )
    if (others.length > 0) sources.push(others.sort((a, b) => b.generation - a.generation).values())
    return pageOf(sources, id, limit)
  }
}

/** Several lines, each the youngest first, as one. */
function pageOf(sources: readonly Iterator<Live>[], id: string | undefined, limit: number): LivePage {
  const heads = sources.map((source) => ({ source, live: nextOf(source) }))
  const found: Live[] = []
  for (let looked = 0; ; looked++) {
    let youngest: (typeof heads)[number] | undefined
    for (const head of heads) {
      if (head.live === undefined) continue
      if (youngest?.live === undefined || head.live.generation > youngest.live.generation) youngest = head
    }
    const live = youngest?.live
    if (youngest === undefined || live === undefined) return { found, next: undefined }
    if (found.length >= limit || looked >= MAX_LOOKED_AT) return { found, next: live.generation + 1 }
    if (id === undefined || live.id.startsWith(id)) found.push(live)
    youngest.live = nextOf(youngest.source)
  }
}

function nextOf(source: Iterator<Live>): Live | undefined {
  const { done, value } = source.next()
  return done === true ? undefined : value
}
