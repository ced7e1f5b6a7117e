/**
 * `npm run bench:redis`: what do our semantics cost beside BullMQ used directly? The same Redis, the same requests, the same worker
 * settings, one process; the rounds of both are interleaved, and each answer is checked.
 *
 * BullMQ used directly is `queue.add()`, and the event `completed` with the answer in it: no bound, no ids of one's own, no time limits, no
 * errors but their messages, and a caller that waits for ever when an event is lost.
 *
 *     -- FSYNC ROUNDS REQUESTS IN_FLIGHT     everysec 9 3000 200
 */
import { cpus } from 'node:os'
import { Queue, QueueEvents, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { remoteExecutor, remoteWorker } from 'triage-queue/bullmq'
import { startRedis } from '../../test/support/redis-server.ts'

const [fsync = 'everysec', ...numbers] = process.argv.slice(2)
const [rounds = 9, requests = 3_000, inFlight = 200] = numbers.map(Number)
const CONCURRENCY = 50
const WARM_UP = 500
const KEEP = { age: 86_400, count: 10_000 }

interface Subject {
  readonly name: string
  ask(n: number): Promise<unknown>
  close(): Promise<void>
}

function ours(url: string, round: number): Promise<Subject> {
  const name = `ours-${round}`
  const executor = remoteExecutor<number, number>(name, {
    connection: url,
    ...(process.env.NOROOM && { maxQueueSize: Infinity }),
  })
  const worker = remoteWorker<number, number>(name, async (n) => n * 2, { connection: url, concurrency: CONCURRENCY })
  const priorities = ['urgent', 'high', 'normal', 'low'] as const
  const subject: Subject = {
    name: 'triage-queue/bullmq',
    ask: (n) => executor.execute(n, { priority: priorities[n % 4] ?? 'low' }),
    async close() {
      await executor.close()
      await worker.close()
    },
  }
  return worker.ready().then(() => subject)
}

async function direct(port: number, round: number): Promise<Subject> {
  const name = `direct-${round}`
  const connection = { host: '127.0.0.1', port }
  const queue = new Queue(name, { connection })
  const events = new QueueEvents(name, { connection })
  const worker = new Worker(name, async (job) => job.data.n * 2, { connection, concurrency: CONCURRENCY })
  const waiting = new Map<string, (value: unknown) => void>()
  events.on('completed', ({ jobId, returnvalue }) => {
    waiting.get(jobId)?.(returnvalue)
    waiting.delete(jobId)
  })
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady(), worker.waitUntilReady()])
  let ids = 0
  return {
    name: 'BullMQ, used directly',
    ask(n) {
      const jobId = `job-${++ids}`
      const answer = new Promise((resolve) => waiting.set(jobId, resolve))
      const options = { jobId, priority: (n % 4) + 1, removeOnComplete: KEEP, removeOnFail: KEEP }
      return queue.add('request', { n }, options).then(() => answer)
    },
    async close() {
      await worker.close()
      await events.close()
      await queue.close()
    },
  }
}

/** In ms: by the clock, and of both processors' time, ours and that of Redis. */
async function timed(subject: Subject, count: number): Promise<Took> {
  let next = 0
  const caller = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      const answer = await subject.ask(n)
      if (answer !== n * 2) throw new Error(`${subject.name} has answered ${n} with ${answer}`)
    }
  }
  const [from, cpuFrom] = [performance.now(), await cpuMs()]
  await Promise.all(Array.from({ length: inFlight }, caller))
  return { ms: performance.now() - from, cpuMs: (await cpuMs()) - cpuFrom }
}

interface Took {
  readonly ms: number
  readonly cpuMs: number
}

async function cpuMs(): Promise<number> {
  const { user, system } = process.cpuUsage()
  const told = await admin.info('cpu')
  const seconds = [...told.matchAll(/^used_cpu_(?:user|sys):([\d.]+)/gm)].reduce(
    (sum, [, each]) => sum + Number(each),
    0,
  )
  return (user + system) / 1_000 + seconds * 1_000
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number

const redis = await startRedis(['--appendfsync', fsync])
const { url } = redis
console.log(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}; redis-server, appendfsync ${fsync}`)
console.log(
  `${requests} requests, ${inFlight} in flight, ${CONCURRENCY} slots, four priorities; ${rounds} rounds each, interleaved`,
)
const admin = new Redis(url)
const times: { [name: string]: Took[] } = {}
const ratios: { ms: number; cpuMs: number }[] = []
try {
  for (let round = 0; round <= rounds; round++) {
    const both = [await ours(url, round), await direct(redis.port, round)]
    const took: Took[] = []
    // Who goes first takes turns.
    for (const which of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const subject = both[which] as Subject
      await timed(subject, WARM_UP)
      const one = await timed(subject, requests)
      took[which] = one
      if (round > 0) times[subject.name] = [...(times[subject.name] ?? []), one]
    }
    // The first round is for the compiler.
    const [mine, theirs] = took as [Took, Took]
    if (round > 0) ratios.push({ ms: mine.ms / theirs.ms, cpuMs: mine.cpuMs / theirs.cpuMs })
    await Promise.all(both.map((subject) => subject.close()))
  }
} finally {
  admin.disconnect()
  await redis.close()
}
for (const [name, all] of Object.entries(times)) {
  const [ms, cpu] = [median(all.map((each) => each.ms)), median(all.map((each) => each.cpuMs))]
  console.log(
    `${name}: ${Math.round(ms)} ms, ${Math.round((requests / ms) * 1_000)} requests a second; ` +
      `${((cpu / requests) * 1_000).toFixed(0)} µs of processor time each`,
  )
}
for (const what of ['ms', 'cpuMs'] as const) {
  const all = ratios.map((each) => each[what]).sort((a, b) => a - b)
  const spread = `${(all[0] as number).toFixed(2)} to ${(all.at(-1) as number).toFixed(2)}`
  console.log(
    `ratio of ${what === 'ms' ? 'the times' : 'processor time'}, round by round: ${median(all).toFixed(2)} (${spread})`,
  )
}
