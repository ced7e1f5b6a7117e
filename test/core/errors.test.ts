/**
 * What the errors say of odd values, and where the engine forbids what makes them cheap.
 */
import { InvalidRequestError, OptionsError, QueueFullError } from 'triage-queue'
import { describe, expect, test } from 'vitest'

const refuse = (): never => {
  throw new Error('no')
}

describe('the stack', () => {
  test('an error of overload has none, and the limit is what it was', () => {
    const limit = Error.stackTraceLimit
    expect(new QueueFullError('total', 1, 1).stack).not.toMatch(/^ +at /m)
    expect(Error.stackTraceLimit).toBe(limit)
  })

  test('where the limit can’t be written, as under --frozen-intrinsics, it has one, and nothing throws', () => {
    const limit = Error.stackTraceLimit
    Object.defineProperty(Error, 'stackTraceLimit', { writable: false })
    try {
      const error = new QueueFullError('total', 1, 1)
      expect(error).toMatchObject({
        code: 'TRIAGE_QUEUE_FULL',
        message: 'The queue is full: 1 of at most 1 requests wait',
      })
      expect(error.stack).toMatch(/^ +at /m)
      expect(Error.stackTraceLimit).toBe(limit)
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', { writable: true })
    }
  })
})

test.each<[string, unknown, string]>([
  ['a string', 'x'.repeat(60), `'${'x'.repeat(60)}'`],
  ['a long string', 'x'.repeat(61), `'${'x'.repeat(57)}…'`],
  ['an object', { a: 1 }, '{"a":1}'],
  ['a long array', Array(40).fill(1), `[${'1,'.repeat(28)}…`],
  ['an error', new RangeError('far off'), 'RangeError: far off'],
  ['what can’t be shown', Object.create(null, { toJSON: { get: refuse } }), 'a value of type object'],
])('%s is shown in one short line', (_what, received, shown) => {
  const error = new OptionsError('name', 'something else', received)
  expect(error.message).toBe(`Option 'name': expected something else, got ${shown}`)
  expect(error.received).toBe(received)
})

test('an issue has its path, in either form that Standard Schema knows, or none', () => {
  const issues = [
    { message: 'too short', path: ['user', { key: 'names' }, 0] },
    { message: 'no symbol', path: [{ key: Symbol('s') }] },
    { message: 'no object', path: [] },
    { message: 'nothing fits' },
  ]
  const error = new InvalidRequestError(issues)
  expect(error.issues).toBe(issues)
  expect(error.message).toBe(
    'The request does not fit the schema: user.names.0: too short; Symbol(s): no symbol; no object; nothing fits',
  )
})
