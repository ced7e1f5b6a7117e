import { type Job, Queue, QueueEvents, Worker } from 'bullmq'
import { answerTo, type DurableSubject } from '../subject.ts'

const NAME = 'bench'

const connectionTo = (port: number) => ({ host: '127.0.0.1', port, maxRetriesPerRequest: null })

export const subject: DurableSubject = {
  about: 'add() to a Redis with appendfsync always; answers by waitUntilFinished()',
  async open(_folder, port) {
    const queue = new Queue<string>(NAME, { connection: connectionTo(port) })
    await queue.waitUntilReady()
    return {
      acknowledge: (id, text) => queue.add('job', text, { jobId: id }),
      async verify(ids) {
        const jobs = await Promise.all(ids.map((id) => queue.getJob(id)))
        return { count: await queue.getWaitingCount(), texts: jobs.map((job) => job?.data ?? '') }
      },
      close: () => queue.close(),
    }
  },
  async execute(_folder, port, slots) {
    const connection = connectionTo(port)
    const queue = new Queue<string, string>(NAME, { connection })
    const events = new QueueEvents(NAME, { connection })
    const worker = new Worker<string, string>(NAME, async (job: Job<string>) => answerTo(job.data), {
      ...{ connection, concurrency: slots },
    })
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady(), worker.waitUntilReady()])
    return {
      async execute(id, text) {
        const job = await queue.add('job', text, { jobId: id })
        return await job.waitUntilFinished(events)
      },
      async close() {
        await Promise.all([worker.close(), events.close()])
        await queue.close()
      },
    }
  },
}
