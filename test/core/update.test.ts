/**
 * What may be changed while it runs: bounds, timeouts and guards; all that is named, or nothing.
 */
import {
  codel,
  fairBy,
  type Guard,
  describe as inWords,
  QueuedExecutor,
  tokenBucket,
  type UpdateOptions,
} from 'triage-queue'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { busy, gated, lost, turn, watch } from '../failures/support.ts'

afterEach(() => void vi.useRealTimers())

const names = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `${n + from}`)

describe('a bound', () => {
  test('that is greater lets blocked callers in, and those who ask for room know', async () => {
    const { queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    const ends = names(4).map((name) => watch(queue.execute(name)))
    const ready = watch(queue.ready())
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 3, maxQueueSize: 1 })
    queue.update({ maxQueueSize: 3 })
    expect(queue.getStatus()).toMatchObject({ waiting: 3, blocked: 1, maxQueueSize: 3 })
    queue.update({ maxQueueSize: 10 })
    await turn()
    expect([queue.getStatus().waiting, ready.state, queue.settings.maxQueueSize.total]).toEqual([4, 'fulfilled', 10])
    expect(ends.every(({ state }) => state === 'pending')).toBe(true)
  })

  test('that is smaller displaces nobody, and keeps newcomers out until fewer wait', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 5, debug: true })
    for (const name of names(5)) queue.offer(name)
    queue.update({ maxQueueSize: 2 })
    expect(queue.getStatus().waiting).toBe(5)
    await expect(queue.execute('late')).rejects.toMatchObject({ bound: 'total', size: 5, maxSize: 2 })
    await gate.finish('busy 0')
    for (const name of names(3)) {
      expect(queue.offer('late')).toBeUndefined()
      await gate.finish(name)
    }
    expect(queue.getStatus().waiting).toBe(1)
    expect(queue.offer('in')).toBeDefined()
    expect(queue.offer('late')).toBeUndefined()
    await gate.finishAll()
    expect(lost(queue.getStatus())).toBe(0)
  })

  test.each([1, 3])('that is smaller lets one shed another, one for one: %d in place of 4', async (maxQueueSize) => {
    const { queue } = await busy({ maxQueueSize: 4, whenFull: 'shed', debug: true })
    const lows = names(4).map((name) => watch(queue.execute(name, { priority: 'low' })))
    queue.update({ maxQueueSize })
    const urgent = watch(queue.execute('urgent', { priority: 'urgent' }))
    await turn()
    expect(lows.map(({ outcome }) => outcome)).toEqual(['pending', 'pending', 'pending', 'TRIAGE_SHED'])
    expect([urgent.state, queue.getStatus().waiting]).toEqual(['pending', 4])
    await expect(queue.execute('low', { priority: 'low' })).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_FULL' })
  })

  test('of a priority that is smaller does so, too: whoever is shed makes room', async () => {
    const order = { name: 'last in', acrossTiers: false, rank: ({ sequence }: { sequence: number }) => -sequence }
    const { queue } = await busy({ maxQueueSize: { low: 4 }, order, debug: true })
    const lows = names(4).map((name) => watch(queue.execute(name, { priority: 'low' })))
    queue.update({ maxQueueSize: { low: 1 } })
    const last = watch(queue.execute('last', { priority: 'low' }))
    await turn()
    expect(lows.map(({ outcome }) => outcome)).toEqual(['TRIAGE_SHED', 'pending', 'pending', 'pending'])
    expect([last.state, queue.getStatus().waiting]).toEqual(['pending', 4])
  })

  test('that is smaller lets one that takes several slots shed another as well', async () => {
    const { queue } = await busy({ concurrency: 2, maxQueueSize: 4, debug: true })
    const lows = names(4).map((name) => watch(queue.execute(name, { priority: 'low' })))
    queue.update({ maxQueueSize: 1 })
    const wide = watch(queue.execute('wide', { priority: 'urgent', cost: 2 }))
    await turn()
    expect(lows.map(({ outcome }) => outcome)).toEqual(['pending', 'pending', 'pending', 'TRIAGE_SHED'])
    expect([wide.state, queue.getStatus().waiting]).toEqual(['pending', 4])
  })

  test('of a priority, of the blocked, of those that are checked and retried', async () => {
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) => (value === 'checked' ? new Promise<never>(() => {}) : { value: value as string }),
      },
    }
    const retry = { name: 'again', delayMs: () => 1_000 }
    const { gate, queue } = await busy({ schema, retry, whenFull: 'block', debug: true })
    for (const name of names(3)) void queue.execute(name, { priority: 'low' }).catch(() => {})
    queue.update({ maxQueueSize: { low: 3 }, maxBlocked: 1, maxChecking: 1, maxRetrying: 1 })
    void queue.execute('blocked', { priority: 'low' }).catch(() => {})
    await expect(queue.execute('late', { priority: 'low' })).rejects.toMatchObject({ bound: 'blocked' })
    void queue.execute('checked').catch(() => {})
    await expect(queue.execute('checked')).rejects.toMatchObject({ bound: 'checking', maxSize: 1 })
    await gate.fail('busy 0', new Error('once'))
    expect(queue.getStatus()).toMatchObject({ retrying: 1, maxRetrying: 1, maxQueueSize: 10_000 })
    let notRetried: unknown
    queue.on('failed', (event) => {
      notRetried = event.notRetried
    })
    await gate.fail('0', new Error('twice'))
    expect(notRetried).toBe('full')
    queue.update({ maxRetrying: 0, maxBlocked: 0 })
    expect(inWords(queue).warnings.join()).toContain('maxBlocked is 0: 0 means unlimited')
  })

  test('can not say that nothing may wait, where something may, or the other way round', async () => {
    const { queue } = gated()
    const mixed = gated({ maxQueueSize: { total: 50, low: 'none' } })
    expect(() => queue.update({ maxQueueSize: 'none', timeoutMs: 5 })).toThrow(
      "Option 'maxQueueSize': expected a bound for urgent, and not 'none', got 'none'",
    )
    expect(() => mixed.queue.update({ maxQueueSize: 50 })).toThrow("expected 'none' for low, as it was made, got 50")
    expect([queue.settings.maxQueueSize.total, queue.settings.timeoutMs.urgent]).toEqual([
      10_000,
      Number.POSITIVE_INFINITY,
    ])
    mixed.queue.update({ maxQueueSize: { total: 5, low: 'none' } })
    expect(mixed.queue.settings).toMatchObject({ maxQueueSize: { total: 5, urgent: Infinity, low: 'none' } })
  })
})

