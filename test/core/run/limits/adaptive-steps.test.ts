/**
 * What adaptive() does after each window, by the formulas that its documentation states: one call settles each millisecond,
 * and all of the limit is used.
 *
 * It begins alike everywhere: with a limit of 10 and calls of 100 ms the first window is complete at 49 ms, the probe with a
 * limit of 7 counts from 169 ms (1.2 calls later) to 269 ms, and the first window of the search from 389 to 589 ms.
 */
import { describe, expect, test } from 'vitest'
import type { LimitSample } from '../../../../src/core/run/limit.ts'
import { type AdaptiveOptions, adaptive } from '../../../../src/core/run/limits/adaptive.ts'

type Calls = (at: number, limit: number) => Partial<LimitSample> & { runMs: number }

/** When the limit became another one, and which. */
function changes(options: AdaptiveOptions, untilMs: number, calls: Calls): [number, number][] {
  const policy = adaptive(options)
  const changes: [number, number][] = []
  let limit = policy.initial
  for (let at = 0; at < untilMs; at++) {
    const next = policy.sample({ at, inflight: limit, dropped: false, ...calls(at, limit) })
    if (next !== limit) changes.push([at, next])
    limit = next
  }
  return changes
}

const ten = { initial: 10 }
const start: [number, number][] = [
  [49, 7],
  [269, 10],
]
const SEARCH_AT = 389

/** Calls of 100 ms until the search begins, and of so many from then on. */
const then = (runMs: number): Calls => {
  return (at) => ({ runMs: at < SEARCH_AT ? 100 : runMs })
}

/** Of the same mean, half of them shorter by a half and the others longer. */
const varied = (at: number, mean: number): number => (at % 2 === 0 ? 0.5 : 1.5) * mean

describe('the search', () => {
  test('without a queue it grows by half of the root, window by window of two calls’ time', () => {
    expect(changes(ten, 1_000, then(100))).toEqual([...start, [589, 11], [789, 13], [989, 15]]) // 11.58, 13.28, 15.11
  })

  test('a queue of less than a tenth of the root is none', () => {
    expect(changes(ten, 600, then(102))).toEqual([...start, [589, 11]]) // q = 0.2, low is 0.32
  })

  test('between a tenth and four tenths of the root it stays, and tries to grow after eight windows', () => {
    const grown = 589 + 7 * 218 // q = 0.8 with calls of 109 ms; low is 0.32, high 1.26
    expect(changes(ten, grown + 100, then(109))).toEqual([...start, [grown, 11]])
  })

  test('with a longer queue it shrinks by what is too much, but by no more than half of the root', () => {
    expect(changes(ten, 600, then(125))).toEqual([...start, [589, 9]]) // q = 2, high is 1.26: 9.26
    expect(changes(ten, 600, then(200))).toEqual([...start, [589, 8]]) // q = 5: 8.42
  })

  test('it is halved when more than half of it is queueing', () => {
    expect(changes(ten, 600, then(210))).toEqual([...start, [589, 5]])
  })

  test('the more calls vary, the longer a queue must be before it is believed', () => {
    // The window after a change counts for half. So 107.5 ms are usual at last, and q = 1.19 is more than low = 0.41 + 0.71.
    const calls: Calls = (at, limit) => ({ runMs: varied(at, limit < 17 ? 100 : 115) })
    expect(changes(ten, 1_400, calls).map(([, limit]) => limit)).toEqual([7, 10, 11, 13, 15, 17])
  })
})

