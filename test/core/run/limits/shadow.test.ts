import { aimd, type LimitPolicy, shadow } from 'triage-queue'
import { expect, test } from 'vitest'

test('a shadow learns and says what its policy does, and that it is one', () => {
  const samples: unknown[] = []
  const policy: LimitPolicy = {
    name: 'mine',
    initial: 3,
    sample: (sample) => samples.push(sample),
    isDropped: (error) => error === 'busy',
  }
  const shown = shadow(policy)
  expect(shown).toMatchObject({ name: 'mine', initial: 3, shadow: true })
  const sample = { at: 1, runMs: 2, inflight: 3, dropped: false }
  expect(shown.sample(sample)).toBe(1)
  expect(samples).toEqual([sample])
  expect([shown.isDropped?.('busy'), shown.isDropped?.('other')]).toEqual([true, false])
  expect(shadow({ name: 'x', initial: 1, sample: () => 1 }).isDropped).toBeUndefined()
})

test.each([[5], [null], [{}], [undefined]])('%j is no policy', (policy) => {
  expect(() => shadow(policy as never)).toThrow("Option 'policy' must be a limit policy, such as adaptive(), but is ")
})

test('a limit may have one value only; its options are an object, and its most no less than its least', () => {
  expect(aimd({ min: 5, max: 5 }).initial).toBe(5)
  expect(() => aimd({ min: 5, max: 4 })).toThrow("Option 'max' must be an integer of at least min (5), but is 4")
  expect(() => aimd(5 as never)).toThrow('must be an object, but is 5')
})
