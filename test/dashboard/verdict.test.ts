/** How is it, and what is to be looked at? Each headline and each finding, from numbers alone. */
import { describe, expect, test } from 'vitest'
import { findingsOf, nearestOf } from '../../src/dashboard/findings.ts'
import {
  afterFrame,
  modelOf,
  overloadedSince,
  type QueueModel,
  ratesOf,
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
    expect(text(verdictOf(withStatus(busy(), { waiting: 0 })))).toMatch(/^Nobody waits\. /)
  })

  test('two points of silence are no standstill, and long runs are given their time', () => {
    const still = withPoints(busy(), (_, at) => (at >= 178 ? { donePerSecond: 0 } : {}))
    expect(verdictOf(still).headline).toBe('Busy, keeping up')
    const long = withPoints(busy(), ({ run }, at) => ({
      run: { ...run, p99Ms: 120_000 },
      ...(at > 160 && { donePerSecond: 0 }),
    }))
    expect(verdictOf(long).headline).toBe('Busy, keeping up')
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
      () => withPoints(busy(), () => ({ refusedByPriority: { ...zero, high: 5 } })),
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
