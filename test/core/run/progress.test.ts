/**
 * How far has a run come? What it says with `run.progress()`, and where that is seen.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type ExecutorEvents, QueuedExecutor, type QueuedExecutorOptions, type RunContext } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { gated, turn, watch } from '../../failures/support.ts'

/** A request that runs, and all that is told of its progress. */
async function running(options: QueuedExecutorOptions<string> = {}) {
  const made = gated({ debug: true, ...options })
  const told: ExecutorEvents['progress'][] = []
  made.queue.on('progress', (event) => told.push(event))
  const request = await made.queue.submit('a', { id: 'a', metadata: 'mine' })
  const answer = watch(request.result)
  await turn()
  return { ...made, told, request, answer, run: made.gate.call('a').run }
}

describe('what a run says', () => {
  test('is told each time, seen by its handle and in the health of its slot', async () => {
    const { clock, queue, told, request, run } = await running()
    expect([request.progress, queue.getWorkerHealth()[0]?.progress]).toEqual([undefined, null])
    run.progress(0)
    await clock.advance(5)
    run.progress(0.4, 'parsing')
    run.progress(0.4, 'parsing')
    const about = { id: 'a', priority: 'normal', request: 'a', metadata: 'mine', attempt: 1 }
    expect(told).toEqual([
      { ...about, at: 0, progress: 0, message: undefined },
      { ...about, at: 5, progress: 0.4, message: 'parsing' },
      { ...about, at: 5, progress: 0.4, message: 'parsing' },
    ])
    const progress = { fraction: 0.4, message: 'parsing', at: 5 }
    expect([request.progress, queue.getWorkerHealth()[0]?.progress]).toEqual([progress, progress])
  })

  test('may be said during a synchronous call', async () => {
    const seen: unknown[] = []
    const queue = new QueuedExecutor((_: string, run) => run.progress(1), { concurrency: 1, debug: true })
    queue.on('progress', ({ progress }) => seen.push(progress, queue.getWorkerHealth()[0]?.progress?.fraction))
    await queue.execute('a')
    expect(seen).toEqual([1, 1])
    expect(queue.getWorkerHealth()[0]?.progress).toBe(null)
  })

  test('is gone with the run', async () => {
    const { queue, gate, request, run } = await running()
    run.progress(0.9)
    await gate.finish('a')
    expect([request.progress, queue.getWorkerHealth()[0]?.progress]).toEqual([undefined, null])
  })

  test('is said anew by each attempt', async () => {
    const { clock, gate, told, request, run } = await running({ retry: { name: 'once', delayMs: () => 10 } })
    run.progress(0.9)
    await gate.fail('a', new Error('refused'))
    expect([request.state, request.progress]).toEqual(['retrying', undefined])
    await clock.advance(10)
    expect([request.state, request.progress]).toEqual(['running', undefined])
    run.progress(0.95)
    gate.call('a').run.progress(0.1)
    expect(told.map(({ attempt, progress }) => [attempt, progress])).toEqual([
      [1, 0.9],
      [2, 0.1],
    ])
    expect(request.progress?.fraction).toBe(0.1)
  })

  test('has a message of at most 256 characters', async () => {
    const { told, run } = await running()
    run.progress(0.5, 'x'.repeat(1_000))
    expect(told[0]?.message).toBe('x'.repeat(256))
  })

  test('may be said from outside of the run, of whatever slot', async () => {
    const { queue, gate } = gated({ concurrency: 3 })
    const requests = await Promise.all(['a', 'b', 'c'].map((name) => queue.submit(name)))
    await turn()
    for (const [i, name] of ['c', 'a', 'b'].entries()) gate.call(name).run.progress(i / 2)
    expect(requests.map(({ progress }) => progress?.fraction)).toEqual([0.5, 1, 0])
  })

  test('of a run that takes several slots is shown by each of them', async () => {
    const { queue, gate } = gated({ concurrency: 2 })
    queue.execute('wide', { cost: 2 })
    await turn()
    gate.call('wide').run.progress(0.5)
    expect(queue.getWorkerHealth().map(({ progress }) => progress?.fraction)).toEqual([0.5, 0.5])
  })
})

