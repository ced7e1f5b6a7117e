/**
 * Long runs in which something is broken again and again: a Redis that is killed, connections that are cut, events that are lost. Each
 * says what happened, and what was not as promised.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { remoteExecutor, remoteWorker } from 'triage-queue/bullmq'
import { startRedis } from '../../support/redis-server.ts'
import { seeded } from '../../support/seeded.ts'

export interface Outcome {
  readonly seed: number
  readonly breaks: number
  readonly acknowledged: number
  readonly refused: number
  readonly runs: number
  /** Ran more than once. */
  readonly duplicates: number
  /** What was not as promised. */
  readonly broken: readonly string[]
}

interface Breaker {
  /** Called again and again; `note` says of what ran at that moment that it may run again. */
  breakOnce(random: () => number, mayRunAgain: () => void): Promise<void>
}

const PATIENCE_MS = 60_000

async function run(
  seed: number,
  breaks: number,
  make: () => Promise<{ url: string; breaker: Breaker; close: () => Promise<void> }>,
): Promise<Outcome> {
  const random = seeded(seed)
  const { url: connection, breaker, close } = await make()
  const executor = remoteExecutor<number, number>('runs', { connection, reconcileMs: 500 })
  const timesRun = new Map<number, number>()
  const open = new Set<number>()
  const mayRunAgain = new Set<number>()
  /** Which of the workers have run something since it was last looked. */
  const busy = new Set<number>()
  const workers = [0, 1].map((which) =>
    remoteWorker<number, number>(
      'runs',
      async (n) => {
        busy.add(which)
        timesRun.set(n, (timesRun.get(n) ?? 0) + 1)
        open.add(n)
        await sleep(random() * 30)
        return n * 2
      },
      { connection, concurrency: 4, lockMs: 2_000, stalledMs: 500, maxStalled: 1_000 },
    ),
  )
  const broken: string[] = []
  const answers: Promise<void>[] = []
  let [acknowledged, refused, isOver] = [0, 0, false]
  const submit = async (): Promise<void> => {
    for (let n = 0; !isOver; n++) {
      try {
        const handle = await executor.submit(n, { id: `${n}` })
        acknowledged++
        const answer = handle.result.then(
          (value) => {
            open.delete(n)
            if (value !== n * 2) broken.push(`${n} was answered with ${value}`)
          },
          (error: Error) => {
            open.delete(n)
            broken.push(`${n} was acknowledged, and ended with ${error.name}: ${error.message}`)
          },
        )
        answers.push(answer)
      } catch (error) {
        refused++
        const { code } = error as { code?: string }
        if (code !== 'TRIAGE_STORE_UNAVAILABLE') broken.push(`${n} was refused with ${(error as Error).message}`)
      }
      await sleep(random() * 6)
    }
  }
  const submitting = submit()
  await sleep(200)
  for (let i = 0; i < breaks; i++) {
    await breaker.breakOnce(random, () => {
      for (const n of open) mayRunAgain.add(n)
    })
  }
  // All come back by themselves: each worker takes requests again.
  busy.clear()
  for (let i = 0; i < 100 && busy.size < workers.length; i++) await sleep(100)
  if (busy.size < workers.length) broken.push(`only ${busy.size} of ${workers.length} workers work at the end`)
  isOver = true
  await submitting
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('late'), PATIENCE_MS)
  })
  if ((await Promise.race([Promise.all(answers), late])) === 'late') broken.push('not all callers had their answers')
  clearTimeout(timer)
  const twice = [...timesRun].filter(([, times]) => times > 1).map(([n]) => n)
  for (const n of twice) if (!mayRunAgain.has(n)) broken.push(`${n} ran twice, and did not run when something broke`)
  await executor.close({ drain: false, graceMs: 0 })
  await Promise.all(workers.map((worker) => worker.close({ drain: false, graceMs: 0 })))
  await close()
  const runs = [...timesRun.values()].reduce((sum, times) => sum + times, 0)
  return { seed, breaks, acknowledged, refused, runs, duplicates: twice.length, broken }
}

/** Redis is killed by SIGKILL, and started again with what it had on its disk. */
export function killRedis(seed: number, kills: number): Promise<Outcome> {
  return run(seed, kills, async () => {
    const redis = await startRedis()
    const breaker: Breaker = {
      async breakOnce(random, mayRunAgain) {
        await sleep(50 + random() * 250)
        mayRunAgain()
        await redis.kill()
        mayRunAgain()
        await sleep(random() * 200)
        await redis.start()
        await sleep(100)
      },
    }
    return { url: redis.url, breaker, close: () => redis.close() }
  })
}

/** All connections are cut, or the stream of events is emptied. */
export function cutAndTrim(seed: number, times: number): Promise<Outcome> {
  return run(seed, times, async () => {
    const redis = await startRedis()
    const client = new Redis(redis.url)
    const breaker: Breaker = {
      async breakOnce(random, mayRunAgain) {
        await sleep(20 + random() * 60)
        if (random() < 0.5) {
          await client.xtrim('bull:runs:events', 'MAXLEN', 0)
          return
        }
        mayRunAgain()
        await client.call('CLIENT', 'KILL', 'TYPE', random() < 0.5 ? 'normal' : 'pubsub', 'SKIPME', 'yes')
        mayRunAgain()
      },
    }
    const close = async (): Promise<void> => {
      client.disconnect()
      await redis.close()
    }
    return { url: redis.url, breaker, close }
  })
}

/** One line. */
export function lineOf(
  what: string,
  { seed, breaks, acknowledged, refused, runs, duplicates, broken }: Outcome,
): string {
  const numbers = `${breaks} ${what}, seed ${seed}: ${acknowledged} acknowledged, all answered; ${refused} refused meanwhile`
  const said = broken.length === 0 ? 'ok' : `BROKEN: ${broken.join('; ')}`
  return `${numbers}; ${runs} runs, ${duplicates} of them of what ran at such a moment: ${said}`
}
