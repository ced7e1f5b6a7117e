/**
 * What counts as the same request once more, and what does not.
 */
import { createContext, runInContext } from 'node:vm'
import { expect, test } from 'vitest'
import { isSame } from '../../src/core/same-request.ts'

class Point {
  readonly x = 1
}
class Numbers extends Array<number> {}
class Bytes extends Uint8Array {}
const key = Symbol('key')
const fn = (): void => {}
const bytes = (...numbers: number[]): ArrayBuffer => new Uint8Array(numbers).buffer

/** An array of holes, but at these. */
const sparse = (length: number, ...at: number[]): unknown[] => {
  const array = new Array<unknown>(length)
  for (const index of at) array[index] = index
  return array
}

const nested = (depth: number): unknown => (depth === 0 ? 'end' : { in: nested(depth - 1) })
const cycle = (name: string): object => {
  const one: Record<string, unknown> = { name }
  one.self = one
  one.list = [one, new Map([['one', one]]), new Set([one])]
  return one
}
const hidden = (value: number): object => Object.defineProperty({ seen: 1 }, 'hidden', { value, enumerable: false })
const withProto = (value: number): object => JSON.parse(`{"__proto__": {"a": ${value}}}`)

test.each<[string, () => unknown]>([
  ['a string', () => 'a'],
  ['NaN', () => Number.NaN],
  ['a bigint', () => 10n],
  ['nothing', () => undefined],
  ['an object', () => ({ a: 1, b: { c: [1, 'two', null, undefined] } })],
  ['an empty object', () => ({})],
  ['an object without a prototype', () => Object.assign(Object.create(null), { a: 1 })],
  ['symbol keys', () => ({ [key]: { a: 1 } })],
  ['an own __proto__', () => withProto(1)],
  ['a getter', () => Object.defineProperty({}, 'a', { get: () => ({ b: 1 }), enumerable: true })],
  ['holes', () => sparse(4, 1, 3)],
  ['an array with a property', () => Object.assign([1], { more: { a: 1 } })],
  [
    'a map',
    () =>
      new Map<unknown, unknown>([
        [1, { a: 1 }],
        [{ k: 1 }, 'x'],
        [{ k: 2 }, 'y'],
      ]),
  ],
  ['a set', () => new Set<unknown>([1, { a: 1 }, Number.NaN])],
  ['a date', () => new Date(5)],
  ['no date', () => new Date(Number.NaN)],
  ['a pattern', () => /a+/gi],
  ['a buffer', () => Buffer.from('abc')],
  ['an array buffer', () => bytes(1, 2)],
  ['a data view', () => new DataView(bytes(1, 2, 3), 1)],
  ['numbers', () => new Float64Array([0, Number.NaN, 1.5])],
  ['no bytes', () => structuredClone(new Uint8Array(0))],
  ['a cycle', () => cycle('a')],
  ['what a function holds is the very same', () => ({ fn, point, fns: [fn] })],
  ['the deepest that is compared', () => nested(98)],
  ['the most that is compared', () => Array.from({ length: 9_998 }, (_, i) => i)],
  ['a proxy of plain data', () => new Proxy({ a: [1] }, {})],
  ['data of another realm', () => runInContext('({ a: [1, , { b: 2 }] })', createContext())],
])('equal: %s', (_, make) => {
  const [one, other] = [make(), make()]
  expect(isSame(one, other)).toBe(true)
  expect(isSame({ in: [one] }, { in: [other] })).toBe(true)
})

const point = new Point()

