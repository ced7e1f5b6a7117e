/**
 * A part of the soak: very many records through a store in a file that keeps a thousand. Nothing of those that are gone is left,
 * neither in the file nor in memory.
 */

import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MessageChannel, Worker } from 'node:worker_threads'
import { FileStore } from '../../../src/sqlite/file-store.ts'
import { readSqliteOptions } from '../../../src/sqlite/options.ts'
import { admitted, completed, failed } from '../../contract/support.ts'
import { seeded } from '../../support/seeded.ts'
import type { PartOptions, StoreReport } from './report.ts'
import { type Point, pointAt, slopeOf } from './steady.ts'

const CALLERS = 400
const POINTS = 50
const KEPT = { completed: { count: 1_000 }, dead: { count: 100 } }

const text = 'x'.repeat(1_000)

export async function store(requests: number, { progress, leaks }: PartOptions): Promise<StoreReport> {
  const folder = mkdtempSync(join(tmpdir(), 'triage-queue-soak-'))
  const path = join(folder, 'requests.db')
  const sizeOf = (name: string): number => statSync(name, { throwIfNoEntry: false })?.size ?? 0
  const random = seeded(17)
  const leaked: unknown[] = []
  const points: Point[] = []
  const rssBytes: number[] = []
  const threadPoints: Point[] = []
  let maxFileBytes = 0
  let maxWalBytes = 0
  let done = 0
  let begun = 0
  try {
    const { port1: asked, port2: asks } = new MessageChannel()
    const worker = join(import.meta.dirname, 'store-worker.ts')
    const opened = await FileStore.open(readSqliteOptions(path, { keep: KEPT }), (data) => {
      return new Worker(worker, { workerData: { ...data, asked }, transferList: [asked] })
    })
    const threadHeapBytes = async (): Promise<number> => {
      asks.postMessage('?')
      const [bytes] = await once(asks, 'message')
      return bytes
    }
    const queue = opened.queue('main')

    const one = async (n: number): Promise<void> => {
      const chance = random()
      const seq = await admitted(queue, `r${n}`, { request: { n, text }, ...(chance < 0.5 ? { startedAt: 1 } : {}) })
      if (leaks) leaked.push({ seq })
      if (chance >= 0.9) await queue.changed(seq, { priority: 'urgent' })
      if (chance >= 0.5) await queue.begins(seq, 1, 1)
      if (chance >= 0.95) {
        await queue.attemptEnded(seq, 1, { error: new Error('once more') })
        await queue.begins(seq, 2, 2)
      }
      await queue.ended(seq, chance < 0.05 ? failed(new Error('no')) : completed({ n }))
    }
    const caller = async (until: number): Promise<void> => {
      while (begun < until) {
        await one(begun++)
        done++
      }
    }
    const stretch = Math.ceil(requests / POINTS)
    for (let until = stretch; begun < requests; until += stretch) {
      await Promise.all(Array.from({ length: CALLERS }, () => caller(Math.min(until, requests))))
      points.push(await pointAt(done))
      rssBytes.push(process.memoryUsage().rss)
      threadPoints.push({ requests: done, heapBytes: await threadHeapBytes(), codeBytes: 0 })
      maxFileBytes = Math.max(maxFileBytes, sizeOf(path))
      maxWalBytes = Math.max(maxWalBytes, sizeOf(`${path}-wal`))
      progress(done)
    }
    const { live, completed: kept, dead } = await opened.stats()
    const copy = join(folder, 'copy.db')
    await opened.backup(copy)
    // It gives pages back while there is nothing else to do.
    await sleep(2_000)
    await opened.close()
    asks.close()
    return {
      ...{ requests: done, live, kept, dead, points, rssBytes, threadPoints, maxFileBytes, maxWalBytes },
      heapSlope: slopeOf(points, ({ heapBytes }) => heapBytes),
      threadSlope: slopeOf(threadPoints, ({ heapBytes }) => heapBytes),
      ...{ fileBytes: sizeOf(path), liveBytes: sizeOf(copy), walBytes: sizeOf(`${path}-wal`) },
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
