/**
 * What was kept comes back: after a restart, page by page and in the order of arrival; and one by one, when dead letters are
 * requeued through the store itself.
 *
 * It comes back as it was: with its id, priority, cost and metadata, and with what remains of its time limits. Its attempts go on
 * counting. There is room for it, whatever the bounds are now, since it was admitted. The schema looks at it again, since it may
 * be another one: what does not fit any more is a dead letter. What has a kind that nobody handles here stays in the store, and is
 * counted.
 */
import type { Timeline } from '../clock.ts'
import { CancelledError } from '../errors.ts'
import type { KeeperMeans } from '../keeper.ts'
import { tierOf } from '../priority.ts'
import type { KindLimits } from '../request-extras.ts'
import { RequestRecord } from '../request-record.ts'
import type { Encoded, LiveRecord, QueueStore } from '../store.ts'
import { fact, nothing, StoredRequest } from './stored-request.ts'

/** What it acts on. */
export interface RecoveryParts {
  readonly settings: {
    readonly kinds: ReadonlyMap<string, KindLimits>
    readonly clock: { setTimeout(callback: () => void, ms: number): unknown }
  }
  readonly timeline: Timeline
  readonly admission: { comesBack(record: RequestRecord): void }
  readonly parties: { byId(id: string): RequestRecord | undefined }
  readonly closing: { readonly begun: boolean; readonly closed: boolean; readonly drains: boolean }
  pause(): void
}

/** How long it waits until it asks again, in ms, when the store can't be read. */
const AGAIN_MS = 250

export class Recovery {
  readonly #queue: QueueStore
  readonly #parts: RecoveryParts
  readonly #means: KeeperMeans
  readonly #isOver: () => boolean
  readonly #unhandled = new Map<string, number>()
  /** Numbers of those that came or were requeued meanwhile: a page may have them, too, and they are here already. */
  readonly #known = new Set<number>()
  /** The ids of those that stay in the store, since nobody handles their kind here. */
  readonly #left = new Set<string>()
  /** The greatest number that a page has had. */
  #last = 0
  /** Was it paused or resumed here? Then that counts, and not what was kept. */
  isToldOfPause = false
  #resolve = nothing
  /** Fulfils when all is back; undefined from then on. */
  promise: Promise<void> | undefined
  /** How many have come back. */
  count = 0

  /** @param isOver is the store closed? */
  constructor(queue: QueueStore, parts: RecoveryParts, means: KeeperMeans, isOver: () => boolean) {
    this.#means = means
    this.#queue = queue
    this.#isOver = isOver
    this.#parts = parts
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** Of each kind that nobody handles here, how many there are. */
  unhandled(): { readonly kind: string; readonly live: number }[] {
    return Array.from(this.#unhandled, ([kind, live]) => ({ kind, live }))
  }

  /** @param done is called when all is back */
  async run(done: () => void): Promise<void> {
    for (let after: number | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
      const page = await this.#page(after)
      if (page === undefined) break
      if (isFirst && page.isPaused && !this.isToldOfPause) this.#parts.pause()
      for (const record of page.records) {
        this.#last = record.seq
        if (this.#parts.closing.drains && !this.#known.has(record.seq)) await this.#comesBack(record)
      }
      after = page.next
    }
    this.promise = undefined
    this.#known.clear()
    this.#resolve()
    done()
  }

  /** Undefined: the store or the executor was closed before it could be read. */
  async #page(after: number | undefined) {
    while (!this.#parts.closing.begun) {
      try {
        return await this.#queue.recover(after)
      } catch {
        if (this.#isOver()) return undefined
        await new Promise<void>((resolve) => this.#parts.settings.clock.setTimeout(resolve, AGAIN_MS))
      }
    }
    return undefined
  }

  /** A newcomer takes this number. */
  knows(seq: number): void {
    if (this.promise !== undefined) this.#known.add(seq)
  }

  /** One that was requeued. Where nothing is admitted any more it stays in the store. */
  async arrives(live: LiveRecord): Promise<void> {
    // A page has had it, too.
    if (this.#parts.closing.begun || live.seq <= this.#last) return
    this.knows(live.seq)
    await this.#comesBack(live)
  }

  async #comesBack(live: LiveRecord): Promise<void> {
    const { admission, closing, settings } = this.#parts
    const { kind, seq } = live
    const limits = kind === undefined ? {} : settings.kinds.get(kind)
    // What comes after one that nobody handles here waits for it, in the store as well.
    const awaits = live.limits.after?.find((id) => this.#left.has(id))
    if (limits === undefined || awaits !== undefined) {
      const what = kind ?? `after '${awaits}'`
      this.#unhandled.set(what, (this.#unhandled.get(what) ?? 0) + 1)
      this.#left.add(live.id)
      return
    }
    const read = this.#read(live)
    if (read === undefined) return
    const inspected = await this.#means.inspect(read.request)
    if ('error' in inspected) {
      const { attempts } = live
      const end = { outcome: 'failed', endedAt: Date.now(), attempts, error: inspected.error } as const
      fact(() => this.#queue.ended(seq, end))
      return
    }
    // It stays where it is. Meanwhile all else may have been finished.
    if (!closing.drains || closing.closed) return
    const record = this.#made(live, inspected.request, read.metadata, limits)
    this.count++
    admission.comesBack(record)
  }

  #read(live: LiveRecord): { readonly request: unknown; readonly metadata: unknown } | undefined {
    try {
      const { payload, metadata } = live
      return {
        request: this.#queue.decode(payload),
        metadata: metadata === undefined ? undefined : this.#queue.decode(metadata as Encoded),
      }
    } catch (error) {
      fact(() => this.#queue.unreadable(live.seq, error))
      return undefined
    }
  }

  #made(live: LiveRecord, request: unknown, metadata: unknown, kind: KindLimits): RequestRecord {
    const { timeline } = this.#parts
    const { limits, startAt, submittedAt } = live
    const now = timeline.now()
    const today = Date.now()
    // Clamped: the clock of the machine may have been set meanwhile.
    const arrived = now - Math.max(today - submittedAt, 0)
    const record = new RequestRecord(request, tierOf(live.priority), { at: arrived, owner: this.#means.owner })
    // Whoever submitted it is gone.
    record.context = undefined
    const extras = record.more()
    extras.id = live.id
    extras.ownId = live.isKey
    if (live.kind !== undefined) record.later().kind = live.kind
    extras.metadata = metadata
    extras.cost = limits.cost ?? 1
    extras.waitTimeoutMs = limits.waitTimeoutMs ?? kind.waitTimeoutMs
    extras.runTimeoutMs = limits.runTimeoutMs ?? kind.runTimeoutMs
    extras.timeoutMs = limits.timeoutMs ?? kind.timeoutMs
    if (startAt !== undefined) record.later().startAt = now + Math.max(startAt - today, 0)
    if (limits.deadlineAt !== undefined) record.later().deadlineAt = now + limits.deadlineAt - today
    if (limits.after !== undefined) record.later().after = limits.after.map((id) => this.#ended(id))
    const stored = new StoredRequest(live.seq, live.payload, live.metadata, limits, live.attempts)
    stored.isHanded = true
    stored.isKept = true
    extras.stored = stored
    return record
  }

  /** What became, or becomes, of the one that another waits for. */
  async #ended(id: string): Promise<void> {
    await this.promise
    const live = this.#parts.parties.byId(id)
    if (live !== undefined) {
      await live.result
      return
    }
    const view = await this.#queue.find(id)
    if (view === undefined || view.state === 'completed') return
    throw new CancelledError(`'${id}', which it waits for, has ended as ${view.state}`, { requestId: id })
  }
}
