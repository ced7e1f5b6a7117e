/**
 * Law 11, time: all of it comes from one injected clock, read late, so fake timers installed later work; durations are
 * monotonic; a timeout beyond the range of timers is neither early nor lost; one burst has one instant.
 */
import fc from 'fast-check'
import { type Clock, isTriageError, QueuedExecutor, RunTimeoutError, WaitTimeoutError } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { holds, PATIENCE_MS } from './support/holds.ts'
import { type Law, must } from './support/world.ts'

const onTime: Law = {
  always(world) {
    must(world.wrongTimes.length === 0, () => world.wrongTimes.join('; '))
  },
  settled(world) {
    const now = world.clock.now()
    for (const seen of world.requests) {
      const { n, answer, phase, twin } = seen
      if (answer === undefined || (phase === 'joined' && twin === undefined)) continue
      const hasStarted = (twin ?? seen).startedAt >= 0
      const dueNow = world.dueOf(seen, hasStarted)
      must(answer.state !== 'open' || now < dueNow, () => `request ${n} was due at ${dueNow}, and is open at ${now}`)
      if (!isTriageError(answer.value) || !answer.value.code.endsWith('_TIMEOUT')) continue
      const due = world.dueOf(seen, answer.value.code === 'TRIAGE_RUN_TIMEOUT')
      must(answer.settledAt === due, () => `request ${n} was due at ${due}, and expired at ${answer.settledAt}`)
    }
  },
}

holds('every timeout ends its request at its very instant, whatever happens', onTime)

describe('a burst has one instant', () => {
  /** A virtual clock that counts how often it is read, and where each answer is a new one. */
  class Counting extends VirtualClock {
    reads = 0
    stepMs = 1 / 1_000
    #passedMs = 0
    override now(): number {
      this.reads++
      this.#passedMs += this.stepMs
      return super.now() + this.#passedMs
    }
  }

  test('a thousand requests of one burst read the clock as often as one', async () => {
    const readsFor = async (requests: number): Promise<number[]> => {
      const clock = new Counting()
      const executor = new QueuedExecutor(async (n: number) => n, { clock, concurrency: 1_000, runTimeoutMs: 1_000 })
      const submittedAt = new Set<number>()
      executor.on('queued', ({ at }) => submittedAt.add(at))
      clock.reads = 0
      const answers = Array.from({ length: requests }, (_, n) => executor.execute(n, { runTimeoutMs: 500 }))
      const inBurst = clock.reads
      await Promise.all(answers)
      expect(submittedAt.size).toBe(1)
      await executor.close()
      return [inBurst, clock.reads]
    }
    const [inBurst, inAll] = await readsFor(1_000)
    expect(inBurst).toBe(1)
    expect(inAll).toBeLessThanOrEqual(((await readsFor(1))[1] as number) + 2)
  })

  test('but each time limit counts from a reading of its own, however long the burst takes', async () => {
    for (const [options, own] of [
      [{ timeoutMs: 50 }, {}],
      [{ waitTimeoutMs: 50 }, {}],
      [{}, { timeoutMs: 50 }],
      [{}, { waitTimeoutMs: 50 }],
    ]) {
      const clock = new Counting()
      clock.stepMs = 1
      const executor = new QueuedExecutor(async (n: number) => n, { clock, ...options })
      executor.pause()
      const submittedAt: number[] = []
      const expiredAt: number[] = []
      executor.on('queued', ({ id }) => submittedAt.push(executor.get(id)?.enqueuedAt as number))
      executor.on('expired', ({ at }) => expiredAt.push(at))
      const ends = Promise.allSettled(Array.from({ length: 100 }, (_, n) => executor.execute(n, own)))
      // Far longer than any of them may wait.
      expect(submittedAt.at(-1)).toBe(99 + (submittedAt[0] as number))
      clock.stepMs = 0
      await clock.run({ until: ends })
      for (const [n, at] of submittedAt.entries()) {
        expect(expiredAt[n]).toBeGreaterThanOrEqual(at + 50)
      }
      expect(expiredAt.at(-1)).toBeLessThan((submittedAt.at(-1) as number) + 52)
    }
  })

  test('a sweep of a thousand timeouts has one instant, too', async () => {
    const clock = new Counting()
    clock.stepMs = 0
    const executor = new QueuedExecutor(async (n: number) => n, { clock })
    executor.pause()
    const expired = new Set<number>()
    executor.on('expired', ({ at }) => expired.add(at))
    const answers = Array.from({ length: 1_000 }, (_, n) => executor.execute(n, { waitTimeoutMs: 50 }))
    const told = Promise.allSettled(answers)
    clock.reads = 0
    clock.stepMs = 1 / 1_000
    await clock.advance(100)
    await told
    expect(expired.size).toBe(1)
    expect(clock.reads).toBeLessThan(20)
  })
})

