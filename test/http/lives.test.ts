/** An id has one life after another: what names the generation that it saw changes that life, and no later one. */
import { memoryStore, QueuedExecutor } from 'triage-queue'
import { httpApp, listen } from 'triage-queue/http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { principals } from './support/principals.ts'
import { type Ask, ask, held, serve, until } from './support/service.ts'

const own = (id: string): string => `/v1/queues/llm/requests/${id}`

type Asks = (path: string, one?: Ask) => Promise<{ readonly status: number; readonly body: { counts?: object } }>

/** Each way to change a request of a generation: what it answers for another one. */
const changes: readonly [string, (asks: Asks, generation: number) => Promise<unknown>, stale: unknown][] = [
  [
    'cancel',
    async (asks, generation) => {
      const headers = { 'if-match': `"${generation}"` }
      return (await asks(`${own('sam~k')}/cancel`, { as: 'olga', method: 'POST', headers })).status
    },
    412,
  ],
  [
    'another priority',
    async (asks, generation) => {
      const headers = { 'if-match': `"${generation}"` }
      return (await asks(own('sam~k'), { as: 'olga', method: 'PATCH', headers, body: { priority: 'urgent' } })).status
    },
    412,
  ],
  [
    'many at once',
    async (asks, generation) => {
      const body = { action: 'cancel', requests: [{ id: 'sam~k', generation }] }
      return (await asks('/v1/queues/llm/requests:bulk', { as: 'olga', body })).body.counts
    },
    { stale: 1 },
  ],
]

describe.each(changes)('%s', (_, change, stale) => {
  test('misses a later life that has come while its record was looked for', async () => {
    const queue = new QueuedExecutor<string, string>(async (request) => request, { name: 'llm', store: memoryStore() })
    const service = await listen(httpApp({ queues: queue, auth: { tokens: principals } }))
    onTestFinished(async () => {
      await service.close()
      await queue.close({ drain: false })
    })
    const asks: Asks = (path, one) => ask(service.url, path, one)
    for (const endsFirst of [false, true]) {
      queue.pause()
      const first = await queue.submit('first', { id: 'sam~k' })
      const generation = (await queue.find('sam~k'))?.generation as number
      const { resolve: goOn, promise: isRead } = Promise.withResolvers<void>()
      let isAsked = false
      const find = queue.find.bind(queue)
      const gone = (): boolean => first.cancel()
      if (endsFirst) gone()
      // The record is read, and takes a while to arrive.
      queue.find = async (id) => {
        const view = await find(id)
        if (id === 'sam~k' && !isAsked) {
          isAsked = true
          await isRead
        }
        return view
      }
      const changed = change(asks, generation)
      await until(() => isAsked)
      gone()
      const second = await queue.submit('second', { id: 'sam~k' })
      goOn()
      const answer = await changed
      queue.find = find
      expect([second.state, second.priority]).toEqual(['waiting', 'normal'])
      if (!endsFirst) expect(answer).toEqual(stale)
      else expect([409, stale, { ended: 1 }]).toContainEqual(answer)
      expect(await change(asks, (await find('sam~k'))?.generation as number)).toEqual(
        typeof stale === 'number' ? 200 : { done: 1 },
      )
      second.cancel()
    }
  })

  test('misses a later life that is not admitted yet', async () => {
    const { run, calls, called } = held<string, string>()
    const { queue, ask: asks } = await serve({ run, queue: { concurrency: 1, maxQueueSize: 1, whenFull: 'block' } })
    const first = await queue.submit('first', { id: 'sam~k' })
    await called(1)
    calls[0]?.resolve('')
    await first.result
    for (const request of ['runs', 'waits']) await queue.submit(request)
    void queue.submit('second', { id: 'sam~k' }).catch(() => {})
    await until(() => queue.getStatus().blocked === 1)
    expect(await change(asks, 1)).toEqual(stale)
    expect(queue.get('sam~k')?.state).toBe('blocked')
  })
})

test('a request that is not admitted yet has its generation already, and keeps it', async () => {
  const { run, calls, called } = held<string, string>()
  const { queue, ask: asks } = await serve({ run, queue: { concurrency: 1, maxQueueSize: 1, whenFull: 'block' } })
  const etag = async () => (await asks(own('sam~k'), { as: 'vera' })).headers.etag as string
  const cancel = async (seen: string) =>
    (await asks(`${own('sam~k')}/cancel`, { as: 'olga', method: 'POST', headers: { 'if-match': seen } })).status
  for (const request of ['runs', 'waits']) await queue.submit(request)
  const submit = () => void queue.submit('x', { id: 'sam~k' }).catch(() => {})
  submit()
  const first = await etag()
  // Whoever is refused takes nothing from it.
  await expect(queue.submit('y', { id: 'sam~k' })).rejects.toThrow('another payload')
  expect(await etag()).toBe(first)
  queue.cancel('sam~k')
  submit()
  const second = await etag()
  expect([await cancel(first), await etag()]).toEqual([412, second])
  await called(1)
  calls[0]?.resolve('')
  await called(2)
  expect([queue.get('sam~k')?.state, await etag()]).toEqual(['waiting', second])
  const { requests } = (await asks('/v1/queues/llm/requests?id=sam~k', { as: 'vera' })).body
  expect(requests.map(({ generation }: { generation: number }) => `"${generation}"`)).toEqual([second])
  expect([await cancel(first), await cancel(second)]).toEqual([412, 200])
})