describe('a timeout', () => {
  test('is that of those who come from now on; others keep theirs, wherever they are', async () => {
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) => (value === 'checked' ? new Promise<never>(() => {}) : { value: value as string }),
      },
    }
    const options = { waitTimeoutMs: 100, runTimeoutMs: 100, timeoutMs: { urgent: 180, default: 190 } }
    const { blockers, clock, gate, queue } = await busy({
      ...options,
      concurrency: 3,
      maxQueueSize: 4,
      whenFull: 'block',
      schema,
    })
    const before = [
      watch(queue.execute('waits', { priority: 'urgent' })),
      watch(queue.execute('mine', { waitTimeoutMs: 120 })),
      watch(queue.execute('moves', { metadata: 1, id: 'moves' })),
      watch(queue.execute('later', { delayMs: 30 })),
      watch(queue.execute('blocked')),
      watch(queue.execute('checked')),
    ]
    queue.update({ waitTimeoutMs: 40, runTimeoutMs: 40, timeoutMs: 60 })
    expect(queue.settings).toMatchObject({ waitTimeoutMs: { urgent: 40, high: 40, normal: 40, low: 40 } })
    queue.get('moves')?.setPriority('high')
    await gate.finish('busy 1')
    expect(gate.call('waits').run.deadline).toBe(100)
    const after = watch(queue.execute('after'))
    await gate.finish('busy 2')
    await clock.advance(40)
    expect([after.outcome, ...before.map(({ state }) => state)]).toEqual([
      'TRIAGE_WAIT_TIMEOUT',
      ...before.map(() => 'pending'),
    ])
    await clock.advance(59)
    expect(before.map(({ state }) => state)).toEqual(before.map(() => 'pending'))
    await clock.advance(1)
    expect([blockers[0]?.error, before[0]?.error, before[2]?.error, before[5]?.error]).toMatchObject([
      { code: 'TRIAGE_RUN_TIMEOUT', timeoutMs: 100 },
      { code: 'TRIAGE_RUN_TIMEOUT', timeoutMs: 100 },
      { code: 'TRIAGE_RUN_TIMEOUT', timeoutMs: 100 },
      { code: 'TRIAGE_WAIT_TIMEOUT', timeoutMs: 100 },
    ])
    await clock.advance(100)
    expect(before.every(({ state }) => state === 'rejected')).toBe(true)
    expect(lost(queue.getStatus())).toBe(0)
  })

  test('of a run that has its answer and goes on is of no more interest', async () => {
    const { blockers, clock, gate, queue } = await busy({ runTimeoutMs: 10 })
    await clock.advance(10)
    queue.update({ runTimeoutMs: 50 })
    await gate.finishAll()
    const end = watch(queue.execute('a'))
    await clock.advance(49)
    expect([blockers[0]?.outcome, end.state]).toEqual(['TRIAGE_RUN_TIMEOUT', 'pending'])
  })

  test('begins to count where none did, and ends where one did', async () => {
    const { clock, queue } = await busy()
    const free = watch(queue.execute('free'))
    queue.update({ waitTimeoutMs: 50 })
    const timed = watch(queue.execute('timed'))
    queue.update({ waitTimeoutMs: Number.POSITIVE_INFINITY })
    const freeAgain = watch(queue.execute('free again'))
    await clock.advance(50)
    expect([free.state, timed.outcome, freeAgain.state]).toEqual(['pending', 'TRIAGE_WAIT_TIMEOUT', 'pending'])
    expect(Object.values(queue.settings.timeoutMs)).toEqual([Infinity, Infinity, Infinity, Infinity])
  })

  test('of one priority stands beside those of others', async () => {
    const { clock, queue } = await busy({ waitTimeoutMs: 100 })
    queue.update({ waitTimeoutMs: { low: 10, default: 100 } })
    const handle = await queue.submit('low', { priority: 'low' })
    const end = watch(handle.result)
    handle.setPriority('high')
    await clock.advance(10)
    expect(end.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
  })

  test('under fake timers', async () => {
    vi.useFakeTimers()
    const queue = new QueuedExecutor(() => new Promise(() => {}), { concurrency: 1 })
    void queue.execute('busy').catch(() => {})
    queue.update({ waitTimeoutMs: 1_000 })
    const end = watch(queue.execute('a'))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(end.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
  })

  test('leaves the deadline of a request where it is, and those of callers who share a run', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const { clock, queue } = await busy({ timeoutMs: 200 })
    const deadline = Date.now() + 50
    const ends = [
      watch(queue.execute('a', { deadline })),
      watch(queue.execute('b', { id: 'x' })),
      watch(queue.execute('b', { id: 'x', timeoutMs: 80 })),
    ]
    queue.update({ timeoutMs: 10 })
    const codes: unknown[] = []
    for (const passMs of [49, 1, 29, 1, 119, 1]) {
      await clock.advance(passMs)
      codes.push(ends.map(({ state }) => state === 'rejected'))
    }
    expect(codes).toEqual([
      [false, false, false],
      [true, false, false],
      [true, false, false],
      [true, false, true],
      [true, false, true],
      [true, true, true],
    ])
  })
})

