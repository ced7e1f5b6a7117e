/**
 * What holds here, and what not? In words, with what the Redis that is there says of itself.
 */
import type { Redis } from 'ioredis'
import type { Reading } from './status.ts'

const holds = [
  'What was acknowledged is in this Redis, and runs, also when who submitted it has gone.',
  'Tiers are strict over all workers, first-in first-out inside each.',
  'A request runs at least once; twice only when its worker was lost in the middle of its run.',
  'Who has lost the lock of a request has its run aborted, and its answer refused.',
  'Deadlines go by the clock of Redis.',
]
const holdsNot = [
  'The bound of the queue is soft: exceeded by as many as are being added at that moment.',
  'What lost its worker goes before all that waits.',
  'delayMs and startAt go by the clocks of the workers.',
]

export async function describeRedis(client: Redis, place: string): Promise<{ lines: string[]; isDurable: boolean }> {
  const info = await client.info()
  const told = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]
  // A Redis that somebody else runs may not tell how it is configured.
  const fsync = ((await client.config('GET', 'appendfsync').catch(() => [])) as string[])[1]
  const isAppended = told('aof_enabled') === '1'
  const lasting = isAppended ? `appendonly yes, appendfsync ${fsync ?? 'not told'}` : 'appendonly no'
  const lines = [`Redis ${told('redis_version')} at ${place}: ${lasting}, maxmemory-policy ${told('maxmemory_policy')}`]
  return { lines, isDurable: isAppended && fsync === 'always' }
}

export function description(name: string, redis: { lines: string[]; isDurable: boolean }, reading: Reading): string {
  const slots = reading.workers.reduce((sum, { concurrency }) => sum + concurrency, 0)
  const limit = reading.concurrency > 0 ? `, of which ${reading.concurrency} may be busy at once` : ''
  const loss =
    'A crash or a power cut of Redis may lose the last of what was acknowledged: `appendfsync` is not `always`.'
  return [
    `'${name}'`,
    ...redis.lines,
    `${reading.workers.length} workers with ${slots} slots${limit}`,
    'holds:',
    ...holds.map((line) => `  ${line}`),
    'does not hold:',
    ...[...(redis.isDurable ? [] : [loss]), ...holdsNot].map((line) => `  ${line}`),
  ].join('\n')
}