describe('a clock that can not be trusted', () => {
  const skew = fc.oneof(fc.integer({ min: -100_000, max: 100_000 }), fc.constant(Number.NaN))
  const step = fc.record({
    skew: fc.option(skew, { nil: undefined }),
    submit: fc.nat(3),
    waitTimeoutMs: fc.integer({ min: 1, max: 50 }),
    ms: fc.nat(40),
  })

  test(
    'runs backwards, jumps or answers NaN: durations stay finite and positive, time stands or goes on, all is told',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), async (steps) => {
          const real = new VirtualClock()
          let skew = 0
          const clock: Clock = {
            now: () => real.now() + skew,
            setTimeout: (callback, delayMs) => {
              must(delayMs >= 0, () => `a timer of ${delayMs} ms`)
              return real.setTimeout(callback, delayMs)
            },
            clearTimeout: (timer) => real.clearTimeout(timer),
          }
          const executor = new QueuedExecutor<number, void>((ms) => real.sleep(ms), {
            clock,
            concurrency: 1,
            runTimeoutMs: 30,
          })
          const wrong: string[] = []
          let last = Number.NEGATIVE_INFINITY
          for (const event of ['queued', 'started', 'completed', 'failed', 'expired', 'idle'] as const) {
            executor.on(event, (payload) => {
              const { at, waitMs = 0, runMs = 0 } = payload as { at: number; waitMs?: number; runMs?: number }
              const holds =
                Number.isFinite(at) && at >= last && waitMs >= 0 && waitMs < 1e6 && runMs >= 0 && runMs < 1e6
              if (!holds) wrong.push(`${event}: ${JSON.stringify({ at, last, waitMs, runMs })}`)
              // Only while somebody waits or runs does time have to go on from where it was.
              last = event === 'idle' ? Number.NEGATIVE_INFINITY : at
            })
          }
          const open = new Set<number>()
          let submitted = 0
          for (const { skew: next, submit, waitTimeoutMs, ms } of steps) {
            if (next !== undefined) skew = next
            for (let i = 0; i < submit; i++) {
              const n = submitted++
              open.add(n)
              const done = (): void => void open.delete(n)
              executor.execute(ms, { waitTimeoutMs }).then(done, done)
            }
            await real.advance(ms)
          }
          // Without close(): the timeouts alone must end them all.
          await real.advance(5_000)
          expect(wrong).toEqual([])
          expect([...open]).toEqual([])
          const { wait, run } = executor.getStatus()
          for (const { averageMs, maxMs } of [wait, run]) {
            expect(averageMs).toBeGreaterThanOrEqual(0)
            expect(maxMs).toBeLessThan(1e6)
          }
        }),
        { numRuns: 300 },
      )
    },
    PATIENCE_MS,
  )

  test('answers NaN from the first: a timeout is not early, and durations are numbers', async () => {
    const real = new VirtualClock()
    const clock: Clock = {
      now: () => Number.NaN,
      setTimeout: (callback, delayMs) => real.setTimeout(callback, delayMs),
      clearTimeout: (timer) => real.clearTimeout(timer),
    }
    const executor = new QueuedExecutor(() => {}, { clock })
    executor.pause()
    const request = executor.offer(1, { waitTimeoutMs: 50 })
    request?.result.catch(() => {})
    expect(request?.enqueuedAt).not.toBe(Number.NEGATIVE_INFINITY)
    await real.advance(49)
    expect(request?.state).toBe('waiting')
    await real.advance(1)
    expect(request?.state).toBe('expired')
    executor.resume()
    await executor.execute(2)
    // One waited for 50 ms in vain, the other not at all.
    expect(executor.getStatus().wait.averageMs).toBe(25)
  })
})

