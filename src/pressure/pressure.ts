/**
 * Is this process too busy to take on more? Slots may be free while the event loop, or the memory, is not.
 *
 * The model: at most every `sampleIntervalMs`, and only when a request comes, the process is looked at; until the next
 * look, while a reading is greater than its maximum, newcomers are refused. There is no timer to sample by: when nobody
 * asks, nothing is measured. What was admitted runs: it is what the pressure comes from, and ends it.
 *
 * @see https://github.com/fastify/under-pressure (the same for HTTP servers)
 */

import type { Guard, Refusal } from '../core/admit/guard.ts'
import { positiveMs, rounded } from '../core/admit/guards/guard-options.ts'
import { aFunction, numberThat, readGiven } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import { type Priority, priorities } from '../core/priority.ts'
import { type PressureReadings, processReadings, type Reading } from './monitor.ts'

export interface PressureOptions {
  /** The greatest mean delay of the event loop, in ms. */
  readonly maxEventLoopDelayMs?: number | undefined
  /** The greatest part of the time that the event loop may be busy: 0 to 1. Its delay says more, unless work comes in small pieces. */
  readonly maxEventLoopUtilization?: number | undefined
  /** The most heap in use, in bytes. It includes what is garbage already: leave room for it. */
  readonly maxHeapUsedBytes?: number | undefined
  /** The most memory of the whole process, in bytes. */
  readonly maxRssBytes?: number | undefined
  /**
   * For how long a reading holds, in ms.
   * @default 100
   */
  readonly sampleIntervalMs?: number | undefined
  /**
   * Priorities that come in all the same.
   * @default []
   */
  readonly exempt?: readonly Priority[] | undefined
  /**
   * Where readings come from, in place of this process.
   * @default the process's own
   */
  readonly read?: (() => PressureReadings) | undefined
}

const maxima = {
  eventLoopDelayMs: 'maxEventLoopDelayMs',
  eventLoopUtilization: 'maxEventLoopUtilization',
  heapUsedBytes: 'maxHeapUsedBytes',
  rssBytes: 'maxRssBytes',
} as const satisfies { readonly [R in Reading]: keyof PressureOptions }

const bytes = numberThat('a finite number of bytes greater than 0', (value) => value > 0 && Number.isFinite(value))

const rules = {
  maxEventLoopDelayMs: positiveMs,
  maxEventLoopUtilization: numberThat('a number greater than 0, and at most 1', (value) => value > 0 && value <= 1),
  maxHeapUsedBytes: bytes,
  maxRssBytes: bytes,
  sampleIntervalMs: positiveMs,
  exempt: {
    expected: 'an array of priorities',
    fits: (value: unknown) => Array.isArray(value) && value.every((each) => priorities.includes(each)),
  },
  read: aFunction,
}

/**
 * Refuses newcomers while the process is under pressure: `overload: pressure({ maxEventLoopDelayMs: 50 })`. At least one
 * maximum must be given.
 * @throws {OptionsError}
 */
export function pressure(options: PressureOptions): Guard {
  const given = readGiven<PressureOptions>('pressure', options, rules)
  const { sampleIntervalMs = 100, exempt = [] } = given
  const limits = (Object.keys(maxima) as Reading[]).flatMap((reading) => {
    const max = given[maxima[reading]]
    return max === undefined ? [] : [{ reading, option: maxima[reading], max }]
  })
  if (limits.length === 0) {
    throw new OptionsError('pressure', `an object with at least one of ${Object.values(maxima).join(', ')}`, options)
  }
  const read = given.read ?? processReadings(new Set(limits.map(({ reading }) => reading)))
  const isExempt = priorities.map((priority) => exempt.includes(priority))
  let readAt = Number.NaN
  let refusal: Refusal | undefined

  const look = (): void => {
    const readings = read()
    refusal = undefined
    for (const { reading, option, max } of limits) {
      const value = readings[reading]
      if (value === undefined || !(value > max)) continue
      const compared = { [reading]: rounded(value), [option]: max }
      refusal = { rule: 'pressure', compared, wouldAdmit: `at most ${max}` }
      return
    }
  }

  return {
    name: 'pressure',
    option: 'overload',
    admit({ at, tier }) {
      const passedMs = at - readAt
      // Also at the first question, and after a clock has gone back.
      if (!(passedMs >= 0 && passedMs < sampleIntervalMs)) {
        readAt = at
        look()
      }
      if (refusal === undefined || isExempt[tier]) return undefined
      return { ...refusal, retryAfterMs: Math.max(Math.ceil(readAt + sampleIntervalMs - at), 1) }
    },
  }
}
