/**
 * How many are ahead of a newcomer? It decides what a refused one is told: when to come back.
 */
import { aging, type OrderPolicy, strict } from 'triage-queue'
import { expect, test } from 'vitest'
import { busy, turn, watch } from '../../failures/support.ts'

test.each<[string, OrderPolicy, number]>([
  ['by priority, those of its own and above', strict(), 10],
  ['across priorities, all that wait', aging(), 30],
])('%s', async (_whom, order, retryAfterMs) => {
  const { clock, gate, queue } = await busy({ order, maxQueueSize: 2, whenFull: 'reject', random: () => 0 })
  await clock.advance(10)
  await gate.finish('busy 0')
  for (const name of ['runs', 'low 1', 'low 2']) watch(queue.execute(name, { priority: 'low' }))
  await turn()
  expect(await queue.execute('refused', { priority: 'urgent' }).catch((error) => error)).toMatchObject({
    code: 'TRIAGE_QUEUE_FULL',
    retryAfterMs,
  })
  await gate.finishAll()
})

test('before any run has ended it is a second, and up to a quarter more: nothing is known of the pace', async () => {
  const { gate, queue } = await busy({ maxQueueSize: 1, random: () => 0.5 })
  watch(queue.execute('waits'))
  expect(await queue.execute('refused').catch((error) => error)).toMatchObject({ retryAfterMs: 1_125 })
  await gate.finishAll()
})

test('a request that has waited too long is told when there would be room for another try, and so is a blocked one', async () => {
  const { clock, gate, queue } = await busy({ maxQueueSize: 3, whenFull: 'block', random: () => 0 })
  const early = watch(queue.execute('early', { waitTimeoutMs: 5 }))
  await clock.advance(10)
  await gate.finish('busy 0')
  watch(queue.execute('runs'))
  const first = watch(queue.execute('first', { waitTimeoutMs: 30 }))
  for (const name of ['a', 'b']) watch(queue.execute(name))
  const blocked = watch(queue.execute('blocked', { waitTimeoutMs: 20 }))
  await clock.advance(30)
  expect(early.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', retryAfterMs: 1_000 })
  // A run takes 10 ms: three wait before another try, and for one of these that leaves, the two that came after it.
  expect(blocked.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', retryAfterMs: 40 })
  expect(first.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', retryAfterMs: 30, headers: { 'retry-after': '1' } })
  await gate.finishAll()
})

test('a request that is shed is told when there is room for one of its own priority, not of that which took its place', async () => {
  const { clock, gate, queue } = await busy({ maxQueueSize: 3, whenFull: 'shed', random: () => 0 })
  await clock.advance(10)
  await gate.finish('busy 0')
  for (const name of ['runs', 'normal 1', 'normal 2']) watch(queue.execute(name))
  await turn()
  const shed = watch(queue.execute('low', { priority: 'low' }))
  watch(queue.execute('urgent', { priority: 'urgent' }))
  await turn()
  // A run takes 10 ms: three are ahead of another one of low priority, and none of an urgent one.
  expect(shed.error).toMatchObject({ code: 'TRIAGE_SHED', retryAfterMs: 40 })
  await gate.finishAll()
})
