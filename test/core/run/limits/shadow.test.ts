/**
 * Is a shadow only a shadow?
 */
import { aimd, type LimitPolicy, OptionsError, shadow } from 'triage-queue'
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

test('a shadow learns and answers as its policy does, and is marked as a shadow', () => {
  const alone = aimd({ min: 1, isDropped: () => true })
  const observed = shadow(aimd({ min: 1, isDropped: () => true }))
  expect(observed).toMatchObject({ name: 'aimd', initial: alone.initial, shadow: true })
  expect(observed.isDropped?.(new Error('any'))).toBe(true)
  for (let i = 0; i < 100; i++) {
    const sample = { at: i, runMs: 1, inflight: 20, dropped: i % 7 === 0 }
    expect(observed.sample(sample)).toBe(alone.sample(sample))
  }
  expect(shadow(aimd()).isDropped).toBeUndefined()
  expect(shadow(shadow(aimd()))).toMatchObject({ name: 'aimd', shadow: true })
})

test('a shadow keeps the `this` of a policy that is an object of a class', () => {
  class Mine implements LimitPolicy {
    readonly name = 'mine'
    readonly initial = 3
    #seen = 0
    sample(): number {
      return ++this.#seen
    }
    isDropped(): boolean {
      return this.#seen > 0
    }
  }
  const observed = shadow(new Mine())
  expect(observed.isDropped?.(0)).toBe(false)
  expect(observed.sample({ at: 0, runMs: 1, inflight: 1, dropped: false })).toBe(1)
  expect(observed.isDropped?.(0)).toBe(true)
})

test('a shadow of a policy that answers nothing about an error answers no', () => {
  const policy = { ...aimd(), isDropped: () => undefined as unknown as boolean }
  expect(shadow(policy).isDropped?.(new Error('any'))).toBe(false)
})

test.each([[5], [null], [{}], [undefined], [{ sample: 1 }]])('%j is no policy', (policy) => {
  const make = () => shadow(policy as never)
  expect(make).toThrow(OptionsError)
  expect(make).toThrow("Option 'policy': expected a limit policy, such as adaptive(), got ")
})
