/**
 * Every fault of a schedule: at each call-out that it comes to, at its first calls and the last, all that can go wrong.
 */
import { Coverage } from '../simulation/support/coverage.ts'
import { doesOf } from '../simulation/support/faults.ts'
import { violationOf } from '../simulation/support/run.ts'
import type { Fault } from '../simulation/support/schedule.ts'
import { World } from '../simulation/support/world.ts'
import { type Named, schedules } from './schedules.ts'

/** Of more calls than these, only the last. */
const FIRST_CALLS = 3

/** How often a schedule comes to each call-out. */
export async function callsOf(schedule: Named): Promise<ReadonlyMap<string, number>> {
  const world = new World(schedule, new Coverage())
  const violation = await violationOf(world)
  if (violation !== '') throw new Error(`without any fault: ${violation}`)
  return world.faults?.called ?? new Map()
}

/** All of them; or some: each call-out with all that it may do, each at one of its calls, shared among the schedules. */
export async function faultsOf(schedule: Named, all: boolean): Promise<Fault[]> {
  const faults: Fault[] = []
  const index = schedules.indexOf(schedule)
  for (const [at, calls] of await callsOf(schedule)) {
    const each = Array.from({ length: calls }, (_, i) => i + 1)
    const some = [...each.slice(0, FIRST_CALLS), ...each.slice(FIRST_CALLS).slice(-1)]
    for (const [i, does] of doesOf(at).entries()) {
      const turn = index + i
      const isShared = !rare.test(at) && turn % SHARES !== 0
      if (all) faults.push(...some.map((call) => ({ at, call, does })))
      else if (!isShared) faults.push({ at, call: some[turn % some.length] as number, does })
    }
  }
  return faults
}

const SHARES = 3
/** What only one or two of the schedules come to. */
const rare = /^(after|signal|Learning|Limit|Vegas|Backoff|Circuit|Shed|Token)/

/** Plays one fault; what has gone wrong, or ''. */
export async function playFault(schedule: Named, fault: Fault, trace?: string[]): Promise<string> {
  let world: World
  try {
    world = new World({ ...schedule, faults: [fault] }, new Coverage(), trace)
  } catch {
    // It is asked when it is made, and there is nothing to play.
    return fault.call === 1 && fault.at === 'VegasOptions.random' ? '' : 'it can’t be made'
  }
  const violation = await violationOf(world)
  if (violation !== '') return violation
  // If it came after the fault, the last one shows that work goes on.
  const last = world.seen.at(-1)
  if (last === undefined || last.n < (world.faults?.lastAt ?? 0) || world.wasClosed) return ''
  return last.answer?.end === 'ok' ? '' : `the last one has ended as '${last.answer?.end}'`
}
