import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import PQueue10 from 'p-queue'
import PQueue9 from 'p-queue-9'
import { describe, expect, test } from 'vitest'
import { TieredQueue } from '../../src/p-queue/index.ts'

type AnyPQueue = PQueue9 | PQueue10 | PQueue9<TieredQueue> | PQueue10<TieredQueue>

const versions = { 9: PQueue9, 10: PQueue10 } as const
type Version = keyof typeof versions

interface Script {
  readonly concurrency: number
  readonly autoStart: boolean
  readonly steps: readonly Step[]
}

type Step =
  | { do: 'add'; priority: number | undefined; id: string | undefined; signal: number | undefined; fails: boolean }
  | { do: 'addAborted' | 'pause' | 'start' | 'clear' }
  | { do: 'finish' | 'abort' | 'concurrency'; which: number }
  | { do: 'setPriority'; id: string; priority: number }

function scripts(priority: fc.Arbitrary<number>): fc.Arbitrary<Script> {
  // '2' is also one of the numbers that p-queue gives to tasks without an id.
  const id = fc.constantFrom('a', 'b', 'c', '2')
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 16,
      arbitrary: fc.record({
        do: fc.constant('add' as const),
        priority: fc.option(priority, { nil: undefined }),
        id: fc.option(id, { nil: undefined, freq: 2 }),
        signal: fc.option(fc.nat({ max: 3 }), { nil: undefined, freq: 2 }),
        fails: fc.boolean(),
      }),
    },
    { weight: 10, arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat({ max: 3 }) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('setPriority' as const), id, priority }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat({ max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('concurrency' as const), which: fc.nat({ max: 2 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('addAborted', 'pause', 'start', 'start' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const) }) },
  )
  return fc.record({
    concurrency: fc.integer({ min: 1, max: 3 }),
    autoStart: fc.boolean(),
    steps: fc.array(step, { maxLength: 60, size: 'max' }),
  })
}

/** Plays a script on a queue, and writes down all that its user can see: starts, ends, events, sizes, errors. */
async function play(queue: AnyPQueue, script: Script, version: Version): Promise<string[]> {
  const log: string[] = []
  const running: { finish: () => void }[] = []
  const controllers = Array.from({ length: 4 }, () => new AbortController())
  const priorities = new Set<number>([0])
  let added = 0

  const sizes = (): string => {
    const by = [...priorities].map((priority) => `${priority}:${queue.sizeBy({ priority })}`)
    const active = queue.runningTasks.map((task) => `${task.id}/${task.priority}`)
    return `${queue.size} waiting (${by.join(' ')}), ${queue.pending} running (${active.join(' ')})`
  }
  const add = (options: { priority?: number; id?: string; signal?: AbortSignal }, fails = false): void => {
    const number = added++
    const task = () =>
      new Promise<number>((resolve, reject) => {
        log.push(`start ${number}`)
        running.push({ finish: () => (fails ? reject(new Error(`failure of ${number}`)) : resolve(number)) })
      })
    queue.add(task, options).then(
      (result) => log.push(`${number} gave ${result}`),
      (error) => log.push(`${number} rejected: ${error}`),
    )
  }
  const listen = (event: string): void => {
    const write = (): void => {
      log.push(`${event}: ${sizes()}`)
    }
    if ('addEventListener' in queue) queue.addEventListener(event as 'next', write)
    else queue.on(event as 'next', write)
  }

  for (const event of ['add', 'active', 'next', 'empty', 'idle', 'completed', 'error']) listen(event)
  for (const [index, step] of script.steps.entries()) {
    if (step.do === 'add') {
      if (step.priority !== undefined) priorities.add(step.priority)
      add(
        {
          ...(step.priority !== undefined && { priority: step.priority }),
          ...(step.id !== undefined && { id: step.id }),
          ...(step.signal !== undefined && { signal: (controllers[step.signal] as AbortController).signal }),
        },
        step.fails,
      )
    } else if (step.do === 'addAborted') add({ id: 'a', signal: AbortSignal.abort('at once') })
    else if (step.do === 'finish') running.splice(step.which, 1)[0]?.finish()
    else if (step.do === 'abort') {
      controllers[step.which]?.abort(`abort ${index}`)
      controllers[step.which] = new AbortController()
    } else if (step.do === 'concurrency') queue.concurrency = step.which + 1
    else if (step.do === 'setPriority') {
      // p-queue 9 also moves a task to the priority that it has. A priority that nobody has is none of those.
      const priority = version === 9 ? step.priority + (index + 1) / 1_000 : step.priority
      priorities.add(priority)
      try {
        queue.setPriority(step.id, priority)
      } catch (error) {
        log.push(String(error))
      }
    } else queue[step.do]()
    // Some steps come together with the next, in one turn.
    if (index % 3 > 0) await nextTurn()
    log.push(`${step.do}: ${sizes()}`)
  }
  queue.start()
  do {
    for (const { finish } of running.splice(0)) finish()
    await nextTurn()
  } while (running.length > 0)
  log.push(`end: ${sizes()}`)
  return log
}

