import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { type Connection, defineQueue } from 'plainjob'
import type { DurableSubject } from '../subject.ts'

const quiet = { error() {}, warn() {}, info() {}, debug() {} }

/** Its connection, over node:sqlite: better-sqlite3 would have to be compiled. */
function connect(path: string): { connection: Connection; database: DatabaseSync } {
  const database = new DatabaseSync(path)
  const transaction = (work: (...values: unknown[]) => unknown) => {
    const whole = (...values: unknown[]) => {
      database.exec('BEGIN IMMEDIATE')
      try {
        const answer = work(...values)
        database.exec('COMMIT')
        return answer
      } catch (error) {
        database.exec('ROLLBACK')
        throw error
      }
    }
    return Object.assign(whole, { immediate: whole, deferred: whole, exclusive: whole, default: whole })
  }
  const connection = {
    ...{ driver: 'better-sqlite3', filename: path, transaction },
    pragma: (text: string) => void database.exec(`PRAGMA ${text}`),
    exec: (text: string) => database.exec(text),
    prepare: (text: string) => {
      const statement = database.prepare(text)
      return {
        run: (...values: SQLInputValue[]) => statement.run(...values),
        get: (...values: SQLInputValue[]) => statement.get(...values),
        all: (...values: SQLInputValue[]) => statement.all(...values),
      }
    },
    close: () => database.close(),
  }
  return { connection: connection as unknown as Connection, database }
}

export const subject: DurableSubject = {
  about: 'add(), over node:sqlite, with synchronous=full in place of its own normal',
  noExecute: 'its jobs have no answers, and its worker looks for them once a second',
  async open(folder) {
    const path = join(folder, 'plainjob.db')
    const { connection, database } = connect(path)
    const queue = defineQueue({ connection, logger: quiet })
    database.exec('PRAGMA synchronous = FULL')
    const numbers = new Map<string, number>()
    return {
      // It commits before it returns, one by one, in the thread that calls it.
      async acknowledge(id, text) {
        numbers.set(id, queue.add('job', text).id)
      },
      async verify(ids) {
        const jobs = ids.map((id) => queue.getJobById(numbers.get(id) as number))
        return { count: queue.countJobs(), texts: jobs.map((job) => JSON.parse(job?.data ?? '""') as string) }
      },
      async close() {
        queue.close()
      },
    }
  },
}
