/**
 * What BullMQ does not offer in one step: our own scripts over its keys.
 *
 * They go by the layout of BullMQ 6: a hash for each job; `wait` and `active`, which are lists; `prioritized`, `delayed`, `completed` and
 * `failed`, sorted sets; the stream `events`. We add to it: the field `tqEnd` in the hash of a job, which says how a request has ended
 * whose call has not settled; the hash `tq:workers`; the channel `tq:cancel`; the events `tq-ended` and, when
 * the signal of its run was aborted, `tq-aborted`; in the event `waiting`, `prev` is `taken` for what was given back before it ran.
 */
import type { Redis } from 'ioredis'

const bullmqKeys = [
  'wait',
  'active',
  'stalled',
  'prioritized',
  'delayed',
  'completed',
  'failed',
  'events',
  'meta',
  'marker',
] as const

/** Of one queue. */
export type Keys = { readonly [K in (typeof bullmqKeys)[number] | 'base' | 'workers' | 'cancel']: string }

export function keysOf(prefix: string, name: string): Keys {
  const base = `${prefix}:${name}:`
  const keys = Object.fromEntries(bullmqKeys.map((each) => [each, base + each])) as {
    [K in (typeof bullmqKeys)[number]]: string
  }
  return { base, ...keys, workers: `${base}tq:workers`, cancel: `${base}tq:cancel` }
}

/** 1: it waited, and has ended. 2: it runs, and has ended for its callers. 3: it runs, and goes on. 0: it had ended. -1: there is none. -2: it has another generation. */
const END = `
local job, id = KEYS[1], ARGV[1]
local seen = redis.call('HMGET', job, 'finishedOn', 'tqEnd', 'timestamp')
if not seen[3] then return -1 end
if ARGV[6] ~= '' and seen[3] ~= ARGV[6] then return -2 end
if seen[1] or seen[2] then return 0 end
local removed = redis.call('ZREM', KEYS[2], id) + redis.call('ZREM', KEYS[3], id) + redis.call('LREM', KEYS[4], 0, id)
if removed > 0 then
  local begun = tonumber(redis.call('HGET', job, 'ats') or 0) > 0
  local reason = begun and ARGV[9] or ARGV[2]
  redis.call('HSET', job, 'failedReason', reason, 'finishedOn', ARGV[4])
  redis.call('ZADD', KEYS[5], ARGV[4], id)
  redis.call('XADD', KEYS[6], '*', 'event', 'failed', 'jobId', id, 'failedReason', reason, 'prev', 'waiting')
  local most = tonumber(ARGV[7])
  if most >= 0 then
    for i = 1, 10 do
      if redis.call('ZCARD', KEYS[5]) <= most then break end
      local old = redis.call('ZPOPMIN', KEYS[5])[1]
      redis.call('DEL', ARGV[8] .. old, ARGV[8] .. old .. ':logs')
    end
  end
  return 1
end
if ARGV[3] == '' then return 3 end
redis.call('HSET', job, 'tqEnd', ARGV[3], 'tqAt', ARGV[4])
redis.call('XADD', KEYS[6], '*', 'event', 'tq-ended', 'jobId', id)
redis.call('PUBLISH', ARGV[5], id .. ' ' .. ARGV[3])
return 2
`

/** Takes a dead letter out of the way of a new request with its id: 1, or 0 when it is none (any more). */
const FORGET = `
if redis.call('HGET', KEYS[1], 'timestamp') ~= ARGV[2] then return 0 end
if redis.call('ZREM', KEYS[2], ARGV[1]) + redis.call('ZREM', KEYS[3], ARGV[1]) == 0 then return 0 end
redis.call('DEL', KEYS[1], KEYS[1] .. ':logs')
return 1
`

/** Makes a dead letter ready for another life, in which it has another generation: 1, or 0 when it is none (any more). */
const REVIVE = `
local stamp = redis.call('HGET', KEYS[1], 'timestamp')
if not stamp or stamp ~= ARGV[2] or not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
redis.call('HDEL', KEYS[1], 'tqEnd', 'tqAt', 'stc', 'defa', 'stacktrace')
redis.call('HSET', KEYS[1], 'timestamp', ARGV[3], 'data', ARGV[4])
return 1
`

/** Puts what a worker has back to where it waited, first of its tier, and wakes another worker: 1, or 0 when it is this worker's no more. */
const GIVE_BACK = `
local job, lock, id = KEYS[1], KEYS[2], ARGV[1]
if redis.call('GET', lock) ~= ARGV[2] then return 0 end
redis.call('DEL', lock)
redis.call('SREM', KEYS[3], id)
if redis.call('LREM', KEYS[4], 1, id) == 0 then return 0 end
local unstarted = ARGV[3] == ''
if unstarted and redis.call('HINCRBY', job, 'ats', -1) == 0 then redis.call('HDEL', job, 'processedOn') end
local priority = tonumber(redis.call('HGET', job, 'priority')) or 0
if priority > 0 then
  redis.call('ZADD', KEYS[5], priority * 4294967296, id)
else
  redis.call('RPUSH', KEYS[6], id)
end
if redis.call('HEXISTS', KEYS[7], 'paused') == 0 then redis.call('ZADD', KEYS[8], 0, '0') end
redis.call('XADD', KEYS[9], '*', 'event', 'waiting', 'jobId', id, 'prev', unstarted and 'taken' or 'active')
return 1
`

/** Keeps what a worker has: 1, or 0 when it is this worker's no more. */
const RENEW = `
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SREM', KEYS[2], ARGV[1])
return 1
`