async function sameWithAndWithout(version: Version, script: Script): Promise<void> {
  const PQueue = versions[version] as typeof PQueue10
  const { concurrency, autoStart } = script
  const own = await play(new PQueue({ concurrency, autoStart }), script, version)
  const tiered = await play(new PQueue({ concurrency, autoStart, queueClass: TieredQueue }), script, version)
  expect(tiered).toEqual(own)
}

const few = fc.constantFrom(0, 1, 2, -1, 0.5)

describe('a PQueue does the same with the class and without it', () => {
  test('p-queue 10', { timeout: 60_000 }, async () => {
    // NaN too: p-queue 10 refuses it by itself.
    const priority = fc.oneof({ weight: 3, arbitrary: few }, { weight: 1, arbitrary: fc.double() })
    await fc.assert(
      fc.asyncProperty(scripts(priority), (script) => sameWithAndWithout(10, script)),
      { numRuns: 200 },
    )
  })

  test('p-queue 9', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(scripts(few), (script) => sameWithAndWithout(9, script)),
      { numRuns: 200 },
    )
  })
})

describe.each([9, 10] as const)('in p-queue %d', (version) => {
  const tieredQueue = (): PQueue10<TieredQueue> =>
    new (versions[version] as typeof PQueue10)({ concurrency: 1, autoStart: false, queueClass: TieredQueue })

  test('an aborted task without an id leaves the queue, by the number that p-queue gave it', async () => {
    const queue = tieredQueue()
    const controller = new AbortController()
    const first = queue.add(() => 'first')
    const second = queue.add(() => 'second', { signal: controller.signal })
    const third = queue.add(() => 'third')
    controller.abort('no longer')
    expect(queue.size).toBe(2)
    await expect(second).rejects.toBe('no longer')
    queue.start()
    expect(await Promise.all([first, third])).toEqual(['first', 'third'])
  })

  test('an abort takes the aborted task, and no other with the same id', async () => {
    const queue = tieredQueue()
    const controller = new AbortController()
    const first = queue.add(() => 'first', { id: 'same' })
    const second = queue.add(() => 'second', { id: 'same', signal: controller.signal })
    controller.abort('no longer')
    await expect(second).rejects.toBe('no longer')
    queue.start()
    expect(await first).toBe('first')
  })

  test('a priority of NaN rejects the promise of add', async () => {
    const queue = tieredQueue()
    await expect(queue.add(() => 'never', { priority: Number.NaN })).rejects.toThrow(
      new TypeError('Expected `priority` to be a number, got `NaN` (number)'),
    )
    expect(queue.size).toBe(0)
  })

  test('200,000 tasks in four interleaved priorities start in order', { timeout: 60_000 }, async () => {
    const queue = tieredQueue()
    const count = 200_000
    const started: number[] = []
    for (let i = 0; i < count; i++) queue.add(() => void started.push(i), { priority: i % 4 })
    queue.start()
    await queue.onIdle()
    const expected = [3, 2, 1, 0].flatMap((tier) => Array.from({ length: count / 4 }, (_, i) => i * 4 + tier))
    expect(started.length).toBe(count)
    expect(started.findIndex((task, index) => task !== expected[index])).toBe(-1)
  })
})
