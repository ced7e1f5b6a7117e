/**
 * Who comes in when there is room again, and who does not.
 */
import type { Guard } from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { busy, gated, turn, watch } from '../../failures/support.ts'

describe('a newcomer', () => {
  test.each(['offer', 'execute'] as const)(
    'passes none of the blocked, also not by %s() from a policy',
    async (how) => {
      let comes = (): unknown => undefined
      const overload: Guard = { name: 'test', started: ({ request }) => void (request === 'waits' && comes()) }
      const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block', overload })
      for (const name of ['waits', 'blocked']) watch(queue.execute(name))
      // It has left the queue, and those who are blocked have not come in yet.
      comes = () => (how === 'offer' ? queue.offer('newcomer') : watch(queue.execute('newcomer')))
      await gate.finish('busy 0')
      await gate.finishAll()
      expect(gate.started).toEqual(['busy 0', 'waits', 'blocked', ...(how === 'offer' ? [] : ['newcomer'])])
    },
  )

  test('is not kept out by one who is blocked for the bound of another priority', async () => {
    const { gate, queue } = await busy({ maxQueueSize: { total: 10, low: 1 }, whenFull: 'block' })
    for (const name of ['low 1', 'low 2']) watch(queue.execute(name, { priority: 'low' }))
    expect(queue.offer('normal')?.state).toBe('waiting')
    await gate.finishAll()
  })
})

describe('when there is room for several at once', () => {
  test('all of them come in: behind one that takes several slots, and has left', async () => {
    const { clock, gate, queue } = gated({ concurrency: 2, maxQueueSize: 2, whenFull: 'block' })
    for (const name of ['a', 'b']) watch(queue.execute(name))
    queue.pause()
    const wide = watch(queue.execute('wide', { cost: 2, timeoutMs: 1 }))
    for (const name of ['c', 'd']) watch(queue.execute(name))
    expect(queue.getStatus()).toMatchObject({ waiting: 0, blocked: 3 })
    await clock.advance(1)
    expect(wide.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
    expect(queue.getStatus()).toMatchObject({ waiting: 2, blocked: 0 })
    queue.resume()
    await gate.finishAll()
  })

  test('each takes a slot, and nobody’s place, behind one that starts later', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    watch(queue.execute('waits for its time', { delayMs: 5_000 }))
    watch(queue.execute('blocked, for later', { delayMs: 5_000, priority: 'urgent' }))
    for (const name of ['a', 'b']) watch(queue.execute(name, { priority: 'low' }))
    const sizes: number[] = []
    queue.on('queued', ({ waiting }) => sizes.push(waiting))
    queue.concurrency = 3
    expect([sizes, queue.getStatus().blocked]).toEqual([[1, 1], 1])
    await turn()
    expect(gate.started).toEqual(['busy 0', 'a', 'b'])
    await gate.finishAll()
  })
})

describe('blocked callers of a lower priority', () => {
  test('come in when there is room in all, though a higher one is full by its own bound', async () => {
    const { gate, queue } = await busy({ maxQueueSize: { total: 2, high: 1 }, whenFull: 'block' })
    watch(queue.execute('high 1', { priority: 'high' }))
    const leaves = queue.offer('leaves')
    for (const name of ['high 2', 'high 3']) watch(queue.execute(name, { priority: 'high' }))
    watch(queue.execute('low', { priority: 'low' }))
    expect(queue.getStatus().blocked).toBe(3)
    leaves?.cancel()
    expect(queue.getStatus()).toMatchObject({
      waitingByPriority: { high: 1, normal: 0, low: 1 },
      blockedByPriority: { high: 2, low: 0 },
    })
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'high 1', 'high 2', 'high 3', 'low'])
  })

  test('wait behind a higher one for which there is not enough room in all, though there is for them', async () => {
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize: 2, whenFull: 'block' })
    for (const name of ['a', 'b']) watch(queue.execute(name))
    watch(queue.execute('wide', { cost: 2 }))
    watch(queue.execute('low', { priority: 'low' }))
    expect(queue.getStatus()).toMatchObject({ waiting: 0, blocked: 2 })
    await gate.finishAll()
    expect(gate.started).toEqual(['a', 'b', 'wide', 'low'])
  })
})

test('one whose signal was aborted does not come in any more, though he is not told yet', async () => {
  const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
  const caller = new AbortController()
  const { signal } = caller
  const [waits, blocked] = ['waits', 'blocked'].map((name) => watch(queue.execute(name, { signal })))
  const stays = watch(queue.execute('stays'))
  caller.abort('gone')
  await turn()
  expect([waits?.error, blocked?.error]).toEqual(['gone', 'gone'])
  expect(queue.getStatus()).toMatchObject({
    waiting: 1,
    blocked: 0,
    totals: { admitted: 3, cancelled: 1, rejected: 1 },
  })
  await gate.finishAll()
  expect(stays.value).toBe('stays')
})

test('one whose signal was aborted before does not wait for room', async () => {
  const { gate, queue } = await busy({ maxQueueSize: 1 })
  watch(queue.execute('waits'))
  const next = watch(queue.map(['a'], { signal: AbortSignal.abort('gone') }).next())
  await turn()
  expect(next.error).toBe('gone')
  await gate.finishAll()
})