describe('a timeout beyond the range of timers', () => {
  const MAX = 2 ** 31 - 1

  /** As strict as Node's timers are lax: those fire after 1 ms. */
  class Strict extends VirtualClock {
    override setTimeout(callback: () => void, delayMs: number) {
      must(delayMs >= 0 && delayMs <= MAX, () => `a timer of ${delayMs} ms`)
      return super.setTimeout(callback, delayMs)
    }
  }

  test.each(['waitTimeoutMs', 'runTimeoutMs', 'timeoutMs'] as const)(
    'is neither early nor lost: %s',
    async (timeout) => {
      for (const timeoutMs of [MAX, MAX + 1, 2 * MAX + 10, 2 ** 40]) {
        const clock = new Strict()
        const executor = new QueuedExecutor(() => new Promise(() => {}), {
          clock,
          runTimeoutMs: Number.POSITIVE_INFINITY,
        })
        if (timeout === 'waitTimeoutMs') executor.pause()
        let told: unknown
        executor.execute(1, { [timeout]: timeoutMs }).catch((error) => {
          told = error.code
        })
        await clock.advance(timeoutMs - 1)
        expect(told).toBeUndefined()
        await clock.advance(1)
        expect(told).toBe(timeout === 'waitTimeoutMs' ? 'TRIAGE_WAIT_TIMEOUT' : 'TRIAGE_RUN_TIMEOUT')
      }
    },
  )

  test('may be a grace', async () => {
    const clock = new Strict()
    const executor = new QueuedExecutor(() => new Promise(() => {}), { clock, runTimeoutMs: Number.POSITIVE_INFINITY })
    let told: unknown
    executor.execute(1).catch((error) => {
      told = error.code
    })
    executor.close({ graceMs: MAX + 500 })
    await clock.advance(MAX + 499)
    expect(told).toBeUndefined()
    await clock.advance(1)
    expect(told).toBe('TRIAGE_CANCELLED')
  })

  test('may be no timeout at all', async () => {
    const clock = new Strict()
    const none = Number.POSITIVE_INFINITY
    const executor = new QueuedExecutor(() => clock.sleep(2 ** 30), { clock, runTimeoutMs: none, timeoutMs: none })
    let told = false
    executor.execute(1).then(() => {
      told = true
    })
    await clock.advance(2 ** 30)
    expect(told).toBe(true)
    expect(clock.timers).toBe(0)
  })
})

