/**
 * Of any two payloads: what counts as the same request is deeply equal by Node's own judgement, and a copy is the same.
 */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isSame } from '../../src/core/same-request.ts'

const payload = fc.anything({
  ...{ withBigInt: true, withDate: true, withMap: true, withSet: true, withSparseArray: true, withTypedArray: true },
  // Small, so that some are equal by chance.
  ...{ maxDepth: 3, maxKeys: 3, values: [fc.constantFrom(0, -0, 1, Number.NaN, '', 'a', null, undefined, true, 1n)] },
  key: fc.constantFrom('a', 'b', '__proto__', '0'),
})

test('a copy is the same', () => {
  fc.assert(
    fc.property(payload, (one) => void expect(isSame(one, structuredClone(one))).toBe(true)),
    { numRuns: 2_000 },
  )
})

test('what is the same is deeply equal, whichever way it is asked', () => {
  let equal = 0
  const check = (one: unknown, other: unknown): void => {
    const same = isSame(one, other)
    if (same) equal++
    expect(isSame(other, one)).toBe(same)
    if (same) expect(isDeepStrictEqual(one, other)).toBe(true)
  }
  fc.assert(fc.property(payload, payload, check), { numRuns: 20_000 })
  expect(equal).toBeGreaterThan(0)
})

test('and what is deeply equal is the same, unless members of a set or keys of a map are objects in another order', () => {
  const ordered = fc.anything({
    withDate: true,
    withTypedArray: true,
    withSparseArray: true,
    maxDepth: 2,
    maxKeys: 2,
    key: fc.constantFrom('a', 'b'),
  })
  fc.assert(
    fc.property(ordered, ordered, (one, other) => void expect(isSame(one, other)).toBe(isDeepStrictEqual(one, other))),
    { numRuns: 20_000 },
  )
})
