import { RunFailedError, ShedError, TriageError } from 'triage-queue'
import { expect, test } from 'vitest'
import { errorAnew, errorClasses, errorClassOf } from '../../src/core/error-classes.ts'

test('each code of ours has a class, whose errors are ours', () => {
  for (const { prototype, name } of Object.values(errorClasses)) {
    expect(prototype, name).toBeInstanceOf(TriageError)
  }
  expect(errorClassOf('TRIAGE_SHED')).toBe(ShedError)
  expect(errorClassOf('TRIAGE_RUN_FAILED')).toBe(RunFailedError)
})

test('an error that has come from elsewhere is one of its class, with all that it says', () => {
  const subject = { queue: 'q', requestId: 'a', started: true }
  const error = errorAnew(ShedError, ['TRIAGE_SHED', 'gone'], subject, { retryAfterMs: 5 }, { displacedBy: 'high' })
  expect(error).toBeInstanceOf(ShedError)
  expect(error).toMatchObject({
    code: 'TRIAGE_SHED',
    message: 'gone',
    ...subject,
    retryAfterMs: 5,
    displacedBy: 'high',
  })
})

test('what is no code of ours has none', () => {
  for (const code of ['EPIPE', 'constructor', '', 5, undefined]) expect(errorClassOf(code)).toBe(undefined)
})
