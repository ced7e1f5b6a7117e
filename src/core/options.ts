/**
 * How shall it behave? All that may be chosen, and what is taken without: for an executor, for one request, for its close.
 *
 * Only types: `settings.ts` and `request-options.ts` read them. The file is as long as what it promises to the user.
 */
import type { WhenFull } from './admit/admission.ts'
import type { OnDuplicate } from './admit/duplicates.ts'
import type { Guard } from './admit/guard.ts'
import type { AnySchema, StandardSchema } from './admit/schema.ts'
import type { Clock } from './clock.ts'
import type { Priority } from './priority.ts'
import type { OrderPolicy } from './queue/order.ts'
import type { ReadsOnly } from './reads.ts'
import type { LimitPolicy } from './run/limit.ts'
import type { Executor, StuckPolicy } from './run/slots.ts'
import type { RetryPolicy } from './settle/retry.ts'
import type { Store } from './store.ts'
import type { ListenerErrorHandler } from './watch/events.ts'

/** One value for all priorities, or one for each; those not named have `default`, or the option's own default. */
export type PerPriority<T> = T | ({ readonly [P in Priority]?: T | undefined } & { readonly default?: T | undefined })

/** How many may wait; `'none'`: nothing may, while 0 is no bound. */
export type QueueSize = number | 'none'

/** One that reads such requests and such metadata, or none of them. */
type GuardOf<Req, Metadata> = Guard<NoInfer<Req>, NoInfer<Metadata>> & ReadsOnly<Req, Metadata>

/** With the empty one TypeScript keeps apart what each of an array reads. */
type GuardsOf<Req, Metadata> = GuardOf<Req, Metadata> | readonly GuardOf<Req, Metadata>[] | readonly []

/** Where it was not said what requests are, any schema. It says nothing of what it takes, so that nothing follows from it. */
type SchemaOf<Req, Input> = unknown extends Req ? AnySchema : StandardSchema<Req, Input>

