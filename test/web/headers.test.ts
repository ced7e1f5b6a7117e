/**
 * What do a client's headers say, and what if they can't be read?
 */
import { InvalidRequestError, OptionsError, type Priority } from 'triage-queue'
import { deadlineFrom, type HeadersLike, priorityFrom } from 'triage-queue/web'
import { describe, expect, test } from 'vitest'

/** As Node has them, and as fetch has them. */
const kinds: [string, (headers: Record<string, string>) => HeadersLike][] = [
  ['an object', (headers) => headers],
  ['fetch’s Headers', (headers) => new Headers(headers)],
]

function thrownBy(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    return error
  }
}

describe.each(kinds)('from %s', (_kind, made) => {
  const priority = (headers: Record<string, string>, rfc9218?: boolean) => priorityFrom(made(headers), { rfc9218 })
  const deadline = (headers: Record<string, string>, maxMs?: number) => deadlineFrom(made(headers), { maxMs })

  test('the priority is the word; without it, normal', () => {
    for (const word of ['urgent', 'high', 'normal', 'low']) expect(priority({ 'triage-priority': word })).toBe(word)
    expect(priority({ 'triage-priority': ' High ' })).toBe('high')
    expect(priority({})).toBe('normal')
  })

  test.each(['hihg', '', '0', 'high, low', 'constructor'])('no priority is %o: the client’s mistake', (value) => {
    const error = thrownBy(() => priority({ 'triage-priority': value }))
    expect(error).toBeInstanceOf(InvalidRequestError)
    expect(error).toMatchObject({
      code: 'TRIAGE_INVALID_REQUEST',
      statusCode: 400,
      expose: true,
      message: `A header can not be read: triage-priority: expected one of urgent, high, normal, low, got '${value}'`,
      issues: [{ path: ['triage-priority'] }],
    })
  })

  test.each<[string, Priority]>([
    ['u=0', 'urgent'],
    ['u=1', 'high'],
    ['u=2', 'high'],
    ['u=3', 'normal'],
    ['u=4', 'low'],
    ['u=5, i', 'low'],
    ['i, u=6', 'low'],
    ['u=7;x=1', 'low'],
    // The last one counts; what is out of range or of another type is ignored; and without any it is 3.
    ['u=0, u=2', 'high'],
    ['u=0, u=8', 'normal'],
    ['u=10', 'normal'],
    ['u=-1', 'normal'],
    ['u=1.5', 'normal'],
    ['u="0"', 'normal'],
    ['u', 'normal'],
    ['i', 'normal'],
    ['', 'normal'],
    ['no dictionary at all!', 'normal'],
    ['ux=0', 'normal'],
  ])('`priority: %s` is %s where RFC 9218 counts', (value, word) => {
    expect(priority({ priority: value }, true)).toBe(word)
    expect(priority({ priority: value })).toBe('normal')
    expect(priority({ priority: value, 'triage-priority': 'urgent' }, true)).toBe('urgent')
  })

  test.each([
    ['250', 250],
    [' 250 ', 250],
    ['0.5', 1],
    ['250.25', 250.25],
    ['0', 1],
    ['250m', 250],
    ['1.5S', 1_500],
    ['2M', 120_000],
    ['1H', 300_000],
    ['2500u', 2.5],
    ['5n', 1],
    ['999999999999999', 300_000],
  ])('`triage-deadline: %s` is %s ms', (value, ms) => {
    expect(deadline({ 'triage-deadline': value })).toBe(ms)
  })

  test.each([
    ['1H', 300_000],
    ['3M', 180_000],
    ['10S', 10_000],
    ['99999999m', 300_000],
    ['1500u', 1.5],
    ['1n', 1],
  ])('`grpc-timeout: %s` is %s ms, if there is no triage-deadline', (value, ms) => {
    expect(deadline({ 'grpc-timeout': value })).toBe(ms)
    expect(deadline({ 'grpc-timeout': value, 'triage-deadline': '7' })).toBe(7)
  })

  test('is cut to what is allowed', () => {
    expect(deadline({ 'triage-deadline': '5000' }, 1_000)).toBe(1_000)
    expect(deadline({ 'grpc-timeout': '1H' }, Number.POSITIVE_INFINITY)).toBe(3_600_000)
    expect(deadline({})).toBeUndefined()
  })

  test.each([
    [
      'triage-deadline',
      ['', 'soon', '-5', 'NaN', 'Infinity', '1e3', '0x10', '5s', '1 S', '1,5', '10, 20', '1'.repeat(16)],
    ],
    ['grpc-timeout', ['', '250', '1.5S', '-1S', '123456789m', 'S', '1s']],
  ])('no %s: the client’s mistake', (name, values) => {
    for (const value of values) {
      const error = thrownBy(() => deadline({ [name]: value }))
      expect(error).toBeInstanceOf(InvalidRequestError)
      expect(error).toMatchObject({ statusCode: 400, issues: [{ path: [name] }] })
      expect((error as Error).message).toContain(`A header can not be read: ${name}: expected`)
    }
  })
})

test('a header that came more than once is one list', () => {
  expect(priorityFrom({ priority: ['u=0', 'u=1'] }, { rfc9218: true })).toBe('high')
})

test('a header that is called "get" is one like any other', () => {
  expect(priorityFrom({ get: 'it', 'triage-priority': 'low' })).toBe('low')
})

test('what is no headers at all, and options that there are not, are told at once', () => {
  for (const read of [priorityFrom, deadlineFrom]) {
    // The request in place of its headers; nothing; a list.
    for (const wrong of [{ headers: {} }, undefined, ['triage-priority', 'high']]) {
      const error = thrownBy(() => read(wrong as never))
      expect(error).toBeInstanceOf(OptionsError)
      expect(error).toMatchObject({ path: 'headers', expected: "a request's headers" })
    }
    expect(() => read({}, { rfc: true } as never)).toThrow(OptionsError)
  }
  expect(() => deadlineFrom({}, { maxMs: 0 })).toThrow(OptionsError)
  expect(() => priorityFrom({}, { rfc9218: 'yes' as never })).toThrow(OptionsError)
})
