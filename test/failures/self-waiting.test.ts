/**
 * A run that awaits its own queue, while no slot is left for what it awaits: told once, and never of a run that goes on.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type ExecutorEvents, QueuedExecutor, type QueuedExecutorOptions, type RunContext } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { turn, watch } from './support.ts'

type Queue = QueuedExecutor<string, unknown>
type Run = (name: string, queue: Queue, run: RunContext) => unknown

const warnings: string[] = []

beforeEach(() => {
  warnings.length = 0
  vi.spyOn(process, 'emitWarning').mockImplementation(((warning: string, options?: { code: string }) => {
    if (options?.code === 'TRIAGE_SELF_WAITING') warnings.push(warning)
  }) as never)
})
afterEach(() => void vi.restoreAllMocks())

/** A queue whose runs may use it, and what it tells. */
function nested(run: Run, options: QueuedExecutorOptions<string> = {}) {
  const clock = new VirtualClock()
  const told: ExecutorEvents['selfWaiting'][] = []
  const queue: Queue = new QueuedExecutor((name: string, context) => run(name, queue, context), {
    ...{ clock, concurrency: 1, name: 'nested', waitTimeoutMs: 10_000 },
    ...options,
  })
  queue.on('selfWaiting', (event) => told.push(event))
  return { clock, queue, told }
}

/** Lets everything end that can, by its time limit at last. */
async function over(clock: VirtualClock, ...ends: Promise<unknown>[]): Promise<void> {
  const watched = ends.map((end) => watch(end))
  await clock.run({ until: Promise.all(watched.map(({ done }) => done)) })
}

/** Each run awaits one that is one deeper. */
const deeper =
  (depth: number): Run =>
  async (name, queue) => {
    if (name.length < depth) await queue.execute(`${name}*`)
    return name
  }

