/**
 * All rows of a table, each with whether it could be read: a damaged one may hold a number that JavaScript has not.
 */
import type { Database, Row, Value } from './database.ts'

/**
 * In the order of their numbers.
 * @throws the driver's error, where the table itself is damaged
 */
export function* scan(
  database: Database,
  table: string,
  columns: readonly string[],
): IterableIterator<{ seq: Value; row: Row; isReadable: boolean }> {
  const select = `SELECT ${columns.join(', ')} FROM ${table} WHERE seq > ? ORDER BY seq`
  let after: Value = -(2n ** 63n)
  for (;;) {
    try {
      for (const row of database.prepare(select).iterate(after)) {
        after = row.seq as number
        yield { seq: after, row, isReadable: true }
      }
      return
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ERR_OUT_OF_RANGE') throw error
      const bigInts = database.prepare(`${select} LIMIT 1`)
      bigInts.setReadBigInts(true)
      const row = bigInts.get(after) as Row
      after = row.seq as bigint
      yield { seq: after, row, isReadable: false }
    }
  }
}
