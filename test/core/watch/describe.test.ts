import { describe as describeExecutor, QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'

const executor = async (ms: number): Promise<number> => ms
const warningsOf = (options: QueuedExecutorOptions<number>) =>
  describeExecutor(new QueuedExecutor(executor, options)).warnings

test('the defaults, in words', () => {
  expect(String(describeExecutor(new QueuedExecutor(executor)))).toBe(
    `'triage' runs at most 10 requests at once.
At most 10000 may wait; one more is refused.
Order: strict, by priority first.
A request may wait for ever, run 300000 ms, and take for ever in all.
A slot whose call outlives its timeout is held until the call settles.
A second request with the id of a live one shares its run if it is equal, and is refused if not.
A failure is not tried again.
Warning: with strict order, low starves for as long as there is anything else; aging() bounds its wait`,
  )
})

test('everything that can be chosen is said', () => {
  const { lines } = describeExecutor(
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

test('a limit that is only looked at, and whose slots are whose', () => {
  const linesOf = (options: QueuedExecutorOptions<number>) =>
    describeExecutor(new QueuedExecutor(executor, { concurrency: 8, ...options })).lines
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
    const { lines, warnings } = describeExecutor(new QueuedExecutor(executor, { concurrency: 8, ...options }))
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
  expect(saysOf({ maxQueueSize: { total: 'none', low: 5 }, whenFull: 'block' })).toEqual([
    blocked,
    starves,
    unused('low'),
  ])
  expect(saysOf({ maxQueueSize: 'none', whenFull: 'block', reserve: { low: 1 } })).toEqual([blocked])
  const { warnings } = describeExecutor(
    new QueuedExecutor(executor, { maxQueueSize: { total: 'none', high: 0, low: Number.POSITIVE_INFINITY } }),
  )
  expect(warnings).toEqual([unused('high'), unused('low')])
  expect(saysOf({ maxQueueSize: { total: 50, low: 'none', high: 3 } })).toEqual([
    'At most 50, 3 of them high, none of them low may wait; one more is refused.',
  ])
})

test('a request may wait only for as long as there is anything to wait for, and until its time is over', () => {
  const timesOf = (options: QueuedExecutorOptions<number>) =>
    describeExecutor(new QueuedExecutor(executor, options)).lines[3]
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
  const { lines } = describeExecutor(new QueuedExecutor(executor, { schema, maxChecking: 0 }))
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
  [
    { waitTimeoutMs: 100, timeoutMs: 100 },
    'high: waitTimeoutMs (100) never counts, since timeoutMs (100) is over before',
  ],
  [{ runTimeoutMs: { urgent: Number.POSITIVE_INFINITY } }, 'urgent: a call that never settles holds its slot for ever'],
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

test('a timeout below the typical run is warned of once runs are known', async () => {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), {
    clock,
    runTimeoutMs: { normal: 50, default: 500 },
  })
  expect(describeExecutor(queue).warnings).toHaveLength(1)
  const ends = Array.from({ length: 30 }, () => queue.execute(100).catch(() => {}))
  await clock.run({ until: Promise.all(ends) })
  await clock.advance(1_000)
  const [, warning] = describeExecutor(queue).warnings
  expect(warning).toMatch(/^normal: half of the runs take 100\.?\d* ms or more, and time out at 50$/)
})
