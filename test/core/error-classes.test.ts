import { RunFailedError, ShedError, TriageError } from 'triage-queue'
import { expect, test } from 'vitest'
import { errorClasses, errorClassOf } from '../../src/core/error-classes.ts'

test('each code of ours has a class, whose errors are ours', () => {
  for (const { prototype, name } of Object.values(errorClasses)) {
    expect(prototype, name).toBeInstanceOf(TriageError)
  }
  expect(errorClassOf('TRIAGE_SHED')).toBe(ShedError)
  expect(errorClassOf('TRIAGE_RUN_FAILED')).toBe(RunFailedError)
})

test('what is no code of ours has none', () => {
  for (const code of ['EPIPE', 'constructor', '', 5, undefined]) expect(errorClassOf(code)).toBe(undefined)
})
