/**
 * The record of a request: what it keeps for itself, what it shares with others, and what it says before it has anything.
 */
import { describe, expect, test } from 'vitest'
import { type RecordOwner, RequestRecord, startsLater, subjectOf } from '../../src/core/request-record.ts'
import { type RequestState, State } from '../../src/core/request-state.ts'

const NORMAL = 2

function create(status: State = State.ARRIVING, at = 5) {
  const named: string[] = []
  const owner = { named: (_: unknown, id: string) => named.push(id), position: () => 7, setPriority: () => true }
  const record = new RequestRecord('request', NORMAL, { at, owner: owner as unknown as RecordOwner })
  record.status = status
  return { record, named }
}

function timed(waitTimeoutMs?: number, runTimeoutMs?: number, timeoutMs?: number): RequestRecord {
  const { record } = create()
  record.limit(waitTimeoutMs, runTimeoutMs, timeoutMs)
  return record
}

describe('timeouts of their own', () => {
  test('are kept once for all who have the same, and nothing else of their own', () => {
    const first = timed(1, 2, 3)
    expect(timed(1, 2, 3).extras).toBe(first.extras)
    expect([first.extras?.isShared, first.own()]).toEqual([true, undefined])
  })

  test.each([
    [9, 2, 3],
    [1, 9, 3],
    [1, 2, 9],
    [undefined, 2, 3],
    [1, undefined, 3],
    [1, 2, undefined],
  ])('are not mixed up: %s, %s and %s', (...other) => {
    const [before, record, after] = [timed(1, 2, 3), timed(...other), timed(1, 2, 3)]
    const [waitTimeoutMs, runTimeoutMs, timeoutMs] = other
    expect(record.extras).toMatchObject({ waitTimeoutMs, runTimeoutMs, timeoutMs })
    for (const each of [before, after]) {
      expect(each.extras).toMatchObject({ isShared: true, waitTimeoutMs: 1, runTimeoutMs: 2, timeoutMs: 3 })
    }
  })

  test('stay with it when it needs something of its own, which the others do not get', () => {
    const [one, other] = [timed(1, 2, 3), timed(1, 2, 3)]
    one.more().metadata = 'mine'
    expect(one.extras).toMatchObject({ isShared: false, waitTimeoutMs: 1, runTimeoutMs: 2, timeoutMs: 3 })
    expect(one.own()).toBe(one.extras)
    expect([one.metadata, other.metadata]).toEqual(['mine', undefined])
    one.limit(4, 5, 6)
    expect(timed(1, 2, 3).extras).toBe(other.extras)
  })
})

describe('an id', () => {
  test('is made when it is first read, of a prefix for the process and a counter', () => {
    const [one, two] = [create().record.id, create().record.id]
    const [prefix, counter] = one.split('-')
    expect(prefix).toMatch(/^[0-9a-f]{8}$/)
    expect(two).toBe(`${prefix}-${Number(counter) + 1}`)
  })

  test('makes it known to its owner, so that it is found by it; not any more when it has ended', () => {
    for (const status of [State.WAITING, State.RUNNING]) {
      const { record, named } = create(status)
      expect([record.id, record.id]).toEqual([named[0], named[0]])
      expect(named).toHaveLength(1)
    }
    for (const status of [State.COMPLETED, State.SHED]) {
      const { record, named } = create(status)
      expect(record.id).toBe(record.lastId)
      expect(named).toEqual([])
    }
  })

  test('for an error is the one that it has, or one that nobody needs to find it by', () => {
    const { record, named } = create(State.WAITING)
    const id = record.lastId
    expect(id).toMatch(/^[0-9a-f]{8}-\d+$/)
    expect([record.lastId, record.id, named]).toEqual([id, id, []])
  })
})

test('it says where it is, also with nothing of its own', () => {
  const states: [State, RequestState][] = [
    [State.ARRIVING, 'blocked'],
    [State.CHECKING, 'blocked'],
    [State.HELD, 'waiting'],
    [State.STARTING, 'running'],
    [State.SHED, 'shed'],
    [State.REJECTED, 'rejected'],
  ]
  for (const [status, state] of states) {
    const { record } = create(status)
    expect([record.state, record.stateOfAll, record.startedAt, record.endedAt]).toEqual([
      state,
      state,
      undefined,
      undefined,
    ])
    expect([record.position(), record.setPriority('low'), record.cost, record.attempt]).toEqual([7, true, 1, 1])
  }
  const { record } = create(State.HELD)
  record.later().attempt = 2
  expect(record.state).toBe('retrying')
})

describe('what an error says of it', () => {
  test('before it is admitted: no id but its own', () => {
    for (const status of [State.ARRIVING, State.CHECKING, State.BLOCKED]) {
      const { record } = create(status)
      expect(subjectOf(record)).toEqual({ requestId: undefined, priority: 'normal', started: false })
      expect(record.extras).toBeUndefined()
      record.more().id = 'own'
      expect(subjectOf(record).requestId).toBe('own')
    }
    const { record } = create(State.WAITING)
    expect(subjectOf(record).requestId).toBe(record.lastId)
  })

  test('whether an attempt of it ever ran', () => {
    const started = (status: State) => subjectOf(create(status).record).started
    for (const status of [State.WAITING, State.HELD, State.STARTING, State.SHED, State.REJECTED]) {
      expect(started(status)).toBe(false)
    }
    for (const status of [State.RUNNING, State.FAILED, State.CANCELLED]) expect(started(status)).toBe(true)
    const { record } = create(State.WAITING)
    record.later().attempt = 2
    expect(subjectOf(record).started).toBe(true)
  })
})

test('it starts later if it depends on others, or not before a time that has not come', () => {
  const startsAt = (startAt: number, after?: readonly unknown[]): boolean => {
    const { record } = create(State.ARRIVING, 5)
    Object.assign(record.later(), { startAt, after })
    return startsLater(record)
  }
  expect([startsAt(0), startsAt(5), startsAt(6), startsAt(0, [])]).toEqual([false, false, true, true])
  expect([startsLater(create().record), startsLater(timed(1))]).toEqual([false, false])
})
