/**
 * Requests that have failed and wait for another attempt: how many there may be, and what becomes of one more.
 */
import type { ExecutorEvents, QueuedExecutorOptions, QueuedRequest } from 'triage-queue'
import { expect, test } from 'vitest'
import { gated, turn, watch } from './support.ts'

const LATER_MS = 100

/** What fails is tried again `LATER_MS` later, however often; the laws are checked at each step. */
function retried(options: QueuedExecutorOptions<string> = {}) {
  const asked: number[] = []
  const made = gated({
    ...{ concurrency: 4, debug: true },
    retry: { name: 'later', delayMs: ({ attempt }) => asked.push(attempt) && LATER_MS },
    ...options,
  })
  const { gate, queue } = made
  const failed: ExecutorEvents['failed'][] = []
  queue.on('failed', (event) => failed.push(event))
  /** Submits one, and has it fail. */
  const fail = async (name: string, more = {}): Promise<QueuedRequest<string>> => {
    const handle = await queue.submit(name, more)
    watch(handle.result)
    await turn()
    await gate.fail(name, new Error(name))
    return handle
  }
  return { ...made, asked, failed, fail }
}

test('F39: a failure beyond maxRetrying is final, and says so; its error is left as it is', async () => {
  const { gate, queue, failed, asked, fail } = retried({ maxRetrying: 1 })
  const a = await fail('a')
  const b = await queue.submit('b')
  const end = watch(b.result)
  await turn()
  const error = Object.freeze(new Error('b'))
  await gate.fail('b', error)
  expect([a.state, a.notRetried, b.state, b.notRetried]).toEqual(['retrying', undefined, 'failed', 'full'])
  expect(end.error).toBe(error)
  expect(Object.getOwnPropertyNames(error)).toEqual(['stack', 'message'])
  expect(failed).toMatchObject([{ request: 'b', error, notRetried: 'full', attempts: 1, errors: [error] }])
  expect(queue.getStatus()).toMatchObject({ retrying: 1, maxRetrying: 1, totals: { retries: 1, failed: 1 } })
  // A retry that is refused uses up nothing of the policy's budget.
  expect(asked).toEqual([1])
  await queue.close({ drain: false })
})

test.each([
  [{ maxQueueSize: 2 }, 2],
  [{ maxQueueSize: { total: 2, low: 1 } }, 2],
  [{ maxQueueSize: 2, maxRetrying: 3 }, 3],
  [{ maxQueueSize: 2, maxRetrying: 0 }, null],
  [{ maxQueueSize: 0 }, null],
] as const)('F39: with %j, as many are retried at a time as that says: %s', async (options, most) => {
  const { queue, fail } = retried(options)
  for (const name of ['a', 'b', 'c', 'd']) await fail(name)
  expect(queue.getStatus()).toMatchObject({ retrying: most ?? 4, maxRetrying: most })
  await queue.close({ drain: false })
})

test('F39: one that is back in the queue still counts; one that has started does not', async () => {
  const { clock, gate, queue, fail } = retried({ maxRetrying: 1, concurrency: 2 })
  const a = await fail('a')
  const others = ['b', 'c'].map((name) => watch(queue.execute(name)))
  await clock.advance(LATER_MS)
  // Its time has come, and no slot is free.
  expect([a.position(), queue.getStatus().retrying]).toEqual([0, 1])
  await gate.fail('b', new Error('b'))
  expect([others[0]?.state, a.state, queue.getStatus().retrying]).toEqual(['rejected', 'running', 0])
  await gate.fail('c', new Error('c'))
  expect([others[1]?.state, queue.getStatus().retrying]).toEqual(['pending', 1])
  // Its second failure finds the place taken.
  await gate.fail('a', new Error('a'))
  expect([a.state, a.notRetried]).toEqual(['failed', 'full'])
  await queue.close({ drain: false })
})

test.each(['cancel', 'abort', 'expire'] as const)(
  'F39: one that ends in its backoff, by %s, makes room',
  async (how) => {
    const { clock, queue, fail } = retried({ maxRetrying: 1 })
    const abort = new AbortController()
    const a = await fail('a', { signal: abort.signal, ...(how === 'expire' && { waitTimeoutMs: LATER_MS + 1 }) })
    if (how === 'cancel') a.cancel()
    else if (how === 'abort') abort.abort()
    else {
      queue.pause()
      await clock.advance(LATER_MS + 1)
      queue.resume()
    }
    expect([a.state, queue.getStatus().retrying]).toEqual([how === 'expire' ? 'expired' : 'cancelled', 0])
    expect((await fail('b')).state).toBe('retrying')
    await queue.close({ drain: false })
  },
)

