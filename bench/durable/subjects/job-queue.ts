import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { FileStorage, Queue } from '@platformatic/job-queue'
import { answerTo, type DurableSubject } from '../subject.ts'

const open = (folder: string, slots: number) =>
  new Queue<string, string>({ storage: new FileStorage({ basePath: join(folder, 'jobs') }), concurrency: slots })

export const subject: DurableSubject = {
  about: 'enqueue() with FileStorage: a file for each; answers by enqueueAndWait()',
  async open(folder) {
    const queue = open(folder, 1)
    await queue.start()
    return {
      acknowledge: (id, text) => queue.enqueue(id, text),
      async verify(ids) {
        const states = await Promise.all(ids.map((id) => queue.getStatus(id)))
        // It has no way to read a request; that it knows of it must do.
        const texts = ids.map((id, i) => (states[i]?.state === 'queued' ? undefined : `${id} is lost`))
        const count = readdirSync(join(folder, 'jobs', 'queue')).length
        return { count, texts: texts as string[] }
      },
      close: () => queue.stop(),
    }
  },
  async execute(folder, _port, slots) {
    const queue = open(folder, slots)
    queue.execute(async (job: { readonly payload: string }) => answerTo(job.payload))
    await queue.start()
    return {
      execute: (id, text) => queue.enqueueAndWait(id, text, { timeout: 60_000 }),
      close: () => queue.stop(),
    }
  },
}
