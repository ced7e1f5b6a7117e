/**
 * The gate on its own: what it asks of its guards, whom it refuses, delays and sheds, and until when it is shut.
 */
import type { Guard, GuardQuestion } from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { Gate } from '../../../src/core/admit/gate.ts'
import { type Clock, Timeline } from '../../../src/core/clock.ts'
import { RequestRecord } from '../../../src/core/request-record.ts'
import { State } from '../../../src/core/request-state.ts'

const no = { rule: 'no', compared: { n: 1 }, wouldAdmit: 'another one' }

function made(others: Guard[], rates: Guard[] = []) {
  const clock: Clock & { at: number } = {
    at: 100,
    now: () => clock.at,
    setTimeout: () => 0,
    clearTimeout: () => {},
    stepped: true,
  }
  const owner = {} as ConstructorParameters<typeof RequestRecord>[2]['owner']
  const timeline = new Timeline(clock, owner)
  const log: unknown[] = []
  const line: RequestRecord[] = []
  const lines = { release() {}, dueBefore: () => 0, seated: () => 0, taken: () => 0, ahead: () => 0 }
  const gate = new Gate(
    {
      refuse: (record, error) => log.push(['refused', record.request, error]),
      startsAtOnce: (tier) => tier === 0,
      next: () => line[0],
      head: () => line[0],
      isSeated: () => false,
      pauseForOthers: () => {},
      tokenLines: () => lines as never,
      end: (record, state, error) => {
        line.shift()
        log.push(['ended', record.request, state, error])
      },
      report: (event, error) => log.push([event, error]),
    },
    {
      describe: (record: RequestRecord, question: GuardQuestion) => {
        question.request = record.request
        question.metadata = 'its own'
      },
      retryAfterMs: () => 40,
    } as unknown as ConstructorParameters<typeof Gate>[1],
    rates,
    others,
    timeline,
    { setFor: (dueAt: number, now: number) => log.push(['alarm', dueAt, now]) } as unknown as ConstructorParameters<
      typeof Gate
    >[5],
  )
  const record = (request: string) => new RequestRecord(request, 2, { at: 100, owner })
  return { gate, log, line, clock, record }
}

test('what no guard asks is not asked', () => {
  const flags = (guard: Partial<Guard>) => {
    const { asksAtArrival, asksAtStart, hearsStarts, hearsEnds } = made([{ name: 'g', ...guard }]).gate
    return [asksAtArrival, asksAtStart, hearsStarts, hearsEnds]
  }
  expect(flags({})).toEqual([false, false, false, false])
  expect(flags({ admit: () => undefined })).toEqual([true, false, false, false])
  expect(flags({ delayMs: () => 0 })).toEqual([true, false, false, false])
  expect(flags({ holdMs: () => 0 })).toEqual([false, true, false, false])
  expect(flags({ drop: () => undefined })).toEqual([false, true, false, false])
  expect(flags({ started: () => {} })).toEqual([false, false, true, false])
  expect(flags({ settled: () => {} })).toEqual([false, false, false, true])
})

describe('a newcomer', () => {
  test('whom a guard refuses is kept out, with an error of its kind, and when to come back', () => {
    const refuses = (name: string): Guard => ({ name, admit: () => ({ ...no, rule: name }) })
    // The first who says no, whoever was asked before.
    const silent: Guard = { name: 's', admit: () => undefined }
    const overload = made([silent, refuses('o')], [silent])
    expect(overload.gate.keepsOut(overload.record('a'))).toBe(true)
    const rate = made([], [{ ...refuses('r'), admit: () => ({ ...no, rule: 'r', retryAfterMs: 7 }) }])
    expect(rate.gate.keepsOut(rate.record('b'))).toBe(true)
    expect([...overload.log, ...rate.log]).toEqual([
      ['refused', 'a', expect.objectContaining({ code: 'TRIAGE_OVERLOADED', retryAfterMs: 40, priority: 'normal' })],
      ['refused', 'b', expect.objectContaining({ code: 'TRIAGE_RATE_LIMITED', retryAfterMs: 7 })],
    ])
  })

  test('about whom a guard throws is kept out with that error', () => {
    const thrown = new Error('broken')
    const { gate, log, record } = made([
      {
        name: 'throws',
        admit: () => {
          throw thrown
        },
      },
    ])
    expect(gate.keepsOut(record('a'))).toBe(true)
    expect(log).toEqual([['refused', 'a', thrown]])
  })

  test('comes in otherwise; delayed, if one says so, and no sooner than he wanted himself', () => {
    const { gate, record } = made([
      { name: 'g', admit: () => undefined, delayMs: ({ request }) => (request === 'a' ? 30 : 0) },
    ])
    const [delayed, later, free] = [record('a'), record('a'), record('b')] as const
    later.later().startAt = 500
    expect([delayed, later, free].map((each) => gate.keepsOut(each))).toEqual([false, false, false])
    expect([delayed.later().startAt, later.later().startAt]).toEqual([130, 500])
    expect(free.extras?.later).toBeUndefined()
  })

  test('is not kept by the guard’s question', () => {
    let kept: Readonly<GuardQuestion> | undefined
    const { gate, record } = made([
      {
        name: 'keeps',
        admit: (question) => {
          kept = question
          return undefined
        },
      },
    ])
    gate.keepsOut(record('a'))
    expect(kept).toMatchObject({ request: undefined, metadata: undefined })
    gate.started(record('b'))
    gate.settled(record('b'), true, 5, undefined)
    expect(kept).toMatchObject({ request: undefined, metadata: undefined })
  })
})

