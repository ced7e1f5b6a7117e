/**
 * What several features do together: tokens beside a full queue, turns beside tokens, other guards while requests wait.
 */
import {
  CancelledError,
  earliestDeadlineFirst,
  type Guard,
  type OrderPolicy,
  tokenBucket,
  weighted,
} from 'triage-queue'
import { afterEach, expect, test, vi } from 'vitest'
import { inAnotherTurn } from '../../src/core/clock.ts'
import { gated, turn, watch } from '../failures/support.ts'

afterEach(() => vi.unstubAllGlobals())

test('a port without once(), as in Bun, rings all the same', async () => {
  const port1 = { onmessage: (): void => {}, close: vi.fn() }
  const port2 = { postMessage: () => queueMicrotask(() => port1.onmessage()) }
  vi.stubGlobal(
    'MessageChannel',
    class {
      port1 = port1
      port2 = port2
    },
  )
  const rings = vi.fn()
  inAnotherTurn(rings)
  await turn()
  expect([rings.mock.calls.length, port1.close.mock.calls.length]).toEqual([1, 1])
})

test('what close() has cancelled is a 503, what a caller has cancelled a 409', () => {
  expect(new CancelledError('x', undefined, 'close').statusCode).toBe(503)
  expect(new CancelledError('x').statusCode).toBe(409)
})

test.each<OrderPolicy | undefined>([undefined, earliestDeadlineFirst()])(
  'one that is aborted as it takes the place of another has ended, and is not admitted',
  async (order) => {
    const caller = new AbortController()
    let asked = 0
    const guard: Guard = {
      name: 'aborts',
      tokensInMs: ({ request }) => {
        if (request === 'urgent' && ++asked === 2) caller.abort('enough')
        return 0
      },
    }
    const { gate, queue } = gated({ concurrency: 1, maxQueueSize: 1, rateLimit: guard, ...(order && { order }) })
    watch(queue.execute('later', { priority: 'urgent', delayMs: 50 }))
    const low = watch(queue.execute('low', { priority: 'low' }))
    const urgent = watch(queue.execute('urgent', { priority: 'urgent', signal: caller.signal }))
    await turn()
    expect([asked, urgent.error, low.outcome]).toEqual([2, 'enough', 'TRIAGE_SHED'])
    expect(queue.getStatus()).toMatchObject({ waiting: 1, totals: { admitted: 2, shed: 1 } })
    await gate.finishAll()
  },
)

test('by the bound of a priority one that takes several slots displaces one of it; one that waits for others displaces none', async () => {
  const order: OrderPolicy = { name: 'last in', acrossTiers: false, rank: ({ sequence }) => -sequence }
  const { queue } = gated({ concurrency: 4, maxQueueSize: { total: 10, normal: 1 }, order })
  queue.pause()
  const first = watch(queue.execute('first'))
  watch(queue.execute('wide', { cost: 2 }))
  await turn()
  expect(first.outcome).toBe('TRIAGE_SHED')
  const after = watch(queue.execute('after', { after: [Promise.resolve()] }))
  await turn()
  expect(after.outcome).toBe('TRIAGE_QUEUE_FULL')
})

test('position() counts those that lack a token, also where priorities take turns', async () => {
  const rateLimit = tokenBucket({
    perSecond: 0.001,
    burst: 1,
    over: 'wait',
    per: (request) => (request as string)[0] as string,
  })
  const { gate, queue } = gated({ concurrency: 2, order: weighted(), rateLimit })
  for (const name of ['a1', 'a2', 'a3']) watch(queue.execute(name, { priority: 'low' }))
  watch(queue.execute('a4', { priority: 'high' }))
  await turn()
  for (const name of ['b1', 'c1', 'd1']) watch(queue.execute(name, { priority: 'low' }))
  await turn()
  const last = await queue.submit('e1', { priority: 'low' })
  const urgent = await queue.submit('f1', { priority: 'urgent' })
  expect(last.position()).toBeGreaterThan(0)
  expect(urgent.position()).toBeGreaterThanOrEqual(0)
  await gate.finishAll()
})

test('a guard that ends others while it is told of what waits: these take no tokens', async () => {
  const { clock, queue } = gated({
    concurrency: 10,
    rateLimit: tokenBucket({ perSecond: 0.001, burst: 1, over: 'wait' }),
  })
  const all = await Promise.all(['a', 'b', 'c'].map((name) => queue.submit(name)))
  for (const each of all) watch(each.result)
  await clock.advance(1)
  const per = (): string => {
    for (const each of all.slice(1)) each.cancel()
    return 'all'
  }
  queue.update({ rateLimit: tokenBucket({ perSecond: 1, over: 'wait', per }) })
  await clock.advance(1)
  expect(queue.getStatus()).toMatchObject({ waiting: 0, totals: { cancelled: 2 } })
})

test('an order that throws about a newcomer refuses it before a guard is asked', async () => {
  const thrown = new Error('no rank')
  const rank = (): never => {
    throw thrown
  }
  const admit = vi.fn()
  const { queue } = gated({ order: { name: 'throws', acrossTiers: false, rank }, overload: { name: 'asked', admit } })
  await expect(queue.execute('a')).rejects.toBe(thrown)
  expect(admit).not.toHaveBeenCalled()
})

test('where priorities take turns, one that is tried again is not displaced: the one before it is', async () => {
  const retry = { name: 'again', delayMs: () => 5 }
  const order = weighted({}, { within: { name: 'last in', acrossTiers: false, rank: ({ sequence }) => -sequence } })
  const { clock, gate, queue } = gated({ concurrency: 1, maxQueueSize: 2, order, retry })
  const shed: unknown[] = []
  queue.on('shed', ({ request }) => shed.push(request))
  watch(queue.execute('tried', { priority: 'low' }))
  await turn()
  watch(queue.execute('runs', { priority: 'urgent' }))
  gate.fail('tried', new Error('tried'))
  await turn()
  await clock.advance(5)
  for (const name of ['low 1', 'low 2']) watch(queue.execute(name, { priority: 'low' }))
  watch(queue.execute('urgent', { priority: 'urgent' }))
  await turn()
  expect(shed).toEqual(['low 1'])
  await gate.finishAll()
})

test('when a token is there, one that is back already and has no slot stays where it is, and one of another priority starts', async () => {
  const per = (request: unknown): string => (request as string)[0] as string
  const rateLimit = tokenBucket({ perSecond: 1, burst: 1, over: 'wait', per })
  const { clock, gate, queue } = gated({ concurrency: 2, reserve: { high: 1 }, rateLimit })
  const come = (name: string, priority: 'high' | 'normal' | 'low') => watch(queue.execute(name, { priority }))
  come('a1', 'normal')
  come('a2', 'low')
  come('a3', 'low')
  await turn()
  await gate.finish('a1')
  await clock.advance(500)
  come('b1', 'normal')
  await clock.advance(500)
  // The token is there for a2, but no slot: it is for a high one.
  come('a4', 'high')
  come('a5', 'high')
  await turn()
  await gate.finish('a4')
  await clock.advance(999)
  expect(gate.started).toEqual(['a1', 'b1', 'a4'])
  await clock.advance(1)
  expect(gate.started).toEqual(['a1', 'b1', 'a4', 'a5'])
  await gate.finish('b1')
  await clock.advance(1_000)
  expect(gate.started.at(-1)).toBe('a2')
  await gate.finishAll()
})
