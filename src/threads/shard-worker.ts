/**
 * Where the thread of a shard begins: `shards(n, file)`.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { OptionsError } from '../core/errors.ts'
import { QueuedExecutor } from '../core/queued-executor.ts'
import type { RunContext } from '../index.ts'
import { crossing } from './crossing.ts'
import { loadWork } from './load-work.ts'
import type { Shard } from './shard.ts'
import { ShardHost } from './shard-host.ts'
import type { Order, ShardBegin, ShardWork, Word } from './shard-wire.ts'

const { work, listened } = workerData as ShardBegin

void begin()

async function begin(): Promise<void> {
  try {
    const host = new ShardHost(await made(work), say, listened)
    // What has come meanwhile waits in the port.
    parentPort?.on('message', (orders: readonly Order[]) => host.take(orders))
    parentPort?.on('messageerror', (error) => host.unread(error))
  } catch (error) {
    say([{ is: 'failed', error: crossing(error) }])
    process.exit(1)
  }
}

async function made({ file, exportName, index, executor, data }: ShardWork): Promise<Shard> {
  const loaded = await loadWork({ file, exportName })
  if (executor !== undefined) {
    return new QueuedExecutor((request: unknown, run: RunContext) => loaded(request, run), executor) as unknown as Shard
  }
  const shard = await loaded(index, data)
  if (typeof (shard as Shard | undefined)?.execute === 'function') return shard as Shard
  throw new OptionsError(
    'file',
    `one whose '${exportName}' makes an executor; or give the options of one as \`executor\``,
    shard,
  )
}

function say(words: readonly Word[]): void {
  parentPort?.postMessage(words)
}