export interface QueuedExecutorOptions<Req = unknown, Metadata = unknown, Input = Req> {
  /**
   * What it is called in logs and metrics.
   * @default 'triage'
   */
  name?: string | undefined
  /**
   * How many calls of the executor may run at once: an integer of at least 1. It can be changed while it runs.
   * @default 10
   */
  concurrency?: number | undefined
  /**
   * How many requests may wait, in all and by priority: `1_000`, or `{ total: 1_000, low: 100 }`. A burst that finds
   * free slots does not count as waiting. `'none'`: nothing may wait; a request starts in the dispatch of its burst, or is
   * refused (with `whenFull: 'block'`: its caller waits for a slot). 0 or Infinity: no bound.
   * @default 10_000
   */
  maxQueueSize?:
    | QueueSize
    | ({ readonly [P in Priority]?: QueueSize | undefined } & { readonly total?: QueueSize | undefined })
    | undefined
  /**
   * What happens when there is no room. `'shed'`: the request that would start last of all that wait makes room for a newcomer
   * that would start before it, and ends with a `ShedError`; any other newcomer is refused with a `QueueFullError`. With
   * `strict()` the last one is the youngest of the lowest priority, with `fairBy()` the one furthest behind the share of its
   * key, with `weighted()` the one with the last turn. Requests that may not start yet make room before others of their
   * priority. One that has started once is never displaced. Under `aging()`, and for a priority with a `reserve`, the first that
   * wait of each priority (an eighth of the bound, at least the reserve, for all priorities at most half of the bound) make
   * room for none of another priority. `'reject'` refuses each newcomer. `'block'` lets its caller wait for room, by priority.
   * @default 'shed'; where nothing may wait at all, 'reject': whoever is in has its slot; with a store that is durable, 'reject':
   * what was acknowledged is not taken back
   */
  whenFull?: WhenFull | undefined
  /**
   * How many callers may be blocked (`whenFull: 'block'`); one more is refused. 0 or Infinity: no bound.
   * @default 10_000
   */
  maxBlocked?: number | undefined
  /**
   * Ends a request that has waited too long for its slot, in ms since it was submitted, with a `WaitTimeoutError`.
   * Greater than 0; Infinity: never.
   * @default Infinity
   */
  waitTimeoutMs?: PerPriority<number> | undefined
  /**
   * Ends a request that has run too long, in ms since it got its slot, with a `RunTimeoutError`: the caller is answered
   * and `run.signal` aborted at once; the slot is free when the call settles. Greater than 0; Infinity: never.
   * @default 300_000
   */
  runTimeoutMs?: PerPriority<number> | undefined
  /**
   * Ends a request that has taken too long in all, waiting and running, in ms since it was submitted. Greater than 0;
   * Infinity: never.
   * @default Infinity
   */
  timeoutMs?: PerPriority<number> | undefined
  /**
   * What to do about a slot whose run is over its deadline and has not settled: `'hold'` keeps to `concurrency`;
   * `'replace'` grants a substitute for it, up to `maxReplaced` at a time.
   * @default 'hold'
   */
  onStuck?: StuckPolicy | undefined
  /**
   * How many substitutes there may be at a time: no more than `concurrency + maxReplaced` calls ever run.
   * @default concurrency
   */
  maxReplaced?: number | undefined
  /** Checks (and may transform) each request before it is admitted: any Standard Schema, zod's among them. */
  schema?: SchemaOf<Req, Input> | undefined
  /**
   * How many requests an asynchronous `schema` may check at a time; one more is refused with a `QueueFullError`,
   * `bound: 'checking'`, whatever `whenFull` says. They hold no room in the queue: that is taken when the check has passed,
   * in the order of arrival. 0 or Infinity: no bound.
   * @default the total of `maxQueueSize`; 10_000 where that is 'none'
   */
  maxChecking?: number | undefined
  /**
   * A request with the id of a live one: `'join'` shares the run and its outcome if the payload is equal, else it is
   * refused; `'join-by-id'` shares them whatever the payload is; `'reject'` refuses it. A refusal is a
   * `DuplicateRequestError`.
   *
   * Payloads are compared as they were submitted, before the `schema`, and deeply if they are plain data: objects, arrays,
   * Map, Set, Date, RegExp, ArrayBuffer and its views. Functions, instances of classes and streams in them are equal only if they
   * are the very same ones. So are large payloads: more than 10,000 objects and members, 16 MiB of buffers, or 100 levels. If
   * the comparison throws, the newcomer is refused. Metadata and options are not compared.
   * @default 'join'
   */
  onDuplicate?: OnDuplicate | undefined
  /**
   * Which request goes first.
   * @default strict()
   */
  order?: (OrderPolicy<NoInfer<Req>, NoInfer<Metadata>> & ReadsOnly<Req, Metadata>) | undefined
  /**
   * Learns how many calls may run at once, in place of `concurrency`; in shadow mode it only reports what it would set.
   * @default none: `concurrency` holds
   */
  limit?: LimitPolicy | undefined
  /**
   * How many slots each priority has for itself: `{ urgent: 2 }`. While it runs fewer, it goes first, and its slots stay free
   * for it. Reserved slots must be fewer than `concurrency`, so that the rest is open to all; they may be all slots only if each
   * priority has one, or if they are lent. There may be fewer slots later, because `concurrency` or a `limit` was lowered or
   * slots are stuck. Then reserves give way, one slot at a time and the least urgent first, until every priority has a slot that
   * it may use; with more slots they come back. With a reserve, a burst counts as waiting until it is dispatched, a microtask
   * later, so `maxQueueSize` must have room for it.
   * @default none
   * @throws {OptionsError} when a priority would never run
   */
  reserve?: { readonly [P in Priority]?: number | undefined } | undefined
  /**
   * Lends reserved slots to others while their own priority does not need them: it then has them back as runs end.
   * @default false
   */
  lendReserve?: boolean | undefined
  /**
   * Which failures of the executor are tried again, and when.
   * @default none: a failure is the caller's
   */
  retry?: RetryPolicy | undefined
  /**
   * How many requests may be retried at a time: that back off, or are back in the queue for another attempt. One more
   * failure is final: the caller gets the executor's error, and the event and the handle say `notRetried: 'full'`. The
   * retry policy is not asked then, so that its budget is not used up. 0 or Infinity: no bound.
   * @default the total of `maxQueueSize`; 10_000 where that is 'none'
   */
  maxRetrying?: number | undefined
  /**
   * How fast requests may come, or start. A request over the rate is refused with a `RateLimitedError`, or waits.
   * @default none
   */
  rateLimit?: GuardsOf<Req, Metadata> | undefined
  /**
   * When to refuse although there is room, with an `OverloadedError` that explains itself.
   * @default none
   */
  overload?: GuardsOf<Req, Metadata> | undefined
  /**
   * Keeps the requests, so that they outlive the process: `await openStore('requests.db')` of `triage-queue/sqlite`. A request is
   * admitted when its record is committed, its executor is called when the beginning of its attempt is, and its answer is told when
   * that is recorded. `memoryStore()` keeps only ends, and only in memory: nothing waits for it. Two executors of one store have
   * two names.
   * @default none: all is lost with the process
   */
  store?: Store | undefined
  /**
   * Other kinds of work behind the same queue, each with a function and time limits of its own: a request says its `kind`. Those
   * without one are the executor's own.
   * @default none
   */
  kinds?: { readonly [kind: string]: KindOptions<NoInfer<Req>, NoInfer<Metadata>> } | undefined
  /**
   * With a store: after so many attempts that had begun when the process died a request is a dead letter, so that one whose run
   * kills the process is not run for ever. An integer of at least 1.
   * @default 3
   */
  maxAttempts?: number | undefined
  /**
   * With a store: `'recorded'` tells an answer when it is recorded, so that what was told is never run again; `'eager'` tells it at
   * once: after a crash in between it is run again, though its caller has the answer.
   * @default 'recorded'
   */
  results?: 'recorded' | 'eager' | undefined
  /**
   * With a store whose disk is gone: after so many ms an answer is told though it is not recorded, with the event `unrecorded`;
   * or earlier, when the caller's own time is over. Greater than 0; Infinity: never.
   * @default 30_000
   */
  tellWithinMs?: number | undefined
  /**
   * The source of all time.
   * @default systemClock
   */
  clock?: Clock | undefined
  /** Called with the errors that listeners and policies throw; without it, such an error becomes a Node warning. */
  onListenerError?: ListenerErrorHandler | undefined
  /**
   * A number from 0 to 1, for the jitter of `retryAfterMs`; any other answer is no jitter. It must not call the executor.
   * @default Math.random
   */
  random?: (() => number) | undefined
  /**
   * Keeps a second set of books, and checks the queue's own laws against it at every step: a broken law is an uncaught
   * `InvariantError` with the state. For tests, or to hunt a suspicion; it looks at all waiting requests at each start.
   * @default true if the environment variable TRIAGE_DEBUG is 1, else false
   */
  debug?: boolean | undefined
}

