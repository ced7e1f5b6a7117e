/**
 * What is said of an executor? Of a real one, and of its settings alone: there each warning begins, to the number.
 */
import {
  adaptive,
  aging,
  backoff,
  codel,
  describe,
  earliestDeadlineFirst,
  fairBy,
  meetsDeadline,
  QueuedExecutor,
  type QueuedExecutorOptions,
  shedByPriority,
  tokenBucket,
  weighted,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, describe as group, test } from 'vitest'
import { byTierOf, type Described } from '../../../src/core/watch/describable.ts'
import { HandStore, live, page } from '../keep/hand-store.ts'
import { stored } from '../keep/support.ts'

const executor = async (ms: number): Promise<number> => ms
const warningsOf = (options: QueuedExecutorOptions<number>) => describe(new QueuedExecutor(executor, options)).warnings

group('of an executor', () => {
  test('the defaults, in words', () => {
    expect(String(describe(new QueuedExecutor(executor)))).toBe(
      `'triage' runs at most 10 requests at once.
At most 10000 may wait; then the youngest of the lowest priority makes room for a newcomer that goes before it.
Order: strict, by priority first.
A request may wait for ever, run 300000 ms, and take for ever in all.
A slot whose call outlives its timeout is held until the call settles.
A second request with the id of a live one shares its run if it is equal, and is refused if not.
A failure is not tried again.
Warning: with strict order, low starves for as long as there is anything else; aging() bounds its wait`,
    )
  })

  test('everything that can be chosen is said', () => {
    const { lines } = describe(
      new QueuedExecutor(executor, {
        name: 'llm',
        limit: { name: 'mine', initial: 3, sample: () => 3 },
        maxQueueSize: { total: 100, low: 10 },
        whenFull: 'block',
        maxBlocked: 50,
        waitTimeoutMs: { urgent: 500, default: 5_000 },
        onStuck: 'replace',
        maxReplaced: 2,
        onDuplicate: 'reject',
        retry: { name: 'again and again', delayMs: () => 1 },
        maxRetrying: 20,
        schema: { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as number }) } },
        rateLimit: { name: 'ten a second' },
        overload: [{ name: 'codel' }],
      }),
    )
    expect(lines).toEqual([
      "'llm' runs at most 3 requests at once, as mine learns.",
      'At most 100, 10 of them low may wait; then callers wait for room, at most 50.',
      'Order: strict, by priority first.',
      'A request may wait (urgent 500 ms, high 5000 ms, normal 5000 ms, low 5000 ms), run 300000 ms, and take for ever in all.',
      'A slot whose call outlives its timeout has a substitute, up to 2 at a time.',
      'A second request with the id of a live one is refused.',
      'A failure is tried again: again and again; at most 20 at a time.',
      'Each request is checked against the schema; if it is asynchronous, at most 100 at a time.',
      'Guards: ten a second, codel.',
    ])
  })

  test('what its store promises, when answers are told, and what becomes of a request that kills the process', async () => {
    const { queue, store } = await stored()
    store.promises.push('and more')
    const { lines } = describe(queue)
    expect(lines[1]).toBe('At most 10000 may wait; one more is refused, since what was acknowledged is not taken back.')
    expect(lines.at(-1)).toBe(
      'The store: what is committed by hand; and more; an answer is told when it is recorded, or else after 30000 ms; a request whose attempts end with the process is a dead letter after 3 of them.',
    )
  })

  test('of a store that is not durable only what it promises', async () => {
    const store = new HandStore()
    store.isDurable = false
    const { queue } = await stored({ results: 'eager' }, store)
    const { lines, warnings } = describe(queue)
    expect(lines[1]).toMatch(/^At most 10000 may wait; then the youngest of the lowest priority makes room/)
    expect(lines.at(-1)).toBe('The store: what is committed by hand.')
    expect(warnings).toEqual([expect.stringMatching(/^with strict order, low starves/)])
  })

  test('other kinds of work, each with its time limits', () => {
    const kinds = {
      clash: { executor, runTimeoutMs: 7_200_000, timeoutMs: 9_000_000 },
      convert: { executor },
    }
    expect(describe(new QueuedExecutor(executor, { kinds })).lines.at(-1)).toBe(
      'Other kinds of work: clash (runTimeoutMs 7200000, timeoutMs 9000000), convert.',
    )
  })

  test('what its store has kept and nobody runs is warned of', async () => {
    const store = new HandStore()
    const status = store.status()
    store.status = () => ({ ...status, unopened: [{ queue: 'old', live: 3 }] }) as never
    store.pages = [page([live(1, { kind: 'clash' }), live(2, { kind: 'clash' })])]
    const { queue } = await stored({}, store)
    expect(describe(queue).warnings.slice(1)).toEqual([
      "nobody runs what the store has kept: 3 of the queue 'old', which no executor has opened",
      "nobody runs what the store has kept: 2 of the kind 'clash', for which there is no function",
    ])
  })

  test('a limit that is only looked at, and whose slots are whose', () => {
    const linesOf = (options: QueuedExecutorOptions<number>) =>
      describe(new QueuedExecutor(executor, { concurrency: 8, ...options })).lines
    const [first] = linesOf({ limit: { name: 'mine', initial: 3, sample: () => 3, shadow: true } })
    expect(first).toBe("'triage' runs at most 8 requests at once; mine only says what it would set.")
    const reserve = { urgent: 2, low: 1 }
    expect(linesOf({ reserve })).toContain('Slots are reserved: 2 for urgent, 1 for low.')
    expect(linesOf({ reserve, lendReserve: true })).toContain(
      'Slots are reserved: 2 for urgent, 1 for low, lent when idle.',
    )
  })

  test('where nothing may wait, it says so, and warns of nothing but of blocked callers and of bounds that never count', () => {
    const saysOf = (options: QueuedExecutorOptions<number>) => {
      const { lines, warnings } = describe(new QueuedExecutor(executor, { concurrency: 8, ...options }))
      return [lines[1], ...warnings]
    }
    const refused = 'Nothing may wait: a request starts at once, or is refused.'
    const blocked = 'Nothing may wait: a request starts at once, or its caller waits for a slot.'
    const starves =
      'blocked callers come in by priority: low starves for as long as there are others; reserve: { low: 1 } gives it a slot of its own'
    const unused = (part: string) => `maxQueueSize.${part} never counts, since maxQueueSize.total is 'none'`
    expect(saysOf({ maxQueueSize: 'none' })).toEqual([refused])
    expect(saysOf({ maxQueueSize: 'none', whenFull: 'shed' })).toEqual([refused])
    expect(saysOf({ maxQueueSize: { total: 'none', low: 'none' } })).toEqual([refused])
    expect(saysOf({ maxQueueSize: { total: 'none', low: 5 }, whenFull: 'block', waitTimeoutMs: 5 })).toEqual([
      blocked,
      starves,
      unused('low'),
    ])
    const mine = { reserve: { low: 1 }, timeoutMs: 5 }
    expect(saysOf({ maxQueueSize: 'none', whenFull: 'block', ...mine })).toEqual([blocked])
    const { warnings } = describe(
      new QueuedExecutor(executor, { maxQueueSize: { total: 'none', high: 0, low: Number.POSITIVE_INFINITY } }),
    )
    expect(warnings).toEqual([unused('high'), unused('low')])
    expect(saysOf({ maxQueueSize: { total: 50, low: 'none', high: 3 } })).toEqual([
      'At most 50, 3 of them high, none of them low may wait; then the youngest of the lowest priority makes room for a newcomer that goes before it.',
    ])
  })

  test('a request may wait only for as long as there is anything to wait for, and until its time is over', () => {
    const timesOf = (options: QueuedExecutorOptions<number>) => describe(new QueuedExecutor(executor, options)).lines[3]
    const retry = { name: 'again', delayMs: () => 1 }
    expect(timesOf({ maxQueueSize: 'none' })).toBe('A request may wait 0 ms, run 300000 ms, and take 300000 ms in all.')
    expect(timesOf({ maxQueueSize: 'none', retry })).toBe(
      'A request may wait for ever, run 300000 ms, and take for ever in all.',
    )
    expect(timesOf({ maxQueueSize: 'none', whenFull: 'block' })).toBe(
      'A request may wait for ever, run 300000 ms, and take for ever in all.',
    )
    expect(timesOf({ maxQueueSize: { low: 'none' }, runTimeoutMs: 50 })).toBe(
      'A request may wait (urgent for ever, high for ever, normal for ever, low 0 ms), run 50 ms, and take (urgent for ever, high for ever, normal for ever, low 50 ms) in all.',
    )
    expect(timesOf({ timeoutMs: 2_000 })).toBe('A request may wait 2000 ms, run 2000 ms, and take 2000 ms in all.')
  })

  test('a schema that may look at any number is checked, and no more is said', () => {
    const schema = {
      '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value: value as number }) },
    }
    const { lines } = describe(new QueuedExecutor(executor, { schema, maxChecking: 0 }))
    expect(lines.at(-1)).toBe('Each request is checked against the schema.')
  })

  test('slots that are all reserved need no warning: no priority is kept out by them', () => {
    const reserved = (options: QueuedExecutorOptions<number>) =>
      warningsOf({ concurrency: 4, ...options }).filter((warning) => warning.includes('reserved'))
    expect(reserved({ reserve: { urgent: 3, low: 1 }, lendReserve: true })).toEqual([])
    expect(reserved({ reserve: { urgent: 1, high: 1, normal: 1, low: 1 } })).toEqual([])
  })

  test.each<[QueuedExecutorOptions<number>, string]>([
    [{ concurrency: 1e6 }, 'priorities decide little: 1000000 run at once, and no more than 10000 can wait'],
    [{ maxQueueSize: 0 }, 'the queue is unbounded'],
    [{ maxQueueSize: 0 }, "maxQueueSize is 0: 0 means unlimited; 'none' means that nothing waits"],
    [{ maxQueueSize: { low: 0 } }, "maxQueueSize.low is 0: 0 means unlimited; 'none' means that nothing waits"],
    [{ maxQueueSize: 1, maxBlocked: 0, maxRetrying: 0 }, 'maxBlocked is 0: 0 means unlimited\nmaxRetrying is 0'],
    [{ maxChecking: 0 }, 'maxChecking is 0: 0 means unlimited'],
    [
      { order: fairBy(() => 'a') },
      "with the order 'fair by key', low starves for as long as there is anything else; aging({}, { within: … }) bounds the wait of its priority",
    ],
    [{ order: earliestDeadlineFirst() }, "with the order 'earliest deadline first', low starves"],
    [{ order: { name: 'mine', rank: () => 1, acrossTiers: false } }, "with the order 'mine', low starves"],
    [
      { order: earliestDeadlineFirst() },
      'all priorities: earliest deadline first goes by deadlines, and a request has none unless it brings one; waitTimeoutMs or timeoutMs gives it one',
    ],
    [
      { order: aging({}, { within: earliestDeadlineFirst() }), waitTimeoutMs: { urgent: 5 }, timeoutMs: { low: 50 } },
      'high, normal: aging, then earliest deadline first goes by deadlines',
    ],
    [
      { overload: meetsDeadline(), waitTimeoutMs: 50, timeoutMs: { low: 50 } },
      'urgent, high, normal: meetsDeadline goes by deadlines, and a request has none unless it brings one; timeoutMs gives it one',
    ],
    [
      { whenFull: 'block', timeoutMs: { normal: 5 }, waitTimeoutMs: { high: 5 } },
      'urgent, low: a blocked caller waits for ever; waitTimeoutMs or timeoutMs ends that',
    ],
    [
      { order: fairBy(() => 'a'), overload: [codel(), shedByPriority()] },
      'shedByPriority() refuses before fairBy() is asked',
    ],
    [
      { order: aging({}, { within: fairBy(() => 'a') }), overload: shedByPriority() },
      'shedByPriority() refuses before fairBy() is asked',
    ],
    [
      { order: fairBy(() => 'a'), rateLimit: tokenBucket({ perSecond: 1 }) },
      'tokenBucket() refuses before fairBy() is asked',
    ],
    [
      { order: weighted(), rateLimit: tokenBucket({ perSecond: 1 }) },
      'tokenBucket() refuses before weighted() is asked',
    ],
    [{ order: fairBy(() => 'a'), overload: { name: 'pressure' } }, 'pressure() refuses by priority, and not by key'],
    [{ order: weighted(), overload: { name: 'pressure' } }, 'pressure() refuses the lower priorities'],
    [{ order: aging(), overload: meetsDeadline() }, 'under overload aging() lets old requests go first'],
    [
      { waitTimeoutMs: 100, timeoutMs: 100 },
      'high: waitTimeoutMs (100) never counts, since timeoutMs (100) is over before',
    ],
    [
      { runTimeoutMs: { urgent: Number.POSITIVE_INFINITY } },
      'urgent: a call that never settles holds its slot for ever',
    ],
    [
      { maxQueueSize: { total: 10, low: 20 }, concurrency: 2 },
      'low: its bound (20) never counts, since that of all is 10',
    ],
    [
      {
        order: { name: 'targets', acrossTiers: true, targetsMs: [0, 1, 2, 60_000], rank: () => 0 },
        waitTimeoutMs: 30_000,
      },
      'low: its turn comes after up to 60000 ms, and it has given up after 30000',
    ],
  ])('%j is warned of', (options, warning) => {
    expect(warningsOf(options).join('\n')).toContain(warning)
  })

  test('what goes together, and has its deadlines, is not warned of', () => {
    const mine = { waitTimeoutMs: 50, timeoutMs: 100, maxQueueSize: 50 }
    const within = earliestDeadlineFirst()
    expect(warningsOf({ ...mine, order: aging({ stepMs: 1 }, { within }), whenFull: 'block' })).toEqual([])
    expect(warningsOf({ ...mine, order: aging({ stepMs: 1 }), overload: shedByPriority() })).toEqual([])
    const starts = tokenBucket({ perSecond: 1, over: 'wait' })
    expect(warningsOf({ ...mine, order: weighted({}, { within: fairBy(() => 'a') }), rateLimit: starts })).toEqual([])
    const order = aging({ stepMs: 1 }, { within: fairBy(() => 'a') })
    expect(warningsOf({ ...mine, order, overload: codel(), limit: adaptive(), retry: backoff() })).toEqual([])
    expect(warningsOf({ ...mine, order: fairBy(() => 'a'), reserve: { low: 1 } })).toEqual([])
  })

  test('a timeout below the typical run is warned of once runs are known', async () => {
    const clock = new VirtualClock()
    const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), {
      clock,
      runTimeoutMs: { normal: 50, default: 500 },
    })
    expect(describe(queue).warnings).toHaveLength(1)
    const ends = Array.from({ length: 30 }, () => queue.execute(100).catch(() => {}))
    await clock.run({ until: Promise.all(ends) })
    await clock.advance(1_000)
    const [, warning] = describe(queue).warnings
    expect(warning).toMatch(/^normal: half of the runs take 100\.?\d* ms or more, and time out at 50$/)
  })
})