describe('fake timers', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  const patience = { waitTimeoutMs: 1_000, runTimeoutMs: 1_000 }
  const hang = (): Promise<never> => new Promise(() => {})
  const outcome = (promise: Promise<unknown>): { value: unknown } => {
    const told = { value: undefined as unknown }
    promise.then(
      () => {
        told.value = 'answered'
      },
      (error) => {
        told.value = error.code
      },
    )
    return told
  }
  const microtasks = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await null
  }

  test('installed before the executor is made', async () => {
    vi.useFakeTimers()
    const executor = new QueuedExecutor(hang, { concurrency: 1, ...patience })
    const told = [outcome(executor.execute(1)), outcome(executor.execute(2, { waitTimeoutMs: 500 }))]
    await vi.advanceTimersByTimeAsync(499)
    expect(told.map(({ value }) => value)).toEqual([undefined, undefined])
    await vi.advanceTimersByTimeAsync(1)
    expect(told.map(({ value }) => value)).toEqual([undefined, 'TRIAGE_WAIT_TIMEOUT'])
    await vi.advanceTimersByTimeAsync(500)
    expect(told.map(({ value }) => value)).toEqual(['TRIAGE_RUN_TIMEOUT', 'TRIAGE_WAIT_TIMEOUT'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('installed after the executor was made, used, and idle again', async () => {
    const executor = new QueuedExecutor((n: number) => (n > 0 ? hang() : n), { concurrency: 1, ...patience })
    await executor.execute(0)
    vi.useFakeTimers()
    const told = outcome(executor.execute(1))
    await vi.advanceTimersByTimeAsync(999)
    expect(told.value).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1)
    expect(told.value).toBe('TRIAGE_RUN_TIMEOUT')
  })

  test('installed while requests are live: what is submitted from then on keeps the fake time', async () => {
    let answer = (): void => {}
    const first = new Promise<void>((resolve) => {
      answer = resolve
    })
    const executor = new QueuedExecutor((n: number) => (n === 1 ? first : hang()), { concurrency: 1, ...patience })
    const live = outcome(executor.execute(1, { runTimeoutMs: 60_000 }))
    await microtasks()
    vi.useFakeTimers()
    const waits = outcome(executor.execute(2, { waitTimeoutMs: 100_000 }))
    const expires = outcome(executor.execute(3, { waitTimeoutMs: 70_000 }))
    await vi.advanceTimersByTimeAsync(69_999)
    expect(expires.value).toBeUndefined()
    // Real times have fractions, and timers only whole milliseconds.
    await vi.advanceTimersByTimeAsync(2)
    expect(expires.value).toBe('TRIAGE_WAIT_TIMEOUT')
    // What was live before may have expired by the fake time, or not; but its end counts, and the slot goes on.
    answer()
    await microtasks()
    expect(live.value).toMatch(/answered|TRIAGE_RUN_TIMEOUT/)
    expect(waits.value).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(waits.value).toBe('TRIAGE_RUN_TIMEOUT')
    await executor.close()
  })

  test('taken away while requests are live: later requests keep the real time, and no duration is negative', async () => {
    vi.useFakeTimers()
    const executor = new QueuedExecutor((n: number) => (n === 1 ? hang() : n), { concurrency: 2, ...patience })
    const waits: number[] = []
    executor.on('completed', ({ waitMs, runMs }) => waits.push(waitMs, runMs))
    const live = outcome(executor.execute(1, { runTimeoutMs: 5 }))
    await microtasks()
    vi.useRealTimers()
    expect(await executor.execute(2)).toBe(2)
    // Any later request sets the alarm anew, in real time: the first one is not forgotten.
    executor.pause()
    await expect(executor.execute(3, { waitTimeoutMs: 20 })).rejects.toThrow(WaitTimeoutError)
    expect(live.value).toBe('TRIAGE_RUN_TIMEOUT')
    expect(waits.every((ms) => ms >= 0)).toBe(true)
  })

  test('advanced synchronously: each timeout has its own instant, and a run that settles later is late', async () => {
    vi.useFakeTimers()
    const executor = new QueuedExecutor(hang, patience)
    executor.pause()
    const errors: WaitTimeoutError[] = []
    for (const waitTimeoutMs of [30, 10, 20, 10]) {
      executor.execute(1, { waitTimeoutMs }).catch((error: WaitTimeoutError) => errors.push(error))
    }
    vi.advanceTimersByTime(100)
    await microtasks()
    expect(errors.map(({ waitedMs }) => waitedMs)).toEqual([10, 10, 20, 30])
    expect(executor.getStatus().totals.expired).toBe(4)
  })

  test('advanced synchronously between a submit and its dispatch: the wait is seen', async () => {
    vi.useFakeTimers()
    const executor = new QueuedExecutor((_n: number, run) => run.waitMs, patience)
    const first = executor.execute(1)
    vi.advanceTimersByTime(40)
    const second = executor.execute(2)
    vi.advanceTimersByTime(2)
    expect(await Promise.all([first, second])).toEqual([42, 2])
  })

  test('only setTimeout is faked: the timers count', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const executor = new QueuedExecutor(hang, { concurrency: 1, ...patience })
    const told = outcome(executor.execute(1))
    await microtasks()
    // `performance.now()` is real, and goes on meanwhile.
    vi.advanceTimersByTime(2_000)
    await microtasks()
    expect(told.value).toBe('TRIAGE_RUN_TIMEOUT')
  })

  const moment = fc.record({
    fake: fc.boolean(),
    submit: fc.nat(3),
    waitTimeoutMs: fc.integer({ min: 1, max: 100 }),
    ms: fc.integer({ min: 1, max: 60 }),
    sync: fc.boolean(),
  })

  test(
    'installed and taken away at any moment: nothing is negative, nothing throws, and all is told',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(moment, { minLength: 1, maxLength: 8 }), async (moments) => {
          vi.useRealTimers()
          const executor = new QueuedExecutor(hang, { concurrency: 1, runTimeoutMs: 50 })
          const wrong: unknown[] = []
          executor.on('started', ({ waitMs, at }) => {
            if (!(waitMs >= 0 && Number.isFinite(at))) wrong.push([waitMs, at])
          })
          let open = 0
          for (const { fake, submit, waitTimeoutMs, ms, sync } of moments) {
            if (fake) vi.useFakeTimers()
            else vi.useRealTimers()
            for (let i = 0; i < submit; i++) {
              open++
              executor.execute(1, { waitTimeoutMs }).catch((error) => {
                open--
                const { waitedMs = 0, ranMs = 0 } = error as Partial<WaitTimeoutError & RunTimeoutError>
                if (!(waitedMs >= 0 && ranMs >= 0)) wrong.push(error)
              })
            }
            await microtasks()
            if (fake && sync) vi.advanceTimersByTime(ms)
            else if (fake) await vi.advanceTimersByTimeAsync(ms)
          }
          vi.useFakeTimers()
          // Stuck slots hold their place: what waits ends by its own timeout, once there is a timer for it in this time.
          executor.execute(1, { waitTimeoutMs: 500 }).catch(() => {})
          await vi.advanceTimersByTimeAsync(2_000)
          expect(wrong).toEqual([])
          expect(open).toBe(0)
          vi.useRealTimers()
        }),
        { numRuns: 100 },
      )
    },
    PATIENCE_MS,
  )
})

