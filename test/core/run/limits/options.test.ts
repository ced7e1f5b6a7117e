/**
 * Do the limits take only options that make sense?
 */
import { fixed, isTriageError, type OptionsError, QueuedExecutor } from 'triage-queue'
import { expect, test } from 'vitest'
import type { LimitPolicy } from '../../../../src/core/run/limit.ts'
import { adaptive } from '../../../../src/core/run/limits/adaptive.ts'
import { aimd } from '../../../../src/core/run/limits/aimd.ts'
import { gradient2 } from '../../../../src/core/run/limits/gradient2.ts'
import { vegas } from '../../../../src/core/run/limits/vegas.ts'

type Make = (options?: object) => LimitPolicy

const policies: [string, Make][] = [
  ['aimd', aimd],
  ['vegas', vegas],
  ['gradient2', gradient2],
  ['adaptive', adaptive],
]

function refusal(make: () => unknown): { path: string; expected: string; received: unknown } | undefined {
  try {
    make()
  } catch (error) {
    expect(isTriageError(error)).toBe(true)
    const { path, expected, received } = error as OptionsError
    return { path, expected, received }
  }
  return undefined
}

test.each(policies)('%s has a name, and begins between its bounds', (name, make) => {
  expect(make().name).toBe(name)
  expect(make({ initial: undefined }).initial).toBe(make().initial)
  expect(make({ min: 500, max: 600 }).initial).toBe(500)
  expect(make({ min: 1, max: 3 }).initial).toBe(3)
  expect(make({ min: 1, initial: 7, max: 9 }).initial).toBe(7)
})

test.each(policies)('%s refuses bounds that are none', (_name, make) => {
  for (const [option, values] of Object.entries({
    initial: [0, -1, 2.5, Number.NaN, Number.POSITIVE_INFINITY, '20', null],
    min: [0, 1.5, '1', null],
    max: [0, Number.POSITIVE_INFINITY, Number.NaN, {}, null],
  })) {
    for (const received of values) {
      expect(refusal(() => make({ [option]: received }))).toEqual({
        path: option,
        expected: 'an integer of at least 1',
        received,
      })
    }
  }
  expect(refusal(() => make({ min: 30, max: 20 }))).toMatchObject({ path: 'max', received: 20 })
  expect(refusal(() => make({ min: 5, max: 8, initial: 9 }))).toEqual({
    path: 'initial',
    expected: 'an integer from min to max (5 to 8)',
    received: 9,
  })
  expect(refusal(() => make({ min: 5, max: 8, initial: 4 }))).toMatchObject({ path: 'initial', received: 4 })
})

test.each(policies)('%s refuses an option that it does not have, and what is no object', (_name, make) => {
  for (const option of ['maximum', 'constructor', '__proto__x']) {
    expect(refusal(() => make({ [option]: 1 }))).toMatchObject({ path: option, received: 1 })
  }
  for (const options of [null, 5, 'x']) {
    expect(refusal(() => make(options as unknown as object))).toMatchObject({ path: 'options', received: options })
  }
})

test.each<[Make, string, unknown[]]>([
  [aimd, 'backoff', [0.49, 1, Number.NaN, '0.9']],
  [aimd, 'timeoutMs', [0, -1, Number.NaN, '5']],
  [vegas, 'alpha', [-1, 1.5, Number.NaN]],
  [vegas, 'beta', [-1, Number.POSITIVE_INFINITY]],
  [vegas, 'threshold', [-1, '2']],
  [vegas, 'smoothing', [0, 1.1, Number.NaN]],
  [vegas, 'probeMultiplier', [0, 2.5]],
  [vegas, 'random', [0.5, null]],
  [gradient2, 'smoothing', [0, 1.1, Number.NaN]],
  [gradient2, 'queueSize', [-1, 0.5]],
  [gradient2, 'longWindow', [0, Number.POSITIVE_INFINITY]],
  [gradient2, 'tolerance', [0.9, Number.NaN, Number.POSITIVE_INFINITY]],
  [adaptive, 'isDropped', [true, null]],
])('%o refuses wrong values of %s', (make, option, values) => {
  for (const received of values) {
    expect(refusal(() => make({ [option]: received }))).toMatchObject({ path: option, received })
  }
})

test.each<[string, Make, string, string, unknown[]]>([
  ['aimd', aimd, 'backoff', 'a number from 0.5 to less than 1', [0.5, 0.99]],
  ['aimd', aimd, 'timeoutMs', 'a number of ms greater than 0, or Infinity', [0.1, Number.POSITIVE_INFINITY]],
  ['vegas', vegas, 'smoothing', 'a number greater than 0 and at most 1', [0.1, 1]],
  ['gradient2', gradient2, 'smoothing', 'a number greater than 0 and at most 1', [0.1, 1]],
  ['gradient2', gradient2, 'tolerance', 'a number of at least 1', [1, 3]],
])('%s: %3$s may be %4$s', (_name, make, option, expected, values) => {
  for (const value of values) expect(refusal(() => make({ [option]: value }))).toBeUndefined()
  expect(refusal(() => make({ [option]: 'half' }))).toMatchObject({ path: option, expected })
})

test.each(policies)('%s asks isDropped about errors if there is one, and has none otherwise', (_name, make) => {
  const busy = new Error('503')
  expect(make({ isDropped: (error: unknown) => error === busy }).isDropped?.(busy)).toBe(true)
  expect('isDropped' in make()).toBe(false)
})

test('a limit may have one value only; its options are an object, and its most no less than its least', () => {
  expect(aimd({ min: 5, max: 5 }).initial).toBe(5)
  expect(() => aimd({ min: 5, max: 4 })).toThrow("Option 'max': expected an integer of at least min (5), got 4")
  expect(() => aimd(5 as never)).toThrow('expected an object, got 5')
})

test('fixed() is `concurrency` as a policy: whatever happens, so many run', async () => {
  const limit = fixed(3)
  let running = 0
  let most = 0
  const queue = new QueuedExecutor(
    async (n: number) => {
      most = Math.max(most, ++running)
      await Promise.resolve()
      running--
      if (n % 2 === 0) throw new Error('even')
    },
    { limit },
  )
  await Promise.allSettled(Array.from({ length: 20 }, (_, n) => queue.execute(n)))
  expect([most, queue.concurrency]).toEqual([3, 3])
  expect(queue.getStatus().limit).toEqual({ name: 'fixed', limit: 3, shadow: false })
  expect(limit.sample({ at: 1, runMs: 1e6, inflight: 3, dropped: true })).toBe(3)
})