const never = Number.POSITIVE_INFINITY
const noRuns = { count: 0, p50Ms: 0 }

type Settings = Described['settings']

/** An executor of which nothing is odd, but for `settings`. */
function of(
  settings: Partial<Settings> = {},
  { concurrency = 4, normal = noRuns }: { concurrency?: number; normal?: { count: number; p50Ms: number } } = {},
) {
  return describe({
    concurrency,
    settings: {
      [byTierOf]: {
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
        store: undefined,
        kinds: new Map(),
        maxAttempts: 3,
        results: 'recorded',
        tellWithinMs: 30_000,
        ...settings,
      },
    },
    getStatus: () => ({ runByPriority: { urgent: noRuns, high: noRuns, normal, low: noRuns } }),
  })
}

const durable = { isDurable: true, promises: ['it is kept'] }
const inMemory = { isDurable: false, promises: ['it is lost'] }

/** The same for each priority but normal, which has `ms`. */
const normalHas = (ms: number, others = ms): number[] => [others, others, ms, others]

group('of settings, in words', () => {
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
      'At most 10 may wait; then the one that would start last makes room for a newcomer that goes before it.',
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
    [
      { store: durable, tellWithinMs: never, maxAttempts: 1 },
      'The store: it is kept; an answer is told when it is recorded; a request whose attempts end with the process is a dead letter after 1 of them.',
    ],
    [
      { store: durable, results: 'eager' },
      'The store: it is kept; an answer is told at once; a request whose attempts end with the process is a dead letter after 3 of them.',
    ],
    [{ store: inMemory, results: 'eager' }, 'The store: it is lost.'],
    [{ store: inMemory }, 'At most 10 may wait; one more is refused.'],
    [{ kinds: new Map([['clash', { waitTimeoutMs: 5 }]]) }, 'Other kinds of work: clash (waitTimeoutMs 5).'],
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

  test('what a durable store has acknowledged may be taken back', () => {
    const shed = { whenFull: 'shed' } as const
    const none = [0, 0, 0, 0]
    const warning = expect.stringMatching(/^whenFull: 'shed' ends requests that the store has acknowledged/)
    expect(of({ store: durable, ...shed }).warnings).toEqual([warning])
    expect(of({ store: durable, ...shed, total: never }).warnings).toEqual([expect.stringMatching(/unbounded/)])
    expect(of({ store: durable, ...shed, total: never, byTier: normalHas(4, never) }).warnings).toContainEqual(warning)
    expect(of({ store: durable, ...shed, total: 0, byTier: none }).warnings).toEqual([])
    expect(of({ store: durable }).warnings).toEqual([])
    expect(of({ store: inMemory, ...shed }).warnings).toEqual([])
    expect(of(shed).warnings).toEqual([])
  })

  test('an answer that is told before it is recorded', () => {
    expect(of({ store: durable, results: 'eager' }).warnings).toEqual([
      expect.stringMatching(/^results: 'eager' tells answers before they are recorded: after a crash/),
    ])
    expect(of({ store: inMemory, results: 'eager' }).warnings).toEqual([])
    expect(of({ results: 'eager' }).warnings).toEqual([])
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
