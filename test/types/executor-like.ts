/** `QueuedExecutor` is what every back end offers. */
import { memoryStore, QueuedExecutor, type QueuedExecutorLike } from 'triage-queue'
import { holds, type Same } from './support.ts'

const queue = new QueuedExecutor(async (n: number) => `${n}`, {
  store: memoryStore(),
  kinds: { double: { executor: async (n: number) => n * 2, runTimeoutMs: 100 } },
})
const like: QueuedExecutorLike<number, string> = queue
holds<Same<Awaited<ReturnType<typeof like.execute>>, string>>()
void queue.execute(1, { kind: 'double' })
// @ts-expect-error: a kind needs its function.
new QueuedExecutor(async (n: number) => n, { kinds: { none: {} } })