describe('the windows', () => {
  test('after a change by more than a quarter, what settles has started before', () => {
    // From 4 to 5 is just a quarter; from 4 to 2.8 and back is more.
    expect(changes({ initial: 4 }, 800, () => ({ runMs: 100 }))).toEqual([
      [19, 2],
      [239, 4],
      [559, 5],
      [759, 6],
    ])
  })

  test('a limit of 1 has nothing to probe', () => {
    expect(changes({ initial: 1 }, 250, () => ({ runMs: 100 }))).toEqual([[209, 2]])
  })

  test('what was usual before a probe is so after it', () => {
    // The probe finds 85 ms, and r is 92.5: with 100 ms a queue of 0.75, which is neither short nor long.
    const calls: Calls = (_at, limit) => ({ runMs: limit === 7 ? 85 : 100 })
    const grown = 589 + 6 * 200
    expect(changes(ten, grown + 100, calls)).toEqual([...start, [grown, 11]])
  })

  test('one that did not use all of the limit moves r, and not the limit', () => {
    // r is 105 then: with 108 ms there is no queue to speak of.
    const calls: Calls = (at) => {
      if (at < SEARCH_AT) return { runMs: 100 }
      return at < 590 ? { runMs: 120, inflight: 9 } : { runMs: 108 }
    }
    expect(changes(ten, 900, calls)).toEqual([...start, [829, 11]])
  })

  test('with more than a tenth dropped, nothing else counts', () => {
    const some = (dropped: number): Calls => {
      return (at) => ({ runMs: 100, dropped: at < dropped })
    }
    expect(changes(ten, 50, some(5))).toEqual([[49, 6]]) // 9.5, and the probe
    expect(changes(ten, 50, some(6))).toEqual([[49, 9]])
  })

  test('what is not used is given back by the root at a time', () => {
    const [first, second, third] = changes({ initial: 100 }, 2_000, (at) => ({ at: 10 * at, runMs: 20, inflight: 2 }))
    expect([first?.[1], second?.[1], third?.[1]]).toEqual([90, 80, 71])
  })

  test('a probe tells something when at least half of it was obeyed', () => {
    const calls = (inflight: number): Calls => {
      return (at) => (at < 50 ? { runMs: 100 } : { runMs: 50, inflight })
    }
    const limits = (inflight: number) => changes({ initial: 20 }, 300, calls(inflight)).map(([, limit]) => limit)
    expect(limits(17)).toEqual([14, 9])
    expect(limits(18)).toEqual([14, 20])
  })
})

describe('a ceiling', () => {
  test('keeps it where it is for 16 windows, though it has been there for long', () => {
    // Too much at first, and then something between: q = 0.52, with a low of 0.29 and a high of 1.16.
    const calls: Calls = (at, limit) => ({ runMs: at < SEARCH_AT ? 100 : limit === 10 ? 150 : 107 })
    const [grown] = changes(ten, 6_000, calls).slice(3)
    expect(changes(ten, 6_000, calls)[2]).toEqual([589, 8])
    expect(grown).toEqual([889 + 16 * 214, 9])
  })

  test('holds at the least limit, too', () => {
    // Four at once: at 5 they queue.
    const calls: Calls = (_at, limit) => ({ runMs: 25 * limit })
    const [grown, shrunk, again] = changes({ initial: 4, min: 4 }, 10_000, calls)
    expect([grown?.[1], shrunk?.[1], again?.[1]]).toEqual([5, 4, 6])
    expect((again?.[0] ?? 0) - (shrunk?.[0] ?? 0)).toBeGreaterThan(16 * 200)
  })
})

test('at the least limit r follows shorter runs as slowly as elsewhere', () => {
  // After calls of 100 and 60 ms it is 90 ms: calls of 66 ms are no queue.
  const calls: Calls = (at, limit) => ({ runMs: at < 50 ? 100 : limit === 10 ? 60 : 66 })
  expect(changes({ initial: 10, min: 10 }, 400, calls).map(([, limit]) => limit)).toEqual([11, 13])
})

describe('a decrease', () => {
  test('by 30 % that has not helped was of no use: it probes at once, and goes back up', () => {
    const limits = changes(ten, 5_000, then(125)).map(([, limit]) => limit)
    expect(limits.slice(2, 9)).toEqual([9, 8, 7, 6, 4, 6, 8])
  })

  test('that has made runs shorter by more than a fifth was of use: it stays there', () => {
    // Five at once in place of ten: 200 ms with 10, 160 with 8, 120 with 6.
    const calls: Calls = (at, limit) => ({ runMs: at < SEARCH_AT ? 100 : 20 * limit })
    expect(changes(ten, 3_000, calls).map(([, limit]) => limit)).toEqual([7, 10, 8, 6])
  })

  test('is measured by the longest runs since it began', () => {
    // At first they are a little longer only, which is no reason to shrink.
    const calls: Calls = (at, limit) => ({ runMs: at < SEARCH_AT ? 100 : at < 600 ? 109 : 20 * limit })
    expect(changes(ten, 3_000, calls).map(([, limit]) => limit)).toEqual([7, 10, 8, 6])
  })

  test('that was not for a queue is none: it grows again at once', () => {
    // Four of five are dropped in the second window.
    const calls: Calls = (at) => ({ runMs: 100, dropped: at > 589 && at < 790 && at % 5 > 0 })
    expect(changes(ten, 1_200, calls).map(([, limit]) => limit)).toEqual([7, 10, 11, 6, 8])
  })
})
