/**
 * A worker: start as many as there is work for, on any machine. `node worker.ts`, with REDIS_URL and WORKER_SLOTS in its environment.
 *
 * Its two kinds of work only sleep; one of `report` fails until it is requeued.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { backoff } from 'triage-queue'
import { remoteWorker } from 'triage-queue/bullmq'

const { REDIS_URL: connection = 'redis://127.0.0.1:6379', WORKER_SLOTS = '2', LOCK_MS = '30000' } = process.env

interface Job {
  readonly name: string
  readonly ms: number
  readonly fails?: boolean
}

const render = async ({ name, ms }: Job, { signal }: { signal: AbortSignal }): Promise<string> => {
  await sleep(ms, undefined, { signal })
  return `${name}, rendered by ${process.pid}`
}

const worker = remoteWorker<Job, string>('jobs', render, {
  ...{ connection, concurrency: Number(WORKER_SLOTS), lockMs: Number(LOCK_MS) },
  retry: backoff({ attempts: 1, baseMs: 50 }),
  kinds: {
    render: { executor: render as never },
    report: {
      executor: (async ({ name, ms, fails }: Job, run: { readonly attempt: number }) => {
        await sleep(ms)
        if (fails === true) throw new Error(`no data for ${name}, attempt ${run.attempt}`)
        return `${name}, reported by ${process.pid}`
      }) as never,
    },
  },
})
await worker.ready()
console.log(`worker ${process.pid} is ready`)

// A deploy: what runs has ten seconds, and goes back to the queue after that.
process.once('SIGTERM', () => worker.close({ graceMs: 10_000 }))
