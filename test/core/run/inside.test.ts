/**
 * Before Node 24 an AsyncLocalStorage makes each `await` of the process dearer from its first use on. There none is made, and
 * a run is known only in its synchronous part; or when it says which it is, by `run.close()`.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type ExecutorEvents,
  type QueuedExecutor,
  type QueuedExecutorOptions,
  type RunContext,
  WorkerPool,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { turn, watch } from '../../failures/support.ts'

type Queue = QueuedExecutor<string, unknown>
type Run = (name: string, queue: Queue, run: RunContext) => unknown

const warnings: unknown[] = []

beforeEach(() => {
  warnings.length = 0
  vi.spyOn(process, 'emitWarning').mockImplementation(((...warning: unknown[]) => warnings.push(warning)) as never)
})
afterEach(() => void vi.restoreAllMocks())

/** The library as it is where storages have to be enabled; whoever makes one fails. */
async function before24() {
  vi.resetModules()
  vi.doMock('node:async_hooks', async (original) => ({
    ...(await original<typeof import('node:async_hooks')>()),
    AsyncLocalStorage: class {
      constructor() {
        throw new Error('A storage was made')
      }

      _enable(): void {}
    },
  }))
  try {
    return await import('../../../src/index.ts')
  } finally {
    vi.doUnmock('node:async_hooks')
    vi.resetModules()
  }
}

async function made(run: Run, options: QueuedExecutorOptions<string> = {}, library?: { QueuedExecutor: unknown }) {
  const clock = new VirtualClock()
  const { QueuedExecutor: Made } = (library ?? (await before24())) as { QueuedExecutor: typeof QueuedExecutor }
  const queue: Queue = new Made((name: string, context) => run(name, queue, context), {
    ...{ clock, concurrency: 1, name: 'closes itself' },
    ...options,
  })
  return { clock, queue }
}

const hang: Run = () => new Promise(() => {})

describe('before Node 24', () => {
  test('no storage is made, and each run is in its own submitter’s context, with what it leaves behind', async () => {
    const tenant = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const { queue } = await made(async (name) => {
      await Promise.resolve()
      seen.push([name, tenant.getStore()])
    })
    await Promise.all([
      queue.execute('a'),
      tenant.run('one', () => queue.execute('b')),
      queue.execute('c'),
      tenant.run('two', () => queue.execute('d')),
    ])
    expect(seen).toEqual([
      ['a', undefined],
      ['b', 'one'],
      ['c', undefined],
      ['d', 'two'],
    ])
  })

  test('close() knows its own run while that is synchronous', async () => {
    const { queue } = await made(async (_name, own) => {
      await own.close()
      return 'answer'
    })
    expect(await queue.execute('closes')).toBe('answer')
  })

  test('a run that throws is over, and close() is outside of it', async () => {
    const { queue } = await made(() => {
      throw new Error('mine')
    })
    const end = watch(queue.execute('throws'))
    await turn()
    expect(end.error).toEqual(new Error('mine'))
    const rest = watch(queue.execute('throws'))
    await queue.close()
    expect(rest.error).toEqual(new Error('mine'))
  })

  test('a run that awaits its own queue is told of where it asks at once', async () => {
    const { clock, queue } = await made((name, own) => own.execute(`${name}*`), { waitTimeoutMs: 2_000 })
    const told: ExecutorEvents['selfWaiting'][] = []
    queue.on('selfWaiting', (event) => told.push(event))
    const end = watch(queue.execute('deep'))
    await clock.run({ until: end.done })
    expect(told).toEqual([expect.objectContaining({ request: 'deep' })])
  })

  const closesLate: Run = async (name, own) => {
    await Promise.resolve()
    if (name === 'closes') await own.close()
  }

  test('close() after an await waits for its own run, and says once after 10 s what to call instead', async () => {
    const { clock, queue } = await made(closesLate)
    const end = watch(queue.execute('closes'))
    await clock.advance(9_999)
    expect(warnings).toEqual([])
    await clock.advance(1)
    expect(warnings).toEqual([
      [
        "close() of 'closes itself' has waited for nothing but runs for 10 s. If one of them awaits it, call run.close() there: before Node 24, close() does not know that it was called inside a run once that has awaited.",
        { type: 'TriageQueueWarning', code: 'TRIAGE_CLOSE_WAITS' },
      ],
    ])
    watch(queue.close())
    await clock.advance(60_000)
    expect([end.state, warnings.length]).toEqual(['pending', 1])
  })

  test('nothing is said while others still wait for a slot, and then not before 10 s more', async () => {
    const clock = new VirtualClock()
    const { queue } = await made(() => clock.sleep(8_000), { clock })
    const ends = ['a', 'b', 'c'].map((name) => watch(queue.execute(name)))
    await clock.advance(1)
    const closed = watch(queue.close())
    await clock.advance(24_000)
    expect([...ends, closed].map(({ state }) => state)).toEqual(Array(4).fill('fulfilled'))
    expect([warnings, clock.timers]).toEqual([[], 0])
  })

  test('a drain whose last run goes on is looked at again every 10 s; a second close() changes nothing', async () => {
    const clock = new VirtualClock()
    const { queue } = await made((name, ...rest) => (name === 'hangs' ? hang(name, ...rest) : clock.sleep(12_000)), {
      clock,
    })
    for (const name of ['a', 'hangs']) watch(queue.execute(name))
    await clock.advance(1)
    watch(queue.close())
    await clock.advance(9_000)
    watch(queue.close())
    await clock.advance(20_999)
    expect(warnings).toEqual([])
    await clock.advance(1)
    expect(warnings).toHaveLength(1)
  })

  test.each([
    ['graceMs at once', [{ graceMs: 60_000 }]],
    ['graceMs by a second call', [{}, { graceMs: 60_000 }]],
    ['graceMs that is over', [{ graceMs: 1 }, {}]],
  ])('nothing is said with %s', async (_what, calls) => {
    const { clock, queue } = await made(hang)
    watch(queue.execute('hangs'))
    await clock.advance(1)
    for (const options of calls) {
      watch(queue.close(options))
      await clock.advance(2)
    }
    await clock.advance(100_000)
    expect([warnings, clock.timers]).toEqual([[], 0])
  })
})

