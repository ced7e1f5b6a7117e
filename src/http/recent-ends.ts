/**
 * What has become of those that have ended? The last of them, in memory: for an executor that has no store of its own.
 */
import type { Priority } from '../core/priority.ts'
import type { ErrorView } from '../index.ts'
import type { Identity } from './identity.ts'

export const endedStates = ['completed', 'dead', 'expired', 'cancelled', 'shed'] as const

export type EndedState = (typeof endedStates)[number]

/** An end that is kept. Times are in ms since 1970. */
export interface Ended {
  readonly id: string
  readonly generation: number
  readonly key: string | undefined
  readonly state: EndedState
  readonly priority: Priority
  readonly submittedAt: number
  readonly startedAt: number | undefined
  readonly endedAt: number
  readonly waitMs: number | undefined
  readonly runMs: number | undefined
  readonly attempts: number
  readonly result: unknown
  readonly error: unknown
  /** Of a dead letter: to be looked at, and submitted once more. */
  readonly request: unknown
  readonly metadata: unknown
  readonly options: object | undefined
  readonly identity: Identity
}

export interface EndedQuery {
  readonly states: ReadonlySet<EndedState>
  readonly priority: Priority | undefined
  readonly id: string | undefined
  /** Of this code, or name. */
  readonly error: string | undefined
  readonly before: number
  readonly limit: number
}

export interface EndedPage {
  readonly found: readonly Ended[]
  readonly next: number | undefined
}

export type EndedStats = { readonly [S in EndedState]: number }

/** What is asked of whoever keeps ends. */
interface EndedRecords {
  /** The youngest with this id. */
  find(id: string): Ended | undefined
  /** The youngest first. */
  list(query: EndedQuery): EndedPage
  /** How many are kept of each. */
  stats(): EndedStats
}

export interface Keep {
  /** Of dead letters, and as many of all others: so that these never push out what may be requeued. */
  readonly count: number
  readonly ageMs: number
}

/** So many are looked at for one page, at most. */
const MAX_LOOKED_AT = 20_000

/** With its number: each has a greater one than those before it. A cursor is the number of the last one that was looked at. */
interface Numbered {
  readonly number: number
  /** Undefined: it was taken out. */
  ended: Ended | undefined
}

interface Shown {
  readonly number: number
  readonly ended: Ended
}

/** In the order of their ends, the oldest first; what was taken out has left its number. */
class Ring {
  readonly #keep: Keep
  #all: Numbered[] = []
  /** Before it none is left. */
  #from = 0
  #size = 0

  constructor(keep: Keep) {
    this.#keep = keep
  }

  add(numbered: Numbered): void {
    this.#all.push(numbered)
    this.#size++
  }

  delete(numbered: Numbered): void {
    numbered.ended = undefined
    this.#size--
  }

  /** Takes out what are too many, and what is too old. */
  *dropped(now: number): Generator<Ended> {
    for (let oldest = this.#all[this.#from]; oldest !== undefined; oldest = this.#all[++this.#from]) {
      const { ended } = oldest
      if (ended === undefined) continue
      if (this.#size <= this.#keep.count && ended.endedAt > now - this.#keep.ageMs) break
      this.delete(oldest)
      yield ended
    }
    if (this.#from < 1_024 || this.#from * 2 < this.#all.length) return
    this.#all = this.#all.slice(this.#from)
    this.#from = 0
  }

  /** The youngest first, of those that are older than a number. */
  *olderThan(before: number): Generator<Shown> {
    for (let at = this.#placeOf(before) - 1; at >= this.#from; at--) {
      const { number, ended } = this.#all[at] as Numbered
      if (ended !== undefined) yield { number, ended }
    }
  }

  /** Of the first one with this number or a greater one. */
  #placeOf(number: number): number {
    let low = 0
    let high = this.#all.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#all[middle] as Numbered).number < number) low = middle + 1
      else high = middle
    }
    return low
  }
}

export class RecentEnds implements EndedRecords {
  readonly #dead: Ring
  readonly #others: Ring
  #numbers = 0
  readonly #byId = new Map<string, Numbered>()
  readonly #counts = { completed: 0, dead: 0, expired: 0, cancelled: 0, shed: 0 }

  constructor(keep: Keep) {
    this.#dead = new Ring(keep)
    this.#others = new Ring(keep)
  }

  add(ended: Ended): void {
    this.delete(ended.id)
    const numbered: Numbered = { number: ++this.#numbers, ended }
    this.#ringOf(ended).add(numbered)
    this.#byId.set(ended.id, numbered)
    this.#counts[ended.state]++
    this.#expire()
  }

  find(id: string): Ended | undefined {
    this.#expire()
    return this.#byId.get(id)?.ended
  }

  /** Forgets one. */
  delete(id: string): boolean {
    const numbered = this.#byId.get(id)
    const ended = numbered?.ended
    if (numbered === undefined || ended === undefined) return false
    this.#ringOf(ended).delete(numbered)
    this.#forget(ended)
    return true
  }

  list({ states, priority, id, error, before, limit }: EndedQuery): EndedPage {
    this.#expire()
    const found: Ended[] = []
    let looked = 0
    for (const { number, ended } of byAge(this.#dead.olderThan(before), this.#others.olderThan(before))) {
      if (found.length >= limit || ++looked > MAX_LOOKED_AT) return { found, next: number + 1 }
      const fits =
        states.has(ended.state) &&
        (priority === undefined || ended.priority === priority) &&
        (id === undefined || ended.id.startsWith(id)) &&
        (error === undefined || isOf(ended.error, error))
      if (fits) found.push(ended)
    }
    return { found, next: undefined }
  }

  stats(): EndedStats {
    this.#expire()
    return { ...this.#counts }
  }

  #ringOf({ state }: Ended): Ring {
    return state === 'dead' ? this.#dead : this.#others
  }

  #expire(): void {
    const now = Date.now()
    for (const ring of [this.#dead, this.#others]) for (const ended of ring.dropped(now)) this.#forget(ended)
  }

  #forget(ended: Ended): void {
    this.#byId.delete(ended.id)
    this.#counts[ended.state]--
  }
}

/** Two lines, each the youngest first, as one. */
function* byAge(one: Iterator<Shown>, two: Iterator<Shown>): Generator<Shown> {
  let [a, b] = [one.next(), two.next()]
  while (a.done !== true || b.done !== true) {
    if (b.done === true || (a.done !== true && a.value.number > b.value.number)) {
      yield a.value as Shown
      a = one.next()
    } else {
      yield b.value
      b = two.next()
    }
  }
}

function isOf(error: unknown, word: string): boolean {
  const { name, code } = errorViewOf(error, false)
  return code === word || name === word
}

/** @param withMessage what it says itself is shown, too */
export function errorViewOf(error: unknown, withMessage: boolean): ErrorView {
  try {
    const { name, code, message } = error as { name?: unknown; code?: unknown; message?: unknown }
    return {
      name: typeof name === 'string' ? name.slice(0, 100) : 'Error',
      ...(typeof code === 'string' && { code: code.slice(0, 100) }),
      ...(withMessage && { message: String(message).slice(0, 2_000) }),
    }
  } catch {
    // Nothing, or a proxy that does not want to be looked at.
    return { name: 'Error' }
  }
}
