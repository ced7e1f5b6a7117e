/**
 * A failed request is tried again: it leaves its slot meanwhile, keeps its place, and ends once.
 */
import fc from 'fast-check'
import {
  backoff,
  type ExecutorEvents,
  priorities,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type RetryPolicy,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'

/** A request fails as often as it says, then answers. */
interface Flaky {
  readonly name: string
  readonly failures: number
  readonly ms?: number
}

const again = (delayMs: number, attempts = 3): RetryPolicy => ({
  name: 'again',
  delayMs: ({ attempt }) => (attempt < attempts ? delayMs : undefined),
})

function flaky(options: QueuedExecutorOptions<Flaky>) {
  const clock = new VirtualClock()
  const calls: string[] = []
  const queue = new QueuedExecutor(
    async ({ name, failures, ms = 10 }: Flaky, run) => {
      calls.push(`${name} ${run.attempt} at ${clock.now()}`)
      await clock.sleep(ms)
      if (run.attempt <= failures) throw new Error(`${name} failed ${run.attempt}`)
      return `${name} answered`
    },
    { clock, concurrency: 1, ...options },
  )
  return { clock, queue, calls }
}

describe('an attempt that failed', () => {
  test('leaves the slot to others, and comes back before those of its priority who came later', async () => {
    const { clock, queue, calls } = flaky({ retry: again(15) })
    const told: ExecutorEvents['retrying'][] = []
    queue.on('retrying', (event) => told.push(event))
    const ends = Promise.all(
      ['a', 'b', 'c', 'd'].map((name) => queue.execute({ name, failures: name === 'a' ? 1 : 0 }, { metadata: name })),
    )
    await clock.advance(12)
    expect(queue.getStatus()).toMatchObject({
      waiting: 2,
      running: 1,
      retrying: 1,
      totals: { admitted: 4, retries: 1 },
    })
    await clock.run({ until: ends })
    expect(await ends).toEqual(['a answered', 'b answered', 'c answered', 'd answered'])
    expect(calls).toEqual(['a 1 at 0', 'b 1 at 10', 'c 1 at 20', 'a 2 at 30', 'd 1 at 40'])
    expect(told).toEqual([
      {
        id: expect.any(String),
        priority: 'normal',
        request: { name: 'a', failures: 1 },
        metadata: 'a',
        at: 10,
        attempt: 1,
        delayMs: 15,
        error: expect.objectContaining({ message: 'a failed 1' }),
      },
    ])
    expect(queue.getStatus()).toMatchObject({ retrying: 0, totals: { completed: 4, failed: 0, retries: 1 } })
    expect(queue.getStatus().wait.count).toBe(4)
    expect(clock.timers).toBe(0)
  })

  test('is the last one when the policy says so: the caller gets its error, untouched', async () => {
    const { clock, queue, calls } = flaky({ retry: again(5) })
    const end = queue.execute({ name: 'a', failures: 9 }).catch((error) => error)
    await clock.run({ until: end })
    expect(await end).toMatchObject({ message: 'a failed 3' })
    expect(calls).toEqual(['a 1 at 0', 'a 2 at 15', 'a 3 at 30'])
    expect(queue.getStatus().totals).toMatchObject({ failed: 1, retries: 2 })
    expect(queue.getHistograms().runByPriority.normal.failed?.count).toBe(3)
  })

  test('is not tried again when its time would be over before its turn', async () => {
    const { clock, queue, calls } = flaky({ retry: again(50), timeoutMs: 55 })
    const end = queue.execute({ name: 'a', failures: 9 }).catch((error) => error)
    await clock.run({ until: end })
    expect(await end).toMatchObject({ message: 'a failed 1' })
    expect(calls).toHaveLength(1)
    expect(clock.now()).toBe(10)
  })

  test('does not count as waiting, nor keep newcomers out, nor is refused when it comes back', async () => {
    const { clock, queue } = flaky({ retry: again(5), maxQueueSize: { total: 2, normal: 1 } })
    const first = queue.execute({ name: 'a', failures: 1 })
    await clock.advance(1)
    const others = [
      queue.execute({ name: 'b', failures: 0 }),
      queue.execute({ name: 'c', failures: 0 }, { priority: 'low' }),
    ]
    await clock.advance(10)
    expect(queue.getStatus()).toMatchObject({ waiting: 1, retrying: 1, running: 1 })
    others.push(queue.execute({ name: 'd', failures: 0 }))
    await clock.advance(6)
    expect(queue.getStatus()).toMatchObject({
      waiting: 2,
      waitingByPriority: { normal: 1, low: 1 },
      retrying: 1,
      running: 1,
    })
    await expect(queue.execute({ name: 'e', failures: 0 })).rejects.toMatchObject({
      code: 'TRIAGE_QUEUE_FULL',
      size: 1,
    })
    await clock.run({ until: Promise.all([first, ...others]) })
    expect(queue.getStatus()).toMatchObject({ waiting: 0, retrying: 0, totals: { completed: 4 } })
  })

  test('whose policy throws has failed, and the policy is reported', async () => {
    const errors: unknown[] = []
    const broken = new Error('broken policy')
    const retry: RetryPolicy = {
      name: 'broken',
      delayMs: () => {
        throw broken
      },
    }
    const { clock, queue } = flaky({ retry, onListenerError: (error, event) => errors.push([event, error]) })
    const end = queue.execute({ name: 'a', failures: 1 }).catch((error) => error)
    await clock.run({ until: end })
    expect(await end).toMatchObject({ message: 'a failed 1' })
    expect(errors).toEqual([['retrying', broken]])
  })
})

describe('while it backs off', () => {
  test('for which the policy says a time that has passed, or no time, has failed', async () => {
    for (const delayMs of [-1, Number.NaN]) {
      const { clock, queue, calls } = flaky({ retry: again(delayMs) })
      const end = queue.execute({ name: 'a', failures: 1 }).catch(({ message }) => message)
      await clock.run({ until: end })
      expect([await end, calls]).toEqual(['a failed 1', ['a 1 at 0']])
    }
  })

  test('it has waited once, for its first start, and the policy is told how long ago it came', async () => {
    const elapsed: number[] = []
    const { clock, queue } = flaky({
      retry: {
        name: 'told',
        delayMs: ({ elapsedMs }) => {
          elapsed.push(elapsedMs)
          return 100
        },
      },
    })
    await clock.advance(5)
    const before = queue.execute({ name: 'before', failures: 0 })
    const handle = await queue.submit({ name: 'a', failures: 1 })
    await clock.run({ until: before })
    await clock.advance(20)
    expect(handle.cancel()).toBe(true)
    expect([elapsed, queue.getHistograms().waitByPriority.normal.count]).toEqual([[20], 2])
  })

  test('it can be cancelled, aborted and expire; the error says that it has started', async () => {
    const { clock, queue, calls } = flaky({ retry: again(100), concurrency: 4 })
    const abort = new AbortController()
    const cancelled = await queue.submit({ name: 'a', failures: 1 })
    const aborted = queue.execute({ name: 'b', failures: 1 }, { signal: abort.signal })
    const expired = queue.execute({ name: 'c', failures: 1, ms: 1 }, { waitTimeoutMs: 102 })
    const ends = Promise.allSettled([cancelled.result, aborted, expired])
    await clock.advance(50)
    expect(cancelled.state).toBe('retrying')
    expect(cancelled.position()).toBeUndefined()
    expect(cancelled.cancel('enough')).toBe(true)
    abort.abort(new Error('gone'))
    expect(queue.getStatus().retrying).toBe(1)
    queue.pause()
    await clock.advance(52)
    const reasons = (await ends).map((end) => (end as PromiseRejectedResult).reason)
    expect(reasons).toEqual([
      expect.objectContaining({ code: 'TRIAGE_CANCELLED', started: true }),
      expect.objectContaining({ message: 'gone' }),
      expect.objectContaining({ code: 'TRIAGE_WAIT_TIMEOUT', started: true }),
    ])
    expect(calls).toHaveLength(3)
    expect(queue.getStatus()).toMatchObject({ retrying: 0, waiting: 0, running: 0 })
    expect(clock.timers).toBe(0)
  })

  test('it can be given another priority, for when it comes back', async () => {
    const { clock, queue, calls } = flaky({ retry: again(15) })
    const a = await queue.submit({ name: 'a', failures: 1 })
    const others = ['b', 'c', 'd'].map((name) => queue.execute({ name, failures: 0 }))
    await clock.advance(11)
    expect(a.setPriority('low')).toBe(true)
    expect(queue.getStatus().waitingByPriority).toEqual({ urgent: 0, high: 0, normal: 2, low: 0 })
    await clock.run({ until: Promise.all([a.result, ...others]) })
    expect(calls.at(-1)).toBe('a 2 at 40')
    expect(a.priority).toBe('low')
  })

  test('close() waits for it; without drain, and when the grace is over, it is cancelled', async () => {
    for (const [options, code, at] of [
      [{}, undefined, 120],
      [{ drain: false }, 'TRIAGE_CANCELLED', 20],
      [{ graceMs: 30 }, 'TRIAGE_CANCELLED', 50],
    ] as const) {
      const { clock, queue } = flaky({ retry: again(100) })
      const end = queue.execute({ name: 'a', failures: 1 }).catch((error) => error)
      await clock.advance(20)
      await clock.run({ until: queue.close(options) })
      expect(clock.now()).toBe(at)
      expect((await end).code).toBe(code)
      expect(clock.timers).toBe(0)
    }
  })

  test('after close() without drain, what runs goes on, and is not tried again when it fails', async () => {
    const { clock, queue, calls } = flaky({ retry: again(5) })
    const end = queue.execute({ name: 'a', failures: 1 }).catch((error: Error) => error.message)
    await clock.advance(1)
    await clock.run({ until: queue.close({ drain: false }) })
    expect([await end, calls]).toEqual(['a failed 1', ['a 1 at 0']])
    expect(queue.getStatus().totals).toMatchObject({ failed: 1, retries: 0 })
  })

  test('close() awaited inside a run waits for it while there is a slot for it', async () => {
    const clock = new VirtualClock()
    const ended: string[] = []
    const queue: QueuedExecutor<string, void> = new QueuedExecutor(
      async (name: string, run) => {
        await clock.sleep(5)
        if (name === 'closer') await queue.close()
        else if (run.attempt === 1) throw new Error('once more')
        ended.push(name)
      },
      { clock, concurrency: 2, retry: again(50) },
    )
    await clock.run({ until: Promise.all([queue.execute('closer'), queue.execute('flaky')]) })
    expect(ended).toEqual(['flaky', 'closer'])
  })

  test('the wait timeout of a caller who joined counts again, from its own submission', async () => {
    const { clock, queue } = flaky({ retry: again(20) })
    const first = queue.execute({ name: 'a', failures: 1 }, { id: 'a' })
    const joined = queue.execute({ name: 'a', failures: 1 }, { id: 'a', waitTimeoutMs: 15 })
    const code = joined.catch((error) => `${error.code} at ${clock.now()}`)
    await clock.run({ until: first })
    expect(await Promise.all([first, code])).toEqual(['a answered', 'TRIAGE_WAIT_TIMEOUT at 15'])
  })

  test('those who share it wait with it', async () => {
    const { clock, queue } = flaky({ retry: again(20), onDuplicate: 'join-by-id' })
    const ends = [1, 2, 3].map((n) =>
      queue.execute({ name: `a${n}`, failures: 1 }, { id: 'a', waitTimeoutMs: 10 * n + 15 }),
    )
    await clock.run({ until: Promise.allSettled(ends) })
    expect((await Promise.allSettled(ends)).map((end) => (end as PromiseRejectedResult).reason?.code)).toEqual([
      'TRIAGE_WAIT_TIMEOUT',
      undefined,
      undefined,
    ])
  })
})

test('whatever happens, each request is somewhere, the bound holds, and each ends once', async () => {
  const step = fc.oneof(
    fc.record({
      act: fc.constant('execute' as const),
      failures: fc.nat(4),
      ms: fc.nat(8),
      tier: fc.nat(3),
      waitTimeoutMs: fc.constantFrom(Number.POSITIVE_INFINITY, 5, 40),
      timeoutMs: fc.constantFrom(Number.POSITIVE_INFINITY, 12, 60),
    }),
    fc.record({ act: fc.constant('advance' as const), ms: fc.nat(20) }),
    fc.record({ act: fc.constantFrom('cancel' as const, 'move' as const), which: fc.nat(20), tier: fc.nat(3) }),
    fc.record({ act: fc.constantFrom('pause' as const, 'resume' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40, size: 'max' }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(15),
      fc.constantFrom('reject' as const, 'block' as const, 'shed' as const),
      async (steps, concurrency, maxQueueSize, delayMs, whenFull) => {
        const { clock, queue } = flaky({ retry: again(delayMs), concurrency, maxQueueSize, whenFull })
        const ends: Promise<unknown>[] = []
        const ids: string[] = []
        const check = (): void => {
          const { waiting, waitingByPriority, running, retrying, totals } = queue.getStatus()
          const { admitted, completed, failed, expired, cancelled, shed } = totals
          expect(waiting).toBeLessThanOrEqual(maxQueueSize)
          expect(waiting).toBe(Object.values(waitingByPriority).reduce((sum, n) => sum + n, 0))
          expect(Math.min(waiting, retrying, running)).toBeGreaterThanOrEqual(0)
          expect(admitted).toBe(waiting + retrying + running + completed + failed + expired + cancelled + shed)
        }
        for (const each of steps) {
          if (each.act === 'execute') {
            const id = `r${ids.length}`
            ids.push(id)
            const { failures, ms, tier, waitTimeoutMs, timeoutMs } = each
            const options = { id, priority: priorities[tier] as 'low', waitTimeoutMs, timeoutMs }
            ends.push(queue.execute({ name: id, failures, ms }, options).catch((error) => error))
          } else if (each.act === 'advance') await clock.advance(each.ms)
          else if (each.act === 'cancel') queue.cancel(ids[each.which] ?? '')
          else if (each.act === 'move') queue.get(ids[each.which] ?? '')?.setPriority(priorities[each.tier] as 'low')
          else queue[each.act]()
          check()
        }
        queue.resume()
        await clock.run({ until: Promise.all(ends) })
        await clock.run({ until: queue.close() })
        // Runs whose callers were answered already.
        await clock.advance(10)
        check()
        expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, retrying: 0, blocked: 0 })
        expect(clock.timers).toBe(0)
      },
    ),
    { numRuns: 150 },
  )
})

test('an executor tells `backoff()` how many were admitted', async () => {
  const { clock, queue } = flaky({ retry: backoff({ budget: 0.5, reserve: 1, random: () => 0 }) })
  const ends = Promise.all(
    ['spends it', 'is too late', 'fills it up', 'spends it again'].map((name) =>
      queue.execute({ name, failures: name === 'fills it up' ? 0 : 1 }).catch((error) => error.message),
    ),
  )
  await clock.advance(5)
  expect(queue.getStatus().totals).toMatchObject({ admitted: 4, retries: 0 })
  await clock.run({ until: ends })
  const later = Promise.all(
    ['fills it up', 'spends it once more'].map((name) =>
      queue.execute({ name, failures: name === 'fills it up' ? 0 : 1 }).catch((error) => error.message),
    ),
  )
  await clock.run({ until: later })
  expect([await ends, await later]).toEqual([
    ['spends it answered', 'is too late failed 1', 'fills it up answered', 'spends it again failed 1'],
    ['fills it up answered', 'spends it once more answered'],
  ])
})
