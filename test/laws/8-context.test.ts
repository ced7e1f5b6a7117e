/**
 * Law 8, context: the executor, and every listener about a request, runs in the AsyncLocalStorage context of that
 * request's own submitter: not in that of whoever made room, settled before it, cancelled it or armed a timer.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type ExecutorEvent, QueuedExecutor, type RequestOptions, type StandardSchema } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { holds } from './support/holds.ts'
import { type Law, must } from './support/world.ts'

/** Every call and every event of a world looks at its store. */
const context: Law = {
  always(world) {
    must(world.wrongContexts.length === 0, () => world.wrongContexts.join('; '))
  },
}

holds('every call and every listener runs in the context of the one who submitted, whatever happens', context)

test('each event of a request finds the store of its submitter', async () => {
  const clock = new VirtualClock()
  const store = new AsyncLocalStorage<string>()
  const executor = new QueuedExecutor<string, void>(
    async (name, run) => {
      if (name === 'fails') throw new Error(name)
      await clock.sleep(name === 'deaf' ? 500 : 10, name === 'deaf' ? {} : { signal: run.signal })
    },
    { clock, concurrency: 1, maxQueueSize: 1, whenFull: 'block', maxBlocked: 1, runTimeoutMs: 50 },
  )
  const found = new Set<string>()
  const strangers: string[] = []
  const about: ExecutorEvent[] = [
    'queued',
    'rejected',
    'blocked',
    'started',
    'completed',
    'failed',
    'expired',
    'cancelled',
  ]
  for (const event of [...about, 'stuck' as const]) {
    executor.on(event, (payload) => {
      const { metadata } = payload as { metadata: string }
      found.add(event)
      if (store.getStore() !== metadata) strangers.push(`'${event}' of '${metadata}' in '${store.getStore()}'`)
    })
  }
  const submit = (name: string, options?: RequestOptions): void => {
    store.run(name, () => executor.execute(name, { ...options, metadata: name }).catch(() => {}))
  }
  await store.run('another', async () => {
    submit('completes')
    submit('fails')
    submit('deaf')
    submit('refused')
    await clock.advance(15)
    submit('cancelled', { id: 'it' })
    submit('expires', { waitTimeoutMs: 5 })
    await clock.advance(5)
    store.run('the canceller', () => executor.cancel('it'))
    await clock.advance(1_000)
    await executor.close()
  })
  expect(strangers).toEqual([])
  expect(found).toEqual(new Set([...about, 'stuck']))
})

test('the context lasts through awaits, thenables and an asynchronous schema, and does not leak to the next', async () => {
  const clock = new VirtualClock()
  const store = new AsyncLocalStorage<number>()
  const seen: unknown[][] = []
  const schema: StandardSchema<number> = {
    '~standard': { version: 1, vendor: 'test', validate: async (value) => ({ value: value as number }) },
  }
  const executor = new QueuedExecutor<number, unknown>(
    async (n) => {
      const stores = [store.getStore()]
      seen.push(stores)
      await null
      stores.push(store.getStore())
      await clock.sleep(5)
      stores.push(store.getStore())
      return {
        // biome-ignore lint/suspicious/noThenProperty: what is tested is what becomes of thenables
        then(resolve: (value: unknown) => void) {
          stores.push(store.getStore())
          resolve(n)
        },
      }
    },
    { clock, concurrency: 2, schema },
  )
  const answers = [1, 2, 3, 4, 5].map((n) => store.run(n, () => executor.execute(n)))
  const outside = executor.execute(6)
  await clock.run()
  await Promise.all([...answers, outside])
  expect(seen).toEqual([1, 2, 3, 4, 5, undefined].map((n) => [n, n, n, n]))
})
