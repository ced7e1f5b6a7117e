/**
 * What may be chosen of a store in SQLite, and how it is read.
 */
import { hasMethods, isCount, numberThat, type OptionRule, oneOf, readGiven } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import type { Codec } from '../core/keep/codec.ts'
import { jsonCodec } from '../core/keep/json-codec.ts'
import { type KeepChoice, keepRule, wholeKeep } from '../core/keep/keep-options.ts'
import type { StoreDamage } from '../core/store.ts'
import type { Settings } from './settings.ts'

export interface SqliteOptions {
  /**
   * `'full'`: what was acknowledged is on the disk, also after a power cut. `'normal'`: it is there after the process has died,
   * and a power cut may undo the last of it.
   * @default 'full'
   */
  readonly synchronous?: 'full' | 'normal' | undefined
  /**
   * How much of what has ended is kept. `completed` is for all but dead letters: what has expired, was cancelled or shed as well.
   * An id is an idempotency key for as long as its end is kept.
   * @default { completed: { count: 10_000, ageMs: 86_400_000 }, dead: { count: 10_000, ageMs: 2_592_000_000 } }
   */
  readonly keep?: KeepChoice | undefined
  /**
   * How requests and answers are written: `jsonCodec`, which refuses what JSON would change in silence; `v8Codec`, for Date, Map,
   * BigInt and the like; or one of your own. A file is read with the codec that it was written with.
   * @default jsonCodec
   */
  readonly codec?: Codec | undefined
  /**
   * How large a request may be, or what goes with it, in encoded bytes. A larger answer reaches its caller, and is not kept.
   * @default 1_048_576
   */
  readonly maxPayloadBytes?: number | undefined
  /**
   * How many facts (ends, changes) wait in memory for a disk that is gone until nothing new is started.
   * @default 10_000
   */
  readonly maxPending?: number | undefined
  /**
   * Files up to this size are checked as a whole when they are opened, some 100 MB a second; of larger ones, what lives.
   * @default 33_554_432
   */
  readonly checkUpToBytes?: number | undefined
  /**
   * Which of several `shards()` has this file, counted from 0. It stands in `queue_metrics`, so that the minutes of several files can be told
   * apart when they are put together.
   * @default none
   */
  readonly shard?: number | undefined
  /**
   * Told what is lost or damaged, when the store is opened and later.
   * @default a warning of the process, `TRIAGE_STORE_DAMAGE`
   */
  readonly onDamage?: ((damage: StoreDamage) => void) | undefined
}

export interface SqliteChoice {
  readonly settings: Settings
  readonly codec: Codec
  readonly maxPayloadBytes: number
  readonly maxPending: number
  readonly onDamage: (damage: StoreDamage) => void
}

const DAY_MS = 24 * 60 * 60_000

const aSize = numberThat('an integer of at least 1', (value) => isCount(value, 1))

const rules: { readonly [K in keyof SqliteOptions]-?: OptionRule } = {
  synchronous: oneOf('full', 'normal'),
  keep: keepRule,
  codec: {
    expected: 'an object with name, encode() and decode()',
    fits: (value) => hasMethods(value, 'encode', 'decode') && typeof (value as Codec).name === 'string',
  },
  maxPayloadBytes: aSize,
  maxPending: aSize,
  checkUpToBytes: numberThat('a number of bytes of at least 0', (value) => value >= 0),
  shard: numberThat('an integer of at least 0', (value) => isCount(value, 0)),
  onDamage: { expected: 'a function', fits: (value) => typeof value === 'function' },
}

/** @throws {OptionsError} */
export function readSqliteOptions(path: unknown, options: SqliteOptions = {}): SqliteChoice {
  requireSqlite(process.versions.node)
  if (typeof path !== 'string' || path === '' || path.includes('\0') || path === ':memory:') {
    throw new OptionsError('path', 'the path of a file', path)
  }
  const given = readGiven<SqliteOptions>('', options, rules)
  const { codec = jsonCodec, synchronous = 'full', checkUpToBytes = 32 * 1024 * 1024, keep } = given
  const { maxPayloadBytes = 1024 * 1024, maxPending = 10_000, onDamage = warn, shard = null } = given
  const settings: Settings = {
    ...{ path, codec: codec.name, synchronous, checkUpToBytes, pageBytes: 4_096, shard },
    keep: { ...wholeKeep(keep), metrics: { ageMs: 7 * DAY_MS } },
  }
  return { settings, codec, maxPayloadBytes, maxPending, onDamage }
}

/** @throws {OptionsError} for a Node whose node:sqlite still needs a flag */
export function requireSqlite(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 13)) return
  throw new OptionsError('store', 'used with Node 22.13 or later, whose node:sqlite needs no flag', version)
}

function warn({ message }: StoreDamage): void {
  process.emitWarning(message, { type: 'TriageWarning', code: 'TRIAGE_STORE_DAMAGE' })
}
