/**
 * Many schedules, one after another; and one of them, with all that happens in it.
 */
import { InvariantError } from 'triage-queue'
import { Coverage } from './coverage.ts'
import { generate } from './generate.ts'
import { generateLarge } from './large.ts'
import { isBulk, type Schedule } from './schedule.ts'
import { endOf } from './seen.ts'
import { World } from './world.ts'

/** Among a million schedules, one in so many is a long one. */
export const LARGE_EVERY = 200

interface Violation {
  readonly seed: number
  readonly what: string
}

export interface RunOptions {
  /** The first seed, and how many of them. */
  readonly from: number
  readonly count: number
  /** Goes on after a schedule that has failed. */
  readonly keepGoing?: boolean
  /** Every so many seeds are long schedules; 1: all of them, 0: none. */
  readonly largeEvery?: number
  readonly onProgress?: (schedules: number) => void
}

/** Plain numbers, to be added up and sent from thread to thread. */
export interface RunResult {
  schedules: number
  commands: number
  /** Instants at which the laws were looked at, and those at which the model was held against the executor, too. */
  steps: number
  stepsCompared: number
  simulatedMs: number
  /** How often each command was given, each event told, each end found. */
  readonly counts: { [what: string]: number }
  readonly violations: Violation[]
}

export const noResult = (): RunResult => ({
  ...{ schedules: 0, commands: 0, steps: 0, stepsCompared: 0, simulatedMs: 0, counts: {}, violations: [] },
})

/** The schedule of a seed. */
export function scheduleOf(seed: number, largeEvery = 0): Schedule {
  return largeEvery > 0 && seed % largeEvery === 0 ? generateLarge(seed / largeEvery) : generate(seed)
}

export async function runSchedules(options: RunOptions): Promise<RunResult> {
  const { from, count, keepGoing, largeEvery, onProgress } = options
  const result = noResult()
  const counts = new Coverage()
  for (let seed = from; seed < from + count; seed++) {
    const schedule = scheduleOf(seed, largeEvery)
    if (schedule.commands.some(isBulk)) counts.add('long schedules')
    const world = new World(schedule, counts)
    const what = await violationOf(world)
    result.schedules++
    result.commands += schedule.commands.length
    result.steps += world.steps
    result.stepsCompared += world.stepsCompared
    result.simulatedMs += world.clock.now()
    if (what !== '') result.violations.push({ seed, what })
    if (what !== '' && !keepGoing) break
    onProgress?.(result.schedules)
  }
  return Object.assign(result, { counts: Object.fromEntries(counts.counts) })
}

/** Adds the second to the first. */
export function addUp(sum: RunResult, other: RunResult): void {
  for (const name of ['schedules', 'commands', 'steps', 'stepsCompared', 'simulatedMs'] as const) {
    sum[name] += other[name]
  }
  for (const [what, times] of Object.entries(other.counts)) sum.counts[what] = (sum.counts[what] ?? 0) + times
  sum.violations.push(...other.violations)
}

/** Plays one schedule; what has gone wrong in it, or ''; `trace` is told all that happens. */
export async function play(schedule: Schedule, trace?: string[]): Promise<string> {
  return violationOf(new World(schedule, new Coverage(), trace))
}

export async function violationOf(world: World): Promise<string> {
  const hear = (reason: unknown): void => world.fail(`law 6: an unhandled rejection: ${endOf(reason)}`)
  const hearThrown = (error: unknown): void => {
    world.fail(error instanceof InvariantError ? error.message : `law 6: an uncaught exception: ${endOf(error)}`)
  }
  process.on('unhandledRejection', hear)
  process.on('uncaughtException', hearThrown)
  try {
    await world.play()
  } catch (error) {
    world.fail(`it throws: ${endOf(error)}`)
  } finally {
    process.off('unhandledRejection', hear)
    process.off('uncaughtException', hearThrown)
  }
  return world.violation
}
