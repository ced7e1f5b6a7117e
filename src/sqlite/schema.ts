/**
 * The tables, and how an older file becomes one of today.
 *
 * `live` holds only what lives, so that opening costs as much as lives. Its numbers are never used twice (AUTOINCREMENT; plain
 * rowids are), since they are the order of arrival. TEXT in a column of type ANY is JSON, a BLOB is what another codec has made.
 * Times are in ms since 1970. `tier` is 0 for urgent, 1 high, 2 normal, 3 low.
 */
import { type Database, oneValue } from './database.ts'
import { corrupt, Fault } from './fault.ts'

/** 'TrQ1': which program a file belongs to. */
const APPLICATION_ID = 0x54725131
export const VERSION = 2

/** SQLite's own table, for numbers that are never used twice. */
const SEQUENCE = 'CREATE TABLE sqlite_sequence(name,seq)'

const ENDED_COLUMNS = `
  seq INTEGER PRIMARY KEY,
  queue TEXT NOT NULL,
  id TEXT NOT NULL,
  is_key INTEGER NOT NULL,
  kind TEXT,
  tier INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  fair_key TEXT,
  submitted_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER NOT NULL,
  wait_ms REAL,
  run_ms REAL,
  slot INTEGER,
  error TEXT,
  error_code TEXT,
  metadata ANY,`

/** `slots_busy` is a mean: slot-ms with requests of this tier, by 60,000. `most_slots_busy` is of the whole queue, in each row of the minute. */
const METRICS_COLUMNS = `CREATE TABLE queue_metrics (
  at INTEGER NOT NULL,
  queue TEXT NOT NULL,
  tier INTEGER NOT NULL,
  submitted INTEGER NOT NULL,
  completed INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  expired INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  shed INTEGER NOT NULL,
  wait_p50_ms REAL,
  wait_p95_ms REAL,
  wait_p99_ms REAL,
  most_waiting INTEGER NOT NULL,
`
const METRICS_KEY = `  PRIMARY KEY (at, queue, tier)
) STRICT, WITHOUT ROWID`
const METRICS_1 = METRICS_COLUMNS + METRICS_KEY
const METRICS = `${METRICS_COLUMNS}  slots_busy REAL,
  most_slots_busy INTEGER,
  shard INTEGER,
${METRICS_KEY}`

const statements: readonly string[] = [
  `CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  instance TEXT NOT NULL,
  codec TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  commits INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  live INTEGER NOT NULL,
  digest INTEGER NOT NULL,
  queues TEXT NOT NULL,
  is_clean INTEGER NOT NULL,
  checksum INTEGER NOT NULL
) STRICT`,
  `CREATE TABLE live (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  queue TEXT NOT NULL,
  id TEXT NOT NULL,
  is_key INTEGER NOT NULL,
  kind TEXT,
  tier INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  is_running INTEGER NOT NULL,
  submitted_at INTEGER NOT NULL,
  start_at INTEGER,
  started_at INTEGER,
  limits TEXT NOT NULL,
  error TEXT,
  metadata ANY,
  payload ANY NOT NULL,
  body_sum INTEGER NOT NULL,
  state_sum INTEGER NOT NULL
) STRICT`,
  'CREATE UNIQUE INDEX live_id ON live (queue, id)',
  `CREATE TABLE ended (${ENDED_COLUMNS}
  payload_hash BLOB,
  result ANY,
  result_omitted TEXT,
  checksum INTEGER NOT NULL
) STRICT`,
  'CREATE INDEX ended_id ON ended (queue, id, seq)',
  'CREATE INDEX ended_time ON ended (queue, ended_at)',
  'CREATE INDEX ended_error ON ended (queue, error_code, seq) WHERE error_code IS NOT NULL',
  `CREATE TABLE dead (${ENDED_COLUMNS}
  reason TEXT NOT NULL,
  limits TEXT NOT NULL,
  payload ANY NOT NULL,
  checksum INTEGER NOT NULL
) STRICT`,
  'CREATE INDEX dead_id ON dead (queue, id, seq)',
  'CREATE INDEX dead_time ON dead (queue, ended_at)',
  'CREATE INDEX dead_error ON dead (queue, error_code, seq) WHERE error_code IS NOT NULL',
  METRICS,
  `CREATE VIEW requests AS
SELECT queue, id, CASE is_running WHEN 1 THEN 'running' ELSE 'waiting' END AS status,
  CASE tier WHEN 0 THEN 'urgent' WHEN 1 THEN 'high' WHEN 2 THEN 'normal' ELSE 'low' END AS priority,
  submitted_at AS created_at, started_at, NULL AS completed_at, NULL AS processing_time_ms, attempts, error FROM live
UNION ALL
SELECT queue, id, outcome,
  CASE tier WHEN 0 THEN 'urgent' WHEN 1 THEN 'high' WHEN 2 THEN 'normal' ELSE 'low' END,
  submitted_at, started_at, ended_at, run_ms, attempts, error FROM ended
UNION ALL
SELECT queue, id, 'dead',
  CASE tier WHEN 0 THEN 'urgent' WHEN 1 THEN 'high' WHEN 2 THEN 'normal' ELSE 'low' END,
  submitted_at, started_at, ended_at, run_ms, attempts, error FROM dead`,
]