describe('those who wait for it', () => {
  test('all see it, also who has joined; not who has left', async () => {
    const { queue, request, run, told } = await running()
    const joined = await queue.submit('a', { id: 'a' })
    watch(joined.result)
    run.progress(0.5)
    expect([request.progress, joined.progress]).toMatchObject([{ fraction: 0.5 }, { fraction: 0.5 }])
    request.cancel()
    run.progress(0.6)
    expect([request.progress, joined.progress]).toMatchObject([undefined, { fraction: 0.6 }] as object)
    joined.cancel()
    expect(joined.progress).toBe(undefined)
    // Nobody waits for it any more: that is no fault of the run.
    run.progress(0.7)
    expect(told.map(({ progress }) => progress)).toEqual([0.5, 0.6])
  })

  test('are told nothing after the answer: not while its slot is held, and not later', async () => {
    const body = Promise.withResolvers<void>()
    const runs: RunContext[] = []
    const told: number[] = []
    const queue = new QueuedExecutor(
      (_: string, run) => {
        runs.push(run)
        run.progress(0.5)
        run.holdUntil(body.promise)
      },
      { concurrency: 1, debug: true },
    )
    queue.on('progress', ({ progress }) => told.push(progress))
    const request = await queue.submit('a')
    await request.result
    runs[0]?.progress(0.9)
    expect([request.progress, queue.getWorkerHealth()[0]?.progress?.fraction]).toEqual([undefined, 0.5])
    body.resolve()
    await turn()
    runs[0]?.progress(1)
    expect([told, queue.getWorkerHealth()[0]?.progress]).toEqual([[0.5], null])
  })
})

describe('listeners', () => {
  test('are in the context of the submitter', async () => {
    const context = new AsyncLocalStorage<string>()
    const found: unknown[] = []
    const { queue, gate } = gated()
    queue.on('progress', () => found.push(context.getStore()))
    const end = context.run('submitter', () => queue.execute('a'))
    await turn()
    context.run('another', () => gate.call('a').run.progress(0.5))
    await gate.finish('a')
    await end
    expect(found).toEqual(['submitter'])
  })

  test('may do anything: cancel, submit, pause, close, throw', async () => {
    const errors: unknown[] = []
    const { queue, gate, request, answer, run, clock } = await running({
      onListenerError: (error) => errors.push(error),
    })
    queue.on('progress', () => {
      request.cancel('seen enough')
      queue.execute('b').catch(() => {})
      queue.pause()
      queue.resume()
      queue.close()
      throw new Error('a listener')
    })
    run.progress(0.5)
    run.progress(0.6)
    await turn()
    expect([answer.outcome, run.signal.aborted, errors.length]).toEqual(['TRIAGE_CANCELLED', true, 1])
    await gate.finish('a')
    await gate.finish('b')
    expect([gate.started, queue.getStatus().state, clock.timers]).toEqual([['a', 'b'], 'closed', 0])
  })
})

describe('what is no progress', () => {
  test.each([-0.1, 1.1, Number.NaN, Number.POSITIVE_INFINITY, '0.5', 1n, undefined, null])(
    'is refused with the name of the argument: %s',
    async (fraction) => {
      const { run, told, queue } = await running()
      expect(() => run.progress(fraction as number)).toThrow(
        expect.objectContaining({ code: 'TRIAGE_INVALID_OPTIONS', path: 'progress', received: fraction }),
      )
      expect([told, queue.getStatus().running]).toEqual([[], 1])
    },
  )

  test('nor is a message that is no string', async () => {
    const { run, told } = await running()
    expect(() => run.progress(0.5, 5 as never)).toThrow(expect.objectContaining({ path: 'progress.message' }))
    expect(told).toEqual([])
  })
})

test('who says nothing, and who listens to it, changes nothing of the run', async () => {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor((n: number) => n * 2, { clock, debug: true })
  const told: unknown[] = []
  const listener = (event: unknown): void => void told.push(event)
  queue.on('progress', listener)
  expect(await queue.execute(1)).toBe(2)
  queue.off('progress', listener)
  expect(told).toEqual([])
})
