/**
 * Several guards of one executor: each answers only what it was made for; and what they hold, newcomers do not start.
 */
import type { Guard } from 'triage-queue'
import { expect, test } from 'vitest'
import { gated, watch } from '../../../failures/support.ts'

test('one that holds or delays has its say beside one that does neither', async () => {
  const silent: Guard = { name: 'silent', admit: () => undefined }
  const holds: Guard = { name: 'holds', holdMs: ({ at }) => 30 - at }
  const delays: Guard = { name: 'delays', delayMs: ({ request }) => (request === 'late' ? 50 : 0) }
  const { clock, gate, queue } = gated({ concurrency: 2, rateLimit: [silent, holds], overload: [delays, silent] })
  for (const name of ['late', 'a']) watch(queue.execute(name))
  await clock.advance(29)
  expect(gate.started).toEqual([])
  await clock.advance(1)
  expect(gate.started).toEqual(['a'])
  await clock.advance(20)
  expect(gate.started).toEqual(['a', 'late'])
  await gate.finishAll()
})

test('while starts are held a newcomer does not start either, however urgent, and the guard is not asked again for it', async () => {
  const askedAt: number[] = []
  const holds: Guard = {
    name: 'until 50',
    holdMs({ at }) {
      askedAt.push(at)
      return 50 - at
    },
  }
  const { clock, gate, queue } = gated({ concurrency: 2, rateLimit: holds })
  watch(queue.execute('first'))
  await clock.advance(10)
  watch(queue.execute('newcomer', { priority: 'urgent' }))
  await clock.advance(39)
  expect([gate.started, askedAt]).toEqual([[], [0]])
  await clock.advance(1)
  expect([gate.started, askedAt]).toEqual([
    ['newcomer', 'first'],
    [0, 50, 50],
  ])
  await gate.finishAll()
})
