import fc from 'fast-check'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'

test('timers fire at their own time, in order; those for the same time in the order in which they were set', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60, size: 'max' }), async (delays) => {
      const clock = new VirtualClock(100)
      const fired: [number, number][] = []
      for (const [i, delay] of delays.entries()) clock.setTimeout(() => fired.push([clock.now(), i]), delay)
      await clock.run()
      const expected = delays.map((delay, i): [number, number] => [100 + delay, i])
      expect(fired).toEqual(expected.sort((a, b) => a[0] - b[0] || a[1] - b[1]))
    }),
    { numRuns: 50 },
  )
})

test('cleared timers never fire, whichever they are', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.boolean())), async (timers) => {
      const clock = new VirtualClock()
      const fired: number[] = []
      const handles = timers.map(([delay], i) => clock.setTimeout(() => fired.push(i), delay))
      for (const [i, [, clear]] of timers.entries()) if (clear) clock.clearTimeout(handles[i])
      expect(clock.timers).toBe(timers.filter(([, clear]) => !clear).length)
      await clock.run()
      for (const handle of handles) clock.clearTimeout(handle)
      expect(fired.sort((a, b) => a - b)).toEqual(timers.flatMap(([, clear], i) => (clear ? [] : [i])))
    }),
    { numRuns: 50 },
  )
})

test('advance stops exactly where it was told to, and real awaits happen between events', async () => {
  const clock = new VirtualClock()
  const trace: string[] = []
  const walk = async (name: string, ms: number): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      await clock.sleep(ms)
      trace.push(`${name} ${clock.now()}`)
    }
  }
  const walks = Promise.all([walk('a', 10), walk('b', 15)])
  await clock.advance(29)
  expect(clock.now()).toBe(29)
  expect(trace).toEqual(['a 10', 'b 15', 'a 20'])
  await clock.advanceTo(30)
  expect(trace).toEqual(['a 10', 'b 15', 'a 20', 'b 30', 'a 30'])
  expect(await clock.step()).toBe(true)
  expect(clock.now()).toBe(45)
  await walks
  expect(await clock.step()).toBe(false)
  expect(clock.nextAt).toBe(Number.POSITIVE_INFINITY)
})

test('an aborted sleep rejects with the reason, and leaves no timer', async () => {
  const clock = new VirtualClock()
  const controller = new AbortController()
  const sleep = clock.sleep(10, { signal: controller.signal })
  controller.abort('enough')
  await expect(sleep).rejects.toBe('enough')
  await expect(clock.sleep(10, { signal: controller.signal })).rejects.toBe('enough')
  expect(clock.timers).toBe(0)
})

test('a simulation that never ends is stopped with an error', async () => {
  const clock = new VirtualClock()
  const again = (): void => void clock.setTimeout(again, 1)
  again()
  await expect(clock.run({ maxEvents: 100 })).rejects.toThrow('did not end within 100 events')
})
