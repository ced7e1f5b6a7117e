/** An executor on virtual time in front of a store whose commits are made by hand; with the second set of books. */
import { QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { Gate, turn } from '../../failures/support.ts'
import { HandStore } from './hand-store.ts'

export async function stored(options: QueuedExecutorOptions<string> = {}, store = new HandStore()) {
  const made = storing(options, store)
  // What was kept has come back.
  await turn()
  return made
}

export function storing(options: QueuedExecutorOptions<string> = {}, store = new HandStore()) {
  const clock = new VirtualClock()
  const gate = new Gate()
  const queue = new QueuedExecutor<string, unknown>(gate.executor, {
    concurrency: 1,
    clock,
    store,
    debug: true,
    ...options,
  })
  return { clock, gate, queue, store }
}
