/**
 * Where each warning begins, to the number; and what each choice is called.
 */
import { expect, describe as group, test } from 'vitest'
import { type Describable, describe } from '../../../src/core/watch/describe.ts'

const never = Number.POSITIVE_INFINITY
const noRuns = { count: 0, p50Ms: 0 }

type Settings = Describable['settings']

/** An executor of which nothing is odd, but for `settings`. */
function of(
  settings: Partial<Settings> = {},
  { concurrency = 4, normal = noRuns }: { concurrency?: number; normal?: { count: number; p50Ms: number } } = {},
) {
  return describe({
    concurrency,
    settings: {
      name: 'q',
      total: 10,
      byTier: [never, never, never, never],
      zeroSizes: [],
      unusedSizes: [],
      whenFull: 'reject',
      maxBlocked: 5,
      waitTimeoutMs: [50, 50, 50, 50],
      runTimeoutMs: [60, 60, 60, 60],
      timeoutMs: [100, 100, 100, 100],
      onStuck: 'hold',
      maxReplaced: 1,
      reserve: [0, 0, 0, 0],
      lendReserve: false,
      order: { name: 'aging', acrossTiers: true },
      limit: undefined,
      retry: undefined,
      maxRetrying: 10,
      rateLimits: [],
      overload: [],
      schema: undefined,
      maxChecking: never,
      onDuplicate: 'join',
      ...settings,
    },
    getStatus: () => ({ runByPriority: { urgent: noRuns, high: noRuns, normal, low: noRuns } }),
  })
}

/** The same for each priority but normal, which has `ms`. */
const normalHas = (ms: number, others = ms): number[] => [others, others, ms, others]

group('in words', () => {
  test('what is usual is warned of nowhere', () => {
    const { lines, warnings } = of()
    expect(warnings).toEqual([])
    expect(lines).toEqual([
      "'q' runs at most 4 requests at once.",
      'At most 10 may wait; one more is refused.',
      'Order: aging, across priorities.',
      'A request may wait 50 ms, run 60 ms, and take 100 ms in all.',
      'A slot whose call outlives its timeout is held until the call settles.',
      'A second request with the id of a live one shares its run if it is equal, and is refused if not.',
      'A failure is not tried again.',
    ])
    expect(String(of({ total: never }))).toContain('\nWarning: the queue is unbounded')
  })

  test.each<[Partial<Settings>, string]>([
    [
      { whenFull: 'shed' },
      'At most 10 may wait; then the youngest of the lowest priority below a newcomer makes room for it.',
    ],
    [
      { total: never, whenFull: 'block', maxBlocked: never },
      'Any number may wait; then callers wait for room, any number.',
    ],
    [{ limit: { name: 'aimd' } }, "'q' runs at most 4 requests at once, as aimd learns."],
    [
      { limit: { name: 'aimd', shadow: true } },
      "'q' runs at most 4 requests at once; aimd only says what it would set.",
    ],
    [{ reserve: [2, 0, 1, 0] }, 'Slots are reserved: 2 for urgent, 1 for normal.'],
    [{ reserve: [2, 0, 0, 0], lendReserve: true }, 'Slots are reserved: 2 for urgent, lent when idle.'],
    [{ rateLimits: [{ name: 'a' }], overload: [{ name: 'b' }] }, 'Guards: a, b.'],
  ])('%j is said', (settings, line) => {
    expect(of(settings).lines).toContain(line)
  })
})

