/** How is it, and what is to be looked at? Each headline and each finding, from numbers alone. */
import { describe, expect, test } from 'vitest'
import { calmOf } from '../../src/dashboard/calm.ts'
import { findingsOf, nearestOf } from '../../src/dashboard/findings.ts'
import {
  afterFrame,
  allRates,
  modelOf,
  noWaitNow,
  overloadedSince,
  type QueueModel,
  ratesOf,
  waitAt,
  waitChange,
  waitNow,
} from '../../src/dashboard/model.ts'
import { verdictOf } from '../../src/dashboard/verdict.ts'
import type { Frame, Point } from '../../src/dashboard/wire.ts'
import { type Json, NOW, pointAt, sceneOf } from '../browser/support/scenes.ts'

const busy = (): QueueModel => modelOf(sceneOf('busy').snapshot)
const overload = (): QueueModel => modelOf(sceneOf('overload').snapshot)
const withStatus = (model: QueueModel, status: Json): QueueModel => ({
  ...model,
  status: { ...model.status, ...status },
})
const withPoints = (model: QueueModel, change: (point: Json, at: number) => Json): QueueModel => ({
  ...model,
  points: model.points.map((point, at) => ({ ...point, ...change(point, at) })),
})
const zero = { urgent: 0, high: 0, normal: 0, low: 0 }
const text = ({ words }: { words: readonly (string | { strong: string })[] }): string =>
  words.map((word) => (typeof word === 'string' ? word : word.strong)).join('')
const whats = (model: QueueModel): string[] => findingsOf(model).map(({ what }) => what)

describe('the headline', () => {
  test.each<[string, () => QueueModel, string, string]>([
    ['busy', busy, 'good', 'Busy, keeping up'],
    ['with a free slot', () => withStatus(busy(), { activeWorkers: 3 }), 'good', 'Keeping up'],
    ['idle', () => modelOf(sceneOf('idle').snapshot), 'idle', 'Idle'],
    ['overloaded', overload, 'bad', 'Overloaded since 03:08'],
    ['paused', () => withStatus({ ...busy(), pausedAt: NOW }, { state: 'paused' }), 'warn', 'Paused since 03:12'],
    ['paused, nobody said when', () => withStatus(busy(), { state: 'paused' }), 'warn', 'Paused'],
    ['closing', () => withStatus(overload(), { state: 'closing' }), 'warn', 'Closing'],
    ['closed', () => withStatus(busy(), { state: 'closed' }), 'warn', 'Closed'],
    [
      'nothing completes',
      () => withPoints(overload(), (_, at) => (at > 160 ? { donePerSecond: 0 } : {})),
      'bad',
      'Nothing completes',
    ],
    ['URGENT waits longer', () => slower('urgent'), 'warn', 'Waiting longer'],
    ['only LOW waits longer', () => slower('low'), 'good', 'Busy, keeping up'],
  ])('%s', (_, make, kind, headline) => {
    expect(verdictOf(make())).toMatchObject({ kind, headline })
  })

  function slower(tier: 'urgent' | 'low'): QueueModel {
    return withPoints(busy(), ({ waitByPriority }, at) =>
      at < 165
        ? {}
        : {
            waitByPriority: {
              ...waitByPriority,
              [tier]: { ...waitByPriority[tier], p99Ms: waitByPriority[tier].p99Ms * 2 },
            },
          },
    )
  }

  test('says it in a sentence, with numbers that the service gave', () => {
    expect(text(verdictOf(busy()))).toBe(
      '79 wait, LOW longest: 8.8 s. 38 a second are asked for, 38 done, none refused.',
    )
    expect(text(verdictOf(overload()))).toMatch(
      /^25 of 68 a second get done, .*LOW is refused: 31\/s\. URGENT waits 297 ms \(p99\)\.$/,
    )
    expect(text(verdictOf(withStatus(busy(), { waiting: 0 })))).toMatch(/^Nothing waits\. /)
  })

  test('two points of silence are no standstill, and long runs are given their time', () => {
    const still = withPoints(busy(), (_, at) => (at >= 178 ? { donePerSecond: 0 } : {}))
    expect(verdictOf(still).headline).toBe('Busy, keeping up')
    const long = withPoints(busy(), ({ run }, at) => ({
      run: { ...run, p99Ms: 120_000 },
      ...(at > 160 && { donePerSecond: 0 }),
    }))
    expect(verdictOf(long).headline).toBe('Falling behind')
  })
})

