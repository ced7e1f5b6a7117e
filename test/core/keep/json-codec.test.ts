/**
 * What JSON would change in silence is refused, with the path; all else comes back as it was.
 */
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { InvalidRequestError } from 'triage-queue'
import { describe, expect, test, vi } from 'vitest'
import { jsonCodec } from '../../../src/core/keep/json-codec.ts'

// Thousands of values.
vi.setConfig({ testTimeout: 60_000 })

const MAX = 1024 * 1024

function roundTrip(codec: typeof jsonCodec, value: unknown): unknown {
  return codec.decode(codec.encode(value, 'request', MAX))
}

describe('JSON', () => {
  test('whatever it accepts comes back as it was', () => {
    fc.assert(
      fc.property(
        fc.anything({
          withNullPrototype: false,
          withSparseArray: true,
          withDate: true,
          withMap: true,
          withBigInt: true,
        }),
        (value) => {
          let encoded: ReturnType<typeof jsonCodec.encode>
          try {
            encoded = jsonCodec.encode(value, 'request', MAX)
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidRequestError)
            return
          }
          // A property that is undefined is left out, and nothing else.
          expect(jsonCodec.decode(encoded)).toEqual(value)
          expect(JSON.stringify(jsonCodec.decode(encoded))).toBe(JSON.stringify(value))
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('all JSON values come back as they were, as one text, with any text in them', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), fc.string({ unit: 'binary' }), (value, text) => {
        const all = Object.is(value, -0) ? 0 : value
        const given = {
          all: JSON.parse(JSON.stringify(all)),
          text,
          [text]: 1,
          lone: '\ud800',
          nul: '\0',
          line: '\u2028',
        }
        expect(roundTrip(jsonCodec, given)).toStrictEqual(given)
      }),
      { numRuns: 500 },
    )
  })

  test('__proto__ is an ordinary key, and changes no prototype', () => {
    const given = JSON.parse('{"__proto__":{"admin":true},"constructor":1}')
    const back = roundTrip(jsonCodec, given) as object
    expect(Object.keys(back)).toEqual(['__proto__', 'constructor'])
    expect((back as { admin?: boolean }).admin).toBe(undefined)
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
  })

  test('undefined, properties that are undefined, and plain objects of any realm are accepted', () => {
    expect(roundTrip(jsonCodec, undefined)).toBe(undefined)
    expect(roundTrip(jsonCodec, { a: undefined, b: 1 })).toStrictEqual({ b: 1 })
    expect(roundTrip(jsonCodec, Object.assign(Object.create(null), { a: 1 }))).toStrictEqual({ a: 1 })
    expect(roundTrip(jsonCodec, runInNewContext('({ a: [1, { b: 2 }] })'))).toStrictEqual({ a: [1, { b: 2 }] })
  })

  const cyclic: { self?: unknown } = {}
  cyclic.self = { cyclic }
  let deep: unknown = 1
  for (let i = 0; i < 100_000; i++) deep = [deep]
  class Point {
    x = 1
  }

  test.each<[string, unknown, string]>([
    ['NaN', { a: [1, Number.NaN] }, 'a.1: NaN is no number in JSON'],
    ['Infinity', { a: Number.POSITIVE_INFINITY }, 'a: Infinity is no number'],
    ['minus zero', [-0], 'stored: 0: -0 is 0 in JSON'],
    ['undefined in an array', { list: [undefined] }, 'list.0: JSON has nothing for a value of type undefined'],
    ['a hole', new Array(3), 'stored: JSON has arrays without holes'],
    ['a property of an array', Object.assign([1], { more: 2 }), 'without properties'],
    ['a bigint', { n: 1n }, 'n: JSON has nothing for a value of type bigint'],
    ['a symbol', { n: Symbol('s') }, 'of type symbol'],
    ['a function', { f() {} }, 'of type function'],
    ['a property by symbol', { [Symbol('s')]: 1 }, 'JSON has no properties by symbol'],
    ['a Date', { at: new Date(0) }, 'at: JSON does not keep a Date'],
    ['a Map', new Map(), 'stored: JSON does not keep a Map'],
    ['an Error', new Error('x'), 'does not keep a Error'],
    ['an object of a class', { p: new Point() }, 'p: JSON does not keep a Point'],
    ['an object of no named class', Object.create({ inherited: 1 }), 'JSON does not keep'],
    ['an object without a class', Object.create({ constructor: 5 }), 'JSON does not keep an object of a class'],
    ['a toJSON()', { toJSON: () => 1 }, 'it has a toJSON()'],
    ['a toJSON() of an array', Object.defineProperty([1], 'toJSON', { value: () => 1 }), 'it has a toJSON()'],
    ['itself', cyclic, 'it contains itself'],
    ['depth', deep, 'it is deeper than 500 levels'],
  ])('%s is refused, with the path', (_what, value, message) => {
    try {
      jsonCodec.encode(value, 'request', MAX)
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ code: 'TRIAGE_INVALID_REQUEST', issues: [{ path: expect.any(Array) }] })
      expect((error as Error).message).toContain(message)
      expect((error as Error).message.length).toBeLessThan(1_000)
    }
  })

  test('what is written twice at each level ends as too large, and at once', () => {
    let doubled: unknown = 1
    for (let i = 0; i < 100; i++) doubled = { a: doubled, b: doubled }
    expect(() => jsonCodec.encode(doubled, 'request', 10_000)).toThrow(/too large to be stored: 10001 of at most 10000/)
  })

  test('a getter that throws throws', () => {
    const given = {
      get a() {
        throw new Error('mine')
      },
    }
    expect(() => jsonCodec.encode(given, 'request', MAX)).toThrow('mine')
  })
})