test('one that is blocked and would be held is asked about again, and that opens nothing for the others', () => {
  const holdMs = ({ request }: Readonly<GuardQuestion>) => (request === 'blocked' ? 10 : 25)
  const { gate, log, line, record } = made([{ name: 'g', holdMs }])
  const blocked = record('blocked')
  expect(gate.holds(blocked)).toBe(true)
  expect(gate.opensAt).toBe(Number.POSITIVE_INFINITY)
  blocked.status = State.BLOCKED
  expect(gate.holds(blocked)).toBe(true)
  expect([gate.heldUntil, gate.opensAt]).toEqual([0, 110])
  line.push(record('next'))
  expect(gate.letsStart()).toBe(false)
  expect(log).toEqual([
    ['alarm', 110, 100],
    ['alarm', 125, 100],
  ])
  expect(gate.opens(109)).toBe(false)
  expect(gate.opens(110)).toBe(true)
  expect([gate.heldUntil, gate.opensAt]).toEqual([125, 125])
  expect(gate.opens(125)).toBe(true)
  expect([gate.heldUntil, gate.opensAt]).toEqual([0, Number.POSITIVE_INFINITY])
})

test('a delay without end is refused as an answer, also where nothing may wait', () => {
  for (const tier of [0, 2]) {
    const { gate, log, record } = made([{ name: 'g', delayMs: () => Number.POSITIVE_INFINITY }])
    const newcomer = record('a')
    newcomer.tier = tier
    expect(gate.keepsOut(newcomer)).toBe(true)
    expect(log).toEqual([
      ['refused', 'a', expect.objectContaining({ code: 'TRIAGE_INVALID_OPTIONS', path: 'g.delayMs' })],
    ])
  }
})

describe('the next one', () => {
  test('starts when there is one, and nobody says no', () => {
    const { gate, line, record } = made([{ name: 'g', holdMs: () => 0, drop: () => undefined }])
    expect(gate.letsStart()).toBe(false)
    line.push(record('a'))
    expect(gate.letsStart()).toBe(true)
  })

  test('is shed when it is too late for it, and the one after it looked at; not one that is tried again', () => {
    const { gate, log, line, record } = made([
      { name: 'd', drop: ({ request }) => (request === 'late' ? no : undefined) },
    ])
    line.push(record('late'), record('late'), record('in time'))
    expect(gate.letsStart()).toBe(true)
    expect(line).toHaveLength(1)
    expect(log).toEqual(
      [1, 2].map(() => ['ended', 'late', State.SHED, expect.objectContaining({ code: 'TRIAGE_OVERLOADED' })]),
    )
    const again = record('late')
    again.later().attempt = 2
    line.unshift(again)
    expect(gate.letsStart()).toBe(true)
    expect(line[0]).toBe(again)
  })

  test('is held for as long as one says; then nobody is asked until the alarm has rung', () => {
    let asked = 0
    const { gate, log, line, record } = made([{ name: 'h', holdMs: () => (++asked === 1 ? 25 : 0), drop: () => no }])
    line.push(record('a'))
    expect(gate.letsStart()).toBe(false)
    expect(gate.heldUntil).toBe(125)
    expect(log).toEqual([['alarm', 125, 100]])
    expect(gate.letsStart()).toBe(false)
    expect([asked, line.length]).toEqual([1, 1])
    expect(gate.opens(124)).toBe(false)
    expect(gate.heldUntil).toBe(125)
    expect(gate.opens(125)).toBe(true)
    expect(gate.heldUntil).toBe(0)
    expect(gate.opens(200)).toBe(false)
  })
})