/** What brings a file from its version to the next one. */
interface Migration {
  readonly from: number
  /** The tables of that version. Those that a store is inspected by are the same in all of them. */
  readonly statements: readonly string[]
  migrate(database: Database): void
}

export interface Schema {
  readonly version: number
  readonly statements: readonly string[]
  /** One for each version before. */
  readonly migrations: readonly Migration[]
}

const migrations: readonly Migration[] = [
  {
    from: 1,
    statements: statements.map((statement) => (statement === METRICS ? METRICS_1 : statement)),
    // How many slots were busy is not known of minutes that were written before. (ALTER TABLE would leave a text that is not that of a new file.)
    migrate: (database) =>
      database.exec(`CREATE TABLE minutes AS SELECT * FROM queue_metrics;
DROP TABLE queue_metrics;
${METRICS};
INSERT INTO queue_metrics SELECT *, NULL, NULL, NULL FROM minutes;
DROP TABLE minutes`),
  },
]

export const schema: Schema = { version: VERSION, statements, migrations }

/** Inside a transaction, on an empty database. */
export function create(database: Database, { version, statements }: Schema): void {
  for (const statement of statements) database.exec(statement)
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version}`)
}

/**
 * Which version are its tables of? 0: it has none yet.
 * @throws {Fault} when it is another program's, is of a later version, or has other tables than those of its version
 */
export function versionOf(database: Database, { version, statements, migrations }: Schema): number {
  const found = oneValue(database, 'PRAGMA user_version') as number
  const application = oneValue(database, 'PRAGMA application_id')
  const tables = database.prepare('SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL').all()
  const ours = tables.filter(({ name }) => name !== 'sqlite_sequence')
  if (application === 0 && found === 0 && ours.length === 0) return 0
  if (application !== APPLICATION_ID) throw corrupt('it is the database of another program')
  if (found > version) throw new Fault({ kind: 'too-new', why: 'it is too new', version: found, known: version })
  if (found < 1) throw corrupt(`it has tables of version ${found}, which never was`)
  const known = found === version ? statements : migrations.find(({ from }) => from === found)?.statements
  if (known === undefined) throw corrupt(`nothing is known of tables of version ${found}`)
  const expected = new Set([...known, SEQUENCE])
  const isSame = tables.length === expected.size && tables.every(({ sql }) => expected.has(sql as string))
  if (!isSame) throw corrupt('its tables are not those of its version')
  return found
}

/** From an older version to that of today, in one transaction. The caller has made a backup. */
export function migrate(database: Database, from: number, schema: Schema): void {
  database.exec('BEGIN IMMEDIATE')
  // That each step is there was looked at when its version was read.
  for (const migration of schema.migrations) if (migration.from >= from) migration.migrate(database)
  database.exec(`PRAGMA user_version = ${schema.version}`)
  versionOf(database, schema)
  database.exec('COMMIT')
}
