/**
 * What is said of a store, of kinds and of what may go wrong elsewhere, when it is wrong.
 */
import {
  LockLostError,
  memoryStore,
  OptionsError,
  QueuedExecutor,
  type QueuedExecutorOptions,
  ResultLostError,
  RunFailedError,
  TriageError,
  WorkerLostError,
} from 'triage-queue'
import { expect, test } from 'vitest'

const of = (options: unknown) => () => new QueuedExecutor(async () => 1, options as QueuedExecutorOptions)

test('an option of a store that is wrong is named', () => {
  expect(of({ store: {} })).toThrow(
    "Option 'store': expected a store, such as `await openStore('requests.db')`, got {}",
  )
  expect(of({ store: Promise.resolve(memoryStore()) })).toThrow('await it first')
  expect(of({ kinds: [] })).toThrow("Option 'kinds'")
  expect(of({ kinds: { a: {} } })).toThrow("Option 'kinds.a.executor': expected a function, got undefined")
  expect(of({ kinds: { a: { executor: 5 } } })).toThrow("Option 'kinds.a.executor'")
  expect(of({ maxAttempts: 0 })).toThrow("Option 'maxAttempts'")
  expect(of({ results: 'soon' })).toThrow("Option 'results'")
  expect(of({ tellWithinMs: 0 })).toThrow("Option 'tellWithinMs'")
  const store = memoryStore()
  of({ store })()
  expect(of({ store })).toThrow(OptionsError)
})

test('a kind is a string, and one that there is', async () => {
  const queue = new QueuedExecutor(async () => 1)
  await expect(queue.execute(1, { kind: 5 as never })).rejects.toThrow("Option 'kind': expected a string, got 5")
  await expect(queue.execute(1, { kind: 'x' })).rejects.toMatchObject({ path: 'kind', received: 'x' })
})

test('what may go wrong where a run is elsewhere', () => {
  const cause = new Error('mine')
  const errors = [
    new WorkerLostError('out of memory', { requestId: 'a' }, cause),
    new LockLostError({ started: 'unknown' }),
    new ResultLostError('it was removed'),
    new RunFailedError('mine'),
  ]
  expect(errors.map(({ name, code, statusCode }) => [name, code, statusCode])).toEqual([
    ['WorkerLostError', 'TRIAGE_WORKER_LOST', 502],
    ['LockLostError', 'TRIAGE_LOCK_LOST', 502],
    ['ResultLostError', 'TRIAGE_RESULT_LOST', 502],
    ['RunFailedError', 'TRIAGE_RUN_FAILED', 502],
  ])
  expect(errors.every((error) => error instanceof TriageError)).toBe(true)
  expect([errors[0]?.cause, errors[0]?.requestId, errors[1]?.started, errors[2]?.started]).toEqual([
    cause,
    'a',
    'unknown',
    false,
  ])
})
