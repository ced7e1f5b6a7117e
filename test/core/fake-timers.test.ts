/**
 * Fake timers that fake no clock: time follows the timers all the same. Which runner does what is tried with the runners
 * themselves, by `npm run matrix`.
 */
import { mock } from 'node:test'
import { QueuedExecutor } from 'triage-queue'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { watch } from '../failures/support.ts'

const real = globalThis.setTimeout

afterEach(() => {
  vi.useRealTimers()
  mock.timers.reset()
  vi.unstubAllGlobals()
})

const hang = () => new Promise<never>(() => {})
const microtasks = async () => {
  for (let i = 0; i < 20; i++) await undefined
}

/** jest's legacy timers: a mock function around a bound one, and a time that nobody can ask for. */
function legacy() {
  let now = 0
  let due: { at: number; callback: () => void }[] = []
  const owner = {
    _fakeSetTimeout(callback: () => void, delayMs: number) {
      const timer = { at: now + delayMs, callback }
      due.push(timer)
      return timer
    },
  }
  const implementation = owner._fakeSetTimeout.bind(owner)
  vi.stubGlobal('setTimeout', Object.assign(vi.fn(implementation), { getMockImplementation: () => implementation }))
  vi.stubGlobal('clearTimeout', (timer: never) => {
    due = due.filter((each) => each !== timer)
  })
  return (ms: number) => {
    const end = now + ms
    for (;;) {
      const next = due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      now = next.at
      due = due.filter((each) => each !== next)
      next.callback()
    }
    now = end
  }
}

const ways = [
  [
    'vitest 1 and 2',
    () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }),
    vi.advanceTimersByTime,
  ],
  ['node:test', () => mock.timers.enable({ apis: ['setTimeout'] }), (ms: number) => mock.timers.tick(ms)],
  [
    'node:test with Date',
    () => mock.timers.enable({ apis: ['setTimeout', 'Date'] }),
    (ms: number) => mock.timers.tick(ms),
  ],
] as const

