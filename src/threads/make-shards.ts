/**
 * `shards()`: executors in this thread, or each in one of its own.
 */
import { aFunction, hasMethods, isCount, type OptionRule, oneOf, readGiven } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import type { RequestOptions } from '../index.ts'
import type { Route } from './route.ts'
import type { Shard } from './shard.ts'
import { Shards, type ShardsSettings } from './shards.ts'

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

const rules: { readonly [K in keyof ShardsOptions]-?: OptionRule } = {
  route: oneOf('hash', 'roundRobin', 'leastLoaded'),
  key: aFunction,
  name: { expected: 'a text', fits: (value) => typeof value === 'string' && value !== '' },
  random: aFunction,
}

/**
 * Several executors as one: `shards(4, (index) => new QueuedExecutor(work, { name: 'llm', concurrency: 1_000 }))`.
 *
 * Each has a queue of its own, so that priority is strict within a shard only. They are closed with the whole.
 * @param n an integer of at least 1
 * @throws {OptionsError}
 */
export function shards<Req = unknown, Res = unknown>(
  n: number,
  make: (index: number) => Shard<Req, Res>,
  options: ShardsOptions<Req> = {},
): Shards<Req, Res> {
  if (!isCount(n, 1)) throw new OptionsError('n', 'an integer of at least 1', n)
  const settings = readSettings(options)
  if (typeof make !== 'function') throw new OptionsError('make', 'a function that makes an executor', make)
  return new Shards(
    Array.from({ length: n }, (_, index) => asShard(make(index))),
    settings,
  )
}

function readSettings<Req>(options: ShardsOptions<Req>): ShardsSettings<Req> {
  const { name, key, route = 'hash', random = () => Math.random() } = readGiven<ShardsOptions<Req>>('', options, rules)
  if (key !== undefined && route !== 'hash') {
    throw new OptionsError('key', `nothing, since the route '${route}' does not go by it`, key)
  }
  return { name, route, key, random }
}

function asShard<Req, Res>(made: Shard<Req, Res>): Shard<Req, Res> {
  if (hasMethods(made, 'execute', 'submit', 'get', 'getStatus', 'getHistograms', 'close', 'on', 'off')) return made
  throw new OptionsError('make', 'a function that makes an executor, such as a QueuedExecutor', made)
}