group('a warning begins where it should', () => {
  test('not at all for slots that are reserved: that somebody would never run is refused at construction', () => {
    for (const reserve of [
      [2, 1, 0, 0],
      [1, 1, 1, 1],
    ])
      expect(of({ reserve }).warnings).toEqual([])
    expect(of({ reserve: [4, 0, 0, 0], lendReserve: true }).warnings).toEqual([])
  })

  test('more run than can wait', () => {
    expect(of({}, { concurrency: 10 }).warnings).toEqual([])
    expect(of({}, { concurrency: 11 }).warnings).toEqual([expect.stringContaining('priorities decide little: 11 run')])
  })

  test('strict order starves low', () => {
    expect(of({ order: { name: 'strict', acrossTiers: false } }).warnings).toEqual([
      expect.stringMatching(/^with strict order, low starves/),
    ])
  })

  test('low does not starve where it has a slot of its own, or where it never waits', () => {
    const strict = { name: 'strict', acrossTiers: false }
    const retry = { name: 'again' }
    const none = [never, never, never, 0]
    const starves = expect.stringMatching(/^with strict order, low starves/)
    const blocked = expect.stringMatching(/^blocked callers come in by priority: low starves/)
    expect(of({ order: strict, reserve: [0, 0, 0, 1] }).warnings).toEqual([])
    expect(of({ order: strict, reserve: [1, 0, 0, 0] }).warnings).toEqual([starves])
    // With fewer slots than are reserved, the least urgent give way first.
    expect(of({ order: strict, reserve: [2, 0, 0, 1] }, { concurrency: 3 }).warnings).toContainEqual(starves)
    expect(of({ order: strict, reserve: [2, 0, 0, 1], lendReserve: true }, { concurrency: 3 }).warnings).toEqual([])
    expect(of({ order: strict, reserve: [2, 0, 0, 1], lendReserve: true }, { concurrency: 2 }).warnings).toEqual([
      starves,
    ])
    expect(of({ order: strict, reserve: [1, 1, 1, 1] }, { concurrency: 4 }).warnings).toEqual([])
    expect(of({ order: strict, byTier: none }).warnings).toEqual([])
    expect(of({ order: strict, byTier: none, retry }).warnings).toEqual([starves])
    expect(of({ order: strict, whenFull: 'block' }).warnings).toEqual([starves])
    expect(of({ byTier: none, whenFull: 'block' }).warnings).toEqual([blocked])
    expect(of({ byTier: none, whenFull: 'block', reserve: [0, 0, 0, 1] }).warnings).toEqual([])
  })

  test('a wait that never counts', () => {
    const warned = (wait: number, all: number) =>
      of({ waitTimeoutMs: normalHas(wait, 1), timeoutMs: normalHas(all, 100) }).warnings
    expect(warned(99, 100)).toEqual([])
    expect(warned(100, 100)).toEqual(['normal: waitTimeoutMs (100) never counts, since timeoutMs (100) is over before'])
    expect(warned(never, 100)).toEqual([])
    expect(warned(never, never)).toEqual([])
    expect(warned(50, never)).toEqual([])
  })

  test('a call that may hold its slot for ever', () => {
    const warned = (run: number, all: number) =>
      of({ runTimeoutMs: normalHas(run, 60), timeoutMs: normalHas(all, 100) }).warnings
    expect(warned(never, 100)).toEqual([])
    expect(warned(60, never)).toEqual([])
    expect(warned(never, never)).toEqual([
      'normal: a call that never settles holds its slot for ever, and nobody is told',
    ])
  })

  test('a typical run takes as long as it may, once enough are known', () => {
    const warned = (count: number, p50Ms: number) => of({}, { normal: { count, p50Ms } }).warnings
    expect(warned(19, 60)).toEqual([])
    expect(warned(20, 59.9)).toEqual([])
    expect(warned(20, 60)).toEqual(['normal: half of the runs take 60 ms or more, and time out at 60'])
    expect(warned(20, 61.26)).toEqual(['normal: half of the runs take 61.3 ms or more, and time out at 60'])
    expect(of({ timeoutMs: [55, 55, 55, 55] }, { normal: { count: 20, p50Ms: 57 } }).warnings).toEqual([
      'normal: half of the runs take 57 ms or more, and time out at 55',
    ])
  })

  test('a turn that comes after it has given up', () => {
    const warned = (...targetsMs: number[]) => of({ order: { name: 'aging', acrossTiers: true, targetsMs } }).warnings
    expect(warned(0, 10, 20, 49)).toEqual([])
    expect(warned(0, 10, 20, 50)).toEqual(['low: its turn comes after up to 50 ms, and it has given up after 50'])
  })

  test('a bound that never counts', () => {
    const warned = (low: number) => of({ byTier: [never, never, never, low] }).warnings
    expect(warned(10)).toEqual([])
    expect(warned(11)).toEqual(['low: its bound (11) never counts, since that of all is 10'])
  })
})
