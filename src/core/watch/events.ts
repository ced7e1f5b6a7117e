/**
 * Who is told? Typed events, past tense, one for each transition. Step 7 of 7.
 *
 * A listener can't hurt: what it throws, or what its promise rejects with, is caught and reported, and the others are
 * still told. An event object is built only when someone listens.
 */
import { EventEmitter } from 'eventemitter3'
import { describe, stackOf } from '../any-value.ts'
import { isThenable, shareOf } from '../checks.ts'
import type { Priority } from '../priority.ts'
import type { NotRetried, RepeatOptions } from '../queued-request.ts'
import type { StoreState } from '../store.ts'

/** What every event about a request says. */
export interface RequestEvent<Req = unknown, Metadata = unknown> {
  readonly id: string
  readonly priority: Priority
  /** The payload itself, and what came with it as `metadata`. */
  readonly request: Req
  readonly metadata: Metadata
  /** When it happened, in ms on the executor's clock. */
  readonly at: number
}

/** Why a request was not admitted. */
export interface Rejection {
  readonly error: unknown
  /** In one word, as `getStatus().rejectedByPriority` counts it: `'queue_full'`, `'aborted'`, `'error'` … */
  readonly reason: string
}

/** About a request without an answer: enough to see why, and to submit it again. */
export interface Failure {
  /** What it ended with. */
  readonly error: unknown
  /** How many attempts were begun. */
  readonly attempts: number
  /** What each attempt has failed with, the first one first, and last of all `error`; of more than ten, the last ten. */
  readonly errors: readonly unknown[]
  /** What it was submitted with, besides what every event says. */
  readonly options: RepeatOptions
}

/** The events of a `QueuedExecutor`, and the plain object that each carries. */
export interface ExecutorEvents<Req = unknown, Res = unknown, Metadata = unknown, Input = Req> {
  /** Admitted: it waits for a slot. */
  queued: RequestEvent<Req, Metadata> & { readonly waiting: number }
  /** Not admitted; `error` says why. The id is undefined when the caller gave none. */
  rejected: Omit<RequestEvent<Input | Req, Metadata>, 'id'> & { readonly id: string | undefined } & Rejection
  /** A caller waits for room (`whenFull: 'block'`). */
  blocked: RequestEvent<Req, Metadata> & { readonly blocked: number }
  /** It has a slot: the executor is called next. */
  started: RequestEvent<Req, Metadata> & { readonly waitMs: number; readonly delayMs: number; readonly attempt: number }
  /** The executor has failed; it will be tried again after `delayMs`. */
  retrying: RequestEvent<Req, Metadata> & {
    readonly attempt: number
    readonly error: unknown
    readonly delayMs: number
  }
  /** The executor says how far it has come, by `run.progress()`: each time that it does. */
  progress: RequestEvent<Req, Metadata> & {
    readonly attempt: number
    /** From 0 to 1. */
    readonly progress: number
    readonly message: string | undefined
  }
  /** `result` is the answer. */
  completed: RequestEvent<Req, Metadata> & { readonly result: Res; readonly waitMs: number; readonly runMs: number }
  /** For good. `notRetried: 'full'`: as many as `maxRetrying` were being retried, and the retry policy was not asked. */
  failed: RequestEvent<Req, Metadata> &
    Failure & { readonly waitMs: number; readonly runMs: number; readonly notRetried: NotRetried | undefined }
  /** A timeout was over; `started` tells whether it ran. */
  expired: RequestEvent<Req, Metadata> & Failure & { readonly started: boolean }
  cancelled: RequestEvent<Req, Metadata> & { readonly error: unknown; readonly started: boolean }
  shed: RequestEvent<Req, Metadata> & { readonly error: unknown }
  /** A caller has joined a live request, by its `id`: told in the joiner's context, with the joiner's metadata. */
  joined: RequestEvent<Input | Req, Metadata>
  /** The last free place was taken. Not emitted with `maxQueueSize: 'none'`: it would come with each request. */
  full: { readonly at: number; readonly waiting: number; readonly maxQueueSize: number }
  /** Nothing waits or runs any more. */
  idle: { readonly at: number }
  paused: { readonly at: number }
  resumed: { readonly at: number }
  /** `concurrency` was changed. */
  resized: { readonly at: number; readonly from: number; readonly to: number }
  /** A slot's run is over its deadline, and its call has not settled. */
  stuck: RequestEvent<Req, Metadata> & { readonly slot: number; readonly runMs: number; readonly stuckWorkers: number }
  /**
   * For a second every run has awaited a request of this same queue, and no slot is left for these requests. It is emitted once
   * for each executor, about one such run. `awaits` is the id of the request that the run awaits.
   */
  selfWaiting: RequestEvent<Req, Metadata> & { readonly awaits: string; readonly concurrency: number }
  /** The executor has closed, and its store keeps it for the next start. `started`: its run was cut off. */
  parked: RequestEvent<Req, Metadata> & { readonly started: boolean }
  /** It is told how it has ended, although no store has recorded that: the disk does not answer, and its caller's time is over. */
  unrecorded: RequestEvent<Req, Metadata>
  /** The store is in another state: `'open'` again, `'faulty'` (`error` says why), or `'closed'`. */
  store: { readonly at: number; readonly state: StoreState; readonly error: Error | undefined }
  closed: { readonly at: number }
}

