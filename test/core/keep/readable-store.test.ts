import { memoryStore, QueuedExecutor } from 'triage-queue'
import { expect, test } from 'vitest'
import { readableStoreOf } from '../../../src/core/readable-store.ts'

test('the store of an executor is read by whoever shows requests, if it can be read', () => {
  const store = memoryStore()
  const queue = new QueuedExecutor(async () => 1, { store })
  expect(readableStoreOf(queue)).toBe(store)
  expect(readableStoreOf(new QueuedExecutor(async () => 1))).toBeUndefined()
  expect(readableStoreOf({})).toBeUndefined()
  expect(readableStoreOf({ settings: { store: { find: () => undefined } } })).toBeUndefined()
})
