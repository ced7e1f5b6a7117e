import { DatabaseSync } from 'node:sqlite'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'

if (parentPort === null) throw new Error('this is the thread of raw-loop.ts')
const port = parentPort
const database = new DatabaseSync(workerData as string)
database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
database.exec(
  'CREATE TABLE live (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, payload TEXT NOT NULL) STRICT',
)
const insert = database.prepare('INSERT INTO live (id, payload) VALUES (?, ?)')

port.on('message', (first: [string, string][] | 'close') => {
  const rows: [string, string][] = []
  let isLast = false
  for (let next: typeof first | undefined = first; next !== undefined; next = receiveMessageOnPort(port)?.message) {
    if (next === 'close') isLast = true
    else rows.push(...next)
  }
  if (rows.length > 0) {
    database.exec('BEGIN IMMEDIATE')
    for (const [id, text] of rows) insert.run(id, JSON.stringify(text))
    database.exec('COMMIT')
    port.postMessage(rows.length)
  }
  if (!isLast) return
  database.close()
  port.close()
})
