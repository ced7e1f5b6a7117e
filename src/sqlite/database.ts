/**
 * The part of node:sqlite that is used. Whoever tests faults puts a database between.
 */
export type Value = string | number | bigint | Uint8Array | null

export interface Row {
  [column: string]: unknown
}

export interface Statement {
  run(...values: Value[]): { changes: number | bigint }
  get(...values: Value[]): Row | undefined
  all(...values: Value[]): Row[]
  iterate(...values: Value[]): IterableIterator<Row>
  setReadBigInts(enabled: boolean): void
}

export interface Database {
  exec(sql: string): void
  prepare(sql: string): Statement
  close(): void
}

/** @throws the driver's error */
export type OpenDatabase = (path: string, isReadOnly: boolean) => Database

/**
 * node:sqlite, looked up late: a Node that has none can still load this file. Node 22 warns of an experimental feature when it
 * is loaded; nobody who uses a store can do anything about that, and so it is not said.
 */
export const nodeDatabase: OpenDatabase = (path, isReadOnly) => {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
    // No time to be busy in: SQLite would sleep inside of the call.
    return new DatabaseSync(path, { readOnly: isReadOnly, timeout: 0 }) as unknown as Database
  } finally {
    process.emitWarning = emitWarning
  }
}

/** Those that are used more than once, each prepared once. */
export class Statements {
  readonly #database: Database
  readonly #prepared = new Map<string, Statement>()

  constructor(database: Database) {
    this.#database = database
  }

  of(sql: string): Statement {
    let statement = this.#prepared.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      this.#prepared.set(sql, statement)
    }
    return statement
  }
}

/** One value of one row. */
export function oneValue(database: Database, sql: string, ...values: Value[]): unknown {
  const row = database.prepare(sql).get(...values)
  return row === undefined ? undefined : Object.values(row)[0]
}