test('the error says for how long it ran, also when the timeouts are those of the executor', async () => {
  const clock = new VirtualClock()
  const executor = new QueuedExecutor(() => new Promise(() => {}), { concurrency: 1, timeoutMs: 50, clock })
  const error = executor.execute(1).catch((error) => error)
  await clock.advance(60)
  expect(await error).toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT', ranMs: 50, timeoutMs: 50 })
})

test('requests with equal timeouts of their own share nothing else', async () => {
  const clock = new VirtualClock()
  const executor = new QueuedExecutor((n: number) => n, { concurrency: 1, clock })
  executor.pause()
  const options = { waitTimeoutMs: 100, runTimeoutMs: 50, timeoutMs: 200 }
  const ids = new Set<string>()
  executor.on('queued', ({ id }) => ids.add(id))
  const answers = [1, 2, 3].map((n) => executor.execute(n, options))
  const [id] = ids
  expect(ids.size).toBe(3)
  // Only the first is asked for by its id.
  const first = executor.get(id as string)
  executor.resume()
  expect(await Promise.all(answers)).toEqual([1, 2, 3])
  expect(await first?.result).toBe(1)
  expect(first).toMatchObject({ state: 'completed', endedAt: expect.any(Number), startedAt: expect.any(Number) })
  const last = await executor.submit(4, options)
  expect(last.metadata).toBeUndefined()
  expect(await last.result).toBe(4)
})

describe('on the real clock', () => {
  test('a wait timeout is not early', async () => {
    const executor = new QueuedExecutor(() => new Promise(() => {}))
    executor.pause()
    for (const waitTimeoutMs of [1, 5, 17.5]) {
      const since = performance.now()
      await expect(executor.execute(1, { waitTimeoutMs })).rejects.toThrow(WaitTimeoutError)
      // Node's timers count whole milliseconds of a clock of their own, and may be one early.
      expect(performance.now() - since).toBeGreaterThan(waitTimeoutMs - 1)
    }
    await executor.close()
  })

  test('a run timeout is not early, and aborts the signal', async () => {
    let reason: unknown
    const executor = new QueuedExecutor(
      (_n: number, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
            reject(reason)
          })
        }),
      { runTimeoutMs: 15 },
    )
    const since = performance.now()
    const error = await executor.execute(1).catch((error) => error)
    expect(performance.now() - since).toBeGreaterThan(14)
    expect(error).toBeInstanceOf(RunTimeoutError)
    expect(reason).toBe(error)
    await executor.close()
  })
})