describe('overloaded', () => {
  const point = (n: number, refused: number): Point =>
    ({ ...pointAt('busy', n * 5), askedByPriority: { ...zero, low: 100 }, refusedPerSecond: refused }) as Point

  test('after half a minute of 5 %, until a minute of less than 1 %', () => {
    const flow = (...parts: readonly (readonly [points: number, refused: number])[]): Point[] =>
      parts
        .flatMap(([points, refused]) => Array.from({ length: points }, () => refused))
        .map((refused, n) => point(n, refused))
    expect(overloadedSince(flow([20, 0], [5, 5]))).toBe(null)
    expect(overloadedSince(flow([20, 0], [6, 5]))).toBe(Date.parse(point(20, 0).at))
    expect(overloadedSince(flow([20, 0], [6, 5], [11, 0.9]))).not.toBe(null)
    expect(overloadedSince(flow([20, 0], [6, 5], [12, 0.9]))).toBe(null)
    expect(overloadedSince(flow([20, 4.9]))).toBe(null)
  })
})

describe('what to look at', () => {
  test('nothing, and then what is nearest to a limit', () => {
    expect(findingsOf(busy())).toEqual([])
    expect(nearestOf(busy()).map(({ what, now, most }) => [what, now, most])).toEqual([
      ['Slots', 12, 12],
      ['LOW waiting', 49, 100],
      ['Waiting', 79, 1_000],
      ['Retrying', 2, 100],
    ])
  })

  test('three at most, causes first', () => {
    expect(whats(overload())).toEqual([
      'What llm calls has become slower',
      'Slot 7 is stuck for 1 min 12 s',
      'LOW is being refused, 31 a second',
    ])
    const faulty = withStatus(overload(), { store: { state: 'faulty', pending: 3 } })
    expect(whats(faulty)[0]).toBe('The store is faulty')
    expect(whats(faulty)).toHaveLength(3)
  })

  test.each<[string, () => QueueModel]>([
    ['It is paused: nothing is started', () => withStatus(busy(), { state: 'paused' })],
    [
      'Nothing runs, although slots are free',
      () =>
        withStatus(
          withPoints(busy(), () => ({ donePerSecond: 0 })),
          { activeWorkers: 0 },
        ),
    ],
    [
      'More is asked for than 12 slots get done',
      () => withPoints(busy(), ({ donePerSecond }) => ({ donePerSecond: donePerSecond * 0.7 })),
    ],
    [
      '20 % of what ends has failed',
      () => withPoints(busy(), ({ donePerSecond }) => ({ donePerSecond, failedPerSecond: donePerSecond / 4 })),
    ],
    [
      'HIGH is being refused, 5.0 a second',
      () =>
        withPoints(busy(), () => ({
          refusedByPriority: { ...zero, high: 5 },
          refusedByReason: { queue_full: { ...zero, high: 5 } },
        })),
    ],
    [
      'HIGH is being displaced, 5.0 a second',
      () => withPoints(busy(), () => ({ refusedByPriority: { ...zero, high: 5 } })),
    ],
    [
      'No run has ended for 1 min 35 s',
      () => withPoints(busy(), (_, at) => (at > 160 ? { donePerSecond: 0, failedPerSecond: 0 } : {})),
    ],
    ['No run has ended for 15 min or more', () => withPoints(busy(), () => ({ donePerSecond: 0, failedPerSecond: 0 }))],
    [
      'What the store has kept is coming back',
      () => withStatus(busy(), { store: { state: 'open', recovering: true, recovered: 1_234 } }),
    ],
    ['Retries are near their bound', () => withStatus(busy(), { retrying: 85 })],
  ])('%s', (what, make) => {
    expect(whats(make())).toContain(what)
  })

  test('LOW alone that is refused is as designed; others are not', () => {
    expect(findingsOf(overload()).at(-1)).toMatchObject({ kind: 'warn', turn: 'As designed, if LOW can come back.' })
    expect(findingsOf(withPoints(busy(), () => ({ refusedByPriority: { ...zero, high: 5 } })))[0]).toMatchObject({
      kind: 'bad',
    })
  })
})

