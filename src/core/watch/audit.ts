/**
 * Does the engine keep its promises, here and now? The second set of books of `debug: true`. Step 7 of 7.
 *
 * It is told of every transition, keeps who waits and who runs in plain sets of its own, and holds the engine's numbers
 * against them at each of these moments. The first difference is thrown as an uncaught exception, with the state, so that
 * nothing can swallow it; the audit then stops, since what follows from a wrong state says nothing.
 *
 * By their numbers in `RELIABILITY.md` it checks: 1 conservation, 2 no take-backs, 3 order, 4 bounds, 5 truthful slots,
 * 6 every promise settles (at the close), 9 quiet when idle, 11 time. At every start it looks at all that wait.
 */
import { soon } from '../clock.ts'
import { InvariantError } from '../errors.ts'
import type { RequestRecord } from '../request-record.ts'

/** The engine's own numbers. */
export interface AuditedNumbers {
  readonly admitted: number
  readonly ended: number
  readonly waiting: number
  readonly maxQueueSize: number
  readonly running: number
  readonly retrying: number
  readonly maxRetrying: number
  readonly blocked: number
  readonly maxBlocked: number
  /** How many slots calls may take, substitutes for those that are stuck excepted. */
  readonly slots: number
  readonly substitutes: number
  readonly now: number
}

/** What the audit looks at. */
export interface Audited {
  numbers(): AuditedNumbers
  /** All that stand in the queue. */
  queued(): Iterable<RequestRecord>
  /** Does it stand before another of another priority? */
  goesBefore(one: RequestRecord, other: RequestRecord): boolean
  /** What is held that only live requests need: `{ ids: 1 }`; nothing, while one is live or a call goes on. */
  held(): { readonly [what: string]: number }
  /** For the error. */
  state(): object
}

interface Peaks {
  waiting: number
  retrying: number
  blocked: number
}

type Phase = 'waiting' | 'running' | 'retrying'

export class Audit {
  readonly #audited: Audited
  readonly #live = new Map<RequestRecord, Phase>()
  readonly #over = new WeakSet<RequestRecord>()
  /** Those who have their slots, and those of them whose call goes on. */
  readonly #placed = new Set<RequestRecord>()
  readonly #calls = new Set<RequestRecord>()
  #admitted = 0
  /** How many there were of each when a bound was lowered below that. */
  #peaks: Peaks = { waiting: 0, retrying: 0, blocked: 0 }
  #now = Number.NEGATIVE_INFINITY
  #isBroken = false

  constructor(audited: Audited) {
    this.#audited = audited
  }

  admitted(record: RequestRecord): void {
    this.#must(2, !this.#live.has(record) && !this.#over.has(record), 'a request was admitted twice, or after its end')
    this.#admitted++
    this.#live.set(record, 'waiting')
    this.#look()
  }

  refused(record: RequestRecord): void {
    this.#must(2, !this.#live.has(record), 'an admitted request was refused')
    this.#over.add(record)
  }

  /** One comes back that was admitted in a former life of the process: over the bound, if need be. */
  comesBack(reserved: number): void {
    const { waiting } = this.#audited.numbers()
    // A wide one takes the slots that were reserved: those whose they were wait from then on.
    this.#peaks.waiting = Math.max(this.#peaks.waiting, waiting + reserved) + 1
  }

  /** One that was admitted could not be stored, and so it was not. */
  takenBack(record: RequestRecord): void {
    this.#must(2, this.#live.delete(record), 'a request was taken back that was not admitted')
    this.#admitted--
    this.#placed.delete(record)
  }

