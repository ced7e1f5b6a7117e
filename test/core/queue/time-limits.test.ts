/**
 * The timeouts of requests, on their own: which one counts, and one deadline at a time for each who waits.
 */
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { Alarm, Timeline } from '../../../src/core/clock.ts'
import { type Timed, TimeLimits, type Timeouts } from '../../../src/core/queue/time-limits.ts'
import { RequestRecord } from '../../../src/core/request-record.ts'

const never = Number.POSITIVE_INFINITY
const forAll = (ms: number) => [ms, ms, ms, ms]
const uniform: Timeouts = { waitTimeoutMs: forAll(10), runTimeoutMs: forAll(20), timeoutMs: forAll(30) }
const byTier = [1, 2, 3, 4]

function made(defaults = uniform) {
  const clock = new VirtualClock(100)
  const timeline = new Timeline(clock, {})
  const rings: number[] = []
  const alarm = new Alarm(clock, timeline, (now) => rings.push(now))
  const limits = new TimeLimits<Timed>(defaults, timeline, alarm)
  const party = (timedFrom = 100): Timed => ({ timedFrom, deadline: undefined })
  const record = (tier: number) => new RequestRecord('', tier, timeline.instant())
  return { clock, alarm, rings, limits, party, record }
}

describe('one deadline for each', () => {
  test('in so many ms since it came: the alarm is set for the first of all, and gives out who is due, once', async () => {
    const { clock, alarm, rings, limits, party } = made()
    const [late, soon, old] = [party(), party(), party(95)]
    limits.set(late, 50)
    expect(alarm.dueAt).toBe(150)
    limits.set(soon, 20)
    limits.set(old, 40)
    expect([limits.size, limits.nextDueAt, alarm.dueAt]).toEqual([3, 120, 120])
    await clock.advance(40)
    expect(rings).toEqual([120])
    expect([1, 2, 3].map(() => limits.takeDue(140))).toEqual([soon, old, undefined])
    expect([limits.size, limits.nextDueAt]).toEqual([1, 150])
  })

  test('none for what may take for ever', () => {
    const { alarm, limits, party } = made()
    const patient = party()
    limits.set(patient, never)
    limits.change(patient, never)
    expect([limits.size, patient.deadline, alarm.armed]).toEqual([0, undefined, false])
    limits.change(patient, 5)
    expect([limits.size, limits.nextDueAt, alarm.dueAt]).toEqual([1, 105, 105])
  })

  test('another one takes the place of the first, or none does', () => {
    const { limits, party } = made()
    const one = party()
    limits.set(one, 10)
    const { deadline } = one
    limits.change(one, 10)
    expect(one.deadline).toBe(deadline)
    limits.change(one, 30)
    expect([limits.size, limits.nextDueAt]).toEqual([1, 130])
    limits.change(one, never)
    expect([limits.size, limits.nextDueAt, one.deadline]).toEqual([0, never, undefined])
  })

  test('who has ended has none any more', () => {
    const { limits, party } = made()
    const [one, other] = [party(), party()]
    limits.set(one, 10)
    limits.set(other, 20)
    for (let times = 0; times < 2; times++) limits.clear(one)
    expect([limits.size, limits.nextDueAt, one.deadline]).toEqual([1, 120, undefined])
    expect(other.deadline).toBeDefined()
  })
})

describe('which timeouts', () => {
  const timesOf = (limits: TimeLimits<Timed>, record: RequestRecord) =>
    [limits.waitOf(record), limits.runOf(record), limits.wholeOf(record), limits.untilRunOf(record)] as const

  test('its own, or those of its priority; while it waits, whichever of two is over first', () => {
    const { limits, record } = made({ waitTimeoutMs: [5, 6, 7, 8], runTimeoutMs: forAll(20), timeoutMs: [9, 8, 7, 6] })
    expect([0, 3].map((tier) => timesOf(limits, record(tier)))).toEqual([
      [5, 20, 9, 5],
      [8, 20, 6, 6],
    ])
    const own = record(0)
    own.more()
    expect(timesOf(limits, own)).toEqual([5, 20, 9, 5])
    own.limit(50, 60, 40)
    expect(timesOf(limits, own)).toEqual([50, 60, 40, 40])
  })

  test.each<[string, Timeouts]>([
    ['wait', { ...uniform, waitTimeoutMs: byTier }],
    ['run', { ...uniform, runTimeoutMs: byTier }],
    ['whole', { ...uniform, timeoutMs: byTier }],
    ['all three', { waitTimeoutMs: byTier, runTimeoutMs: byTier, timeoutMs: byTier }],
  ])(
    'by priority (%s): it keeps those that it came with, and others who share them keep theirs',
    (_which, defaults) => {
      const { limits, record } = made(defaults)
      const [moved, other] = [record(2), record(3)]
      for (const each of [moved, other]) each.limit(undefined, 1_000, undefined)
      const before = [moved, other].map((each) => timesOf(limits, each))
      limits.keep(moved)
      moved.tier = 0
      expect([moved, other].map((each) => timesOf(limits, each))).toEqual(before)
    },
  )

  test('the same for all priorities: nothing is written down', () => {
    const { limits, record } = made()
    const moved = record(2)
    limits.keep(moved)
    expect(moved.extras).toBeUndefined()
  })
})
