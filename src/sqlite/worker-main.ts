/**
 * Where the thread begins. The build makes one text of this file and all that it imports (see `worker-source.ts`).
 */
import { parentPort, workerData } from 'node:worker_threads'
import { nodeDatabase } from './database.ts'
import { Thread } from './thread.ts'

if (parentPort !== null) new Thread({ port: parentPort, open: nodeDatabase, ...workerData })