describe('a run that awaits its own queue is told of', () => {
  test.each([1, 2, 5])('when it goes one deeper than there are slots: %i', async (concurrency) => {
    const { clock, queue, told } = nested(deeper(concurrency + 1), { concurrency })
    await over(clock, queue.execute('*', { metadata: 'mine' }))
    expect(warnings).toEqual([
      `Each run of 'nested' (concurrency ${concurrency}) awaits a request of this same queue, and no slot is left for these. Give what a run awaits a queue of its own.`,
    ])
    expect(told).toEqual([
      expect.objectContaining({ request: '*', metadata: 'mine', awaits: expect.any(String), concurrency, at: 1_000 }),
    ])
  })

  test('in the context of the one who submitted it', async () => {
    const store = new AsyncLocalStorage<string>()
    const { clock, queue } = nested(deeper(2))
    const found: unknown[] = []
    queue.on('selfWaiting', () => found.push(store.getStore()))
    await over(
      clock,
      store.run('a tenant', () => queue.execute('*')),
    )
    expect(found).toEqual(['a tenant'])
  })

  test('when three runs wait, each for its own, and once only', async () => {
    const run: Run = async (name, queue) => (name.endsWith('child') ? name : queue.execute(`${name} child`))
    const { clock, queue, told } = nested(run, { concurrency: 3 })
    await over(clock, ...['a', 'b', 'c'].map((name) => queue.execute(name)))
    await over(clock, ...['a', 'b', 'c'].map((name) => queue.execute(name)))
    expect([told.length, warnings.length]).toEqual([1, 1])
  })

  test('once, also when a promise of before is awaited afterwards', async () => {
    const run: Run = async (name, queue) => {
      if (name !== 'parent') return name
      const early = queue.execute('early', { waitTimeoutMs: 20_000 }).catch(() => {})
      await queue.execute('child', { waitTimeoutMs: 5_000 }).catch(() => {})
      return early
    }
    const { clock, queue, told } = nested(run)
    await over(clock, queue.execute('parent'))
    expect([told.length, clock.now()]).toEqual([1, 20_000])
  })

  test.each<[string, (queue: Queue) => unknown]>([
    ['by await', async (queue) => void (await queue.execute('child'))],
    ['by what it returns', (queue) => queue.execute('child')],
    ['by what an async function returns', async (queue) => queue.execute('child')],
    ['in Promise.all()', (queue) => Promise.all([queue.execute('child'), queue.execute('child')])],
    ['through then()', async (queue) => void (await queue.execute('child').then((answer) => answer))],
    ['through catch()', async (queue) => void (await queue.execute('child').catch(() => 'no answer'))],
    ['through finally()', async (queue) => void (await queue.execute('child').finally(() => {}))],
    ['by the result of a handle', async (queue) => (await queue.submit('child')).result],
    ['by the result of one that is offered', (queue) => queue.offer('child')?.result],
    ['of one that starts later', async (queue) => void (await queue.execute('child', { delayMs: 10 }))],
  ])('when it waits %s', async (_, waits) => {
    const { clock, queue, told } = nested((name, own) => (name === 'child' ? name : waits(own)))
    await over(clock, queue.execute('parent'))
    expect(told.length).toBe(1)
  })

  test('when it waits until another one is admitted', async () => {
    const { clock, queue, told } = nested((name, own) => (name === 'parent' ? own.submit('child').then(() => 1) : 0), {
      ...{ maxQueueSize: 1, whenFull: 'block' },
    })
    const ends = [queue.execute('parent'), queue.execute('fills the queue')]
    await over(clock, ...ends)
    expect(told).toEqual([expect.objectContaining({ request: 'parent' })])
  })

  test.each<[string, (queue: Queue, letGo: () => void, clock: VirtualClock) => unknown]>([
    [
      'another run has ended, and there are fewer slots',
      (queue, letGo) => {
        queue.concurrency = 1
        letGo()
      },
    ],
    ['another slot is stuck', (_queue, _letGo, clock) => clock.advance(50)],
  ])('when %s', async (_, happens) => {
    let letGo = (): void => {}
    const run: Run = async (name, queue) => {
      if (name === 'parent') await queue.execute('child')
      else if (name === 'other') await new Promise<void>((resolve) => (letGo = resolve))
    }
    const { clock, queue, told } = nested(run, { concurrency: 2 })
    const ends = [queue.execute('other', { runTimeoutMs: 50 }), queue.execute('parent')].map((end) => watch(end).done)
    await clock.advance(10)
    expect(told).toEqual([])
    await happens(queue, () => letGo(), clock)
    await clock.advance(2_000)
    expect(told).toEqual([expect.objectContaining({ request: 'parent', concurrency: queue.concurrency })])
    letGo()
    await over(clock, ...ends)
  })

  test('when there are fewer slots', async () => {
    const run: Run = async (name, queue) => {
      if (name === 'child') return name
      if (name === 'b') queue.pause()
      return queue.execute('child')
    }
    const { clock, queue, told } = nested(run, { concurrency: 3 })
    const ends = [queue.execute('a'), queue.execute('b')]
    await clock.advance(2_000)
    expect(told).toEqual([])
    queue.concurrency = 2
    await clock.advance(1_000)
    expect(told.length).toBe(1)
    queue.resume()
    await over(clock, ...ends)
  })

  test('when the one free slot is not for what it awaits', async () => {
    const run: Run = async (name, queue) => (name === 'child' ? name : queue.execute('child', { priority: 'low' }))
    const { clock, queue, told } = nested(run, { concurrency: 2, reserve: { urgent: 1 } })
    await over(clock, queue.execute('parent', { priority: 'low' }))
    expect(told.length).toBe(1)
  })
})