describe('what is known', () => {
  test('too few waits tell no quantile', () => {
    const few = withPoints(busy(), ({ waitByPriority }) => ({
      waitByPriority: { ...waitByPriority, high: { ...waitByPriority.high, count: 99 } },
    }))
    expect(waitNow(few, 'high', 'p99Ms')).toBe(null)
    expect(waitNow(few, 'high', 'p95Ms')).not.toBe(null)
    expect(waitNow(busy(), 'high', 'p99Ms')).not.toBe(null)
  })

  test('a change needs a minute of what was before', () => {
    const model = busy()
    expect(waitChange(model, 'low')).toBeCloseTo(1, 1)
    expect(waitChange({ ...model, points: model.points.slice(-20) }, 'low')).toBe(null)
    expect(waitChange(overload(), 'low')).toBeGreaterThan(1.5)
  })

  test('before the first point nothing is known, and nothing is made up', () => {
    const none = { ...busy(), points: [] }
    expect(ratesOf(none, 'low')).toBe(null)
    expect(waitNow(none, 'low', 'p50Ms')).toBe(null)
    expect(verdictOf(none).headline).toBe('Busy, keeping up')
    expect(findingsOf(none)).toEqual([])
  })

  test('a point is added once, and no more than fifteen minutes are kept', () => {
    let model = busy()
    const { status, workers } = model
    const frame = (point: Json): Frame =>
      ({ v: 1, at: point.at, event: 'stats', queue: 'llm', status, workers, point }) as never
    for (let n = 0; n < 400; n++) {
      const next = pointAt('busy', 900 + n * 5)
      model = afterFrame(afterFrame(model, frame(next)), frame(next))
    }
    expect(model.points).toHaveLength(180)
    expect(new Set(model.points.map(({ at }) => at)).size).toBe(180)
    const told = (event: string, more: Json = {}): Frame =>
      ({ v: 1, at: new Date(NOW).toISOString(), event, ...more }) as never
    expect(afterFrame(model, told('paused')).pausedAt).toBe(NOW)
    expect(afterFrame(afterFrame(model, told('paused')), told('resumed')).pausedAt).toBe(null)
    expect(afterFrame(model, told('resized', { from: 12, to: 9 })).limits.at(-1)).toMatchObject({ from: 12, to: 9 })
    expect(afterFrame(model, told('something new'))).toBe(model)
  })
})

