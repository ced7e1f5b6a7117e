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
  readonly count: number
  readonly ageMs: number
}

/** So many are looked at for one page, at most. */
const MAX_LOOKED_AT = 20_000

export class RecentEnds implements EndedRecords {
  readonly #keep: Keep
  /** In the order of their ends: the oldest first, those that were taken out as holes. */
  #ends: (Ended | undefined)[] = []
  #from = 0
  /** How many stood before the first of the array: a cursor counts them, too. */
  #base = 0
  readonly #byId = new Map<string, Ended>()
  readonly #counts = { completed: 0, dead: 0, expired: 0, cancelled: 0, shed: 0 }

  constructor(keep: Keep) {
    this.#keep = keep
  }

  add(ended: Ended): void {
    this.delete(ended.id)
    this.#ends.push(ended)
    this.#byId.set(ended.id, ended)
    this.#counts[ended.state]++
    while (this.#byId.size > this.#keep.count || this.#isHole()) this.#dropOldest()
    this.#expire()
  }

  find(id: string): Ended | undefined {
    this.#expire()
    return this.#byId.get(id)
  }

  /** Forgets one. */
  delete(id: string): boolean {
    const ended = this.#byId.get(id)
    if (ended === undefined) return false
    const at = this.#ends.lastIndexOf(ended)
    this.#ends[at] = undefined
    this.#byId.delete(id)
    this.#counts[ended.state]--
    return true
  }

  list({ states, priority, id, error, before, limit }: EndedQuery): EndedPage {
    this.#expire()
    const found: Ended[] = []
    let looked = 0
    for (let at = Math.min(this.#ends.length, before - this.#base) - 1; at >= this.#from; at--) {
      const ended = this.#ends[at]
      if (ended === undefined) continue
      if (found.length >= limit || ++looked > MAX_LOOKED_AT) return { found, next: this.#base + at + 1 }
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

  #isHole(): boolean {
    return this.#from < this.#ends.length && this.#ends[this.#from] === undefined
  }

  #dropOldest(): void {
    const oldest = this.#ends[this.#from]
    this.#ends[this.#from++] = undefined
    if (oldest !== undefined) {
      this.#byId.delete(oldest.id)
      this.#counts[oldest.state]--
    }
  }

  #expire(): void {
    const until = Date.now() - this.#keep.ageMs
    while (this.#from < this.#ends.length) {
      const oldest = this.#ends[this.#from]
      if (oldest !== undefined && oldest.endedAt > until) return
      this.#dropOldest()
    }
    if (this.#from < 1_024 || this.#from * 2 < this.#ends.length) return
    this.#ends = this.#ends.slice(this.#from)
    this.#base += this.#from
    this.#from = 0
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
