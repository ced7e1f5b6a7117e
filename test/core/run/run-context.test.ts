import { describe, expect, test } from 'vitest'
import { RequestRecord } from '../../../src/core/request-record.ts'
import { Run } from '../../../src/core/run/run-context.ts'

const owner = {
  cancel: () => false,
  setPriority: () => false,
  position: () => undefined,
  waitUntil: () => Number.POSITIVE_INFINITY,
  dueAt: (_record: RequestRecord, startedAt: number) => startedAt + 60,
  named: () => {},
}

function made() {
  const record = new RequestRecord('x', 1, { at: 100, owner })
  return { record, run: new Run(record, { at: 130, owner }) }
}

test('a run tells of its request, and when it is over', () => {
  const { record, run } = made()
  expect(run).toMatchObject({ priority: 'high', attempt: 1, enqueuedAt: 100, waitMs: 30, deadline: 190 })
  expect([run.id, run.metadata]).toEqual([record.id, undefined])
  expect(Run.recordOf(run)).toBe(record)
})

describe('its signal', () => {
  test('is one, however often it is read, and is aborted with the reason', () => {
    const { run } = made()
    const { signal } = run
    expect(run.signal).toBe(signal)
    expect(signal.aborted).toBe(false)
    Run.abort(run, 'enough')
    expect([signal.aborted, signal.reason]).toEqual([true, 'enough'])
    expect(run.signal).toBe(signal)
  })

  test('is aborted already for whoever reads it only then', () => {
    const { run } = made()
    Run.abort(run, 'enough')
    expect([run.signal.aborted, run.signal.reason]).toEqual([true, 'enough'])
  })
})
