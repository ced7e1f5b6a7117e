/**
 * What may be chosen: for an executor whose requests wait in Redis, and for a worker that runs them.
 */
import type { OnDuplicate } from '../core/admit/duplicates.ts'
import {
  aFunction,
  type Given,
  hasMethods,
  isCount,
  isPlain,
  numberThat,
  type OptionRule,
  oneOf,
  readGiven,
} from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import { type KeepChoice, keepRule, wholeKeep } from '../core/keep/keep-options.ts'
import type { KindOptions, PerPriority, QueuedExecutorOptions } from '../core/options.ts'
import { isRetry, policyRule } from '../core/policy.ts'
import { requestOptions, type Settings, timeout } from '../core/settings.ts'
import type { RetryPolicy } from '../core/settle/retry.ts'
import type { ListenerErrorHandler } from '../core/watch/events.ts'

/**
 * Where Redis is: a URL, or what ioredis takes. How connections are retried is not yours to choose: a caller is refused quickly, and a
 * worker comes back by itself.
 */
export type RedisConnection =
  | string
  | {
      readonly host?: string | undefined
      readonly port?: number | undefined
      readonly path?: string | undefined
      readonly username?: string | undefined
      readonly password?: string | undefined
      readonly db?: number | undefined
      readonly tls?: object | undefined
      readonly family?: number | undefined
      readonly sentinels?:
        | readonly { readonly host?: string | undefined; readonly port?: number | undefined }[]
        | undefined
      readonly name?: string | undefined
    }

/** The time limits of a kind of work; what runs it is with the workers. */
export type RemoteKind = Omit<KindOptions, 'executor'>

export interface RemoteExecutorOptions {
  readonly connection: RedisConnection
  /**
   * What the keys in Redis begin with. A worker has the same.
   * @default 'bull'
   */
  readonly prefix?: string | undefined
  /**
   * How many requests may wait, in all and by priority, over all machines. The bound is soft: it is read, and then the request is
   * added, so that it may be exceeded by as many as are being added at that moment. 0 or Infinity: no bound.
   * @default 10_000
   */
  readonly maxQueueSize?: QueuedExecutorOptions['maxQueueSize'] | undefined
  /**
   * `'reject'` is all there is: nobody here may take back what another machine was promised.
   * @default 'reject'
   */
  readonly whenFull?: 'reject' | undefined
  /** As a `QueuedExecutor` has it. @default Infinity */
  readonly waitTimeoutMs?: PerPriority<number> | undefined
  /** As a `QueuedExecutor` has it. @default that of the worker */
  readonly runTimeoutMs?: PerPriority<number> | undefined
  /** As a `QueuedExecutor` has it. @default Infinity */
  readonly timeoutMs?: PerPriority<number> | undefined
  /**
   * The kinds of work that workers have, each with its time limits. One that is not named here is refused at once; without this
   * option the worker refuses it.
   * @default none
   */
  readonly kinds?: { readonly [kind: string]: RemoteKind } | undefined
  /** As a `QueuedExecutor` has it; `'join-by-id'` as well. @default 'join' */
  readonly onDuplicate?: OnDuplicate | undefined
  /**
   * How much is kept of what has ended, in Redis. What is not kept can't be told to a caller who learns of it late: the answer is lost
   * then (`ResultLostError`), so that a count below 1,000, or an age below a minute, is a risk.
   * @default 10,000 of each; a day, dead letters for thirty days
   */
  readonly keep?: KeepChoice | undefined
  /** The largest request, in bytes of JSON. @default 1 MiB */
  readonly maxPayloadBytes?: number | undefined
  /**
   * How often all requests that are waited for are looked at, in ms, in case that an event was missed.
   * @default 5_000
   */
  readonly reconcileMs?: number | undefined
  /** For how long Redis is waited for, in ms, before a request is refused. @default 1_500 */
  readonly failFastMs?: number | undefined
  /** The trace that a request belongs to, asked at each submission: a W3C `traceparent`. Workers find it in `run.traceparent`. */
  readonly traceparent?: (() => string | undefined) | undefined
  /** Called with the errors that listeners throw; without it, such an error becomes a Node warning. */
  readonly onListenerError?: ListenerErrorHandler | undefined
}

export interface RemoteWorkerOptions {
  readonly connection: RedisConnection
  /** What the keys in Redis begin with. @default 'bull' */
  readonly prefix?: string | undefined
  /**
   * How many requests this worker takes at once, beside what others take: two workers with 8 run 16. Over all of them it is bounded by
   * `setConcurrency()` of an executor. More than the executor that it is given has slots for wait in this process.
   * @default that of the executor that it is given; 10 for a function
   */
  readonly concurrency?: number | undefined
  /** For a function: as a `QueuedExecutor` has it. @default 300_000 */
  readonly runTimeoutMs?: PerPriority<number> | undefined
  /** For a function: other kinds of work, each with a function of its own, and its `runTimeoutMs`. */
  readonly kinds?: QueuedExecutorOptions['kinds'] | undefined
  /**
   * For a function: which failures are tried again, and when; on whichever machine is free then. `holdMs()` of a policy is not asked.
   * @default none
   */
  readonly retry?: RetryPolicy | undefined
  /**
   * For how long a worker that is not heard of still owns what it runs, in ms. After that another one may run it. Longer than any
   * stretch in which your code does not let the event loop turn.
   * @default 30_000
   */
  readonly lockMs?: number | undefined
  /** How often requests are looked for whose worker was lost, in ms. @default that of `lockMs` */
  readonly stalledMs?: number | undefined
  /** How often a request may lose its worker before it is a dead letter. @default 1: the second time is the last */
  readonly maxStalled?: number | undefined
  /** The largest answer, in bytes of JSON. @default 1 MiB */
  readonly maxResultBytes?: number | undefined
}