describe('guards', () => {
  const refuses = (name: string): Guard => ({ name, admit: () => ({ rule: name, compared: {}, wouldAdmit: 'none' }) })

  test('come and go, and a plain executor is plain again', async () => {
    const { queue } = await busy()
    queue.update({ overload: refuses('shut') })
    await expect(queue.execute('a')).rejects.toMatchObject({ code: 'TRIAGE_OVERLOADED', explain: { rule: 'shut' } })
    queue.update({ rateLimit: [refuses('rate')], overload: [] })
    await expect(queue.execute('a')).rejects.toMatchObject({ code: 'TRIAGE_RATE_LIMITED' })
    queue.update({ rateLimit: [] })
    expect(queue.offer('a')).toBeDefined()
    expect(queue.settings).toMatchObject({ rateLimit: [], overload: [] })
  })

  test('that hold all starts hold them no longer when they have gone', async () => {
    const { gate, queue } = gated({ overload: { name: 'holds', holdMs: () => 1_000 } })
    void queue.execute('a')
    await turn()
    expect(gate.started).toEqual([])
    queue.update({ overload: [] })
    await turn()
    expect(gate.started).toEqual(['a'])
  })

  test('may be changed by a guard while it is asked', async () => {
    const { queue } = gated({
      overload: {
        name: 'once',
        admit: () => void queue.update({ overload: refuses('shut') }),
        settled: () => queue.update({ overload: [] }),
      },
    })
    expect(queue.offer('a')).toBeDefined()
    expect(queue.offer('b')).toBeUndefined()
  })

  test('that remember go on where they were, and serve nobody else', async () => {
    const bucket = tokenBucket({ perSecond: 1, burst: 1 })
    const { queue } = await busy({ rateLimit: bucket })
    queue.update({ rateLimit: [bucket], overload: codel() })
    await expect(queue.execute('a')).rejects.toMatchObject({ code: 'TRIAGE_RATE_LIMITED' })
    const other = gated()
    expect(() => other.queue.update({ rateLimit: bucket, timeoutMs: 5 })).toThrow("serves 'triage' already")
    expect(other.queue.settings.timeoutMs.urgent).toBe(Number.POSITIVE_INFINITY)
    expect(other.queue.offer('a')).toBeDefined()
  })
})

