/**
 * `events.once()` and `events.on()` of Node, and what looks for open handles.
 */
import { createHook } from 'node:async_hooks'
import { type EventEmitter, on, once } from 'node:events'
import { QueuedExecutor, WorkerPool } from 'triage-queue'
import { afterEach, expect, test, vi } from 'vitest'
import { Gate, turn, watch } from '../../failures/support.ts'

afterEach(() => void vi.restoreAllMocks())

const asEmitter = (queue: object) => queue as EventEmitter

test('events.once() waits for the next event, and leaves no listener', async () => {
  const queue = new QueuedExecutor((n: number) => n * 2)
  const completed = once(asEmitter(queue), 'completed')
  const idle = once(asEmitter(queue), 'idle')
  await queue.execute(21, { id: 'mine' })
  expect(await completed).toEqual([expect.objectContaining({ id: 'mine', request: 21 })])
  expect(await idle).toEqual([{ at: expect.any(Number) }])
})

test('events.once() can be aborted', async () => {
  const queue = new QueuedExecutor((n: number) => n * 2)
  const off = vi.spyOn(queue, 'off')
  const controller = new AbortController()
  const idle = watch(once(asEmitter(queue), 'idle', { signal: controller.signal }))
  controller.abort()
  await idle.done
  expect(idle.error).toMatchObject({ name: 'AbortError' })
  expect(off).toHaveBeenCalledWith('idle', expect.any(Function))
})

test('events.on() iterates over events until it is left', async () => {
  const queue = new QueuedExecutor((n: number) => n * 2)
  const events = on(asEmitter(queue), 'completed')
  for (const n of [1, 2, 3]) void queue.execute(n)
  const seen: unknown[] = []
  for await (const [{ request }] of events) {
    seen.push(request)
    if (request === 3) break
  }
  expect(seen).toEqual([1, 2, 3])
})

test('an unknown event is refused there, too', async () => {
  const queue = new QueuedExecutor((n: number) => n)
  await expect(once(asEmitter(queue), 'drained')).rejects.toThrow("There is no event 'drained'; the events are queued")
})

test('whatever is left says that it keeps no process alive', async () => {
  const left: { type: string; resource: { hasRef?(): boolean } }[] = []
  const hook = createHook({
    init: (_id, type, _trigger, resource) => {
      if (type.startsWith('Triage')) left.push({ type, resource })
    },
  })
  hook.enable()
  vi.resetModules()
  const library = await import('../../../src/index.ts')
  const gate = new Gate()
  const queue = new library.QueuedExecutor(gate.executor, { concurrency: 1, timeoutMs: 1_000 })
  for (const name of ['a', 'b']) watch(queue.execute(name))
  await gate.finishAll()
  await queue.close()
  await new WorkerPool((n: number) => n, { concurrency: 1 }).run(1)
  await turn()
  hook.disable()
  expect(new Set(left.map(({ type }) => type))).toEqual(
    new Set(['TriageProbe', 'TriageAlarm', 'TriageRequest', 'TriageRun']),
  )
  expect(left.filter(({ resource }) => resource.hasRef?.() !== false)).toEqual([])
})