test.each<[string, unknown, unknown]>([
  ['0 and -0', { n: 0 }, { n: -0 }],
  ['a number and a string', 1, '1'],
  ['an object and nothing', {}, null],
  ['an object and a string', { length: 0 }, ''],
  ['another value', { a: 1 }, { a: 2 }],
  ['another key', { a: undefined }, { b: undefined }],
  ['one key more', { a: 1 }, { a: 1, b: undefined }],
  ['one key less', { a: 1, b: undefined }, { a: 1 }],
  ['an inherited key', { toString: Object.prototype.toString, a: 1 }, { b: 1, a: 1 }],
  ['another symbol key', { [key]: 1 }, { [key]: 2 }],
  ['one symbol key more', {}, { [key]: undefined }],
  ['another own __proto__', withProto(1), withProto(2)],
  ['an own __proto__ and none', withProto(1), { a: 1 }],
  ['a hole and undefined', sparse(2, 1), [undefined, 1]],
  ['a shorter array', [1, 2], [1]],
  ['an array with another length', sparse(2, 0), [0]],
  ['an array and an object', ['a'], { 0: 'a' }],
  ['another property of an array', Object.assign([1], { more: 1 }), Object.assign([1], { more: 2 })],
  ['another key of a map', new Map([[{ k: 1 }, 1]]), new Map([[{ k: 2 }, 1]])],
  ['another value of a map', new Map([['k', 1]]), new Map([['k', 2]])],
  ['a map with a key more', new Map(), new Map([['k', 1]])],
  ['a map and a set', new Map([['k', 'k']]), new Set(['k'])],
  ['another member', new Set(['a']), new Set(['b'])],
  ['members in another order', new Set([{ a: 1 }, { a: 2 }]), new Set([{ a: 2 }, { a: 1 }])],
  ['a property of a map', Object.assign(new Map(), { more: 1 }), new Map()],
  ['another date', new Date(5), new Date(6)],
  ['another pattern', /a/, /b/],
  ['another flag', /a/, /a/g],
  ['a pattern that is further on', Object.assign(/a/g, { lastIndex: 1 }), /a/g],
  ['another byte', Buffer.from('abc'), Buffer.from('abd')],
  ['more bytes', Buffer.from('abc'), Buffer.from('abcd')],
  ['bytes of another kind', new Uint8Array([1]), new Int8Array([1])],
  ['a buffer and its bytes', Buffer.from([1]), new Uint8Array([1])],
  ['another part of a buffer', new DataView(bytes(1, 2), 0, 1), new DataView(bytes(1, 2), 1, 1)],
  ['another buffer', bytes(1), bytes(2)],
  ['another cycle', cycle('a'), cycle('b')],
  ['a cycle and what is like its beginning', cycle('a'), { name: 'a', self: { name: 'a' }, list: [] }],
  ['instances of a class', new Point(), new Point()],
  ['what holds such', { in: [new Point()] }, { in: [new Point()] }],
  ['instances of subclasses', new Numbers(), new Numbers()],
  ['instances of subclasses of typed arrays', new Bytes(1), new Bytes(1)],
  ['errors', new Error('x'), new Error('x')],
  ['functions', { fn: () => {} }, { fn: () => {} }],
  ['promises', Promise.resolve(1), Promise.resolve(1)],
  ['streams', new ReadableStream(), new ReadableStream()],
  ['objects that inherit', Object.create({ a: 1 }), Object.create({ a: 1 })],
  ['objects that inherit from one without a prototype', Object.create(Object.create(null)), {}],
  ['too deep', nested(102), nested(102)],
  [
    'too many members of arrays',
    [new Array(5_000).fill(0), new Array(5_000).fill(0)],
    [new Array(5_000).fill(0), new Array(5_000).fill(0)],
  ],
  ['an array that is too long', new Array(10_001), new Array(10_001)],
  ['a set that is too large', new Set(Array(10_001).keys()), new Set(Array(10_001).keys())],
  ['too many bytes', new Uint8Array(2 ** 24 + 1), new Uint8Array(2 ** 24 + 1)],
])('different: %s', (_, one, other) => {
  expect(isSame(one, other)).toBe(false)
  expect(isSame(other, one)).toBe(false)
})

test('what can not be compared is equal to itself', () => {
  for (const one of [point, fn, nested(200), new Array(20_000), new Set(Array(20_000).keys()), Promise.resolve()]) {
    expect(isSame({ one }, { one })).toBe(true)
  }
})

test('what is not enumerable is not looked at', () => {
  expect(isSame(hidden(1), hidden(2))).toBe(true)
})

test('the bytes of a buffer that was handed over are none', () => {
  const [one, other] = [new Uint8Array(8), new Uint8Array(8)]
  expect(isSame(one, other)).toBe(true)
  structuredClone(null, { transfer: [one.buffer] })
  expect(isSame(one, other)).toBe(false)
  structuredClone(null, { transfer: [other.buffer] })
  expect([isSame(one, other), isSame(one.buffer, other.buffer)]).toEqual([true, true])
})

test('the bounds count for all together, so that what refers to itself again and again is not compared for ever', () => {
  const wide = (): unknown => {
    let all: unknown = {}
    // 2^40 ways down; no object is compared with the same one twice, but each with another one.
    for (let i = 0; i < 40; i++) all = [all, { ...(all as object) }, all]
    return all
  }
  expect(typeof isSame(wide(), wide())).toBe('boolean')
})

test('what a getter or a trap throws is thrown', () => {
  const error = new Error('read')
  const throws = (): never => {
    throw error
  }
  const bad = [
    Object.defineProperty({}, 'a', { get: throws, enumerable: true }),
    ...(['getPrototypeOf', 'ownKeys', 'getOwnPropertyDescriptor', 'get'] as const).map(
      (trap) => new Proxy({ a: 1 }, { [trap]: throws }),
    ),
  ]
  for (const each of bad) {
    expect(() => isSame({ a: 1 }, each)).toThrow(error)
    expect(() => isSame(each, { a: 1 })).toThrow(error)
    expect(isSame(each, each)).toBe(true)
  }
})

test('nothing is changed', () => {
  const frozen = (): object => Object.freeze({ a: Object.freeze([1]), b: new Map([[1, Object.freeze({})]]) })
  expect(isSame(frozen(), frozen())).toBe(true)
  const pattern = /a/g
  expect([isSame(pattern, /a/g), pattern.lastIndex]).toEqual([true, 0])
})