test('F39: neither another priority nor a bound of it changes how many are retried', async () => {
  const { clock, queue, fail } = retried({ maxRetrying: 2, maxQueueSize: { total: 5, low: 1 } })
  const [a, b] = [await fail('a'), await fail('b')]
  for (const each of [a, b]) expect(each.setPriority('low')).toBe(true)
  expect((await fail('c')).notRetried).toBe('full')
  queue.pause()
  await clock.advance(LATER_MS)
  // The bound of their priority is not for them; they were judged when they came.
  for (const each of [a, b]) expect([each.position() !== undefined, each.setPriority('urgent')]).toEqual([true, true])
  expect(queue.getStatus()).toMatchObject({ retrying: 2, waiting: 0 })
  await queue.close({ drain: false })
  expect(queue.getStatus()).toMatchObject({ retrying: 0, totals: { cancelled: 2, failed: 1 } })
})

test('F39: those who share a run are retried as one, and each is told when it is final', async () => {
  const { gate, queue, fail } = retried({ maxRetrying: 1 })
  const a = await fail('a', { id: 'a' })
  const joined = await queue.submit('a', { id: 'a' })
  expect(queue.getStatus()).toMatchObject({ retrying: 1, totals: { joined: 1 } })
  const shared = [await queue.submit('b', { id: 'b' }), await queue.submit('b', { id: 'b' })]
  const ends = shared.map(({ result }) => watch(result))
  const error = new Error('b')
  await gate.fail('b', error)
  expect(ends.map((end) => end.error)).toEqual([error, error])
  expect(shared.map(({ notRetried }) => notRetried)).toEqual(['full', 'full'])
  // The one who submitted leaves: it goes on to be retried for the other, and is counted.
  a.cancel()
  expect([joined.state, queue.getStatus().retrying, (await fail('c')).notRetried]).toEqual(['retrying', 1, 'full'])
  watch(joined.result)
  joined.cancel()
  expect(queue.getStatus().retrying).toBe(0)
  await queue.close({ drain: false })
})

test('F39: one that takes several slots is one', async () => {
  const { queue, fail } = retried({ maxRetrying: 2 })
  const states: string[] = []
  for (const name of ['a', 'b', 'c']) states.push((await fail(name, { cost: 3 })).state)
  expect([states, queue.getStatus().retrying]).toEqual([['retrying', 'retrying', 'failed'], 2])
  await queue.close({ drain: false })
})

test('F39: while it drains the bound holds; close() waits for those that are retried', async () => {
  const { clock, gate, queue, fail } = retried({ maxRetrying: 1 })
  const a = await fail('a')
  const [b, c] = [await queue.submit('b'), await queue.submit('c')]
  for (const { result } of [b, c]) watch(result)
  await turn()
  const closed = watch(queue.close())
  await gate.fail('b', new Error('b'))
  expect([b.state, b.notRetried]).toEqual(['failed', 'full'])
  await gate.finish('c')
  expect(closed.state).toBe('pending')
  await clock.advance(LATER_MS)
  await gate.finish('a')
  expect([a.state, closed.state, queue.getStatus().retrying]).toEqual(['completed', 'fulfilled', 0])
})

test('F39: after close() without drain nothing is retried, and that is not for want of room', async () => {
  const { gate, queue, failed } = retried({ maxRetrying: 1 })
  watch(queue.execute('a'))
  await turn()
  const closed = watch(queue.close({ drain: false }))
  await gate.fail('a', new Error('a'))
  expect(closed.state).toBe('fulfilled')
  expect(failed).toMatchObject([{ request: 'a', notRetried: undefined }])
})

test('F39: a policy that ends the request while it is asked has ended it', async () => {
  const ends: { readonly [how: string]: (queue: ReturnType<typeof gated>['queue']) => unknown } = {
    TRIAGE_CANCELLED: (queue) => queue.cancel('a'),
    'its error': (queue) => queue.close({ drain: false }),
  }
  for (const [outcome, act] of Object.entries(ends)) {
    const delayMs = (): number => {
      act(queue)
      return LATER_MS
    }
    const { clock, gate, queue } = retried({ retry: { name: 'ends it', delayMs } })
    const end = watch(queue.execute('a', { id: 'a' }))
    await turn()
    await gate.fail('a', 'its error')
    expect(end.outcome).toBe(outcome)
    expect(queue.getStatus()).toMatchObject({ running: 0, retrying: 0, activeWorkers: 0, totals: { retries: 0 } })
    watch(queue.close())
    await clock.run()
    expect([gate.started, clock.timers, queue.getStatus().state]).toEqual([['a'], 0, 'closed'])
  }
})
