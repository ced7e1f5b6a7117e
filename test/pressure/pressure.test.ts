import { setImmediate } from 'node:timers/promises'
import { OptionsError, QueuedExecutor } from 'triage-queue'
import { type PressureOptions, type PressureReadings, pressure } from 'triage-queue/pressure'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { processReadings } from '../../src/pressure/monitor.ts'
import { ask } from '../support/guard-question.ts'

const question = ask()

function scripted(options: Omit<PressureOptions, 'read'>) {
  const readings: { now: PressureReadings; count: number } = { now: {}, count: 0 }
  const guard = pressure({
    ...options,
    read() {
      readings.count++
      return readings.now
    },
  })
  return { readings, admit: (at: number, tier = 2) => guard.admit?.({ ...question, at, tier }) }
}

test('refuses while a reading is above its maximum, says which, and when it looks again', () => {
  const { readings, admit } = scripted({ maxEventLoopDelayMs: 50, maxRssBytes: 1_000 })
  readings.now = { eventLoopDelayMs: 50, rssBytes: 1_000 }
  expect(admit(0)).toBeUndefined()
  readings.now = { eventLoopDelayMs: 50.1236, rssBytes: 1_001 }
  expect(admit(100)).toEqual({
    rule: 'pressure',
    compared: { eventLoopDelayMs: 50.124, maxEventLoopDelayMs: 50 },
    wouldAdmit: 'at most 50',
    retryAfterMs: 100,
  })
  readings.now = { eventLoopDelayMs: 1, rssBytes: 1_001 }
  expect(admit(199)).toMatchObject({ compared: { eventLoopDelayMs: 50.124 }, retryAfterMs: 1 })
  expect(admit(200)).toMatchObject({ compared: { rssBytes: 1_001, maxRssBytes: 1_000 } })
  readings.now = {}
  expect(admit(300)).toBeUndefined()
})

test('looks only when it is asked, and at most once in an interval', () => {
  const { readings, admit } = scripted({ maxHeapUsedBytes: 1, sampleIntervalMs: 20 })
  expect(readings.count).toBe(0)
  for (let at = 0; at < 1_000; at++) admit(at)
  expect(readings.count).toBe(50)
  admit(1e9)
  expect(readings.count).toBe(51)
  // A clock that has gone back does not make it trust a reading for ever.
  admit(0)
  expect(readings.count).toBe(52)
})

test('what is not known yet, or was not asked for, keeps nobody out', () => {
  const { readings, admit } = scripted({ maxEventLoopUtilization: 0.9 })
  readings.now = { eventLoopUtilization: Number.NaN, rssBytes: 9e15 }
  expect(admit(0)).toBeUndefined()
})

test('an exempt priority comes in all the same', async () => {
  const clock = new VirtualClock()
  const overload = pressure({ maxRssBytes: 1, exempt: ['urgent'], read: () => ({ rssBytes: 2 }) })
  const queue = new QueuedExecutor(async (n: number) => n, { clock, overload })
  expect(await queue.execute(1, { priority: 'urgent' })).toBe(1)
  await expect(queue.execute(2, { priority: 'high' })).rejects.toMatchObject({
    code: 'TRIAGE_OVERLOADED',
    message: 'Refused by pressure (rssBytes 2, maxRssBytes 1); it would admit at most 1',
    retryAfterMs: 100,
  })
})

