/**
 * Endless loops, one after the other: each is told to its caller in time, its thread is ended, and in the end there are as many threads,
 * and as much memory, as before.
 *
 * `node --import ./test/support/from-source.ts test/threads/kills.ts [KILLS [THREADS]]`
 */
import { readdirSync } from 'node:fs'
import { QueuedExecutor } from 'triage-queue'
import { threads } from 'triage-queue/threads'

export interface Kills {
  readonly kills: number
  readonly threads: number
  readonly runTimeoutMs: number
  readonly killAfterMs: number
}

export interface AfterKills {
  /** Of the requests that loop: how each was answered, and how late the latest was, in ms after its timeout. */
  readonly codes: { readonly [code: string]: number }
  readonly latestMs: number
  readonly killed: number
  /** The threads of the process, as the system counts them, and what it has in memory in MB: before and after. */
  readonly threads: readonly [before: number, after: number]
  readonly memoryMb: readonly [before: number, after: number]
  readonly good: number
}

const work = new URL('./fixtures/work.ts', import.meta.url)

export async function kills({ kills, threads: n, runTimeoutMs, killAfterMs }: Kills): Promise<AfterKills> {
  const executor = threads<unknown, unknown>(work, { threads: n, killAfterMs, idleMs: Number.POSITIVE_INFINITY })
  const queue = new QueuedExecutor<unknown, unknown>(executor, { concurrency: n, maxQueueSize: 100_000 })
  const settled = async (): Promise<[number, number]> => {
    // As many threads as there may be, and nothing left of those that were.
    await Promise.all(Array.from({ length: n }, () => queue.execute({ spinMs: 50 })))
    globalThis.gc?.()
    return [readdirSync('/proc/self/task').length, Math.round(process.memoryUsage.rss() / 1e6)]
  }
  const codes: Record<string, number> = {}
  let latestMs = 0
  let good = 0
  const loop = async (): Promise<void> => {
    const handle = await queue.submit('loop', { runTimeoutMs })
    const error = await handle.result.then(
      () => undefined,
      (thrown: { code?: string }) => thrown,
    )
    latestMs = Math.max(latestMs, performance.now() - (handle.startedAt ?? 0) - runTimeoutMs)
    codes[`${error?.code}`] = (codes[`${error?.code}`] ?? 0) + 1
    if ((await queue.execute({ echo: 1 })) === 1) good++
  }
  for (let i = 0; i < 2 * n; i++) await loop().catch(() => {})
  const before = await settled()
  for (const code of Object.keys(codes)) delete codes[code]
  const killedBefore = executor.getStatus().killed
  good = 0
  latestMs = 0
  for (let i = 0; i < kills; i += n) await Promise.all(Array.from({ length: Math.min(n, kills - i) }, loop))
  const after = await settled()
  const { killed } = executor.getStatus()
  await queue.close()
  await executor.close()
  return {
    ...{ codes, latestMs, killed: killed - killedBefore, good },
    threads: [before[0], after[0]],
    memoryMb: [before[1], after[1]],
  }
}

if (process.argv[1] === import.meta.filename) {
  const [count = 2_000, n = 2] = process.argv.slice(2).map(Number)
  const from = performance.now()
  const after = await kills({ kills: count, threads: n, runTimeoutMs: 20, killAfterMs: 10 })
  console.log(`${count} endless loops in ${n} threads, in ${Math.round((performance.now() - from) / 1_000)} s`)
  console.log(
    `  answered ${JSON.stringify(after.codes)}, the latest ${Math.round(after.latestMs)} ms after its timeout`,
  )
  console.log(`  ${after.killed} threads were ended; ${after.good} requests worked right after`)
  console.log(
    `  threads of the process: ${after.threads.join(' before, ')} after; memory: ${after.memoryMb.join(' MB before, ')} MB after`,
  )
  const [threadsBefore, threadsAfter] = after.threads
  if (threadsAfter > threadsBefore || after.good !== count || after.codes.TRIAGE_RUN_TIMEOUT !== count)
    process.exitCode = 1
}
