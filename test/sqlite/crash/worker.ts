/**
 * The thread of a process that will be killed. A file says whether it is inside of a commit.
 */
import { openSync, writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { nodeDatabase, type OpenDatabase } from '../../../src/sqlite/database.ts'
import { Thread } from '../../../src/sqlite/thread.ts'

const { pointFile, ...rest } = workerData
const point = openSync(pointFile, 'w')

const open: OpenDatabase = (path, isReadOnly) => {
  const database = nodeDatabase(path, isReadOnly)
  const exec = (sql: string) => {
    if (sql !== 'COMMIT') return database.exec(sql)
    writeSync(point, '1', 0)
    database.exec(sql)
    writeSync(point, '0', 0)
  }
  return { exec, prepare: (sql) => database.prepare(sql), close: () => database.close() }
}

if (parentPort !== null) new Thread({ port: parentPort, open, ...rest })