describe('words and numbers agree', () => {
  const idle = (): QueueModel => modelOf(sceneOf('idle').snapshot)
  const quiet = { waiting: 0, waitingByPriority: zero, running: 0, retrying: 0, activeWorkers: 0 }
  const wordsOf = (model: QueueModel): string => text(verdictOf(model))
  const evidenceOf = (model: QueueModel, what: string): string => {
    const found = findingsOf(model).find((each) => each.what.includes(what))
    return found === undefined ? '' : `${text({ words: found.evidence })} ${found.turn}`
  }
  const failing = (model: QueueModel, failed: number, done: number): QueueModel =>
    withPoints(model, () => ({ failedPerSecond: failed, donePerSecond: done }))

  test('few that failed are counted, not rounded to none a second', () => {
    const rare = failing(withStatus(busy(), { waiting: 0, activeWorkers: 1 }), 0.02, 0.2)
    expect(whats(rare)).toContain('8 % of what ends has failed')
    expect(evidenceOf(rare, '8 %')).toContain('1 of the 13 of the last minute.')
  })

  test('a rate that is no zero is not written as one', () => {
    const rare = withPoints(busy(), () => ({
      askedByPriority: { ...zero, low: 0.03 },
      doneByPriority: { ...zero, low: 0.03 },
      refusedByPriority: { ...zero, low: 0.01 },
    }))
    expect(wordsOf(rare)).toMatch(/<0\.1 a second are asked for, <0\.1 done, <0\.1 refused\.$/)
  })

  test.each<[string, () => QueueModel, string]>([
    ['most that ends fails', () => failing(busy(), 30, 8), 'Needs a look'],
    ['HIGH is refused', () => withPoints(busy(), () => ({ refusedByPriority: { ...zero, high: 1 } })), 'Needs a look'],
    [
      'its store is faulty, and it is idle',
      () => withStatus(idle(), { store: { state: 'faulty', pending: 0 } }),
      'Needs a look',
    ],
    ['more is admitted than gets done', () => withPoints(busy(), () => ({ donePerSecond: 20 })), 'Falling behind'],
    [
      'what was kept is still coming back',
      () => withStatus(idle(), { store: { state: 'open', recovering: true, recovered: 12 } }),
      'Recovering',
    ],
  ])('no headline says that it keeps up or is idle when %s', (_, make, headline) => {
    expect(verdictOf(make())).toMatchObject({ kind: 'warn', headline })
  })

  test('of all models that follow: nothing is called well beside what is not, and no sentence speaks of none', () => {
    const models: Record<string, QueueModel> = {}
    const scenes = { busy: busy(), idle: idle(), overload: overload(), quiet: withStatus(busy(), quiet) }
    for (const [scene, model] of Object.entries(scenes)) {
      for (const state of ['open', 'paused', 'closing', 'closed']) {
        for (const points of [0, 3, 180]) {
          for (const [flow, change] of Object.entries({
            asItIs: {},
            standstill: { donePerSecond: 0, failedPerSecond: 0 },
            allFails: { donePerSecond: 0, failedPerSecond: 3 },
            silence: {
              ...{ donePerSecond: 0, failedPerSecond: 0, refusedPerSecond: 0 },
              ...{ askedByPriority: zero, doneByPriority: zero, refusedByPriority: zero, refusedByReason: {} },
            },
          })) {
            const changed = withPoints(
              withStatus(
                { ...model, points: model.points.slice(-points || 180, points === 0 ? 0 : undefined) },
                { state },
              ),
              () => change,
            )
            models[`${scene}, ${state}, ${points} points, ${flow}`] = changed
          }
        }
      }
    }
    for (const [name, model] of Object.entries(models)) {
      const verdict = verdictOf(model)
      const findings = findingsOf(model)
      const calm = calmOf(model, verdict)
      const all = [
        ...[verdict.headline, text(verdict)],
        ...findings.flatMap(({ what, evidence, turn }) => [what, text({ words: evidence }), turn]),
        ...(findings.length === 0 ? [calm.what, calm.why] : []),
      ].join(' | ')
      const said = (words: RegExp): [string, string] | undefined => (words.test(all) ? [name, all] : undefined)
      if (verdict.kind === 'good' || verdict.kind === 'idle') {
        expect([name, findings.filter(({ kind }) => kind === 'bad')]).toEqual([name, []])
      } else expect(findings.length === 0 ? said(/Nothing needs you|gets done\./) : undefined).toBeUndefined()
      if (model.status.state !== 'open') expect(said(/this queue is open|keeping up|Idle/i)).toBeUndefined()
      if (model.status.waiting > 0) expect(said(/Nothing waits|nothing to start/)).toBeUndefined()
      expect(said(/(^| )0 (wait|running|run|of 0|records?|requests?) /)).toBeUndefined()
      expect(said(/\b1 (wait|run|records|requests|slots)\b(?! at)/)).toBeUndefined()
      expect(said(/NaN|undefined|Infinity|null/)).toBeUndefined()
    }
  })

  test('paused and empty: nothing is said to go on, or to be started by Resume', () => {
    const empty = withStatus(idle(), { state: 'paused' })
    expect(wordsOf(empty)).toBe('Nothing waits, and no newcomer is started. Nothing runs.')
    expect(evidenceOf(empty, 'paused')).toBe('Nothing waits yet. Resume lets newcomers start.')
    const one = withStatus(busy(), { state: 'paused', waiting: 1, running: 1 })
    expect(wordsOf(one)).toBe('1 waits, and nothing is started. 1 running goes on.')
  })

  test('a slot that is stuck is not counted as free', () => {
    const stuck = withStatus(idle(), { activeWorkers: 1, maxWorkers: 12 })
    expect(wordsOf(stuck)).toContain('11 slots are free.')
  })

  test('which tier waits longest is one that waits', () => {
    const status = { waiting: 3, waitingByPriority: { ...zero, low: 3 }, oldestWaitMsByPriority: zero }
    expect(wordsOf(withStatus(busy(), status))).toMatch(/^3 wait, LOW: 0 ms\. /)
  })

  test('what began before all that is known is not given a time that moves', () => {
    const all = withPoints(overload(), () => ({ refusedPerSecond: 30, askedByPriority: { ...zero, low: 60 } }))
    expect(verdictOf(all).headline).toBe('Overloaded for 15 min or more')
  })

  test('an overload that has ended is not called calm before its headline has gone', () => {
    const over = withPoints(overload(), (_, at) =>
      at < 174
        ? {}
        : {
            ...{ refusedPerSecond: 0, askedByPriority: zero, doneByPriority: zero, run: null, donePerSecond: 0 },
            ...{ refusedByPriority: zero, refusedByReason: {} },
          },
    )
    const model = { ...withStatus(over, { ...quiet, stuckWorkers: 0 }), workers: [] }
    expect(verdictOf(model).headline).toMatch(/^Overloaded since/)
    expect(wordsOf(model)).toMatch(/^Nothing was asked for in the last 15 s\. /)
    expect(calmOf(model, verdictOf(model))).toMatchObject({ kind: 'warn', what: 'No cause is known' })
  })

  test('closing: whoever looks is not told that the queue is open', () => {
    const closing = withStatus(idle(), { state: 'closing' })
    expect(wordsOf(closing)).toBe('Nothing runs and nothing waits. Newcomers are refused.')
    expect(calmOf(closing, verdictOf(closing)).what).toBe('It is about to be closed')
  })
})

