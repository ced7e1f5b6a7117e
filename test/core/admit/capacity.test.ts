/**
 * Whose bound keeps out whom? That of a priority is nobody else's.
 */
import { expect, test } from 'vitest'
import { busy, turn, watch } from '../../failures/support.ts'

test('whoever is blocked for the bound of their own priority does not keep out others, for whom there is room', async () => {
  const { gate, queue } = await busy({ maxQueueSize: { total: 10, low: 1 }, whenFull: 'block' })
  for (const name of ['low 1', 'low 2']) watch(queue.execute(name, { priority: 'low' }))
  expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
  watch(queue.execute('normal'))
  watch(queue.execute('urgent', { priority: 'urgent' }))
  expect(queue.getStatus()).toMatchObject({ waiting: 3, blockedByPriority: { urgent: 0, high: 0, normal: 0, low: 1 } })
  await gate.finishAll()
  await turn()
  expect(gate.started).toEqual(['busy 0', 'urgent', 'normal', 'low 1', 'low 2'])
})
