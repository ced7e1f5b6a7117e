/**
 * A thread of `npm run prove`: runs the seeds that it is sent.
 */
import { parentPort, workerData } from 'node:worker_threads'
import '../../support/from-source.ts'
import { patchSource } from '../../support/patch-source.ts'

/** Which seeds to run. */
export interface Batch {
  readonly from: number
  readonly count: number
}

if (workerData.patch !== undefined) patchSource(workerData.patch)
const { runSchedules } = await import('./run.ts')

parentPort?.on('message', async ({ from, count }: Batch) => {
  const { keepGoing, largeEvery } = workerData
  parentPort?.postMessage(await runSchedules({ from, count, keepGoing, largeEvery }))
})