export type ExecutorEvent = keyof ExecutorEvents

export type Listener<E extends ExecutorEvent, Req = unknown, Res = unknown, Metadata = unknown, Input = Req> = (
  event: ExecutorEvents<Req, Res, Metadata, Input>[E],
) => unknown

/** Called with the error that a listener threw, and the event that it was about. */
export type ListenerErrorHandler = (error: unknown, event: ExecutorEvent) => void

/** The context to tell it in: that of a record. */
interface Scope {
  runInAsyncScope(deliver: (news: News) => void, self: undefined, news: News): void
}

/** Something that has happened, to be told. */
interface News {
  readonly scope: Scope | undefined
  readonly event: ExecutorEvent
  readonly payload: ExecutorEvents[ExecutorEvent]
}

type Guarded = (event: ExecutorEvents[ExecutorEvent]) => void

export class Events {
  readonly #emitter = new EventEmitter()
  readonly #news: News[] = []
  /** While it is not 0, news is only noted. */
  #held = 0
  readonly #onError: ListenerErrorHandler | undefined
  // One guard for each event and listener, for `off()` to find it again.
  readonly #guards = new Map<ExecutorEvent, WeakMap<object, Guarded>>()
  /** Does anyone listen? Ask before you build the event: 2 ns, and eventemitter3's own count 20. */
  readonly listened: Record<ExecutorEvent, boolean> = {
    queued: false,
    rejected: false,
    blocked: false,
    started: false,
    retrying: false,
    progress: false,
    completed: false,
    failed: false,
    expired: false,
    cancelled: false,
    shed: false,
    joined: false,
    full: false,
    idle: false,
    paused: false,
    resumed: false,
    resized: false,
    stuck: false,
    parked: false,
    unrecorded: false,
    store: false,
    selfWaiting: false,
    closed: false,
  }
  /** Called when an event is listened to that was not, or is not any more. */
  onChange: (() => void) | undefined = undefined
  /** How often a listener has thrown. */
  errors = 0

  /** Without a handler, what listeners throw is reported as a Node warning. */
  constructor(onError?: ListenerErrorHandler) {
    this.#onError = onError
  }

  /** @throws {TypeError} for an event that does not exist, or a listener that is no function */
  on<E extends ExecutorEvent>(event: E, listener: Listener<E>): void {
    if (isOfNode(event, listener)) return
    this.#emitter.on(event, this.#guard(event, listener))
    this.#hears(event, true)
  }

  once<E extends ExecutorEvent>(event: E, listener: Listener<E>): void {
    if (isOfNode(event, listener)) return
    this.#emitter.once(event, this.#guard(event, listener))
    this.#hears(event, true)
  }

  off<E extends ExecutorEvent>(event: E, listener: Listener<E>): void {
    const guarded = this.#guards.get(event)?.get(listener)
    if (guarded === undefined) return
    this.#emitter.off(event, guarded)
    this.#hears(event, this.#emitter.listenerCount(event) > 0)
  }