/** A kind of work: the function for it, and its time limits, in ms, in place of the executor's. */
export interface KindOptions<Req = unknown, Metadata = unknown> {
  executor: Executor<Req, unknown, Metadata>
  waitTimeoutMs?: number | undefined
  runTimeoutMs?: number | undefined
  timeoutMs?: number | undefined
}

/**
 * What a constructor is given: `Input` comes from the schema alone. So options whose type arguments were left out, which have a
 * schema of anything, don't make it `unknown`.
 */
export interface ConstructorOptions<Req, Metadata, Input>
  extends Omit<QueuedExecutorOptions<Req, Metadata, NoInfer<Input>>, 'schema'> {
  schema?: StandardSchema<Req, Input> | undefined
}

/** What may be changed while an executor runs. */
export type UpdateOptions<Req = unknown, Metadata = unknown> = Pick<
  QueuedExecutorOptions<Req, Metadata>,
  | ('concurrency' | 'maxQueueSize' | 'maxBlocked' | 'maxChecking' | 'maxRetrying')
  | ('waitTimeoutMs' | 'runTimeoutMs' | 'timeoutMs' | 'rateLimit' | 'overload')
>

/** What one request may ask for. */
export interface RequestOptions<Metadata = unknown> {
  /** @default 'normal' */
  priority?: Priority | undefined
  /** The caller's own id: while a request with it is live, another one joins it or is refused (`onDuplicate`). */
  id?: string | undefined
  /** Which of the executor's `kinds` it is. @default none: the executor's own function takes it */
  kind?: string | undefined
  /** In place of the executor's. */
  onDuplicate?: OnDuplicate | undefined
  /** Ends the request with `signal.reason`, wherever it is. A request that runs has `run.signal` aborted. */
  signal?: AbortSignal | undefined
  /** In place of the executor's, in ms. */
  waitTimeoutMs?: number | undefined
  /** In place of the executor's, in ms. */
  runTimeoutMs?: number | undefined
  /** In place of the executor's, in ms. */
  timeoutMs?: number | undefined
  /**
   * When it must be over, waiting and running: a Date, or ms since 1970. It holds beside `timeoutMs`, and does not move when the
   * request may start later. One that has passed already, or comes before `startAt`, refuses the request with a
   * `WaitTimeoutError`.
   * @default none
   */
  deadline?: Date | number | undefined
  /**
   * How many slots its run takes: an integer of at least 1, and at most what it can ever have (`concurrency`, less the
   * slots that are reserved for others). When it is first it waits until so many are free, and no request overtakes it. If
   * the limit has become smaller than its cost meanwhile, it runs alone. In its own burst it always counts as waiting.
   * @default 1
   */
  cost?: number | undefined
  /** Not before so many ms from now, of at least 0; its timeouts count from then. Meanwhile it counts as waiting. */
  delayMs?: number | undefined
  /** Not before this date. */
  startAt?: Date | undefined
  /**
   * Not before all of these have settled: requests that were submitted before, or any promises. When one of them fails,
   * it is cancelled, with that error as the cause; it runs only after all that it depends on.
   */
  after?: readonly (PromiseLike<unknown> | { readonly result: PromiseLike<unknown> })[] | undefined
  /** Anything: the executor finds it in `run.metadata`, listeners in each event. */
  metadata?: Metadata | undefined
}

/** The options of a request, where they may be left out: unless they must say its metadata. */
export type RequestArguments<Metadata> = undefined extends Metadata
  ? [options?: RequestOptions<Metadata> | undefined]
  : [options: RequestOptions<Metadata> & { metadata: Metadata }]
