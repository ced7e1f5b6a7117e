/**
 * What an executor does with its store: which moments wait for a commit, and which only follow.
 *
 *     arrives ──▶ encoded ──▶ has its room ═══▶ admitted ──▶ its turn ═══▶ called ──▶ settled ═══▶ told
 *                                  storing               starting                        recording
 *
 *     ═══▶ waits for a commit; meanwhile the room, the slot, or the answer is there already, and stays
 *
 * So the engine's order is that of arrival, whatever the disk does: a request takes its room and its turn as without a store,
 * and only the call of the executor waits. All that is handed over in one stretch of code is one commit: the admission of a
 * request that meets a free slot and the beginning of its first attempt; an end and the beginning of the next attempt in that slot.
 *
 * While the disk does not do what it should, admissions are refused, nothing starts, and what has ended waits to be told; but
 * nobody waits for ever (`telling.ts`). What was kept before comes back first of all (`recovery.ts`).
 */
import { MAX_DELAY_MS } from '../clock.ts'
import { QueueClosedError } from '../errors.ts'
import type { Keeper, KeeperMeans, KeptStatus, RunOf } from '../keeper.ts'
import { keyedBy, keyOf, type Policy } from '../policy.ts'
import type { RequestRecord } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { Encoded, QueueStore, Store, StoredView, StoreEvent, StoreState } from '../store.ts'
import { Admissions, type AdmissionsParts } from './admissions.ts'
import { Attempts, type AttemptsParts } from './attempts.ts'
import { encode, isSame } from './encoding.ts'
import { Ends, type EndsParts } from './ends.ts'
import { Recovery, type RecoveryParts } from './recovery.ts'
import { fact, nothing, storedOf } from './stored-request.ts'
import { Telling, type TellingParts } from './telling.ts'

/** What it acts on. */
export interface KeeperParts {
  readonly settings: AdmissionsParts['settings'] &
    EndsParts['settings'] &
    RecoveryParts['settings'] &
    TellingParts['settings'] & {
      readonly name: string
      readonly maxAttempts: number
      readonly order: Policy
      readonly rateLimits: readonly Policy[]
      readonly clock: { setTimeout(callback: () => void, ms: number): unknown; clearTimeout(handle: unknown): void }
    }
  readonly timeline: AttemptsParts['timeline']
  readonly alarm: AttemptsParts['alarm']
  readonly admission: AdmissionsParts['admission'] & RecoveryParts['admission']
  readonly endings: AdmissionsParts['endings'] & {
    end(record: RequestRecord, state: State, value: unknown): boolean
  }
  readonly refusals: AdmissionsParts['refusals']
  readonly parties: AdmissionsParts['parties'] & TellingParts['parties']
  readonly lives: AdmissionsParts['lives']
  readonly closing: AdmissionsParts['closing'] & RecoveryParts['closing'] & TellingParts['closing'] & { wakes(): void }
  readonly room: AdmissionsParts['room']
  readonly dispatch: AdmissionsParts['dispatch'] & { waitsForStore(waits: boolean): void }
  readonly statistics: AdmissionsParts['statistics'] & { readonly parked: number; readonly storingInAll: number }
  readonly tell: AdmissionsParts['tell'] &
    EndsParts['tell'] & { all(event: 'store', more: { state: StoreState; error: Error | undefined }): void }
  readonly audit: AdmissionsParts['audit']
  waiting(): RequestRecord[]
  setAlarm(now: number): void
  pause(): void
}

/** Made by the store's own `keeper`, so that who has no store need not bundle it. */
export class StoreKeeper implements Keeper {
  readonly #isDurable: boolean
  readonly #parts: KeeperParts
  readonly #store: Store
  readonly #queue: QueueStore
  readonly #admissions: Admissions
  readonly #attempts: Attempts
  readonly #ends: Ends
  readonly #telling: Telling
  readonly #recovery: Recovery
  readonly #unwatch: () => void
  /** Is it waited for what was kept? */
  #isComing = true

