import * as all from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { errorClasses } from '../../src/core/error-classes.ts'
import { arrived, crossing } from '../../src/threads/crossing.ts'

/** To another thread, and back. */
const over = (thrown: unknown): unknown => arrived(structuredClone(crossing(thrown)))

test('every error of ours is of its class on the other side, by its code', () => {
  for (const [code, type] of Object.entries(errorClasses)) {
    const error = Object.assign(Object.create(type.prototype), { code, started: 'unknown' })
    const there = over(error) as Error
    expect([code, Object.getPrototypeOf(there)]).toEqual([code, type.prototype])
    expect(there).toMatchObject({ code, started: 'unknown' })
    expect(all.isTriageError(there)).toBe(true)
  }
  expect(over(new all.TriageError('TRIAGE_LATER' as never, 'text'))).toBeInstanceOf(all.TriageError)
})

test('an error of ours says there what it says here', () => {
  const error = new all.QueueFullError('total', 5, 5, { requestId: 'a', queue: 'llm', priority: 'low' }, 1_200)
  const there = over(error) as all.QueueFullError
  expect(there.toJSON()).toEqual(error.toJSON())
  expect([there.headers, there.statusCode, there.name, there.explain]).toEqual([
    ...[error.headers, error.statusCode, error.name, error.explain],
  ])
})

describe('errors of others', () => {
  test('a subclass is of the nearest class that both sides have, with its own name', () => {
    class MyError extends TypeError {
      override name = 'MyError'
      readonly more = new Map([[1, { a: new Date(7) }]])
    }
    const there = over(new MyError('text')) as MyError
    expect(there).toBeInstanceOf(TypeError)
    expect([there.name, there.message, there.more]).toEqual(['MyError', 'text', new Map([[1, { a: new Date(7) }]])])
    expect(Object.keys(there)).not.toContain('name')
  })

  test('causes and inner errors keep theirs, to a depth', () => {
    const deep = new AggregateError([new RangeError('one'), 'two'], 'both', {
      cause: Object.assign(new Error('x'), { code: 'E' }),
    })
    const there = over(deep) as AggregateError
    expect(there.errors[0]).toBeInstanceOf(RangeError)
    expect([there.errors[1], there.cause]).toEqual(['two', expect.objectContaining({ message: 'x', code: 'E' })])
    const circle: Error = new Error('circle')
    circle.cause = circle
    expect((over(circle) as Error).message).toBe('circle')
  })

  test('an AbortError is a DOMException', () => {
    const there = over(AbortSignal.abort().reason)
    expect(there).toBeInstanceOf(DOMException)
    expect(there).toMatchObject({ name: 'AbortError', code: 20 })
  })

  test('what can not be sent of one is left out; one that throws when it is read is an error still', () => {
    const there = over(Object.assign(new Error('a'), { call: () => 1, socket: { on: () => 1 }, id: 7 })) as Error
    expect(Object.keys(there)).toEqual(['id'])
    const hostile = new Error('b')
    Object.defineProperty(hostile, 'message', {
      get() {
        throw new Error('no')
      },
    })
    expect(over(hostile)).toBeInstanceOf(Error)
    const getter = Object.defineProperty(new Error('c'), 'bad', {
      enumerable: true,
      get() {
        throw new Error('no')
      },
    })
    expect((over(getter) as Error).message).toBe('c')
  })
})

test.each([['text'], [undefined], [null], [7n], [{ a: 1 }]])('%o is thrown as it is', (thrown) => {
  expect(over(thrown)).toEqual(thrown)
})

test('what is no error and can not be sent is described', () => {
  expect(over(() => 1)).toBe('a function')
  expect(over(Symbol('a'))).toBe('Symbol(a)')
})
