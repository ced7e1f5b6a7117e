/**
 * What whoever uses an executor may rely on, whatever is behind it: one suite of promises, run against each back end.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutorStatus, QueuedExecutorLike, QueuedExecutorOptions, RunContext } from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { watch } from '../failures/support.ts'
import { type BackEnd, exceptions } from './exceptions.ts'

type Run = (request: string, run: RunContext) => unknown
type Options = Pick<
  QueuedExecutorOptions<string>,
  'concurrency' | 'maxQueueSize' | 'waitTimeoutMs' | 'runTimeoutMs' | 'kinds'
>

/** Makes one that is closed after the test. */
export type MakeExecutor = (run: Run, options: Options) => Promise<QueuedExecutorLike<string, unknown>>

export function executorContract(backEnd: BackEnd, make: MakeExecutor): void {
  /** A promise of every back end, but for those that the table excepts. */
  const promise = (name: string, check: () => Promise<void>): void => {
    const isExcepted = exceptions[name]?.[backEnd] !== undefined
    test(isExcepted ? `excepted: ${name}` : name, async () => {
      // What is excepted must really not be so: else the table is wrong.
      if (isExcepted) await expect(check()).rejects.toThrow()
      else await check()
    })
  }
  const until = (isSo: () => unknown) => expect.poll(isSo, { timeout: 4_000, interval: 5 })

  /** One whose runs wait until they are told to end. */
  const held = async (options: Options = {}) => {
    const started: string[] = []
    const ends = new Map<string, (value: unknown) => void>()
    const signals = new Map<string, AbortSignal>()
    const queue = await make(
      (request, run) => {
        started.push(request)
        signals.set(request, run.signal)
        return new Promise((resolve) => ends.set(request, resolve))
      },
      { concurrency: 1, ...options },
    )
    const end = async (request: string, value: unknown = request) => {
      await until(() => ends.has(request)).toBe(true)
      ends.get(request)?.(value)
    }
    return { queue, started, end, signals }
  }

  describe(`${backEnd}: an executor`, () => {
    promise('answers with what the executor answers', async () => {
      const queue = await make(async (request) => ({ said: request }), {})
      expect(await queue.execute('a')).toEqual({ said: 'a' })
      expect(await (await queue.submit('b')).result).toEqual({ said: 'b' })
    })

    promise("rejects with the executor's own error, untouched", async () => {
      const mine = Object.assign(new Error('mine'), { detail: 7 })
      const queue = await make(async () => Promise.reject(mine), {})
      expect(watch(queue.execute('a')).error).toBeUndefined()
      await expect(queue.execute('a')).rejects.toBe(mine)
    })

    promise('urgent work goes first, and within a priority what came first', async () => {
      const { queue, started, end } = await held()
      await queue.submit('first')
      await until(() => started).toEqual(['first'])
      for (const name of ['low', 'normal 1', 'normal 2', 'urgent']) {
        await queue.submit(name, { priority: name.split(' ')[0] as 'low' })
      }
      for (const name of ['first', 'urgent', 'normal 1', 'normal 2', 'low']) await end(name)
      await queue.idle()
      expect(started).toEqual(['first', 'urgent', 'normal 1', 'normal 2', 'low'])
    })

    promise('of all that wait the most urgent one is next, whatever key they have', async () => {
      const { queue, started, end } = await held()
      // Keys of several shards, where there are any: the rest of this suite has one.
      const names = ['a:1', 'b:2', 'c:3', 'd:4', 'e:5', 'f:6', 'g:7', 'h:8']
      await queue.submit('first')
      await until(() => started).toEqual(['first'])
      for (const name of names) await queue.submit(name, { priority: name < 'e' ? 'low' : 'urgent' })
      const sorted = [...names.slice(4), ...names.slice(0, 4)]
      for (const [index, name] of ['first', ...sorted].entries()) {
        expect(started.length).toBe(index + 1)
        await end(name)
        await until(() => started.length).toBe(Math.min(index + 2, 9))
      }
      await queue.idle()
      expect(started).toEqual(['first', ...sorted])
    })

    promise('no more run at once than `concurrency`, also when that is changed', async () => {
      const { queue, started, end } = await held({ concurrency: 2 })
      for (const name of ['a', 'b', 'c', 'd', 'e']) await queue.submit(name)
      await until(() => started.length).toBe(2)
      await queue.setConcurrency(4)
      await until(() => started.length).toBe(4)
      expect((await queue.getStatus()).running).toBe(4)
      for (const name of ['a', 'b', 'c', 'd', 'e']) await end(name)
      await queue.idle()
    })

    promise('a full queue refuses, with a reason and a time to retry', async () => {
      const { queue, started, end } = await held({ maxQueueSize: 1 })
      await queue.submit('a')
      await until(() => started.length).toBe(1)
      await queue.submit('b')
      await expect(queue.execute('c')).rejects.toMatchObject({
        ...{ code: 'TRIAGE_QUEUE_FULL', started: false, statusCode: 503, retryAfterMs: expect.any(Number) },
      })
      await end('a')
      await end('b')
      await queue.idle()
    })

    promise('callers with one id share one run, and one with another payload is refused', async () => {
      const { queue, started, end } = await held()
      const all = [1, 2, 3].map(() => queue.execute('a', { id: 'x' }))
      await until(() => started).toEqual(['a'])
      await expect(queue.execute('other', { id: 'x' })).rejects.toMatchObject({ reason: 'payload', statusCode: 422 })
      await end('a', 'one answer')
      expect(await Promise.all(all)).toEqual(['one answer', 'one answer', 'one answer'])
      expect(started).toEqual(['a'])
    })

    promise('what waits is cancelled by its id, and never runs', async () => {
      const { queue, started, end } = await held()
      await queue.submit('a')
      const waits = watch(queue.execute('b', { id: 'b' }))
      await until(async () => (await queue.get('b'))?.state).toBe('waiting')
      expect(await queue.cancel('b', 'not needed')).toBe(true)
      await waits.done
      expect(waits.error).toMatchObject({ code: 'TRIAGE_CANCELLED', started: false })
      expect(await queue.cancel('b')).toBe(false)
      await end('a')
      await queue.idle()
      expect(started).toEqual(['a'])
    })

    promise('what runs is cancelled, and its signal aborted; its slot is free when the call has settled', async () => {
      const { queue, started, end, signals } = await held()
      const runs = watch(queue.execute('a', { id: 'a' }))
      await until(() => started.length).toBe(1)
      expect(await queue.cancel('a')).toBe(true)
      await runs.done
      expect([(runs.error as { code: string }).code, signals.get('a')?.aborted]).toEqual(['TRIAGE_CANCELLED', true])
      await queue.submit('b')
      await sleep(30)
      expect(started).toEqual(['a'])
      await end('a')
      await end('b')
      await queue.idle()
    })

    promise('a wait has a limit, and a run as well', async () => {
      const { queue, started, end, signals } = await held({ runTimeoutMs: 60 })
      const runs = watch(queue.execute('a'))
      await until(() => started.length).toBe(1)
      await expect(queue.execute('b', { waitTimeoutMs: 20 })).rejects.toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT' })
      await runs.done
      expect([(runs.error as { code: string }).code, signals.get('a')?.aborted]).toEqual(['TRIAGE_RUN_TIMEOUT', true])
      await end('a')
      await queue.idle()
      expect(started).toEqual(['a'])
    })

    promise('a handle says where it is, and moves to another priority', async () => {
      const { queue, started, end } = await held()
      await queue.submit('a')
      await until(() => started.length).toBe(1)
      await queue.submit('b')
      const handle = await queue.submit('c', { id: 'c' })
      expect([await handle.position(), handle.state]).toEqual([1, 'waiting'])
      expect([await handle.setPriority('urgent'), await handle.position()]).toEqual([true, 0])
      await end('a')
      await until(() => started).toEqual(['a', 'c'])
      expect(handle.state).toBe('running')
      await end('c')
      await end('b')
      await handle.result
      await queue.idle()
      expect([handle.state, await handle.cancel()]).toEqual(['completed', false])
    })

    promise('a live request is found by its id', async () => {
      const { queue, started, end } = await held()
      await queue.submit('a', { id: 'a', metadata: { user: 1 } })
      await until(() => started.length).toBe(1)
      expect(await queue.find('a')).toMatchObject({ id: 'a', state: 'running', attempts: 1, metadata: { user: 1 } })
      expect([await queue.find('none'), await queue.get('none')]).toEqual([undefined, undefined])
      await end('a')
      await queue.idle()
      expect(await queue.get('a')).toBeUndefined()
    })

    promise('what has ended is found by its id', async () => {
      const queue = await make(async (request) => request.length, {})
      await queue.execute('four', { id: 'a' })
      expect(await queue.find('a')).toMatchObject({ state: 'completed', result: 4 })
    })

    promise('what has completed is answered again, and does not run', async () => {
      let runs = 0
      const queue = await make(async () => ++runs, {})
      expect([await queue.execute('a', { id: 'a' }), await queue.execute('a', { id: 'a' }), runs]).toEqual([1, 1, 1])
    })

    promise('a pause starts nothing, and admits still', async () => {
      const { queue, started, end } = await held()
      await queue.pause()
      await queue.submit('a')
      await sleep(20)
      expect([started, (await queue.getStatus()).state]).toEqual([[], 'paused'])
      await queue.resume()
      await end('a')
      await queue.idle()
    })

    promise('each kind of work has a function of its own', async () => {
      const queue = await make(async () => 'mine', { kinds: { other: { executor: async () => 'other' } } })
      expect([await queue.execute('a'), await queue.execute('a', { kind: 'other' })]).toEqual(['mine', 'other'])
      await expect(queue.execute('a', { kind: 'none' })).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS' })
    })

    promise('each request ends once, and the numbers add up', async () => {
      const queue = await make(
        async (request) => {
          if (request.length % 3 === 0) throw new Error('three')
          return request
        },
        { concurrency: 3, maxQueueSize: 500 },
      )
      const ends: string[] = []
      for (const event of ['completed', 'failed', 'cancelled'] as const) {
        queue.on(event, ({ id }: { id: string }) => ends.push(id))
      }
      const all = Array.from({ length: 60 }, (_, i) => watch(queue.execute('x'.repeat(i % 7), { id: `id ${i}` })))
      for (let i = 0; i < 60; i += 9) await queue.cancel(`id ${i}`)
      await Promise.all(all.map(({ done }) => done))
      await queue.idle()
      expect(new Set(ends).size).toBe(ends.length)
      const { totals } = (await queue.getStatus()) as ExecutorStatus
      expect(totals.admitted).toBe(totals.completed + totals.failed + totals.cancelled)
      expect(ends.length).toBe(totals.admitted)
    })

    promise('drain finishes all that was admitted, and admits no more', async () => {
      const { queue, started, end } = await held()
      const all = ['a', 'b'].map((name) => queue.execute(name))
      await until(() => started.length).toBe(1)
      await until(async () => (await queue.getStatus()).waiting).toBe(1)
      const drained = queue.drain()
      await expect(queue.execute('c')).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
      await end('a')
      await end('b')
      expect(await Promise.all(all)).toEqual(['a', 'b'])
      await drained
      expect((await queue.getStatus()).state).toBe('closed')
    })

    promise('close without drain cancels what waits', async () => {
      const { queue, started, end } = await held()
      const runs = queue.execute('a')
      await until(() => started.length).toBe(1)
      const waits = watch(queue.execute('b'))
      await until(async () => (await queue.getStatus()).waiting).toBe(1)
      const closed = queue.close({ drain: false })
      await waits.done
      await end('a')
      await closed
      expect([await runs, (waits.error as { code: string }).code]).toEqual(['a', 'TRIAGE_CANCELLED'])
    })
  })
}