describe('a tier that is displaced before it starts', () => {
  /** So many of LOW a second are displaced within 40 ms, and so many get done. */
  const displacing = (displaced: number, done: number, others = 0): QueueModel =>
    withPoints(overload(), ({ waitByPriority, refusedByPriority, doneByPriority }, at) =>
      at < 150
        ? {}
        : {
            refusedByReason: {},
            refusedByPriority: { ...refusedByPriority, low: displaced },
            doneByPriority: { ...doneByPriority, low: done },
            waitByPriority: {
              ...waitByPriority,
              low: { count: Math.round((displaced + done + others) * 60), p50Ms: 40, p95Ms: 200, p99Ms: 340 },
            },
          },
    )

  test('has no waits, and none that became shorter', () => {
    const model = withStatus(displacing(20, 0), { oldestWaitMsByPriority: { ...zero, low: 4_000 } })
    expect(noWaitNow(model, 'low')).toBe('none started')
    expect([waitNow(model, 'low', 'p50Ms'), waitNow(model, 'low', 'p99Ms'), waitChange(model, 'low')]).toEqual([
      null,
      null,
      null,
    ])
    expect(text(verdictOf(model))).toContain('None of LOW has started for 60 s, the oldest waits 4.0 s. ')
    expect(text(verdictOf(model))).toContain('LOW is displaced: 20/s. ')
    expect(whats(model)).toContain('LOW is being displaced, 20 a second')
    expect(noWaitNow(model, 'high')).toBe(null)
    expect(waitNow(model, 'high', 'p99Ms')).not.toBe(null)
    // As it was before.
    expect(waitAt(model.points, 140, 'low', 'p99Ms')).not.toBe(null)
  })

  test('is not said to have none started where some may have failed, or some are done', () => {
    expect(noWaitNow(displacing(20, 0, 10), 'low')).toBe('none done')
    expect(noWaitNow(displacing(20, 1), 'low')).toBe('most displaced')
    expect(noWaitNow(displacing(1, 6), 'low')).toBe(null)
    expect(noWaitNow(displacing(0, 0, 2), 'low')).toBe(null)
    expect(text(verdictOf(displacing(20, 1)))).not.toContain('None of')
  })

  test('is another thing than one that is refused for a reason', () => {
    const model = withPoints(displacing(20, 0, 20), ({ refusedByPriority }) => ({
      refusedByReason: { queue_full: { ...zero, low: refusedByPriority.low } },
    }))
    expect(noWaitNow(model, 'low')).toBe(null)
  })
})

test('a quantity is the same wherever it stands: the mean of the last 15 s', () => {
  const model = withPoints(overload(), ({ askedByPriority, doneByPriority }, at) => {
    const low = at === 179 ? 60 : 12
    return {
      refusedByPriority: { ...zero, low },
      refusedPerSecond: low,
      askedByPriority: { ...askedByPriority, low: at > 176 ? 90 : 50 },
      doneByPriority: { ...doneByPriority, low: at > 176 ? 3 : 9 },
      waitByPriority: null,
      run: null,
    }
  })
  const rates = allRates(model) as { asked: number; done: number; refused: number }
  expect(rates.refused).toBeCloseTo(28)
  const verdict = text(verdictOf(model))
  expect(verdict).toContain('LOW is refused: 28/s.')
  expect(verdict).toContain(`${Math.round(rates.done)} of ${Math.round(rates.asked)} a second get done`)
  const findings = findingsOf(model)
  expect(findings.map(({ what }) => what)).toContain('LOW is being refused, 28 a second')
  const more = findings.find(({ what }) => what.startsWith('More is asked for'))
  expect(text({ words: more?.evidence ?? [] })).toContain(
    `${Math.round(rates.asked)} a second are asked for, ${Math.round(rates.done)} done`,
  )
})