describe('it is not told of', () => {
  const quiet = async (run: Run, options: QueuedExecutorOptions<string>, ...names: string[]): Promise<void> => {
    const own = nested(run, options)
    const clock = (options.clock ?? own.clock) as VirtualClock
    await over(clock, ...names.map((name) => own.queue.execute(name)))
    await clock.run({ until: own.queue.idle() })
    expect([warnings, own.told, clock.timers]).toEqual([[], [], 0])
  }

  test.each<[string, (queue: Queue, name: string) => unknown]>([
    ['without a look at their answers', (queue, name) => void queue.execute(name)],
    ['with a function for their answers', (queue, name) => void queue.execute(name).then(() => {})],
    ['with a function for their failures', (queue, name) => void queue.execute(name).catch(() => {})],
    ['with a function for their ends', (queue, name) => void queue.execute(name).finally(() => {})],
    ['by submit()', async (queue, name) => void (await queue.submit(name)).result.then(() => {})],
    [
      'by offer(), one after the other',
      (queue, name) => void queue.offer(name, { after: [queue.offer(`${name}+`)] as never }),
    ],
    ['by an async function', (queue, name) => void (async () => void (await queue.execute(name)))()],
    ['all of them awaited by a promise that is left behind', (queue, name) => void Promise.all([queue.execute(name)])],
    ['after a promise of execute()', (queue, name) => void queue.execute(name, { after: [queue.execute(`${name}+`)] })],
  ])('a crawler that submits what it has found, %s', async (_, follows) => {
    const clock = new VirtualClock()
    await quiet(
      async (name, queue) => {
        if (name.length < 3) for (const link of ['a', 'b', 'c']) follows(queue, name + link)
        await clock.sleep(300)
      },
      { clock, concurrency: 2 },
      '*',
    )
  })

  test('a run that awaits one that has its slot', async () => {
    await quiet(deeper(3), { concurrency: 3 }, '*')
    await quiet(deeper(2), { concurrency: 2 }, '*')
  })

  test('a run that is let go on by a time limit, at the very instant at which it would be told of', async () => {
    const run: Run = async (name, queue) => {
      if (name === '*') await queue.execute('child', { waitTimeoutMs: 1_000 }).catch(() => {})
    }
    await quiet(run, {}, '*')
  })

  test('a run that awaits, while another one runs that does not', async () => {
    const clock = new VirtualClock()
    const run: Run = async (name, queue) => (name === 'parent' ? queue.execute('child') : clock.sleep(5_000))
    await quiet(run, { clock, concurrency: 2 }, 'parent', 'other', 'another')
  })

  test('a run that waits for its turn to be let in, while slots are free', async () => {
    const schema = { '~standard': { version: 1, vendor: 'test', validate: async (value: unknown) => ({ value }) } }
    await quiet(deeper(2), { concurrency: 2, schema: schema as never }, '*')
    await quiet(
      (name, queue) => (name === '*' ? queue.execute('+', { delayMs: 5_000 }) : name),
      { concurrency: 2 },
      '*',
    )
  })

  test('a run that awaits one that is refused, has ended, or has an id of another', async () => {
    const run: Run = async (name, queue) => {
      if (name !== '*') return name
      await queue.execute('bad', { cost: 9 }).catch(() => {})
      const request = queue.offer('cancelled', { id: 'one' })
      const joined = queue.execute('cancelled', { id: 'one' })
      const result = request?.result
      request?.cancel()
      queue.get('one')?.cancel()
      await result?.catch(() => {})
      await queue.get('one')
      queue.cancel('one')
      return joined.catch(() => {})
    }
    await quiet(run, {}, '*')
  })

  test('a substitute for a stuck slot lets what it awaits start', async () => {
    const { clock, queue, told } = nested(
      async (name, own) => {
        if (name === 'child') return name
        if (name === 'parent') return own.execute('child')
        return new Promise(() => {})
      },
      { concurrency: 2, onStuck: 'replace', waitTimeoutMs: 1_000 },
    )
    const hangs = watch(queue.execute('hangs', { runTimeoutMs: 10 }))
    const parent = watch(queue.execute('parent'))
    await clock.advance(5)
    expect(parent.state).toBe('pending')
    await clock.advance(5)
    expect([hangs.outcome, parent.state, told]).toEqual(['TRIAGE_RUN_TIMEOUT', 'fulfilled', []])
    await queue.close({ drain: false, graceMs: 0 })
  })
})

test('the promise is one like any other, and the answer comes through it', async () => {
  const found: unknown[] = []
  const run: Run = async (name, queue) => {
    if (name === 'child') return name
    if (name === 'fails') throw new Error('no')
    const promise = queue.execute('child')
    found.push(promise instanceof Promise, await promise, await promise.finally(), await promise.then(null))
    await expect(queue.execute('fails').then((answer) => answer)).rejects.toThrow('no')
    const request = await queue.submit('child')
    const { result } = request
    found.push(result === request.result, await result)
    return 'parent'
  }
  const { clock, queue } = nested(run, { concurrency: 2 })
  const end = queue.execute('parent')
  await over(clock, end)
  expect([await end, found]).toEqual(['parent', [true, 'child', 'child', 'child', true, 'child']])
  await turn()
})
