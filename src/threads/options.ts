/**
 * What may be chosen of `threads()`.
 */
import { availableParallelism } from 'node:os'
import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isCount, isPlain, numberThat, type OptionRule, readGiven } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'

/** How much memory a thread may have: what `worker_threads` calls so. */
export interface ResourceLimits {
  readonly maxOldGenerationSizeMb?: number | undefined
  readonly maxYoungGenerationSizeMb?: number | undefined
  readonly codeRangeSizeMb?: number | undefined
  readonly stackSizeMb?: number | undefined
}

export interface ThreadsOptions {
  /**
   * How many threads there are at most: an integer of at least 1. The queue in front may run no more at once (`concurrency`).
   * @default the number of cores that the process may use
   */
  threads?: number | undefined
  /**
   * The name of the function that the file exports.
   * @default 'default'
   */
  exportName?: string | undefined
  /**
   * For how many ms a thread that has nothing to do stays: a start costs some 50 ms, a thread some 16 MB.
   * Infinity: for ever. It keeps no process alive.
   * @default 10_000
   */
  idleMs?: number | undefined
  /**
   * How many ms a call has to stop after it was asked to (`run.signal`, `run.aborted()`). Then its thread is ended, and replaced.
   * @default 1_000
   */
  killAfterMs?: number | undefined
  /**
   * Within how many ms a thread must have loaded the file.
   * @default 30_000
   */
  startTimeoutMs?: number | undefined
  /**
   * How much memory each thread may have. Without it a thread that needs too much ends the process, not only itself, once the
   * machine has no more.
   * @see https://nodejs.org/api/worker_threads.html#workerresourcelimits
   */
  resourceLimits?: ResourceLimits | undefined
}

/** As they hold. */
export interface ThreadsSettings {
  readonly file: string
  readonly threads: number
  readonly exportName: string
  readonly idleMs: number
  readonly killAfterMs: number
  readonly startTimeoutMs: number
  readonly resourceLimits: ResourceLimits | undefined
}

/** Longer than a timer can be. */
const LONGEST_MS = 2 ** 31 - 1

export const ms = numberThat('a number of ms from 0 to 2,147,483,647', (value) => value >= 0 && value <= LONGEST_MS)

export const text: OptionRule = { expected: 'a text', fits: (value) => typeof value === 'string' && value !== '' }

export const limits: OptionRule = {
  expected: 'an object of numbers, as worker_threads has it',
  fits: (value) => isPlain(value) && Object.values(value).every((each) => typeof each === 'number'),
}

const rules: { readonly [K in keyof ThreadsOptions]-?: OptionRule } = {
  threads: { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) },
  exportName: text,
  idleMs: numberThat('a number of ms of at least 0, or Infinity', (value) => value >= 0),
  killAfterMs: ms,
  startTimeoutMs: ms,
  resourceLimits: limits,
}

/** @throws {OptionsError} */
export function readThreadsOptions(file: string | URL, options: ThreadsOptions): ThreadsSettings {
  const given = readGiven<ThreadsOptions>('', options, rules)
  const { threads = availableParallelism(), exportName = 'default', idleMs = 10_000, killAfterMs = 1_000 } = given
  const { startTimeoutMs = 30_000, resourceLimits } = given
  return {
    ...{ file: fileUrl(file), threads, exportName, killAfterMs, startTimeoutMs, resourceLimits },
    idleMs: idleMs > LONGEST_MS ? Number.POSITIVE_INFINITY : idleMs,
  }
}

/** @throws {OptionsError} for what names no file for sure: a relative path would mean another one in each folder */
export function fileUrl(file: unknown): string {
  if (file instanceof URL && file.protocol === 'file:') return file.href
  if (typeof file === 'string' && file.startsWith('file:') && URL.canParse(file)) return file
  if (typeof file === 'string' && isAbsolute(file)) return pathToFileURL(file).href
  throw new OptionsError('file', "an absolute path or a file: URL, as new URL('./work.js', import.meta.url)", file)
}