test('where an AsyncResource shows no context frame, as on Bun and Deno, each run is marked on its own', async () => {
  vi.resetModules()
  const { getOwnPropertySymbols } = Object
  const symbols = vi
    .spyOn(Object, 'getOwnPropertySymbols')
    .mockImplementation((object) =>
      getOwnPropertySymbols(object).filter(({ description }) => description !== 'context_frame'),
    )
  const library = await import('../../../src/index.ts')
  symbols.mockRestore()
  vi.resetModules()
  const tenant = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const closes: Run = async (name, own) => {
    await Promise.resolve()
    seen.push([name, tenant.getStore()])
    if (name === 'closes') await own.close()
  }
  const { queue } = await made(closes, {}, library)
  await Promise.all([queue.execute('a'), tenant.run('one', () => queue.execute('b')), queue.execute('closes')])
  expect(seen).toEqual([
    ['a', undefined],
    ['b', 'one'],
    ['closes', undefined],
  ])
})

describe.each([
  ['before Node 24', before24],
  ['here', () => import('triage-queue')],
])('run.close(): %s', (_where, library) => {
  const closes: Run = async (_name, _own, run) => {
    await Promise.resolve()
    await run.close()
    return 'answer'
  }

  test('does not wait for its own run, nor for others that await it', async () => {
    const { clock, queue } = await made(closes, { concurrency: 2 }, await library())
    const ends = [watch(queue.execute('a')), watch(queue.execute('b'))]
    await clock.advance(20_000)
    expect(ends.map(({ value }) => value)).toEqual(['answer', 'answer'])
    expect(queue.getStatus().state).toBe('closed')
    expect(warnings).toEqual([])
  })

  test('waits for the runs that do not', async () => {
    const clock = new VirtualClock()
    const work: Run = (name, ...rest) => (name === 'works' ? clock.sleep(100) : closes(name, ...rest))
    const { queue } = await made(work, { clock, concurrency: 2 }, await library())
    const ends = [watch(queue.execute('works')), watch(queue.execute('closes'))]
    await clock.advance(99)
    expect(ends.map(({ state }) => state)).toEqual(['pending', 'pending'])
    await clock.advance(1)
    expect(ends.map(({ state }) => state)).toEqual(['fulfilled', 'fulfilled'])
  })

  test('after its run has ended it is close(), which waits for all', async () => {
    let left: RunContext | undefined
    const { clock, queue } = await made(
      (name, ...rest) => {
        left ??= rest[1]
        return name === 'ends' ? name : hang(name, ...rest)
      },
      {},
      await library(),
    )
    await queue.execute('ends')
    watch(queue.execute('hangs'))
    await clock.advance(1)
    const closed = watch(left?.close({ graceMs: 50 }) as Promise<void>)
    await clock.advance(49)
    expect(closed.state).toBe('pending')
    await clock.advance(1)
    expect(closed.state).toBe('fulfilled')
  })

  test('refuses bad options through its promise', async () => {
    const { queue } = await made((_name, _own, run) => run.close({ graceMs: -1 }), {}, await library())
    await expect(queue.execute('a')).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path: 'graceMs' })
  })
})

test('run.close() of a pool, which can’t be closed, rejects', async () => {
  const pool = new WorkerPool((_n: number, run) => run.close(), { concurrency: 1 })
  await expect(pool.run(1)).rejects.toEqual(new TypeError('A WorkerPool has no close()'))
})