  /** It has left the queue for a slot, or for one that was its own before: then nobody is first. */
  starts(record: RequestRecord, hadSlot = false): void {
    const phase = this.#live.get(record)
    this.#must(2, phase === 'waiting' || phase === 'retrying', 'a request has started that did not wait')
    this.#live.set(record, 'running')
    for (const other of hadSlot ? [] : this.#audited.queued()) {
      const isBefore = other.tier === record.tier ? ranksBefore(other, record) : this.#audited.goesBefore(other, record)
      this.#must(3, !isBefore, `a ${record.priority} request has started before a ${other.priority} one that was first`)
    }
    this.#placed.add(record)
    let taken = 0
    for (const { cost } of this.#placed) taken += cost
    const { slots, substitutes } = this.#audited.numbers()
    // One that takes more than there are runs alone, or beside calls that are stuck and replaced.
    const holds = taken <= slots + substitutes || taken - record.cost <= substitutes
    this.#must(5, holds, `calls take ${taken} slots, and there are ${slots}, and ${substitutes} substitutes`)
    this.#look()
  }

  /** The executor is about to be called for it. */
  called(record: RequestRecord): void {
    this.#must(2, this.#live.get(record) === 'running', 'the executor was called for a request that does not run')
    this.#calls.add(record)
  }

  /** Its call has settled. */
  returned(record: RequestRecord): void {
    this.#must(5, this.#calls.delete(record), 'a call has settled twice')
    this.#placed.delete(record)
  }

  retries(record: RequestRecord): void {
    this.#must(2, this.#live.get(record) === 'running', 'a request is tried again that did not run')
    this.#live.set(record, 'retrying')
    this.#look()
  }

  ended(record: RequestRecord): void {
    this.#must(1, this.#live.delete(record), 'a request has ended twice, or was never admitted')
    this.#over.add(record)
    // It was ended on its way to the call.
    if (!this.#calls.has(record)) this.#placed.delete(record)
    this.#look()
  }

  /** Nothing is live, and no call goes on. */
  rests(): void {
    // Time may begin anew.
    this.#now = Number.NEGATIVE_INFINITY
    if (this.#left() === undefined) return
    const state = this.#audited.state()
    // A microtask later: in the middle of a step, code of the user may have ended the last one, and another is on its way in.
    soon.then(() => {
      const left = this.#left()
      this.#must(9, left === undefined, `nothing is live, and there are ${left}`, state)
    })
  }

  #left(): string | undefined {
    return Object.entries(this.#audited.held())
      .find(([, count]) => count !== 0)
      ?.join(': ')
  }

  closed(): void {
    this.#must(6, this.#live.size === 0, `it has closed, and ${this.#live.size} requests have no answer`)
  }

  #look(): void {
    const { admitted, ended, waiting, maxQueueSize, running, retrying, maxRetrying, blocked, maxBlocked, now } =
      this.#audited.numbers()
    const live = this.#live.size
    this.#must(
      1,
      admitted === this.#admitted && admitted - ended === live && waiting + running + retrying === live,
      `${this.#admitted} admitted, ${live} live; by its own books ${admitted} admitted, ${ended} ended, ${waiting} waiting, ${running} running, ${retrying} retrying`,
    )
    this.#mustKeep('waiting', waiting, maxQueueSize, 'wait')
    this.#mustKeep('retrying', retrying, maxRetrying, 'are retried')
    this.#mustKeep('blocked', blocked, maxBlocked, 'are blocked')
    this.#must(11, now >= this.#now, `it is ${now}, and was ${this.#now} before`)
    this.#now = now
  }

  #mustKeep(what: keyof Peaks, size: number, bound: number, verb: string): void {
    // One that makes room for another leaves first.
    if (size < bound) this.#peaks[what] = 0
    this.#must(4, size <= Math.max(bound, this.#peaks[what]), `${size} ${verb}, and the bound is ${bound}`)
  }

  /** The bounds were changed: what is over them may stay, and become fewer. */
  rebounded(): void {
    const { waiting, retrying, blocked } = this.#audited.numbers()
    this.#peaks = { waiting, retrying, blocked }
  }

  #must(law: number, holds: boolean, otherwise: string, state?: object): void {
    if (holds || this.#isBroken) return
    this.#isBroken = true
    const error = new InvariantError(law, otherwise, state ?? this.#audited.state())
    queueMicrotask(() => {
      throw error
    })
  }
}

function ranksBefore(one: RequestRecord, other: RequestRecord): boolean {
  return one.rank < other.rank || (one.rank === other.rank && one.sequence < other.sequence)
}