/** How the queue stands: sizes, by tier as well, how old the first of each tier is, and the workers. */
const STATUS = `
local out = { redis.call('LLEN', KEYS[1]), redis.call('LLEN', KEYS[2]), redis.call('ZCARD', KEYS[3]), redis.call('ZCARD', KEYS[5]), redis.call('ZCARD', KEYS[6]) }
local meta = redis.call('HMGET', KEYS[7], 'paused', 'concurrency')
out[6] = meta[1] and 1 or 0
out[7] = meta[2] and tonumber(meta[2]) or 0
for tier = 1, 4 do
  local from, to = tier * 4294967296, (tier + 1) * 4294967296 - 1
  out[#out + 1] = redis.call('ZCOUNT', KEYS[4], from, to)
  local first = redis.call('ZRANGEBYSCORE', KEYS[4], from, to, 'LIMIT', 0, 1)[1]
  out[#out + 1] = first and tonumber(redis.call('HGET', ARGV[1] .. first, 'timestamp')) or 0
end
out[#out + 1] = redis.call('HGETALL', KEYS[8])
return out
`

/** How many wait: in all, and of a tier. */
const ROOM = `
local out = { redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2]) + redis.call('LLEN', KEYS[3]) }
if ARGV[1] == '1' then
  for tier = 1, 4 do out[tier + 1] = redis.call('ZCOUNT', KEYS[1], tier * 4294967296, (tier + 1) * 4294967296 - 1) end
end
return out
`

const all = {
  tqEnd: { numberOfKeys: 6, lua: END },
  tqForget: { numberOfKeys: 3, lua: FORGET },
  tqRevive: { numberOfKeys: 2, lua: REVIVE },
  tqGiveBack: { numberOfKeys: 9, lua: GIVE_BACK },
  tqRenew: { numberOfKeys: 2, lua: RENEW },
  tqStatus: { numberOfKeys: 8, lua: STATUS },
  tqRoom: { numberOfKeys: 3, lua: ROOM },
}

type Call<T> = (...args: (string | number)[]) => Promise<T>

interface Defined {
  readonly tqEnd: Call<number>
  readonly tqForget: Call<number>
  readonly tqRevive: Call<number>
  readonly tqGiveBack: Call<number>
  readonly tqRenew: Call<number>
  readonly tqStatus: Call<unknown[]>
  readonly tqRoom: Call<number[]>
}

/** How an end that is forced went. */
export type Ended = 'waited' | 'ran' | 'runs' | 'had-ended' | 'missing' | 'stale'
const endings: { readonly [code: number]: Ended } = {
  1: 'waited',
  2: 'ran',
  3: 'runs',
  0: 'had-ended',
  [-1]: 'missing',
  [-2]: 'stale',
}

export interface EndRequest {
  readonly jobId: string
  /** What it ends with where it waits, and no attempt has begun. */
  readonly waiting: string
  /** What it ends with where it waits for another attempt. */
  readonly waitingAgain: string
  /** What it ends with where it runs; undefined: that is left alone. */
  readonly running?: string | undefined
  readonly at: number
  readonly generation?: number | undefined
  /** How many of those that have failed are kept. */
  readonly keep: number
}

export class Scripts {
  readonly #keys: Keys

  constructor(keys: Keys) {
    this.#keys = keys
  }

  /** Makes them known to a client. */
  define(client: Redis): void {
    for (const [name, definition] of Object.entries(all)) client.defineCommand(name, definition)
  }

  async end(client: Redis, end: EndRequest): Promise<Ended> {
    const { base, prioritized, delayed, wait, failed, events, cancel } = this.#keys
    const { jobId, waiting, waitingAgain, running = '', at, generation = '', keep } = end
    const code = await of(client).tqEnd(
      base + jobId,
      prioritized,
      delayed,
      wait,
      failed,
      events,
      jobId,
      waiting,
      running,
      Math.round(at),
      cancel,
      generation,
      Number.isFinite(keep) ? keep : -1,
      base,
      waitingAgain,
    )
    return endings[code] as Ended
  }

  async forget(client: Redis, jobId: string, generation: number): Promise<boolean> {
    const { base, failed, completed } = this.#keys
    return (await of(client).tqForget(base + jobId, failed, completed, jobId, generation)) === 1
  }

  async revive(client: Redis, jobId: string, generation: number, next: number, data: string): Promise<boolean> {
    const { base, failed } = this.#keys
    return (await of(client).tqRevive(base + jobId, failed, jobId, generation, next, data)) === 1
  }

  /** @param token of its lock @param started whether that was an attempt */
  async giveBack(client: Redis, jobId: string, token: string, started: boolean): Promise<boolean> {
    const { base, stalled, active, prioritized, wait, meta, marker, events } = this.#keys
    const job = base + jobId
    const code = await of(client).tqGiveBack(
      job,
      `${job}:lock`,
      stalled,
      active,
      prioritized,
      wait,
      meta,
      marker,
      events,
      jobId,
      token,
      started ? '1' : '',
    )
    return code === 1
  }

  /** @param token of its lock @param lockMs for how long it is to hold from now on */
  async renew(client: Redis, jobId: string, token: string, lockMs: number): Promise<boolean> {
    const { base, stalled } = this.#keys
    return (await of(client).tqRenew(`${base + jobId}:lock`, stalled, jobId, token, Math.round(lockMs))) === 1
  }

  status(client: Redis): Promise<unknown[]> {
    const { base, wait, active, delayed, prioritized, completed, failed, meta, workers } = this.#keys
    return of(client).tqStatus(wait, active, delayed, prioritized, completed, failed, meta, workers, base)
  }

  room(client: Redis, byTier: boolean): Promise<number[]> {
    const { prioritized, delayed, wait } = this.#keys
    return of(client).tqRoom(prioritized, delayed, wait, byTier ? '1' : '0')
  }
}

function of(client: Redis): Defined {
  return client as unknown as Defined
}