const aConnection: OptionRule = {
  expected: 'the URL of a Redis, or an object with its host and port',
  fits: (value) => (typeof value === 'string' && /^rediss?:\/\//.test(value)) || isPlain(value),
  hint: (value) => (hasMethods(value, 'defineCommand') ? 'give its options, not a client' : undefined),
}
const isClient = (value: unknown): boolean => hasMethods(value, 'defineCommand')
const connection: OptionRule = { ...aConnection, fits: (value) => aConnection.fits(value) && !isClient(value) }
const prefix: OptionRule = {
  expected: 'a string that is not empty',
  fits: (value) => typeof value === 'string' && value !== '',
}
const anything: OptionRule = { expected: '', fits: () => true }
const someMs = numberThat('a number of ms of at least 1', (value) => value >= 1)
const bytes: OptionRule = { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) }
const whenFull: OptionRule = {
  expected: "'reject'",
  fits: (value) => value === 'reject',
  hint: (value) =>
    value === 'shed' || value === 'block'
      ? 'over Redis nobody can take back, or hold, what another machine may run already'
      : undefined,
}

const executorRules: { readonly [K in keyof RemoteExecutorOptions]-?: OptionRule } = {
  connection,
  prefix,
  // These five are looked at by the settings of the core.
  maxQueueSize: anything,
  waitTimeoutMs: anything,
  runTimeoutMs: anything,
  timeoutMs: anything,
  onDuplicate: oneOf('join', 'join-by-id', 'reject'),
  whenFull,
  kinds: { expected: 'an object of kinds, each with its time limits', fits: isPlain },
  keep: keepRule,
  maxPayloadBytes: bytes,
  reconcileMs: someMs,
  failFastMs: someMs,
  traceparent: aFunction,
  onListenerError: aFunction,
}

const workerRules: { readonly [K in keyof RemoteWorkerOptions]-?: OptionRule } = {
  connection,
  prefix,
  concurrency: { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) },
  runTimeoutMs: anything,
  kinds: { expected: 'an object of kinds, each with an `executor`', fits: isPlain },
  retry: policyRule('retry', 'a retry policy, such as backoff()', isRetry),
  lockMs: numberThat('a number of ms of at least 100', (value) => value >= 100),
  stalledMs: someMs,
  maxStalled: { expected: 'an integer of at least 0', fits: (value) => isCount(value, 0) },
  maxResultBytes: bytes,
}

const kindRules: { readonly [K in keyof RemoteKind]-?: OptionRule } = {
  waitTimeoutMs: timeout,
  runTimeoutMs: timeout,
  timeoutMs: timeout,
}

const MIB = 1024 * 1024

/** @throws {OptionsError} */
export function requireName(name: unknown): string {
  if (typeof name === 'string' && name !== '' && !name.includes(':')) return name
  throw new OptionsError('name', 'a string that is not empty, without a colon', name)
}

export type ExecutorChoice = ReturnType<typeof readExecutorOptions>

/** The options, complete but for what the core reads. @throws {OptionsError} */
export function readExecutorOptions(options: RemoteExecutorOptions) {
  const given = readGiven<RemoteExecutorOptions>('', options, executorRules, {
    names: requestOptions,
    owner: 'a request',
  })
  if (given.connection === undefined) throw new OptionsError('connection', connection.expected, undefined)
  const { kinds } = given
  return {
    given,
    connection: given.connection,
    prefix: given.prefix ?? 'bull',
    kinds:
      kinds &&
      new Map(Object.entries(kinds).map(([kind, of]) => [kind, readGiven<RemoteKind>(`kinds.${kind}`, of, kindRules)])),
    keep: wholeKeep(given.keep),
    maxPayloadBytes: given.maxPayloadBytes ?? MIB,
    reconcileMs: given.reconcileMs ?? 5_000,
    failFastMs: given.failFastMs ?? 1_500,
    traceparent: given.traceparent,
    onListenerError: given.onListenerError,
  }
}

/** What the core reads of them, in its words. */
export function coreOptions(name: string, given: Given<RemoteExecutorOptions>): QueuedExecutorOptions {
  const { maxQueueSize, waitTimeoutMs, runTimeoutMs, timeoutMs, onDuplicate } = given
  return { name, maxQueueSize, waitTimeoutMs, runTimeoutMs, timeoutMs, onDuplicate, whenFull: 'reject' }
}

/** The limits that the core has read, by tier; a run has one only where it was given. */
export function limitsOf(settings: Settings, given: Given<RemoteExecutorOptions>) {
  const { waitTimeoutMs, runTimeoutMs, timeoutMs } = settings
  return { waitTimeoutMs, runTimeoutMs: given.runTimeoutMs === undefined ? undefined : runTimeoutMs, timeoutMs }
}

/** @throws {OptionsError} */
export function readWorkerOptions(options: RemoteWorkerOptions) {
  const given = readGiven<RemoteWorkerOptions>('', options, workerRules)
  if (given.connection === undefined) throw new OptionsError('connection', connection.expected, undefined)
  const lockMs = given.lockMs ?? 30_000
  return {
    ...given,
    prefix: given.prefix ?? 'bull',
    lockMs,
    stalledMs: given.stalledMs ?? lockMs,
    maxStalled: given.maxStalled ?? 1,
    maxResultBytes: given.maxResultBytes ?? MIB,
  }
}
