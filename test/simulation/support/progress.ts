/**
 * Law 12, progress: once what runs has been answered, whatever may start does start within a bounded time.
 *
 * At the end of a schedule all calls are answered, again and again, and time passes from one event to the next. Who may start
 * then follows from the options alone: the limit, the reserve, the cost, a pause, and when each is due. The executor is never
 * asked why something waits. In the end every promise that was handed out is settled, those of blocked callers included, and
 * those of `ready()` and `idle()`.
 */
import { type Priority, priorities } from 'triage-queue'
import { keptOf } from './books.ts'
import type { Seen } from './seen.ts'
import type { World } from './world.ts'

/** For how long a guard may hold what else might start, in ms: tokens come at two a second, a breaker opens after 30 s. */
const GUARDED_MS = 120_000
/** When nothing is due for so long, nothing happens any more: the timer that keeps the process alive is due in 24 days. */
const QUIET_MS = 3_600_000

export async function comesThrough(world: World): Promise<void> {
  const { clock, schedule } = world
  const isPrompt = schedule.faults === undefined && schedule.policies.guards.every((name) => name === 'scripted')
  const patienceMs = isPrompt ? 0 : GUARDED_MS
  let stalledAt: number | undefined
  for (;;) {
    if (world.isPaused) world.act({ do: 'resume' })
    await answerAll(world)
    // Where not all is heard, the model knows who may start.
    const stalled = schedule.plain === undefined ? mayStart(world) : undefined
    if (stalled === undefined) stalledAt = undefined
    else {
      stalledAt ??= clock.now()
      world.counts.add('law 12: held by a guard')
      if (clock.now() - stalledAt >= patienceMs) world.fail(`law 12: ${stalled.n} may start, and does not`)
    }
    if (world.violation !== '') return
    if (world.isPaused) continue
    const quietMs = clock.nextAt - clock.now()
    if (quietMs >= QUIET_MS) break
    await world.pass(quietMs)
  }
  const open = world.promises.find(({ end }) => end === '')
  if (open !== undefined) world.fail(`law 12: nothing happens any more, and ${open.name} is still open`)
  if (schedule.plain !== undefined) return
  const live = world.seen.find(({ way }) => /[bqsy]$/.test(way))
  if (live !== undefined) world.fail(`law 12: nothing happens any more, and ${live.n} went the way '${live.way}'`)
}

/** What hangs is let go; so is what starts then. */
async function answerAll(world: World): Promise<void> {
  do {
    for (const seen of world.seen) seen.release?.()
    await world.pass(0)
  } while (world.violation === '' && world.seen.some(({ release }) => release !== undefined))
}

/** One that may start at this instant, by the options alone. */
function mayStart(world: World): Seen | undefined {
  const { rules } = world.laws
  const now = world.clock.now()
  const hasEnded = (n: number): boolean => /[cfexd]$/.test((world.seen[n] as Seen).way)
  const waiting = world.seen.filter(({ way, backAt, caller }) => {
    if (way.endsWith('y')) return backAt <= now
    return way.endsWith('q') && caller.startAt <= now && caller.after.every(({ n }) => hasEnded(n))
  })
  const runs = world.seen.filter(({ isInCall }) => isInCall)
  if (world.isPaused || runs.length === 0) return world.isPaused ? undefined : waiting[0]
  // Runs that were given up may be stuck, and what takes several slots is overtaken by nobody: then it is looked at nothing
  // before these have settled.
  const isWide = world.seen.some(({ way, caller }) => /[qy]$/.test(way) && caller.cost > 1)
  const isPlain = !isWide && runs.every((seen) => seen.way.endsWith('s') && isKnown(seen))
  if (!isPlain) return undefined
  const limit = world.executor.concurrency
  const free = limit - world.unsettled
  const missing = keptOf(rules.reserve, limit).map((kept, tier) => {
    const has = runs.filter((seen) => tierOf(seen) === tier).reduce((sum, { caller }) => sum + caller.cost, 0)
    return rules.lends ? 0 : Math.max(kept - has, 0)
  })
  const keptFrom = (tier: number): number => missing.reduce((sum, slots, t) => (t === tier ? sum : sum + slots), 0)
  return waiting.find((seen) => isKnown(seen) && free > keptFrom(tierOf(seen)))
}

/** Is its priority known? Another one with its id may have lifted it, which only a handle shows. */
function isKnown({ handle, caller }: Seen): boolean {
  return handle !== undefined || caller.id === undefined
}

function tierOf({ handle, caller }: Seen): number {
  return handle === undefined ? caller.tier : priorities.indexOf(handle.priority as Priority)
}