describe('all that is named, or nothing', () => {
  test.each<[UpdateOptions | object, string]>([
    [{ maxQueueSize: 5, timeoutMs: 0 }, "Option 'timeoutMs': expected a number of ms greater than 0"],
    [{ timeoutMs: 5, overload: codel }, 'call codel, as in overload: codel(…)'],
    [{ timeoutMs: 5, overload: [{}] }, "Option 'overload': expected a guard"],
    [{ timeoutMs: 5, concurrency: 0 }, "Option 'concurrency': expected an integer of at least 1"],
    [{ timeoutMs: 5, concurrency: 1 }, "Option 'reserve'"],
    [{ timeoutMs: 5, order: fairBy(() => 'a') }, "Unknown option 'order': 'order' is an option of the constructor"],
    [{ timeoutMs: 5, maxConcurrent: 1 }, "Unknown option 'maxConcurrent': did you mean 'concurrency'?"],
    [5 as never, "Option 'options': expected an object, got 5"],
  ])('%j', (options, message) => {
    const { queue } = gated({ concurrency: 4, reserve: { urgent: 2 } })
    const before = queue.settings
    expect(() => queue.update(options as UpdateOptions)).toThrow(message)
    expect(queue.settings).toEqual(before)
    expect(queue.concurrency).toBe(4)
  })

  test('a limit decides about concurrency', () => {
    const { queue } = gated({ limit: { name: 'mine', initial: 2, sample: () => 2 }, concurrency: undefined as never })
    expect(() => queue.update({ concurrency: 5 })).toThrow(
      "Option 'concurrency': expected nothing, since `limit` decides",
    )
  })

  test('concurrency, and what a request may cost', async () => {
    const { gate, queue } = await busy()
    void queue.execute('a')
    await expect(queue.execute('wide', { cost: 2 })).rejects.toThrow('at most 1')
    queue.update({ concurrency: 2 })
    await turn()
    expect([gate.started, queue.concurrency, queue.settings.concurrency]).toEqual([['busy 0', 'a'], 2, 2])
    expect(queue.offer('wide', { cost: 2 })).toBeDefined()
    queue.concurrency = 5
    queue.update({ timeoutMs: 50 })
    expect(queue.concurrency).toBe(5)
  })

  test('what is not set is not changed, and each option is read once', () => {
    const { queue } = gated({ timeoutMs: 70 })
    let reads = 0
    queue.update({
      timeoutMs: undefined as never,
      get maxQueueSize() {
        return ++reads
      },
    })
    expect([queue.settings.timeoutMs.urgent, queue.settings.maxQueueSize.total, reads]).toEqual([70, 1, 1])
    queue.update({})
    expect(queue.settings.maxQueueSize.total).toBe(1)
  })

  test('while it closes', async () => {
    const { clock, gate, queue } = await busy({ maxQueueSize: 1 })
    void queue.close({ graceMs: 50 })
    queue.update({ maxQueueSize: 5, timeoutMs: 5 })
    await expect(queue.execute('late')).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
    await gate.finishAll()
    expect([queue.getStatus().state, clock.timers]).toEqual(['closed', 0])
    queue.update({ maxQueueSize: 6 })
  })
})