describe.each(ways)('%s', (_name, install, tick) => {
  test('time is that of the timers, and can be advanced in one stretch of code', () => {
    install()
    expect(systemClock.stepped).toBe(true)
    expect(systemClock.source).toBe(setTimeout)
    const at = systemClock.now()
    expect(systemClock.now()).toBe(at)
    tick(1_234)
    expect(systemClock.now()).toBe(at + 1_234)
  })

  test('one that is submitted later is over later, though another’s timer is armed', async () => {
    install()
    const queue = new QueuedExecutor(hang, {
      concurrency: 1,
      waitTimeoutMs: 1_000,
      runTimeoutMs: Number.POSITIVE_INFINITY,
    })
    watch(queue.execute(0))
    await microtasks()
    const first = watch(queue.execute(1))
    tick(500)
    const second = watch(queue.execute(2))
    tick(500)
    await microtasks()
    expect([first.outcome, second.state]).toEqual(['TRIAGE_WAIT_TIMEOUT', 'pending'])
    tick(499)
    await microtasks()
    expect(second.state).toBe('pending')
    tick(1)
    await microtasks()
    expect(second.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', waitedMs: 1_000 })
  })
})

describe.each([...ways, ['jest, legacy', undefined, undefined] as const])('%s', (_name, install, advance) => {
  const installed = () => {
    if (install === undefined) return legacy()
    install()
    return (ms: number) => void advance?.(ms)
  }

  test('what is live follows from the next call of any member on, and a timeout of N is over at tick(N)', async () => {
    for (const call of [
      (queue: QueuedExecutor) => queue.getStatus(),
      (queue: QueuedExecutor) => queue.concurrency,
      (queue: QueuedExecutor) => queue.on('idle', () => {}),
    ]) {
      const queue = new QueuedExecutor(hang, { concurrency: 1, runTimeoutMs: 1_000 })
      const live = watch(queue.execute(1))
      await microtasks()
      const tick = installed()
      call(queue)
      tick(900)
      await microtasks()
      expect(live.state).toBe('pending')
      tick(100)
      await microtasks()
      expect(live.outcome).toBe('TRIAGE_RUN_TIMEOUT')
      vi.useRealTimers()
      mock.timers.reset()
      vi.unstubAllGlobals()
    }
  })

  test('a timeout of N is over at tick(N), after any real time and beside any live request', async () => {
    for (let n = 1; n <= 100; n++) {
      const queue = new QueuedExecutor(hang, { concurrency: 1, waitTimeoutMs: n * 7 })
      watch(queue.execute('live'))
      await microtasks()
      const end = performance.now() + Math.random() / 10
      while (performance.now() < end);
      const tick = installed()
      const waits = watch(queue.execute('waits'))
      tick(n * 7 - 1)
      await microtasks()
      expect(waits.state).toBe('pending')
      tick(1)
      await microtasks()
      expect(waits.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT' })
      vi.useRealTimers()
      mock.timers.reset()
      vi.unstubAllGlobals()
    }
  })

  test('when they are taken away, real time goes on', async () => {
    const tick = installed()
    const queue = new QueuedExecutor(hang, { concurrency: 1, runTimeoutMs: 30 })
    const live = watch(queue.execute(1))
    await microtasks()
    tick(20)
    vi.useRealTimers()
    mock.timers.reset()
    vi.unstubAllGlobals()
    expect(queue.getStatus().running).toBe(1)
    await live.done
    expect(live.outcome).toBe('TRIAGE_RUN_TIMEOUT')
  })
})

test('of node:test no timer is cleared that was reset with the others, which would break those that come later', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  const queue = new QueuedExecutor(hang, { concurrency: 1, runTimeoutMs: 1_000 })
  const live = watch(queue.execute(1))
  await microtasks()
  mock.timers.reset()
  await queue.close({ graceMs: 0 })
  expect(live.outcome).toBe('TRIAGE_CANCELLED')
  mock.timers.enable({ apis: ['setTimeout'] })
  const rung = vi.fn()
  setTimeout(rung, 10)
  clearTimeout(setTimeout(rung, 1))
  mock.timers.tick(10)
  expect(rung).toHaveBeenCalledOnce()
})

test('of node:test a timer that is not wanted any more does not ring', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  const rung = vi.fn()
  systemClock.clearTimeout(systemClock.setTimeout(rung, 10))
  mock.timers.tick(10)
  expect(rung).not.toHaveBeenCalled()
})

test('a setTimeout that is only watched is the real one, and so is the time', () => {
  const watched = vi.spyOn(globalThis, 'setTimeout')
  const at = performance.now()
  expect(systemClock.stepped).toBe(false)
  expect(systemClock.now()).toBeGreaterThanOrEqual(at)
  watched.mockRestore()
  vi.stubGlobal('setTimeout', (...args: Parameters<typeof real>) => real(...args))
  expect(systemClock.stepped).toBe(false)
})

test('the fakes of Bun, which are behind the same setTimeout, are another source, and fake performance, too', () => {
  const marked: typeof real & { clock?: true } = Object.assign(
    (...args: Parameters<typeof real>) => real(...args),
    real,
  )
  vi.stubGlobal('setTimeout', marked)
  expect([systemClock.source, systemClock.stepped]).toEqual([marked, false])
  marked.clock = true
  const at = performance.now()
  expect(systemClock.source).not.toBe(marked)
  expect(systemClock.source).toBe(systemClock.source)
  expect(systemClock.stepped).toBe(true)
  expect(systemClock.now()).toBeGreaterThanOrEqual(at)
})

test('a fake clock that can’t be asked is none', () => {
  vi.stubGlobal(
    'setTimeout',
    Object.assign(() => {}, { clock: {} }),
  )
  const at = performance.now()
  expect(systemClock.stepped).toBe(false)
  expect(systemClock.now()).toBeGreaterThanOrEqual(at)
})
