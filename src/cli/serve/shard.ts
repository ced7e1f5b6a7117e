/**
 * One shard of `serve --shards`, in a thread of its own: the module is loaded there, and each has a file of requests of its own.
 */
import type { QueuedExecutor, QueuedExecutorOptions } from '../../index.ts'
import { usage } from '../fault.ts'
import { loadModule } from '../module.ts'

/** What can be sent to a thread. */
export interface ShardData {
  readonly module: string
  /** What was said on the command line: it goes before what the module says. */
  readonly said: QueuedExecutorOptions
  readonly otherwise: QueuedExecutorOptions
  readonly db: string | undefined
}

/** Called by `shards()`, in the thread. */
export async function makeShard(index: number, { module, said, otherwise, db }: ShardData): Promise<QueuedExecutor> {
  const { QueuedExecutor } = await import('../../index.ts')
  const loaded = await loadModule(module)
  if (loaded.kind === 'executor') throw usage('--shards needs a function: each shard has a queue of its own')
  const { openStore } = await import('../../sqlite/index.ts')
  const store = db === undefined ? undefined : await openStore(`${db}.${index}`, { shard: index })
  const executor = new QueuedExecutor(loaded.executor, {
    ...otherwise,
    ...loaded.options,
    ...said,
    ...(store !== undefined && { store }),
  })
  if (store === undefined) return executor
  // Whoever closes the shard waits for its file as well.
  const close = executor.close.bind(executor)
  return Object.assign(executor, {
    close: async (options: Parameters<typeof close>[0]) => {
      await close(options)
      await store.close()
    },
  })
}
