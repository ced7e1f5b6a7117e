import fc from 'fast-check'
import { PriorityQueue as PriorityQueue10 } from 'p-queue'
import { PriorityQueue as PriorityQueue9 } from 'p-queue-9'
import { describe, expect, test } from 'vitest'
import { type EnqueueOptions, type RunFunction, TieredQueue } from '../../src/p-queue/index.ts'

type Operation =
  | { do: 'enqueue'; options: EnqueueOptions | undefined; again: number | undefined }
  | { do: 'dequeue' }
  | { do: 'remove'; id: string }
  | { do: 'removeRun'; index: number }
  | { do: 'setPriority'; id: string; priority: number }

const few = [0, -0, 1, 2, -1, 0.5]
const ids = ['a', 'b', 'c', 'd', 'constructor']

function operations(priority: fc.Arbitrary<number>): fc.Arbitrary<Operation[]> {
  const id = fc.constantFrom(...ids)
  const options = fc.record({ priority, id }, { requiredKeys: [] })
  const operation: fc.Arbitrary<Operation> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('enqueue' as const),
        options: fc.option(options, { nil: undefined, freq: 20 }),
        // One in ten is a function that was handed in before.
        again: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat() }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('dequeue' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), id }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('removeRun' as const), index: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('setPriority' as const), id, priority }) },
  )
  return fc.array(operation, { maxLength: 80, size: 'max' })
}

function attempt<T>(action: () => T): unknown {
  try {
    return action()
  } catch (error) {
    return String(error)
  }
}

type TieredQueueLike = Pick<TieredQueue, keyof TieredQueue>

/** Does the same to both queues, and compares every answer, and after each step all that can be seen of them. */
function compare(own: TieredQueueLike, script: readonly Operation[], version: 9 | 10): void {
  const tiered = new TieredQueue()
  const runs: RunFunction[] = []
  const priorities = new Set<number | undefined>([0])
  const names = new Map<unknown, number | undefined>([[undefined, undefined]])
  // What is compared are the numbers of the functions: a difference then prints as something to read.
  const look = (queue: TieredQueueLike): unknown => [
    queue.size,
    [...priorities].map((priority) => queue.filter({ priority }).map((run) => names.get(run))),
  ]
  const both = (step: (queue: TieredQueueLike) => unknown): void => {
    expect(attempt(() => step(tiered))).toEqual(attempt(() => step(own)))
    expect(look(tiered)).toEqual(look(own))
  }

  for (const [index, operation] of script.entries()) {
    if (operation.do === 'enqueue') {
      const { again, options } = operation
      const run = (again === undefined ? undefined : runs[again % runs.length]) ?? (async () => {})
      if (!names.has(run)) {
        names.set(run, runs.length)
        runs.push(run)
      }
      priorities.add(options?.priority)
      both((queue) => queue.enqueue(run, options))
    } else if (operation.do === 'dequeue') {
      both((queue) => names.get(queue.dequeue()))
    } else if (operation.do === 'remove') {
      both((queue) => queue.remove(operation.id))
    } else if (operation.do === 'removeRun') {
      const run = runs[operation.index % runs.length]
      if (run !== undefined) both((queue) => queue.remove(run))
    } else {
      // p-queue 9 also moves a task to the priority that it has. A priority that nobody has is none of those.
      const priority = version === 9 ? operation.priority + (index + 1) / 1_000 : operation.priority
      priorities.add(priority)
      both((queue) => queue.setPriority(operation.id, priority))
    }
  }
  while (own.size > 0) both((queue) => names.get(queue.dequeue()))
  both((queue) => queue.dequeue())
}

describe("every answer is that of p-queue's own class", () => {
  test('p-queue 10, any numbers as priorities', () => {
    const priority = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...few, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY) },
      { weight: 1, arbitrary: fc.double({ noNaN: true }) },
    )
    fc.assert(
      fc.property(operations(priority), (script) => compare(new PriorityQueue10(), script, 10)),
      { numRuns: 500 },
    )
  })

  test('p-queue 9, finite numbers as priorities (it does not order infinite ones)', () => {
    fc.assert(
      fc.property(operations(fc.constantFrom(...few)), (script) => compare(new PriorityQueue9(), script, 9)),
      { numRuns: 500 },
    )
  })

  test('as many priorities as tasks, and removals from everywhere', () => {
    const own = new PriorityQueue10()
    const tiered = new TieredQueue()
    const count = 5_000
    for (let i = 0; i < count; i++) {
      const run = async () => i
      // 2,003 is a generator of the numbers below 5,003: each number comes once, in no order.
      const options = { priority: ((i + 1) * 2_003) % 5_003, id: String(i) }
      own.enqueue(run, options)
      tiered.enqueue(run, options)
    }
    for (let i = 0; i < count; i += 3) {
      own.remove(String(i))
      tiered.remove(String(i))
    }
    for (let i = 1; i < count; i += 6) {
      own.setPriority(String(i), i)
      tiered.setPriority(String(i), i)
    }
    expect(tiered.size).toBe(own.size)
    while (own.size > 0) if (tiered.dequeue() !== own.dequeue()) expect.fail(`wrong with ${own.size} left`)
    expect(tiered.size).toBe(0)
  })
})

const run = async () => {}

test('a task moved to the priority that it has stays where it is, unlike in p-queue 9', () => {
  const second = async () => {}
  const order = (queue: TieredQueue | PriorityQueue9) => {
    queue.enqueue(run, { priority: 1, id: 'a' })
    queue.enqueue(second, { priority: 1, id: 'b' })
    queue.setPriority('a', 1)
    return queue.dequeue()
  }
  expect(order(new TieredQueue())).toBe(run)
  expect(order(new PriorityQueue9())).toBe(second)
})

test.each([Number.NaN, '1', null])('a priority of %o is refused, and nothing else changes', (priority) => {
  const queue = new TieredQueue()
  queue.enqueue(run, { id: 'a' })
  expect(() => queue.enqueue(run, { priority: priority as number })).toThrow(TypeError)
  expect(() => queue.setPriority('a', priority as number)).toThrow(TypeError)
  expect(queue.size).toBe(1)
  expect(queue.filter({ priority: 0 })).toEqual([run])
  expect(queue.filter({ priority: Number.NaN })).toEqual([])
})

test('a task without an id is found by no id', () => {
  const queue = new TieredQueue()
  queue.enqueue(run)
  queue.remove(undefined as unknown as string)
  expect(queue.size).toBe(1)
  expect(() => queue.setPriority(undefined as unknown as string, 1)).toThrow(ReferenceError)
})

test('among tasks with the same id the aborted one is removed, and among those the one added first', () => {
  const queue = new TieredQueue()
  const runs = Array.from({ length: 5 }, (): RunFunction => async () => {})
  const aborted = [false, true, true, false, true]
  const priorities = [3, 0, 1, 2, 0]
  for (const [i, run] of runs.entries()) {
    queue.enqueue(run, { id: 'a', priority: priorities[i], signal: { aborted: aborted[i] === true } })
  }
  const left = () => [3, 2, 1, 0].flatMap((priority) => queue.filter({ priority }).map((run) => runs.indexOf(run)))
  expect(left()).toEqual([0, 3, 2, 1, 4])
  queue.remove('a')
  expect(left()).toEqual([0, 3, 2, 4])
  queue.remove('a')
  expect(left()).toEqual([0, 3, 4])
  queue.remove('a')
  expect(left()).toEqual([0, 3])
  queue.remove('a')
  expect(left()).toEqual([3])
})
