/**
 * Where does the engine call code of its user? One list: what is injected, and what a test holds against the public types.
 */
import type { RequestOptions } from 'triage-queue'
import { eventNames } from '../../support/event-names.ts'

const options: readonly Exclude<keyof RequestOptions, 'metadata' | 'kind'>[] = [
  ...(['priority', 'id', 'signal', 'waitTimeoutMs', 'runTimeoutMs', 'timeoutMs'] as const),
  ...(['cost', 'delayMs', 'startAt', 'after', 'onDuplicate', 'deadline'] as const),
]

/** What a call-out of each kind may do, and still all laws hold. */
export type Kind =
  | 'policy' // throws, answers whatever, a promise too, and calls the executor
  | 'given' // the same, but for a promise: that would be the caller's own
  | 'blind' // throws and calls the executor; what it answers is not looked at
  | 'trusted' // throws and answers whatever, but must not call the executor: said where it is declared

/** By the name under which it is declared: that of the interface, or of the function's options, and of the member. */
export const callOuts: { readonly [name: string]: Kind } = {
  'OrderPolicy.rank': 'policy',
  'OrderPolicy.started': 'policy',
  'OrderPolicy.left': 'policy',
  'OrderPolicy.settled': 'policy',
  'fairBy.key': 'policy',
  'FairByOptions.weight': 'policy',
  'FairByOptions.cost': 'policy',
  'Guard.admit': 'policy',
  'Guard.holdMs': 'policy',
  'Guard.delayMs': 'policy',
  'Guard.drop': 'policy',
  'Guard.bucket': 'policy',
  'Guard.tokens': 'policy',
  'Guard.tokensInMs': 'policy',
  'Guard.started': 'policy',
  'Guard.settled': 'policy',
  'TokenBucketOptions.per': 'policy',
  'TokenBucketOptions.weight': 'policy',
  'ShedByPriorityOptions.cohort': 'policy',
  'CircuitBreakerOptions.isFailure': 'policy',
  'RetryPolicy.delayMs': 'policy',
  'RetryPolicy.holdMs': 'policy',
  'BackoffOptions.retryIf': 'policy',
  'BackoffOptions.retryAfter': 'policy',
  'BackoffOptions.random': 'policy',
  'VegasOptions.random': 'policy',
  'LimitPolicy.sample': 'policy',
  'LimitPolicy.isDropped': 'policy',
  'LearningLimitOptions.isDropped': 'policy',
  'StandardSchema.~standard': 'policy',
  'QueuedExecutorOptions.onListenerError': 'policy',
  'QueuedExecutorOptions.random': 'trusted',
  'Clock.now': 'trusted',
  // The question of `clear()`: a method of a class is not found in the public types.
  'clear.matches': 'policy',
  // What `batched()` makes of a function is one, too.
  executor: 'given',
  'response.then': 'given',
  'signal.aborted': 'given',
  'signal.reason': 'given',
  'signal.addEventListener': 'given',
  'signal.removeEventListener': 'given',
  'after.result': 'given',
  'payload.key': 'given',
  'payload.refused': 'given',
  ...Object.fromEntries(eventNames.map((event) => [`on ${event}`, 'policy'])),
  ...Object.fromEntries(options.map((name) => [`RequestOptions.${name}`, 'given'])),
  // By it the laws know the request.
  'RequestOptions.metadata': 'blind',
  // Last, so that seeds go on to mean what they did: `generate.ts` leaves it out.
  'RequestOptions.kind': 'given',
}

/** What must neither throw nor call the executor: said where it is declared. */
export const trusted: readonly string[] = [
  ...['Clock.setTimeout', 'Clock.clearTimeout', 'Clock.defer'],
  ...['Turns.came', 'Turns.started', 'Turns.left', 'Turns.at', 'Turns.lastWith', 'Turns.countBefore'],
  ...['Turns.setAside', 'Turns.broughtBack', 'Turns.leftAside'],
  ...['Store.close', 'Store.flushed', 'Store.keeper', 'Store.queue', 'Store.status', 'Store.watch'],
  ...[
    'QueueStore.admitted',
    'QueueStore.arrived',
    'QueueStore.attemptEnded',
    'QueueStore.begins',
    'QueueStore.changed',
  ],
  ...['QueueStore.decode', 'QueueStore.discard', 'QueueStore.encode', 'QueueStore.ended', 'QueueStore.find'],
  ...['QueueStore.list', 'QueueStore.nextSeq', 'QueueStore.paused', 'QueueStore.recover', 'QueueStore.release'],
  ...['QueueStore.requeue', 'QueueStore.stats', 'QueueStore.unreadable'],
]
