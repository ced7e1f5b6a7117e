/**
 * How is Redis reached? By several connections, each with manners of its own:
 *
 * - `asking`: a caller waits. A command that can't be sent now, or was cut off, fails at once.
 * - `listening`: it blocks, and is read again by whoever reads it.
 * - `working`: of a worker. What it has to say waits until Redis is back.
 */
import type { Redis, RedisOptions } from 'ioredis'
import type { RedisConnection } from './options.ts'
import type { Peers } from './peers.ts'

export type Manner = 'asking' | 'listening' | 'working'

const MIN_RETRY_MS = 50
const MAX_RETRY_MS = 1_000

const manners: { readonly [M in Manner]: Omit<RedisOptions, 'replyMapping'> } = {
  asking: { enableOfflineQueue: false, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false },
  listening: { enableOfflineQueue: true, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false },
  working: { enableOfflineQueue: true, maxRetriesPerRequest: null },
}

/**
 * Connects by itself, and again when it is cut, for ever.
 * @param isOver asked before it connects again, also by those that BullMQ makes after this one
 */
export function connect({ Redis }: Peers, connection: RedisConnection, manner: Manner, isOver = () => false): Redis {
  const retryStrategy = (times: number): number | null =>
    isOver() ? null : Math.min(MIN_RETRY_MS * 2 ** Math.min(times, 10), MAX_RETRY_MS)
  const options = { retryStrategy, connectTimeout: 2_000, replyMapping: 'legacy' as const, ...manners[manner] }
  const client =
    typeof connection === 'string'
      ? new Redis(connection, options)
      : new Redis({ ...(connection as RedisOptions), ...options })
  // It is told by what can't be done; without a listener, ioredis prints it.
  client.on('error', () => {})
  return client
}

/** How it is called in messages: without a password. */
export function placeOf(connection: RedisConnection): string {
  if (typeof connection === 'string') {
    const { protocol, host, pathname } = new URL(connection)
    return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
  }
  return connection.path ?? `redis://${connection.host ?? '127.0.0.1'}:${connection.port ?? 6379}`
}

/** A reading of the clock of Redis that took no longer is taken as it is. */
const NEAR_MS = 100

/** The time on the Redis server, by which all machines go: this process's own clock, and how far it is off. */
export class RedisTime {
  #offsetMs = Date.now() - performance.now()

  now(): number {
    return performance.now() + this.#offsetMs
  }

  async sync(client: Redis): Promise<void> {
    const asked = performance.now()
    const [seconds, micros] = await client.time()
    const answered = performance.now()
    const at = Number(seconds) * 1_000 + Number(micros) / 1_000
    const [least, most] = [at - answered, at - asked]
    // Where the question has waited until Redis was back, all that is known is that it was read before the answer came.
    this.#offsetMs = most - least <= NEAR_MS ? (least + most) / 2 : Math.min(Math.max(this.#offsetMs, least), most)
  }
}

/** What is wrong with its `maxmemory-policy`; undefined: nothing. */
export async function evictionOf(client: Redis): Promise<string | undefined> {
  const policy = /^maxmemory_policy:(\S+)/m.exec(await client.info('memory'))?.[1]
  return policy === undefined || policy === 'noeviction' ? undefined : policy
}
