/**
 * What `find()` shows of a request, without a store.
 */
import { expect, test } from 'vitest'
import { gated, turn } from '../../failures/support.ts'

test('a live request is shown as it is, without what is not known', async () => {
  const { clock, gate, queue } = gated({ name: 'q', concurrency: 1, kinds: { k: { executor: async () => 1 } } })
  void queue.execute('a', { id: 'a', metadata: { user: 1 } })
  await turn()
  void queue.execute('b', { id: 'b', priority: 'high', kind: 'k' }).catch(() => {})
  await turn()
  await clock.advance(20)
  gate.call('a').run.progress(0.5, 'half')
  expect((await queue.find('a'))?.progress).toEqual({ fraction: 0.5, message: 'half' })
  gate.call('a').run.progress(0.5)
  expect(await queue.find('a')).toMatchObject({
    ...{
      id: 'a',
      queue: 'q',
      state: 'running',
      priority: 'normal',
      generation: 0,
      attempts: 1,
      progress: { fraction: 0.5 },
    },
    ...{ waitMs: 0, runMs: 20, metadata: { user: 1 }, startedAt: expect.any(String), submittedAt: expect.any(String) },
  })
  const b = await queue.find('b')
  expect(b).toMatchObject({ state: 'waiting', kind: 'k', attempts: 0, position: 0, waitMs: 20 })
  expect(Object.keys(b ?? {}).sort()).toEqual(
    ['id', 'queue', 'kind', 'state', 'priority', 'generation', 'attempts', 'position', 'submittedAt', 'waitMs'].sort(),
  )
  expect(JSON.parse(JSON.stringify(b))).toEqual(b)
  void queue.execute('c', { id: 'c', delayMs: 100 }).catch(() => {})
  expect([(await queue.find('c'))?.state, await queue.find('d')]).toEqual(['held', undefined])
})