describe('the readings of this process', () => {
  test('are those of its memory', () => {
    const read = processReadings(new Set(['heapUsedBytes', 'rssBytes']))
    const { heapUsedBytes, rssBytes, ...more } = read()
    expect(heapUsedBytes).toBeGreaterThan(1e6)
    expect(rssBytes).toBeGreaterThan(heapUsedBytes as number)
    expect(more).toEqual({})
  })

  test('are those since the last reading, not since the first', () => {
    let active = 0
    const spy = vi.spyOn(performance, 'eventLoopUtilization').mockImplementation((now, before) => {
      const utilization = now === undefined ? 0 : now.active - (before?.active ?? 0)
      return { idle: 0, active, utilization }
    })
    const read = processReadings(new Set(['eventLoopUtilization']))
    active = 0.5
    expect(read().eventLoopUtilization).toBe(0.5)
    active = 0.75
    expect(read().eventLoopUtilization).toBe(0.25)
    spy.mockRestore()
  })

  test('show a loop that is blocked', async () => {
    const read = processReadings(new Set(['eventLoopDelayMs', 'eventLoopUtilization']))
    expect(read().eventLoopDelayMs).toBeNaN()
    const block = (): void => {
      for (const until = performance.now() + 30; performance.now() < until; );
    }
    // A turn of the loop that takes 30 ms each time: the histogram is 20 ms late, whatever else this machine does.
    const delays: number[] = []
    const utilizations: number[] = []
    for (let i = 0; i < 5; i++) {
      block()
      await setImmediate()
      const readings = read()
      delays.push(readings.eventLoopDelayMs as number)
      utilizations.push(readings.eventLoopUtilization as number)
    }
    expect(Math.min(...delays.slice(1))).toBeGreaterThan(15)
    expect(Math.min(...utilizations.slice(1))).toBeGreaterThan(0.5)
    // Asked twice in one turn: not one tick in between says it as well.
    block()
    read()
    block()
    expect(read().eventLoopDelayMs).toBeGreaterThan(15)
  })

  describe('of the loop’s delay', () => {
    afterEach(() => void vi.useRealTimers())

    test('begin with the first question, and end when nobody has asked for a second', () => {
      vi.useFakeTimers()
      const log: string[] = []
      const histogram = {
        mean: 0,
        count: 0,
        enable: () => void log.push('on'),
        disable: () => void log.push('off'),
        reset() {
          histogram.count = 0
          log.push('reset')
        },
      }
      const read = processReadings(new Set(['eventLoopDelayMs']), (() => histogram) as never)
      expect(vi.getTimerCount()).toBe(0)
      expect(read()).toEqual({ eventLoopDelayMs: Number.NaN })
      for (let i = 1; i <= 30; i++) {
        vi.advanceTimersByTime(100)
        // Four more ticks, of 25 ms each.
        Object.assign(histogram, { count: 4 * i, mean: 25e6 })
        expect(read()).toEqual({ eventLoopDelayMs: 15 })
      }
      expect(log).toEqual(['on'])
      vi.advanceTimersByTime(2_000)
      // Reset, or the time that it was off would count as one long delay.
      expect(log).toEqual(['on', 'off', 'reset'])
      expect(vi.getTimerCount()).toBe(0)
      // What was before is forgotten.
      expect(read()).toEqual({ eventLoopDelayMs: Number.NaN })
      expect(log).toEqual(['on', 'off', 'reset', 'on'])
    })
  })
})

test.each<[unknown, string]>([
  [undefined, "Option 'pressure': expected an object, got undefined"],
  [{}, "Option 'pressure': expected an object with at least one of maxEventLoopDelayMs"],
  [{ maxEventLoopDelayMs: 0 }, "'pressure.maxEventLoopDelayMs': expected a finite number of ms greater than 0, got 0"],
  [
    { maxEventLoopUtilization: 98 },
    "'pressure.maxEventLoopUtilization': expected a number greater than 0, and at most 1",
  ],
  [{ maxHeapUsedBytes: '1GB' }, "'pressure.maxHeapUsedBytes': expected a finite number of bytes greater than 0"],
  [{ maxRssBytes: -1 }, "'pressure.maxRssBytes': expected a finite number of bytes greater than 0, got -1"],
  [
    { maxRssBytes: 1, sampleIntervalMs: 0 },
    "'pressure.sampleIntervalMs': expected a finite number of ms greater than 0",
  ],
  [{ maxRssBytes: 1, exempt: 'urgent' }, "'pressure.exempt': expected an array of priorities, got 'urgent'"],
  [{ maxRssBytes: 1, exempt: ['top'] }, "'pressure.exempt': expected an array of priorities"],
  [{ maxRssBytes: 1, read: 1 }, "'pressure.read': expected a function, got 1"],
  [{ maxCpu: 1 }, "Unknown option 'pressure.maxCpu'"],
])('%j is refused', (options, message) => {
  expect(() => pressure(options as PressureOptions)).toThrow(OptionsError)
  expect(() => pressure(options as PressureOptions)).toThrow(message)
})
