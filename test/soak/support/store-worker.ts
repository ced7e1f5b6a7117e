/**
 * The thread of a store, which says on demand how large its heap is, after garbage collection.
 */
import { getHeapStatistics } from 'node:v8'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { nodeDatabase } from '../../../src/sqlite/database.ts'
import { Thread, type ThreadParts } from '../../../src/sqlite/thread.ts'
import { collect } from './steady.ts'

const { asked, ...rest } = workerData as { readonly asked: MessagePort } & Pick<ThreadParts, 'settings' | 'isFirst'>

asked.on('message', async () => {
  await collect()
  asked.postMessage(getHeapStatistics().used_heap_size)
})
asked.unref()

if (parentPort !== null) new Thread({ ...rest, port: parentPort, open: nodeDatabase })
