/**
 * The ceiling: a worker thread that does nothing but `BEGIN IMMEDIATE`, one INSERT for each that is pending, `COMMIT`. What is handed over in
 * one stretch of code goes to it as one message, as ours does.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import type { DurableSubject } from '../subject.ts'

export const subject: DurableSubject = {
  about: 'BEGIN IMMEDIATE, INSERT …, COMMIT in a worker thread, synchronous=full: no checks, no states, no answers',
  noExecute: 'it is no queue',
  async open(folder) {
    const path = join(folder, 'raw.db')
    const worker = new Worker(join(import.meta.dirname, 'raw-worker.ts'), { workerData: path })
    const ended = new Promise((resolve) => worker.on('exit', resolve))
    const pending: (() => void)[] = []
    let batch: [string, string][] = []
    worker.on('message', (count: number) => {
      for (const resolve of pending.splice(0, count)) resolve()
    })
    return {
      acknowledge(id, text) {
        if (batch.length === 0) {
          queueMicrotask(() => {
            worker.postMessage(batch)
            batch = []
          })
        }
        batch.push([id, text])
        return new Promise<void>((resolve) => pending.push(resolve))
      },
      async verify(ids) {
        worker.postMessage('close')
        await ended
        const database = new DatabaseSync(path)
        const count = database.prepare('SELECT count(*) AS n FROM live').get()?.n as number
        const find = database.prepare('SELECT payload FROM live WHERE id = ?')
        const texts = ids.map((id) => JSON.parse(find.get(id)?.payload as string) as string)
        database.close()
        return { count, texts }
      },
      async close() {},
    }
  },
}