  /**
   * Tells the listeners of an event, in the context of `scope`, the request's own submitter. What happens meanwhile,
   * because a listener makes it happen, is told afterwards: so all listeners hear everything in the order in which it
   * happened, and a listener that cancels the next, whose listener cancels the next, does not grow the stack.
   */
  tell<E extends ExecutorEvent>(scope: Scope | undefined, event: E, payload: ExecutorEvents[E]): void {
    this.#news.push({ scope, event, payload })
    if (this.#held === 0) this.#tellAll()
  }

  /** What happens until `release()` is told only then. */
  hold(): void {
    this.#held++
  }

  release(): void {
    if (--this.#held === 0 && this.#news.length > 0) this.#tellAll()
  }

  #tellAll(): void {
    this.#held++
    for (const news of this.#news) {
      if (news.scope === undefined) this.#deliver(news)
      else news.scope.runInAsyncScope(this.#deliver, undefined, news)
    }
    this.#news.length = 0
    this.#held--
  }

  readonly #deliver = ({ event, payload }: News): void => {
    this.#emitter.emit(event, payload)
    // Those who listened once have gone.
    this.#hears(event, this.#emitter.listenerCount(event) > 0)
  }

  #hears(event: ExecutorEvent, isHeard: boolean): void {
    if (this.listened[event] === isHeard) return
    this.listened[event] = isHeard
    this.onChange?.()
  }

  #guard<E extends ExecutorEvent>(event: E, listener: Listener<E>): Guarded {
    if (!Object.hasOwn(this.listened, event)) {
      const names = Object.keys(this.listened)
      throw new TypeError(`There is no event ${describe(event)}; the events are ${names.join(', ')}`)
    }
    if (typeof listener !== 'function') {
      throw new TypeError(`The listener of '${event}': expected a function, got ${describe(listener)}`)
    }
    let guards = this.#guards.get(event)
    if (guards === undefined) {
      guards = new WeakMap()
      this.#guards.set(event, guards)
    }
    const known = guards.get(listener)
    if (known !== undefined) return known
    const guarded: Guarded = (payload) => {
      try {
        const result = listener(payload as ExecutorEvents[E])
        if (isThenable(result)) result.then(undefined, (error: unknown) => this.#report(error, event))
      } catch (error) {
        this.#report(error, event)
      }
    }
    guards.set(listener, guarded)
    return guarded
  }

  /** A policy may throw: what it answers is not needed, and it must not stop the queue. */
  guard(policy: () => void, event: ExecutorEvent): void {
    try {
      policy()
    } catch (error) {
      this.#report(error, event)
    }
  }

  /** A number from 0 to 1; 0 if the user's function has another answer, or throws. */
  jitter(random: () => number): number {
    let share = 0
    this.guard(() => {
      share = shareOf('random', random, 0)
    }, 'rejected')
    return share
  }

  /** What a policy has thrown, about where this event is told. */
  reportOf(event: ExecutorEvent, error: unknown): void {
    this.#report(error, event)
  }

  #report(error: unknown, event: ExecutorEvent): void {
    this.errors++
    if (this.#onError === undefined) {
      this.#warn(error, event)
      return
    }
    try {
      const result = this.#onError(error, event) as unknown
      if (isThenable(result)) result.then(undefined, (second: unknown) => this.#warn(second, event))
    } catch (second) {
      this.#warn(second, event)
    }
  }

  // Warns of the 1st, 2nd, 4th, 8th … error: a listener that always throws must not flood the log.
  #warn(error: unknown, event: ExecutorEvent): void {
    if ((this.errors & (this.errors - 1)) !== 0) return
    process.emitWarning(`A listener of '${event}' has thrown ${describe(error)} (${this.errors} such errors so far)`, {
      type: 'TriageQueueWarning',
      code: 'TRIAGE_LISTENER_ERROR',
      detail: stackOf(error),
    })
  }
}

/** `events.once()` and `events.on()` of Node also listen to `error`, which no event of ours is called. Whoever else does is told. */
function isOfNode(event: string, listener: unknown): boolean {
  const isOurs = event !== 'error' || typeof listener !== 'function'
  return !isOurs && (listener.name === 'errorListener' || listener.name === 'errorHandler')
}
