/**
 * A store beside what else an executor does: each once, and nobody waits for ever.
 */
import { memoryStore, QueuedExecutor, type RunContext } from 'triage-queue'
import { expect, test } from 'vitest'
import { turn, watch } from './support.ts'

function failing() {
  const store = memoryStore()
  const it = { fails: true, runs: 0 }
  const ends: (() => void)[] = []
  const executor = async (request: string, _: RunContext): Promise<string> => {
    it.runs++
    await new Promise<void>((resolve) => ends.push(resolve))
    if (it.fails) throw new Error('not yet')
    return `${request}, run ${it.runs}`
  }
  const queue = new QueuedExecutor(executor, { store, name: 'a', debug: true })
  const finish = async () => {
    await turn()
    for (const end of ends.splice(0)) end()
    await turn()
  }
  return { store, queue, it, finish }
}

test('who has joined a request that joins another one in turn has its answer, its time limit and its signal', async () => {
  const { queue, it, finish } = failing()
  const first = watch(queue.execute('x', { id: 'k' }))
  await finish()
  expect(first.state).toBe('rejected')
  it.fails = false
  const caller = new AbortController()
  const again = queue.requeue('k')
  // None knows yet that it lives: the first of these comes to be stored, and the others join that.
  const all = [
    watch(queue.execute('x', { id: 'k' })),
    watch(queue.execute('x', { id: 'k', timeoutMs: 5 })),
    watch(queue.execute('x', { id: 'k', signal: caller.signal })),
    watch(queue.submit('x', { id: 'k' }).then((handle) => handle.result)),
  ]
  expect(await again).toBe(true)
  await turn()
  await all[1]?.done
  caller.abort(new Error('enough'))
  await finish()
  await Promise.all(all.map(({ done }) => done))
  expect(all.map(({ outcome, value }) => value ?? outcome)).toEqual([
    ...['x, run 2', 'TRIAGE_RUN_TIMEOUT', all[2]?.outcome, 'x, run 2'],
  ])
  expect(all[2]?.error).toMatchObject({ message: 'enough' })
  expect(it.runs).toBe(2)
  await queue.idle()
  await queue.close()
})

test('whoever has left by then does not come back with those who had joined', async () => {
  const { queue, it, finish } = failing()
  const first = watch(queue.execute('x', { id: 'k' }))
  await finish()
  expect(first.state).toBe('rejected')
  it.fails = false
  const caller = new AbortController()
  const again = queue.requeue('k')
  const gone = watch(queue.execute('x', { id: 'k', signal: caller.signal }))
  const stays = watch(queue.execute('x', { id: 'k' }))
  caller.abort(new Error('enough'))
  expect(await again).toBe(true)
  await finish()
  await Promise.all([gone.done, stays.done])
  expect([gone.error, stays.value]).toEqual([expect.objectContaining({ message: 'enough' }), 'x, run 2'])
  await queue.close()
})

test('a store in memory that is closed first holds nothing up', async () => {
  const { store, queue, it, finish } = failing()
  it.fails = false
  const concurrency = queue.concurrency
  const all = Array.from({ length: concurrency + 2 }, (_, i) => watch(queue.execute(`${i}`)))
  await turn()
  await store.close()
  await finish()
  await finish()
  expect(all.map(({ state }) => state)).toEqual(all.map(() => 'fulfilled'))
  await expect(queue.execute('new')).rejects.toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE' })
  await queue.close()
})

test('a dead letter whose id was answered meanwhile stays one: what was told is not run again', async () => {
  const { queue, it, finish } = failing()
  const first = watch(queue.execute('pay', { id: 'k' }))
  await finish()
  it.fails = false
  const second = watch(queue.execute('pay', { id: 'k' }))
  await finish()
  expect([first.state, second.value]).toEqual(['rejected', 'pay, run 2'])
  expect(await queue.requeue('k')).toBe(false)
  expect([await queue.execute('pay', { id: 'k' }), it.runs]).toEqual(['pay, run 2', 2])
  expect(await queue.discard('k')).toBe(true)
  await queue.close()
})
