/**
 * Which shard is it for?
 *
 * `hash` is rendezvous hashing: each shard has a number for each key, and the greatest wins. One shard more takes its share of the keys
 * from all others, and no other key moves.
 *
 * @see https://en.wikipedia.org/wiki/Rendezvous_hashing
 */

/**
 * `'hash'`: by the key of a request, so that what belongs together meets in one queue. `'roundRobin'`: in turn. `'leastLoaded'`: of two
 * that are drawn by lot, the one that has less to do.
 * @see https://www.eecs.harvard.edu/~michaelm/postscripts/mythesis.pdf (the power of two choices)
 */
export type Route = 'hash' | 'roundRobin' | 'leastLoaded'

/** What a shard is asked. */
export interface Loaded {
  /** How much waits and runs there. */
  readonly load: number
}

/** 32 bits of a text: FNV-1a, over its UTF-16 units. */
function textHash(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

/** Spreads them: each bit in changes about half of those that come out. The finalizer of MurmurHash3. */
function mixed(hash: number): number {
  let bits = hash
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

/** The shard of a key, from 0 to `shards - 1`. */
export function shardOf(key: string, shards: number): number {
  const hash = textHash(key)
  let first = 0
  let most = -1
  for (let shard = 0; shard < shards; shard++) {
    const score = mixed(hash ^ mixed(shard + 0x9e3779b9))
    if (score <= most) continue
    most = score
    first = shard
  }
  return first
}

export class Router {
  readonly #route: Route
  readonly #shards: readonly Loaded[]
  readonly #random: () => number
  #turn = 0

  constructor(route: Route, shards: readonly Loaded[], random: () => number) {
    this.#route = route
    this.#shards = shards
    this.#random = random
  }

  /** @param key undefined: it has none, and is put in turn where the key would decide */
  next(key: string | undefined): number {
    const { length } = this.#shards
    if (this.#route === 'hash' && key !== undefined) return shardOf(key, length)
    if (this.#route === 'leastLoaded' && length > 1) return this.#lessLoaded()
    const turn = this.#turn
    this.#turn = (turn + 1) % length
    return turn
  }

  #lessLoaded(): number {
    const { length } = this.#shards
    const one = Math.floor(this.#random() * length) % length
    // Any other one.
    const two = (one + 1 + (Math.floor(this.#random() * (length - 1)) % (length - 1))) % length
    return (this.#shards[two] as Loaded).load < (this.#shards[one] as Loaded).load ? two : one
  }
}