  constructor(store: Store, parts: KeeperParts, means: KeeperMeans) {
    const { name, maxAttempts } = parts.settings
    const { isDurable } = store
    const queue = store.queue(name, { maxAttempts })
    const state = (): StoreState => store.status().state
    this.#isDurable = isDurable
    this.#parts = parts
    this.#store = store
    this.#queue = queue
    const recovery = new Recovery(queue, parts, means, () => state() === 'closed')
    const attempts = new Attempts(parts, queue, state, isDurable ? (record) => this.#park(record) : undefined)
    const admissions = new Admissions(parts, queue, attempts, () => recovery.promise)
    const telling = new Telling(parts, means.line)
    this.#recovery = recovery
    this.#attempts = attempts
    this.#admissions = admissions
    this.#telling = telling
    this.#ends = new Ends(parts, queue, isDurable, { admissions, attempts, telling })
    queue.arrived = (record) => void recovery.arrives(record)
    this.#unwatch = store.watch((event) => this.#hears(event))
    this.#holds()
    this.#comesBack()
  }

  /** Until all is back it is not idle, and a close waits. */
  #comesBack(): void {
    const { closing, setAlarm, timeline } = this.#parts
    closing.live++
    closing.wakes()
    // Nothing else may keep the process alive meanwhile.
    setAlarm(timeline.now())
    void this.#recovery.run(() => {
      this.#holds()
      this.#isBack()
    })
  }

  #isBack(): void {
    if (!this.#isComing) return
    this.#isComing = false
    const { closing } = this.#parts
    closing.live--
    if (closing.live === 0) closing.rest()
  }

  shuts(): void {
    if (!this.#parts.closing.drains) this.#isBack()
  }

  get #recovered(): Promise<void> | undefined {
    return this.#isDurable ? this.#recovery.promise : undefined
  }

  get isDown(): boolean {
    return this.#store.status().state !== 'open'
  }

  get nextDueAt(): number {
    return Math.min(this.#telling.nextDueAt, this.#attempts.nextAt)
  }

  status(): KeptStatus {
    return {
      ...this.#store.status(),
      storing: this.#parts.statistics.storingInAll,
      recovering: this.#recovery.promise !== undefined,
      recovered: this.#recovery.count,
      parked: this.#parts.statistics.parked,
      unhandled: this.#recovery.unhandled(),
    }
  }

  /** Nothing starts before all that was kept is back, nor while the disk does not do what it should. */
  #holds(): void {
    this.#parts.dispatch.waitsForStore(this.#recovered !== undefined || (this.#isDurable && this.isDown))
  }

  #hears(event: StoreEvent): void {
    if (event.type !== 'state') return
    const { state, error } = event
    this.#holds()
    this.#parts.tell.all('store', { state, error })
    if (state === 'open') this.#attempts.triesAgain()
    // What it has kept runs after the next start.
    else if (state === 'closed' && this.#isDurable) {
      for (const record of [...this.#parts.waiting(), ...this.#attempts.again]) this.#park(record)
    }
  }

  #park(record: RequestRecord): void {
    // Whoever has heard of another one may have ended it.
    this.#parts.endings.end(record, State.PARKED, this.parks(record))
  }

  takes(record: RequestRecord): void {
    const extras = record.more()
    // All that is live with a store can be found by its id.
    extras.id = record.lastId
    const key = keyOf(keyedBy(this.#parts.settings), record.request, record.metadata)
    const stored = encode(record, this.#queue, key)
    extras.stored = stored
    this.#recovery.knows(stored.seq)
    const recovered = this.#recovered
    // What was kept before goes first.
    if (recovered === undefined) return
    const later = record.later()
    later.after = [...(later.after ?? []), recovered]
  }

  isSame(one: RequestRecord, other: RequestRecord): boolean | undefined {
    return isSame(one, other)
  }

  stores(record: RequestRecord): void {
    this.#admissions.stores(record)
  }

  waits(record: RequestRecord, go: () => void): void {
    this.#attempts.waits(record, go)
  }

  retries(record: RequestRecord, error: unknown, delayMs: number): void {
    this.#attempts.retries(record, error, delayMs)
  }

  moved(record: RequestRecord): void {
    const { isHanded, seq } = storedOf(record)
    if (isHanded) fact(() => this.#queue.changed(seq, { priority: record.priority }))
  }

  paused(isPaused: boolean, isChange = true): void {
    if (!isChange && this.#recovery.promise === undefined) return
    this.#recovery.isToldOfPause = true
    fact(() => this.#queue.paused(isPaused))
  }

  parks(record: RequestRecord): unknown {
    return this.#ends.parks(record)
  }

  defers(record: RequestRecord): boolean {
    return this.#ends.defers(record)
  }

  ended(record: RequestRecord, value: unknown, from: State, run: RunOf | undefined): void {
    this.#ends.ended(record, value, from, run)
  }

  ring(now: number): void {
    if (this.#attempts.nextAt <= now) this.#attempts.triesAgain()
    this.#telling.ring(now)
  }

  find(id: string): Promise<StoredView | undefined> {
    return this.#queue.find(id)
  }

  decode(encoded: Encoded): unknown {
    return this.#queue.decode(encoded)
  }

  async requeue(id: string, generation: number | undefined): Promise<boolean> {
    const { closing, settings } = this.#parts
    if (closing.begun) throw new QueueClosedError({ queue: settings.name, requestId: id })
    const live = await this.#queue.requeue(id, generation)
    if (live !== undefined) await this.#recovery.arrives(live)
    return live !== undefined
  }

  discard(id: string, generation: number | undefined): Promise<boolean> {
    return this.#queue.discard(id, generation)
  }

  flushed(): Promise<void> {
    this.#admissions.hand()
    return this.#store.flushed()
  }

  async leaves(): Promise<void> {
    const { clock, tellWithinMs } = this.#parts.settings
    let timer: unknown
    const isOver = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, Math.min(tellWithinMs, MAX_DELAY_MS))
    })
    await Promise.race([this.flushed().catch(nothing), isOver])
    clock.clearTimeout(timer)
    this.#telling.ring(Number.POSITIVE_INFINITY)
    this.#unwatch()
    this.#queue.release()
  }
}
