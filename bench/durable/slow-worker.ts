/**
 * The store's thread on a disk on which each commit takes so long.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { nodeDatabase } from '../../src/sqlite/database.ts'
import { Thread } from '../../src/sqlite/thread.ts'

const { commitMs, ...rest } = workerData
const nobody = new Int32Array(new SharedArrayBuffer(4))

if (parentPort !== null) {
  new Thread({
    ...rest,
    port: parentPort,
    open: (path, isReadOnly) => {
      const database = nodeDatabase(path, isReadOnly)
      return {
        exec(sql) {
          database.exec(sql)
          if (sql === 'COMMIT') Atomics.wait(nobody, 0, 0, commitMs)
        },
        prepare: (sql) => database.prepare(sql),
        close: () => database.close(),
      }
    },
  })
}
