/**
 * What guards are asked, and what follows from their answers; and requests that may not start yet.
 */
import {
  type Guard,
  type GuardQuestion,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type RequestOptions,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'

function timed(options: QueuedExecutorOptions<number> = {}) {
  const clock = new VirtualClock()
  const started: [n: number, at: number][] = []
  const queue = new QueuedExecutor(
    async (n: number) => {
      started.push([n, clock.now()])
      await clock.sleep(10)
      if (n < 0) throw new Error('failed')
      return n
    },
    { clock, concurrency: 1, random: () => 0, ...options },
  )
  const end = (n: number, more?: RequestOptions) => queue.execute(n, more).catch((error) => error)
  return { clock, queue, started, end }
}

const no = { rule: 'test', compared: { n: 13 }, wouldAdmit: 'anything but 13' }

describe('a guard', () => {
  test('keeps a newcomer out, and the error explains itself', async () => {
    for (const [option, code, type] of [
      ['rateLimit', 'TRIAGE_RATE_LIMITED', 'RateLimitedError'],
      ['overload', 'TRIAGE_OVERLOADED', 'OverloadedError'],
    ] as const) {
      const guard: Guard = { name: 'test', admit: ({ request }) => (request === 13 ? no : undefined) }
      const { clock, queue, end } = timed({ [option]: guard })
      const ends = Promise.all([end(1), end(13, { priority: 'urgent' })])
      await clock.run({ until: ends })
      expect(await ends).toEqual([1, expect.objectContaining({ name: type, code, started: false, explain: no })])
      expect((await ends)[1].message).toBe('Refused by test (n 13); it would admit anything but 13')
      expect(queue.getStatus()).toMatchObject({
        totals: { admitted: 1, rejected: 1 },
        rejectedByPriority: { urgent: { [code.slice(7).toLowerCase()]: 1 } },
      })
    }
  })

  test('is asked with one object, which lets go of the request as soon as it has been answered', async () => {
    const seen: [request: unknown, metadata: unknown][] = []
    let kept: Readonly<GuardQuestion> | undefined
    const look = (question: Readonly<GuardQuestion>): undefined => {
      seen.push([question.request, question.metadata])
      kept = question
    }
    const guard: Guard = { name: 'test', admit: look, drop: look, started: look, settled: look }
    const { clock, queue } = timed({ overload: guard })
    const answer = queue.execute(7, { metadata: 'of the request' })
    expect(kept).toMatchObject({ request: undefined, metadata: undefined })
    await clock.run({ until: answer })
    expect(seen).toEqual([1, 2, 3, 4].map(() => [7, 'of the request']))
    expect(kept).toMatchObject({ request: undefined, metadata: undefined })
  })

  test('says when to come back; if not, the pace of recent runs does', async () => {
    const guard: Guard = {
      name: 'test',
      admit: ({ request }) => (request === 13 ? no : request === 14 ? { ...no, retryAfterMs: 77 } : undefined),
    }
    const { clock, end } = timed({ overload: [guard], concurrency: 2, random: () => 0.8 })
    expect(await end(13)).toMatchObject({ retryAfterMs: 1_200 })
    await clock.run({ until: end(1) })
    // One of 10 ms before it for two slots, and up to a quarter later, so that not all come back at once.
    expect(await end(13)).toMatchObject({ retryAfterMs: 6 })
    expect(await end(14)).toMatchObject({ retryAfterMs: 77 })
  })

  test('is told what it needs to know, before the bounds are looked at', async () => {
    const questions: GuardQuestion[] = []
    const guard: Guard = { name: 'test', admit: (question) => void questions.push({ ...question }) }
    const { clock, queue, end } = timed({ overload: guard, maxQueueSize: 2, whenFull: 'reject' })
    await clock.run({ until: end(0) })
    void end(1)
    await clock.advance(1)
    for (const priority of ['low', 'high', 'normal'] as const)
      void end(2, { priority, metadata: priority, timeoutMs: 50 })
    expect(questions.at(-1)).toEqual({
      at: 11,
      tier: 2,
      request: 2,
      metadata: 'normal',
      waitMs: 0,
      deadline: 61,
      ahead: 1,
      waiting: 2,
      running: 1,
      concurrency: 1,
      free: 0,
      recentRunMs: 10,
      predictedWaitMs: 20,
      pausedMs: 0,
      bucket: undefined,
      tokens: 1,
      tokensAhead: 0,
      probe: false,
    })
    expect(queue.getStatus().rejectedByPriority.normal).toEqual({ queue_full: 1 })
  })

  test('holds all starts for a while, and is told of each and of how it went', async () => {
    const told: unknown[] = []
    let freeAt = 0
    const guard: Guard = {
      name: 'every 25 ms',
      holdMs: ({ at }) => freeAt - at,
      started({ at, request }) {
        freeAt = at + 25
        told.push(['started', request])
      },
      settled: ({ request }, ok, runMs) => void told.push(['settled', request, ok, runMs]),
    }
    const { clock, queue, started, end } = timed({ rateLimit: guard, concurrency: 5 })
    await clock.run({ until: Promise.all([end(1), end(-2), end(3, { priority: 'low' })]) })
    expect(started).toEqual([
      [1, 0],
      [-2, 25],
      [3, 50],
    ])
    expect(told).toEqual([
      ['started', 1],
      ['settled', 1, true, 10],
      ['started', -2],
      ['settled', -2, false, 10],
      ['started', 3],
      ['settled', 3, true, 10],
    ])
    // Nothing is held when nothing is live; who comes next is asked about anew.
    expect(clock.timers).toBe(0)
    await clock.run({ until: end(4) })
    expect(started.at(-1)).toEqual([4, 75])
    await queue.close()
  })

  test('a slot that is handed over meanwhile is held as well; and nobody is asked again before the while is over', async () => {
    const asked: number[] = []
    const guard: Guard = {
      name: 'test',
      holdMs: ({ at }) => {
        asked.push(at)
        return at === 5 ? 30 : 0
      },
    }
    const { clock, started, end } = timed({ rateLimit: guard, concurrency: 2 })
    const ends = [end(1)]
    await clock.advance(5)
    ends.push(end(2), end(3))
    await clock.run({ until: Promise.all(ends) })
    expect(started).toEqual([
      [1, 0],
      [2, 35],
      [3, 35],
    ])
    expect(asked.filter((at) => at > 5 && at < 35)).toEqual([])
  })

  test('delays newcomers one by one; others pass them, and they count as waiting', async () => {
    const guard: Guard = { name: 'test', delayMs: ({ request }) => (request === 13 ? 100 : 0) }
    const { clock, queue, started, end } = timed({ rateLimit: guard, maxQueueSize: 1, whenFull: 'reject' })
    const ends = [end(1), end(13)]
    await clock.advance(50)
    expect(queue.getStatus()).toMatchObject({ waiting: 1, waitingByPriority: { normal: 1 }, running: 0 })
    ends.push(end(2))
    await clock.advance(1)
    expect(await end(3)).toMatchObject({ code: 'TRIAGE_QUEUE_FULL' })
    await clock.run({ until: Promise.all(ends) })
    expect(started).toEqual([
      [1, 0],
      [2, 50],
      [13, 100],
    ])
    expect(queue.getStatus().wait).toMatchObject({ count: 3, maxMs: 0 })
  })

  test('sheds one whose turn comes too late, and the next has the slot', async () => {
    const guard: Guard = { name: 'test', drop: ({ waitMs }) => (waitMs > 15 ? no : undefined) }
    const { clock, queue, started, end } = timed({ overload: guard })
    const ends = Promise.all([1, 2, 3, 4].map((n) => end(n)).concat([]))
    await clock.advance(12)
    const last = end(5, { priority: 'low' })
    await clock.run({ until: Promise.all([ends, last]) })
    expect((await ends).map((end) => end.code ?? end)).toEqual([1, 2, 'TRIAGE_OVERLOADED', 'TRIAGE_OVERLOADED'])
    expect(started.map(([n]) => n)).toEqual([1, 2, 5])
    expect(queue.getStatus().totals).toMatchObject({ admitted: 5, completed: 3, shed: 2, rejected: 0 })
  })

  test('that throws keeps its request out, or is reported when nobody waits for its answer', async () => {
    const broken = new Error('broken')
    const throws = (): never => {
      throw broken
    }
    const errors: unknown[] = []
    const onListenerError = (error: unknown): void => void errors.push(error)
    const atTheDoor = timed({ overload: { name: 'test', admit: throws }, onListenerError })
    expect(await atTheDoor.end(1)).toBe(broken)
    expect(errors).toEqual([])
    const guard: Guard = { name: 'test', holdMs: throws, started: throws, settled: throws }
    const later = timed({ overload: guard, onListenerError })
    const end = later.end(1)
    await later.clock.run({ until: end })
    expect(await end).toBe(1)
    expect(errors).toEqual([broken, broken, broken])
  })

  test('hears of run timeouts, when they happen, and not of cancelled runs', async () => {
    const told: unknown[] = []
    const guard: Guard = {
      name: 'test',
      settled: ({ request }, ok, runMs, error) =>
        void told.push([request, ok, runMs, (error as { code?: string })?.code]),
    }
    const { clock, queue, end } = timed({ overload: guard, runTimeoutMs: { urgent: 4, default: 50 }, concurrency: 4 })
    await clock.advance(100)
    const cancelled = await queue.submit(3)
    cancelled.result.catch(() => {})
    const ends = Promise.all([end(1, { priority: 'urgent' }), end(2), end(4, { timeoutMs: 6 })])
    await clock.advance(1)
    cancelled.cancel()
    await clock.run({ until: ends })
    await clock.advance(20)
    expect(told).toEqual([
      [1, false, 4, 'TRIAGE_RUN_TIMEOUT'],
      [4, false, 6, 'TRIAGE_RUN_TIMEOUT'],
      [2, true, 10, undefined],
    ])
  })

  test('that says no makes offer() answer undefined, as a full queue does', () => {
    for (const option of ['rateLimit', 'overload'] as const) {
      expect(timed({ [option]: { name: 'test', admit: () => no } }).queue.offer(1)).toBeUndefined()
    }
  })

  test.each([
    [{ overload: 'codel' }, 'overload'],
    [{ rateLimit: [{}] }, 'rateLimit'],
  ])('%j is refused', (options, path) => {
    expect(() => timed(options as never)).toThrow(`Option '${path}': expected a`)
  })
})

describe('a request that may not start yet', () => {
  test('by a delay or a date: waits out of the queue, and its timeouts count from then', async () => {
    const { clock, queue, started, end } = timed()
    const ends = [
      end(1, { delayMs: 100, priority: 'urgent', waitTimeoutMs: 5 }),
      end(2, { startAt: new Date(Date.now() - 1_000) }),
      end(3),
    ]
    await clock.advance(1)
    expect(queue.getStatus()).toMatchObject({ waiting: 2, waitingByPriority: { urgent: 1, normal: 1 } })
    await clock.run({ until: Promise.all(ends) })
    expect(started).toEqual([
      [2, 0],
      [3, 10],
      [1, 100],
    ])
    expect(await ends[0]).toBe(1)
    expect(clock.timers).toBe(0)
  })

  test('is shown where it waits, also while another has a free slot reserved', async () => {
    const { clock, queue, end } = timed()
    const later = end(1, { delayMs: 100, priority: 'urgent' })
    const now = end(2)
    expect(queue.getStatus()).toMatchObject({ waiting: 1, running: 1, waitingByPriority: { urgent: 1, normal: 0 } })
    await clock.run({ until: Promise.all([later, now]) })
  })

  test('needs room in the queue, though a slot is free', async () => {
    const { clock, queue, end } = timed({ maxQueueSize: 1 })
    const first = end(1, { delayMs: 50 })
    expect(await end(2, { delayMs: 50 })).toMatchObject({ code: 'TRIAGE_QUEUE_FULL' })
    const now = end(3)
    expect(queue.getStatus()).toMatchObject({ waiting: 1, running: 1 })
    await clock.run({ until: Promise.all([first, now]) })
    expect(queue.getStatus().totals).toMatchObject({ completed: 2, rejected: 1 })
  })

  test('is cancelled when the order policy throws in the end', async () => {
    const broken = new Error('broken')
    const rank = (): never => {
      throw broken
    }
    const { clock, queue, end } = timed({ order: { name: 'broken', acrossTiers: false, rank } })
    const gone = end(1, { delayMs: 50 })
    await clock.run({ until: gone })
    expect(await gone).toMatchObject({ code: 'TRIAGE_CANCELLED', cause: broken })
    expect(queue.getStatus()).toMatchObject({ waiting: 0, totals: { admitted: 1, cancelled: 1 } })
    expect(clock.timers).toBe(0)
  })

  test('by others that it depends on: starts when they have settled; when one fails, it is cancelled', async () => {
    const { clock, queue, started } = timed({ concurrency: 3 })
    const first = await queue.submit(1)
    const second = await queue.submit(-2, { delayMs: 5 })
    second.result.catch(() => {})
    const both = await queue.submit(3, { after: [first, clock.sleep(40)] })
    const orphan = await queue.submit(4, { after: [first, second] })
    const last = queue.execute(5, { after: [both.result] })
    const failure = orphan.result.catch((error) => error)
    await clock.advance(12)
    expect([both.state, orphan.state]).toEqual(['waiting', 'waiting'])
    expect(both.position()).toBeUndefined()
    await clock.run({ until: last })
    expect(started).toEqual([
      [1, 0],
      [-2, 5],
      [3, 40],
      [5, 50],
    ])
    expect(await failure).toMatchObject({ code: 'TRIAGE_CANCELLED', started: false, cause: { message: 'failed' } })
    expect(queue.getStatus()).toMatchObject({
      waiting: 0,
      totals: { admitted: 5, completed: 3, failed: 1, cancelled: 1 },
    })
  })

  test('can be cancelled, moved and expire meanwhile; close() waits for it, or cancels it', async () => {
    const { clock, queue, started, end } = timed()
    const moved = await queue.submit(1, { delayMs: 100, priority: 'low' })
    const cancelled = await queue.submit(2, { delayMs: 100 })
    const never = end(3, { after: [new Promise(() => {})], waitTimeoutMs: 30 })
    const failure = cancelled.result.catch((error) => error)
    expect(moved.setPriority('high')).toBe(true)
    expect(queue.getStatus().waitingByPriority).toMatchObject({ high: 1, low: 0, normal: 2 })
    expect(cancelled.cancel()).toBe(true)
    await clock.advance(30)
    expect(await never).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT' })
    expect(await failure).toMatchObject({ code: 'TRIAGE_CANCELLED' })
    await clock.run({ until: queue.close() })
    expect(started).toEqual([[1, 100]])
    const again = timed()
    const gone = again.end(1, { delayMs: 1_000 })
    await again.clock.run({ until: again.queue.close({ drain: false }) })
    expect(await gone).toMatchObject({ code: 'TRIAGE_CANCELLED' })
    expect(again.clock.now()).toBe(0)
    expect(again.clock.timers).toBe(0)
  })

  test.each<[RequestOptions, string]>([
    [{ delayMs: -1 }, "Option 'delayMs': expected a finite number of ms of at least 0, got -1"],
    [
      { delayMs: Number.POSITIVE_INFINITY },
      "Option 'delayMs': expected a finite number of ms of at least 0, got Infinity",
    ],
    [{ startAt: new Date('never') }, "Option 'startAt': expected a Date"],
    [{ startAt: 5 as never }, "Option 'startAt': expected a Date, got 5"],
    [{ after: 'a' as never }, "Option 'after': expected an array of requests or promises, got 'a'"],
  ])('%j is refused', async (options, message) => {
    await expect(timed().queue.execute(1, options)).rejects.toThrow(message)
  })
})
