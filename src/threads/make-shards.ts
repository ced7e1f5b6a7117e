/**
 * `shards()`: executors in this thread, or each in one of its own.
 */
import { aFunction, hasMethods, isCount, isPlain, type OptionRule, oneOf, readGiven } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import type { QueuedExecutorOptions, RequestOptions } from '../index.ts'
import { cloneable } from './crossing.ts'
import { fileUrl, limits, ms, type ResourceLimits, text } from './options.ts'
import type { Route } from './route.ts'
import type { Shard } from './shard.ts'
import { Shards, type ShardsSettings } from './shards.ts'
import { ThreadShard } from './thread-shard.ts'

export interface ShardsOptions<Req = unknown> {
  /**
   * Which shard a request is for. One whose id is live joins it, whatever this says.
   * @default 'hash'
   */
  route?: Route | undefined
  /**
   * For `'hash'`: what belongs together, such as the tenant. What has none (undefined) is put in turn.
   * @default its `id`
   */
  key?: ((request: Req, options: RequestOptions) => string | undefined) | undefined
  /**
   * What all of them together are called.
   * @default the name of the shards, if they have all the same; else 'shards'
   */
  name?: string | undefined
  /**
   * A number from 0 to 1, for `'leastLoaded'`.
   * @default Math.random
   */
  random?: (() => number) | undefined
}

/** For shards in threads of their own. */
export interface ThreadShardsOptions<Req = unknown> extends ShardsOptions<Req> {
  /**
   * The file exports a function, and this is what the executor around it is given: all that can be sent to a thread, so no policies.
   * @default none: the file exports what makes the executor of a shard, `(index, data) => new QueuedExecutor(…)`
   */
  executor?: QueuedExecutorOptions<never> | undefined
  /**
   * The name of the function that the file exports.
   * @default 'default'
   */
  exportName?: string | undefined
  /** Anything that can be sent to a thread: the second argument of what makes the executor. */
  data?: unknown
  /**
   * How many ms a thread that should have closed (`graceMs`) may be silent. Then it is ended: it hangs in a loop.
   * @default 30_000
   */
  killAfterMs?: number | undefined
  /**
   * How much memory each thread may have.
   * @see https://nodejs.org/api/worker_threads.html#workerresourcelimits
   */
  resourceLimits?: ResourceLimits | undefined
}

const rules: { readonly [K in keyof ShardsOptions]-?: OptionRule } = {
  route: oneOf('hash', 'roundRobin', 'leastLoaded'),
  key: aFunction,
  name: text,
  random: aFunction,
}

const sent: OptionRule = { expected: 'what can be sent to a thread: no function, and so no policy', fits: cloneable }

const threadRules: { readonly [K in keyof ThreadShardsOptions]-?: OptionRule } = {
  ...rules,
  executor: { expected: `an object of ${sent.expected}`, fits: (value) => isPlain(value) && cloneable(value) },
  exportName: text,
  killAfterMs: ms,
  data: sent,
  resourceLimits: limits,
}

/**
 * Several executors as one: `shards(4, (index) => new QueuedExecutor(work, { name: 'llm', concurrency: 1_000 }))`.
 *
 * Each has a queue of its own, so that priority is strict within a shard only. They are closed with the whole.
 *
 * With a file each shard is in a worker thread, with an event loop of its own: `shards(4, new URL('./work.js', import.meta.url),
 * { executor: { concurrency: 1_000 } })`. Requests, answers and errors are copied.
 * @param n an integer of at least 1
 * @throws {OptionsError}
 */
export function shards<Req = unknown, Res = unknown>(
  n: number,
  make: (index: number) => Shard<Req, Res>,
  options?: ShardsOptions<Req>,
): Shards<Req, Res>
export function shards<Req = unknown, Res = unknown>(
  n: number,
  file: string | URL,
  options?: ThreadShardsOptions<Req>,
): Shards<Req, Res>
export function shards<Req, Res>(
  n: number,
  make: ((index: number) => Shard<Req, Res>) | string | URL,
  options: ShardsOptions<Req> | ThreadShardsOptions<Req> = {},
): Shards<Req, Res> {
  if (!isCount(n, 1)) throw new OptionsError('n', 'an integer of at least 1', n)
  if (typeof make === 'function') {
    const settings = settingsOf(readGiven<ShardsOptions<Req>>('', options, rules))
    return new Shards(
      Array.from({ length: n }, (_, index) => asShard(make(index))),
      settings,
    )
  }
  const file = fileUrl(make)
  const given = readGiven<ThreadShardsOptions<Req>>('', options, threadRules)
  const { executor, exportName = 'default', data, resourceLimits, killAfterMs = 30_000 } = given
  const settings = settingsOf(given)
  const name = settings.name ?? executor?.name ?? 'shards'
  const threads = Array.from({ length: n }, (_, index) => {
    const work = { file, exportName, index, executor: executor && { ...executor, name }, data }
    return new ThreadShard<Req, Res>({ name, work, resourceLimits, killAfterMs })
  })
  return new Shards(threads, { ...settings, name })
}

function settingsOf<Req>(given: ShardsOptions<Req>): ShardsSettings<Req> {
  const { name, key, route = 'hash', random = () => Math.random() } = given
  if (key !== undefined && route !== 'hash') {
    throw new OptionsError('key', `nothing, since the route '${route}' does not go by it`, key)
  }
  return { name, route, key, random }
}

function asShard<Req, Res>(made: Shard<Req, Res>): Shard<Req, Res> {
  if (hasMethods(made, 'execute', 'submit', 'get', 'getStatus', 'getHistograms', 'close', 'on', 'off')) return made
  throw new OptionsError('make', 'a function that makes an executor, such as a QueuedExecutor', made)
}
