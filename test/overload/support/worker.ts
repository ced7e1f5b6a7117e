/**
 * A thread of `npm run prove:mixes`: plays the seeds that it is sent.
 */
import { parentPort, workerData } from 'node:worker_threads'
import '../../support/from-source.ts'

const { playMix } = await import('../mixes.ts')

parentPort?.on('message', async (seed: number) => {
  const { result } = await playMix(seed, workerData.whenFull)
  parentPort?.postMessage(result)
})
