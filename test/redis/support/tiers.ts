/**
 * Two producers, two workers, four tiers, and more work than there is room for: who starts before whom?
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Priority, priorities } from 'triage-queue'
import { remoteExecutor, remoteWorker } from 'triage-queue/bullmq'
import { seeded } from '../../support/seeded.ts'
import { freshName } from './pair.ts'

/** What is on its way between two machines. */
const MOMENT_MS = 50
/** A longer turn of the event loop is one in which a busy machine ran others. */
const TURN_MS = 5
const BURST = 80

export interface Tiers {
  readonly starts: number
  /** Low ones that started while an urgent one had waited for longer than a moment. */
  readonly overtaken: readonly string[]
  /** The mean wait of each, in ms. */
  readonly waitMs: { readonly [priority: string]: number }
}

export async function tiersOf(connection: string, seed: number, count: number): Promise<Tiers> {
  const random = seeded(seed)
  const name = freshName()
  const producers = [0, 1].map(() => remoteExecutor<string, void>(name, { connection }))
  // The time in which this process could act: all of it, but for where it stood still.
  let [acted, last] = [0, performance.now()]
  const acting = setInterval(() => {
    const now = performance.now()
    acted += Math.min(now - last, TURN_MS)
    last = now
  }, 1)
  /** Urgent ones that were acknowledged, and have not started, and since when. */
  const waiting = new Map<string, number>()
  const started = new Set<string>()
  const overtaken: string[] = []
  const waits: { [priority: string]: number[] } = { urgent: [], high: [], normal: [], low: [] }
  const workers = [0, 1].map(() =>
    remoteWorker<string, void>(
      name,
      async (_, { id, priority, waitMs }) => {
        started.add(id)
        waiting.delete(id)
        waits[priority]?.push(waitMs)
        if (priority === 'low') {
          for (const [urgent, since] of waiting) {
            const waited = acted - since
            if (waited > MOMENT_MS) overtaken.push(`${id} before ${urgent}, after ${Math.round(waited)} ms`)
          }
        }
        await sleep(2 + random() * 8)
      },
      { connection, concurrency: 3 },
    ),
  )
  await Promise.all(workers.map((worker) => worker.ready()))
  const all: Promise<void>[] = []
  const submit = async (i: number): Promise<void> => {
    const priority = priorities[Math.floor(random() * 4)] as Priority
    const handle = await producers[i % 2]?.submit('x', { id: `${i}`, priority })
    if (handle === undefined) return
    if (priority === 'urgent' && !started.has(`${i}`)) waiting.set(`${i}`, acted)
    all.push(handle.result)
  }
  // Bursts, each of more than is run before the next one comes.
  for (let i = 0; i < count; i += BURST) {
    await Promise.all(Array.from({ length: Math.min(BURST, count - i) }, (_, k) => submit(i + k)))
    await sleep(20)
  }
  await Promise.all(all)
  await Promise.all([...workers.map((worker) => worker.close()), ...producers.map((producer) => producer.close())])
  clearInterval(acting)
  const mean = (of: number[]): number => Math.round(of.reduce((sum, ms) => sum + ms, 0) / Math.max(of.length, 1))
  return {
    starts: started.size,
    overtaken,
    waitMs: Object.fromEntries(Object.entries(waits).map(([priority, of]) => [priority, mean(of)])),
  }
}