describe('a rate of starts', () => {
  const rate = (perSecond: number) => tokenBucket({ perSecond, burst: 1, over: 'wait' })

  test('that is given while requests lack a token: they take theirs from the new one', async () => {
    const { clock, gate, queue } = gated({ concurrency: 10, rateLimit: rate(0.001) })
    for (const name of ['a', 'b', 'c', 'later']) watch(queue.execute(name, name === 'later' ? { delayMs: 5_000 } : {}))
    await clock.advance(10)
    expect([gate.started, queue.getStatus().waiting]).toEqual([['a'], 3])
    queue.update({ rateLimit: rate(1) })
    await clock.advance(1)
    expect(gate.started).toEqual(['a', 'b'])
    await clock.advance(1_000)
    expect(gate.started).toEqual(['a', 'b', 'c'])
    await clock.advance(5_000)
    expect(gate.started).toEqual(['a', 'b', 'c', 'later'])
    await gate.finishAll()
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0 })
  })

  test('that is taken away: whatever lacked a token starts; one that comes later holds what waits', async () => {
    const { clock, gate, queue } = gated({ concurrency: 10, rateLimit: rate(0.001) })
    for (const name of ['a', 'b', 'c']) watch(queue.execute(name))
    await clock.advance(10)
    queue.update({ rateLimit: [] })
    await clock.advance(1)
    expect(gate.started).toEqual(['a', 'b', 'c'])
    queue.pause()
    for (const name of ['d', 'e']) watch(queue.execute(name))
    queue.update({ rateLimit: rate(1) })
    queue.resume()
    await clock.advance(10)
    expect(gate.started).toEqual(['a', 'b', 'c', 'd'])
    await clock.advance(1_000)
    expect(gate.started).toEqual(['a', 'b', 'c', 'd', 'e'])
    await gate.finishAll()
  })
})

test('a rate whose key can not be told for what waits already costs it no token, and holds nothing up', async () => {
  const { gate, queue } = gated({ concurrency: 1, debug: true, onListenerError: () => {} })
  queue.pause()
  const ends = ['a', 'b'].map((name) => watch(queue.execute(name)))
  const per = (request: unknown) => {
    if (request === 'a') throw new Error('mine')
    return 'all'
  }
  queue.update({ rateLimit: tokenBucket({ perSecond: 10, burst: 1, over: 'wait', per: per as never }) })
  queue.resume()
  await gate.finishAll()
  expect([gate.started, ends.map(({ state }) => state)]).toEqual([
    ['a', 'b'],
    ['fulfilled', 'fulfilled'],
  ])
})
