/**
 * Where Node keeps a context can't be found out everywhere (not before Node 24). Then each run is marked the long way.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test, vi } from 'vitest'

/** The executor as it is where an AsyncResource shows no context frame. */
async function frameless() {
  vi.resetModules()
  const { getOwnPropertySymbols } = Object
  const symbols = vi
    .spyOn(Object, 'getOwnPropertySymbols')
    .mockImplementation((object) =>
      getOwnPropertySymbols(object).filter(({ description }) => description !== 'context_frame'),
    )
  try {
    return await import('../../../src/core/queued-executor.ts')
  } finally {
    symbols.mockRestore()
    vi.resetModules()
  }
}

test('without context frames each run is in its own submitter’s context, and close() knows its own executor', async () => {
  const { QueuedExecutor } = await frameless()
  const tenant = new AsyncLocalStorage<string>()
  const seen: [n: number, tenant: string | undefined][] = []
  const queue = new QueuedExecutor(
    async (n: number) => {
      await Promise.resolve()
      seen.push([n, tenant.getStore()])
      if (n === 5) await queue.close()
    },
    { concurrency: 1 },
  )
  const ends = [
    queue.execute(1),
    tenant.run('a', () => queue.execute(2)),
    queue.execute(3),
    tenant.run('b', () => queue.execute(4)),
    queue.execute(5),
  ]
  await Promise.all(ends)
  expect(seen).toEqual([
    [1, undefined],
    [2, 'a'],
    [3, undefined],
    [4, 'b'],
    [5, undefined],
  ])
})
