/**
 * Makes a schedule that fails as small as it can, as long as it fails in the same way.
 */
import { play } from './run.ts'
import { type Command, isBulk, type Schedule } from './schedule.ts'

/** Two violations are of one kind when they differ in numbers only. */
const kindOf = (violation: string): string => violation.replace(/[\d.]+/g, 'n').replace(/'[^']*'/g, 'word')

export interface Shrunk {
  readonly schedule: Schedule
  readonly violation: string
  readonly trace: readonly string[]
}

/** Then it is small enough. A long schedule takes a tenth of a second. */
const PATIENCE_MS = 60_000
/** Of all that happens in a long schedule, only the beginning and the end are shown. */
const SHOWN = 100

export async function shrink(schedule: Schedule): Promise<Shrunk> {
  const until = performance.now() + PATIENCE_MS
  let best = await attempt(schedule)
  const kind = kindOf(best.violation)
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false
    for (const smaller of candidates(best.schedule)) {
      if (performance.now() > until) return best
      const found = await attempt(smaller)
      if (kindOf(found.violation) !== kind) continue
      best = found
      isSmaller = true
      break
    }
  }
  return best
}

async function attempt(schedule: Schedule): Promise<Shrunk> {
  const trace: string[] = []
  // Some options don't go without others.
  const violation = await play(schedule, trace).catch((error) => `it can't be made: ${error}`)
  return { schedule, violation, trace }
}

/** What is smaller: the greatest steps first. */
function* candidates(schedule: Schedule): Generator<Schedule> {
  const { commands, reactions, options, policies, faults = [] } = schedule
  for (let size = Math.ceil(commands.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < commands.length; from += size) {
      yield { ...schedule, commands: commands.toSpliced(from, size) }
    }
  }
  if (schedule.plain !== undefined) yield without(schedule, 'plain')
  for (const i of faults.keys()) yield { ...schedule, faults: faults.toSpliced(i, 1) }
  for (const i of reactions.keys()) yield { ...schedule, reactions: reactions.toSpliced(i, 1) }
  for (const name of Object.keys(options)) {
    if (name !== 'concurrency') yield { ...schedule, options: without(options, name) }
  }
  for (const name of Object.keys(policies))
    if (name !== 'guards') yield { ...schedule, policies: without(policies, name) }
  if (policies.guards.length > 0) yield { ...schedule, policies: { ...policies, guards: policies.guards.slice(1) } }
  for (const [i, command] of commands.entries()) {
    if (isBulk(command))
      for (const fewer of smallerBulks(command)) yield { ...schedule, commands: commands.with(i, fewer) }
    if (command.do !== 'arrive') continue
    const needed = ['do', 'via', 'tier', 'key', 'work', 'passMs']
    for (const name of Object.keys(command).filter((each) => !needed.includes(each))) {
      yield { ...schedule, commands: commands.with(i, without(command, name)) }
    }
    if (command.work.inside === undefined) continue
    yield { ...schedule, commands: commands.with(i, { ...command, work: without(command.work, 'inside') }) }
  }
}

/** Half of them, or less and less fewer; and without what they need not have. */
function* smallerBulks(command: Command): Generator<Command> {
  if (command.do === 'each' && command.every > 1) yield { ...command, every: 1 }
  if (command.do === 'each' && (command.from > 0 || command.to < 1)) yield { ...command, from: 0, to: 1 }
  if (command.do !== 'burst') return
  const { count } = command
  for (let part = 2; part <= Math.min(count, 64); part *= 2)
    yield { ...command, count: count - Math.ceil(count / part) }
  for (const name of ['waitTimeoutMs', 'spreadMs', 'signal', 'delayMs', 'maxCost']) {
    if (name in command) yield without(command, name)
  }
  if (command.tiers.length > 1) yield { ...command, tiers: command.tiers.slice(1) }
  if (command.keys > 1) yield { ...command, keys: 1 }
  if (command.kinds.length > 1) yield { ...command, kinds: ['sleeps'] }
}

function without<T extends object>(all: T, name: string): T {
  return Object.fromEntries(Object.entries(all).filter(([each]) => each !== name)) as T
}

/** A schedule and what happened in it, for people to read. */
export function report({ schedule, violation, trace }: Shrunk): string {
  const { seed, options, policies, reactions, faults = [] } = schedule
  const infinite = (_: string, value: unknown): unknown => (value === Number.POSITIVE_INFINITY ? 'Infinity' : value)
  return [
    `seed ${seed}, ${schedule.commands.length} commands: ${violation || 'nothing goes wrong'}`,
    `options   ${JSON.stringify(options, infinite)}`,
    `policies  ${JSON.stringify(policies)}`,
    `reactions ${JSON.stringify(reactions)}`,
    `faults    ${JSON.stringify(faults)}`,
    ...(trace.length > 2 * SHOWN ? [...trace.slice(0, SHOWN), '…', ...trace.slice(-SHOWN)] : trace),
  ].join('\n')
}
