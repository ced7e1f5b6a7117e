/**
 * triage-queue: put any async function behind a priority queue. The public names, in reading order.
 */

// Put a function behind a queue.
export { QueuedExecutor } from './core/queued-executor.ts'
export { type Task, TaskQueue, type TaskQueueOptions, type WrapArguments } from './core/task-queue.ts'
export { isPriority, Priority, priorities } from './core/priority.ts'
export type { NotRetried, QueuedRequest, RepeatOptions, RunProgress } from './core/queued-request.ts'
export type { Outcome, RequestState } from './core/request-state.ts'
export type { WorkerHealth } from './core/run/slot.ts'
export type { Executor, StuckPolicy } from './core/run/slots.ts'
export type { RunContext } from './core/run/run-context.ts'

// Say how it shall behave.
export type { PerPriority, QueuedExecutorOptions, RequestOptions, UpdateOptions } from './core/options.ts'
export type { CloseOptions } from './core/close-options.ts'
export type { WhenFull } from './core/admit/admission.ts'
export type { OnDuplicate } from './core/admit/duplicates.ts'
export type { MapOptions } from './core/map.ts'
export type { PullOptions } from './core/admit/pull.ts'
export type { Source } from './core/admit/source.ts'
export type { Policy, PolicyOption } from './core/policy.ts'
export type { Guard, GuardQuestion, Refusal } from './core/admit/guard.ts'
export { type CircuitBreakerOptions, circuitBreaker } from './core/admit/guards/circuit-breaker.ts'
export { type CodelOptions, codel } from './core/admit/guards/codel.ts'
export { type MeetsDeadlineOptions, meetsDeadline } from './core/admit/guards/meets-deadline.ts'
export { type ShedByPriorityOptions, shedByPriority } from './core/admit/guards/shed-by-priority.ts'
export { type BucketKey, type TokenBucketOptions, tokenBucket } from './core/admit/guards/token-bucket.ts'
export type { Reads } from './core/reads.ts'
export type { StandardResult, StandardSchema } from './core/admit/schema.ts'
export { type OrderPolicy, type OrderQuestion, strict, type Turns } from './core/queue/order.ts'
export { type AgingLoad, type AgingStep, type AgingTargets, aging, agingBoundMs } from './core/queue/orders/aging.ts'
export { earliestDeadlineFirst } from './core/queue/orders/earliest-deadline-first.ts'
export { type FairByOptions, fairBy } from './core/queue/orders/fair-by.ts'
export { type Weights, weighted } from './core/queue/orders/weighted.ts'
export type { WithinOptions } from './core/queue/orders/within.ts'
export { fixed, type LimitPolicy, type LimitSample } from './core/run/limit.ts'
export type { LearningLimitOptions } from './core/run/limits/limit-options.ts'
export { type AdaptiveOptions, adaptive } from './core/run/limits/adaptive.ts'
export { type AimdOptions, aimd } from './core/run/limits/aimd.ts'
export { type Gradient2Options, gradient2 } from './core/run/limits/gradient2.ts'
export { type VegasOptions, vegas } from './core/run/limits/vegas.ts'
export { shadow } from './core/run/limits/shadow.ts'
export { type BackoffOptions, backoff } from './core/settle/retries/backoff.ts'
export {
  type DeadLetter,
  type DeadLetterOptions,
  DeadLetters,
  type LetterSource,
  type Requeued,
} from './core/settle/dead-letters.ts'
export {
  type BoxSource,
  type DeadLetterBox,
  type DeadLetterQuery,
  type DeadLetterView,
  deadLetters,
} from './core/settle/dead-letter-box.ts'
export { keeper } from './core/keep/make-keeper.ts'
export { type BatchAnswer, type BatchOptions, batched } from './core/run/batched.ts'
export type { RetryPolicy, RetryQuestion } from './core/settle/retry.ts'

// Know what went wrong.
export { type AnyTriageError, isTriageError } from './core/any-triage-error.ts'
export {
  type CancelledBy,
  CancelledError,
  type DuplicateReason,
  DuplicateRequestError,
  type FullBound,
  InvalidRequestError,
  InvariantError,
  NotAdmittedError,
  OptionsError,
  OverloadedError,
  QueueClosedError,
  QueueFullError,
  RateLimitedError,
  type RequestIssue,
  RunTimeoutError,
  ShedError,
  WaitTimeoutError,
} from './core/errors.ts'
export { LockLostError, ResultLostError, RunFailedError, WorkerLostError } from './core/remote-errors.ts'
export {
  ParkedError,
  PayloadTooLargeError,
  StoreCorruptError,
  StoreLockedError,
  StoreTooNewError,
  StoreUnavailableError,
} from './core/store-errors.ts'
export {
  type ErrorSubject,
  type Explanation,
  TriageError,
  type TriageErrorCode,
} from './core/triage-error.ts'

// Look on.
export type { ExecutorHealth, HealthReason } from './core/watch/health.ts'
export type { ExecutorState, ExecutorStatus } from './core/watch/status.ts'
export type { KeptStatus } from './core/keeper.ts'
export type { WaitingRequest } from './core/watch/waiting.ts'
export type {
  ExecutorEvent,
  ExecutorEvents,
  Failure,
  Listener,
  ListenerErrorHandler,
  Rejection,
  RequestEvent,
} from './core/watch/events.ts'
export type { DurationStatus, ExecutorHistograms, RejectionCounts, Totals } from './core/watch/statistics.ts'
export type { HistogramReading } from './core/watch/histogram.ts'
export type { Describable } from './core/watch/describable.ts'
export { type Description, describe } from './core/watch/describe.ts'
export type { EffectiveOptions } from './core/effective-options.ts'
export type { ErrorView, RequestStateLike, RequestView } from './core/watch/request-view.ts'
export type { HandleLike, Maybe, QueuedExecutorLike } from './core/executor-like.ts'
export type { ByPriority } from './core/priority.ts'

// Remember (a durable store is made by `triage-queue/sqlite`).
export type { KeepChoice, KeepOptions } from './core/keep/keep-options.ts'
export { type MemoryStore, type MemoryStoreOptions, memoryStore } from './core/keep/memory-store.ts'
export type {
  Admission,
  AttemptEnd,
  DeadReason,
  Encoded,
  LiveRecord,
  NewRecord,
  QueueStore,
  RecoveredPage,
  Store,
  StoreCounts,
  StoreDamage,
  StoredChange,
  StoredEnd,
  StoredError,
  StoredLimits,
  StoredState,
  StoredView,
  StoreEvent,
  StoreMinute,
  StorePage,
  StoreQuery,
  StoreState,
  StoreStats,
  StoreStatus,
  Unencoded,
} from './core/store.ts'

// Use the parts on their own.
export {
  type QueueTicket,
  RequestQueue,
  type RequestQueueOptions,
  type RequestQueueStatus,
} from './core/queue/request-queue.ts'
export { WorkerPool, type WorkerPoolOptions } from './core/run/worker-pool.ts'
export { type Clock, systemClock } from './core/clock.ts'
