/**
 * What is told of an error over HTTP, and what not?
 */
import {
  CancelledError,
  InvalidRequestError,
  OptionsError,
  QueueClosedError,
  QueueFullError,
  RateLimitedError,
  TriageError,
  WaitTimeoutError,
} from 'triage-queue'
import { toProblem } from 'triage-queue/web'
import { describe, expect, test } from 'vitest'

describe('an error of ours', () => {
  test('is a problem with its code, and for load with when to come back, and why', () => {
    const error = new QueueFullError('total', 3, 3, { priority: 'low' }, 1_200)
    expect(toProblem(error)).toEqual({
      type: 'about:blank',
      title: 'Service Unavailable',
      status: 503,
      detail: 'The queue is full: 3 of at most 3 requests wait; retry in about 1200 ms',
      code: 'TRIAGE_QUEUE_FULL',
      retryAfterMs: 1_200,
      explain: error.explain,
    })
  })

  test.each([
    [new RateLimitedError({ rule: 'r', compared: {}, wouldAdmit: 'none' }), 429, 'Too Many Requests'],
    [new InvalidRequestError([{ message: 'too long', path: ['name'] }]), 400, 'Bad Request'],
    [new QueueClosedError(), 503, 'Service Unavailable'],
    [new WaitTimeoutError(1, 1), 503, 'Service Unavailable'],
  ])('%s', (error, status, title) => {
    expect(toProblem(error)).toMatchObject({ status, title, detail: error.message, code: error.code })
  })

  test('says nothing that is not for the client: a reason, an option, a bug', () => {
    for (const error of [new CancelledError('secret'), new OptionsError('order', 'secret', 1)]) {
      const problem = toProblem(error)
      expect(problem).toMatchObject({ code: error.code, status: error.statusCode })
      expect(JSON.stringify(problem)).not.toContain('secret')
    }
  })

  test('of a code that is not known here is a 500', () => {
    const error = new TriageError('TRIAGE_OF_TOMORROW' as 'TRIAGE_SHED', 'secret')
    expect(toProblem(error)).toEqual({
      type: 'about:blank',
      title: 'Internal Server Error',
      status: 500,
      code: 'TRIAGE_OF_TOMORROW',
    })
  })
})

describe('what is no error of ours', () => {
  const hostile = new Proxy(new Error('secret'), {
    get() {
      throw new Error('no')
    },
  })

  test.each<[string, unknown, number, string]>([
    ['an error', new Error('secret'), 500, 'Internal Server Error'],
    [
      'one of http-errors',
      Object.assign(new Error('secret'), { statusCode: 413, expose: true }),
      413,
      'Payload Too Large',
    ],
    ['one with a status', Object.assign(new Error('secret'), { status: 404 }), 404, 'Not Found'],
    ['one with a status of its own', Object.assign(new Error('secret'), { status: 599 }), 599, 'Error'],
    [
      'one with a status that is no failure',
      Object.assign(new Error('secret'), { status: 200 }),
      500,
      'Internal Server Error',
    ],
    [
      'one with a status that is none',
      Object.assign(new Error('secret'), { status: '404' }),
      500,
      'Internal Server Error',
    ],
    ['a string', 'secret', 500, 'Internal Server Error'],
    ['nothing', undefined, 500, 'Internal Server Error'],
    ['a proxy that does not want to be looked at', hostile, 500, 'Internal Server Error'],
  ])('%s shows its status at most', (_what, error, status, title) => {
    expect(toProblem(error)).toEqual({ type: 'about:blank', title, status })
  })
})
