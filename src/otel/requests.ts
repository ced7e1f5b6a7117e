/**
 * Which event belongs to which request? One entry for each live request, from its first event to its last.
 *
 *     blocked ─▶ queued ─▶ started ─▶ completed | failed | expired | cancelled | parked
 *        │          │          ▲ └─▶ retrying ─▶ expired | cancelled | shed | parked
 *        │          │          └────────┘
 *        │          └──────────────────────────▶ expired | cancelled | shed | parked
 *        └─▶ rejected
 *
 * Events name their request by its id, which is unique among the live requests of an executor. Requests that were live
 * before we came have no entry, and are left alone; but a caller who was blocked then is noticed when he is admitted.
 */
import type { ExecutorEvent, ExecutorEvents, Listener, Outcome } from '../index.ts'
import type { Durations } from './durations.ts'
import { handOver } from './in-span.ts'
import { linkJoined, noteRefusal, RequestSpans, type SpanPlan } from './request-spans.ts'
import type { Watched, WatchedRequest } from './watched.ts'

/** Who wants to know; undefined: not wanted. */
export interface Interested {
  readonly spans: SpanPlan | undefined
  readonly durations: Durations | undefined
}

/** A request that is live, as far as we know it. */
interface Live {
  readonly handle: WatchedRequest | undefined
  readonly submittedAt: number
  readonly spans: RequestSpans | undefined
  isAdmitted: boolean
  /** It has left the queue for its first attempt. */
  hasWaited: boolean
  /** When the attempt that is running began; undefined while none is. */
  startedAt: number | undefined
  /** One with the same id that has ended, whose end has not been told yet. */
  earlier: Live | undefined
}

type End = ExecutorEvents[Outcome | 'parked']

export class Requests {
  readonly #executor: Watched
  readonly #to: Interested
  readonly #live = new Map<string, Live>()
  readonly #takeAway: (() => void)[] = []
  #detached = false

  constructor(executor: Watched, to: Interested) {
    this.#executor = executor
    this.#to = to
    if (to.spans === undefined && to.durations === undefined) return
    this.#on('blocked', (event) => void this.#begin(event))
    this.#on('queued', (event) => this.#queued(event))
    this.#on('started', (event) => this.#started(event))
    this.#on('retrying', (event) => this.#retrying(event))
    for (const outcome of ['completed', 'failed', 'expired', 'cancelled', 'shed', 'parked'] as const) {
      this.#on(outcome, (event) => this.#ended(outcome, event))
    }
    this.#on('rejected', (event) => this.#rejected(event))
    if (to.spans !== undefined) this.#on('joined', ({ id }) => linkJoined(this.#live.get(id)?.spans, id))
  }

  detach(): void {
    if (this.#detached) return
    this.#detached = true
    for (const takeAway of this.#takeAway) takeAway()
    const now = this.#to.spans?.wall.now() ?? 0
    for (const last of this.#live.values()) {
      for (let live: Live | undefined = last; live !== undefined; live = live.earlier) live.spans?.detached(now)
    }
    this.#live.clear()
  }

  #on<E extends ExecutorEvent>(event: E, listener: Listener<E>): void {
    // One that was detached by another listener of the very same event is told of it all the same.
    const guarded: Listener<E> = (payload) => (this.#detached ? undefined : listener(payload))
    this.#executor.on(event, guarded)
    this.#takeAway.push(() => void this.#executor.off(event, guarded))
  }

  #begin(event: ExecutorEvents['queued' | 'blocked']): Live {
    const { id, at } = event
    const handle = this.#executor.get(id)
    // An asynchronous schema may have looked at it since it was submitted.
    const submittedAt = Math.min(handle?.enqueuedAt ?? at, at)
    const { spans } = this.#to
    const known = this.#live.get(id)
    // Its refusal was taken for that of a newcomer: a listener had let another one in with its id by then.
    if (known?.isAdmitted === false) known.spans?.detached(at)
    const live: Live = {
      handle,
      submittedAt,
      spans: spans && new RequestSpans(spans, event, submittedAt),
      isAdmitted: false,
      hasWaited: false,
      startedAt: undefined,
      // An abort listener may submit a request with the id of the one that is being cancelled, and is told of only then.
      earlier: known?.isAdmitted === true ? known : undefined,
    }
    this.#live.set(id, live)
    return live
  }

  #queued(event: ExecutorEvents['queued']): void {
    const known = this.#live.get(event.id)
    const wasBlocked = known !== undefined && !known.isAdmitted
    const live = wasBlocked ? known : this.#begin(event)
    live.isAdmitted = true
    live.spans?.admitted(event, wasBlocked)
  }

  #started(event: ExecutorEvents['started']): void {
    const live = this.#live.get(event.id)
    if (live === undefined) return
    live.startedAt = event.at
    if (!live.hasWaited) this.#to.durations?.waited(event.priority, event.waitMs)
    live.hasWaited = true
    if (live.spans === undefined) return
    live.spans.started(event)
    handOver(event.id, live.spans.active)
  }

  #retrying(event: ExecutorEvents['retrying']): void {
    const live = this.#live.get(event.id)
    if (live?.startedAt === undefined) return
    this.#to.durations?.ran(event.priority, 'failed', event.at - live.startedAt)
    live.startedAt = undefined
    live.spans?.retrying(event)
  }

  #ended(outcome: Outcome | 'parked', event: End): void {
    const live = this.#take(event.id)
    if (live === undefined) return
    const { priority, at } = event
    const { startedAt, hasWaited, handle, submittedAt } = live
    const ran = startedAt !== undefined && (!('started' in event) || event.started)
    const runMs = ran ? at - startedAt : undefined
    const error = 'error' in event ? event.error : undefined
    if (!hasWaited) this.#to.durations?.waited(priority, Math.max(at - (handle?.enqueuedAt ?? submittedAt), 0))
    // A parked one has not ended, but for this process.
    if (runMs !== undefined && outcome !== 'parked') this.#to.durations?.ran(priority, outcome, runMs)
    live.spans?.ended({ outcome, priority, at, error, runMs })
  }

  #rejected({ id, priority, at, error }: ExecutorEvents['rejected']): void {
    const { spans } = this.#to
    const live = id === undefined ? undefined : this.#live.get(id)
    if (live !== undefined && this.#wasRefused(live, id as string)) {
      if (live.earlier === undefined) this.#live.delete(id as string)
      else this.#live.set(id as string, live.earlier)
      live.spans?.ended({ outcome: 'rejected', priority, at, error, runMs: undefined })
    } else if (spans !== undefined) noteRefusal(spans, id, priority, error)
  }

  /** Or was it a newcomer with its id? Then it is blocked still, and can be found. */
  #wasRefused(live: Live, id: string): boolean {
    if (live.isAdmitted) return false
    return live.handle?.state === 'rejected' || this.#executor.get(id) === undefined
  }

  /** The entry of the one that ends: with an id, the one that came first ends first. */
  #take(id: string): Live | undefined {
    let last = this.#live.get(id)
    if (last?.earlier === undefined) {
      this.#live.delete(id)
      return last
    }
    while (last?.earlier?.earlier !== undefined) last = last.earlier
    const first = last?.earlier
    if (last !== undefined) last.earlier = undefined
    return first
  }
}
