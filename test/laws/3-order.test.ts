/**
 * Law 3, order: whatever starts was ranked first among all that waited at that instant, and equal ranks start first-in
 * first-out. A synchronous burst is dispatched as a whole, and never on a caller's stack.
 */
import fc from 'fast-check'
import { type Priority, priorities, QueuedExecutor, type QueuedRequest } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { holds, PATIENCE_MS } from './support/holds.ts'
import { type Law, must } from './support/world.ts'

/** Holds every start, and every position, against a sorted array. */
const order: Law = {
  always(world) {
    must(world.outOfOrder.length === 0, () => world.outOfOrder.join('; '))
    must(world.onStack.length === 0, () => `${world.onStack.join(', ')} ran on a caller's stack`)
  },
  settled(world) {
    world.line.forEach((seen, index) => {
      const position = seen.handle?.position() ?? index
      must(position === index, () => `request ${seen.n} says it stands at ${position}, but ${index} start before it`)
    })
  },
}

holds('every start is the first of a line sorted by priority and admission, whatever happens', order, {
  without: ['policies'],
})

const priority = fc.constantFrom(...priorities)
const change = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('add' as const), priority }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const), which: fc.nat(), priority }) },
)

test(
  'a burst of thousands starts sorted by tier, then by submission',
  async () => {
    const changes = fc.array(change, { maxLength: 3_000, size: 'max' })
    const concurrency = fc.integer({ min: 1, max: 3 })
    await fc.assert(
      fc.asyncProperty(changes, concurrency, async (changes, concurrency) => {
        const clock = new VirtualClock()
        const started: number[] = []
        const executor = new QueuedExecutor<number, void>(
          (n) => {
            started.push(n)
            return clock.sleep(1)
          },
          { clock, concurrency },
        )
        const handles: QueuedRequest<number, void>[] = []
        let wanted: { n: number; tier: number }[] = []
        for (const change of changes) {
          if (change.do === 'add') {
            wanted.push({ n: handles.length, tier: priorities.indexOf(change.priority) })
            handles.push(executor.offer(handles.length, { priority: change.priority }) as QueuedRequest<number, void>)
            continue
          }
          const n = change.which % Math.max(handles.length, 1)
          const handle = handles[n]
          if (change.do === 'remove') {
            handle?.cancel()
            wanted = wanted.filter((other) => other.n !== n)
          } else if (handle?.setPriority(change.priority)) {
            for (const other of wanted) if (other.n === n) other.tier = priorities.indexOf(change.priority)
          }
        }
        await Promise.all([executor.close(), clock.run()])
        wanted.sort((a, b) => a.tier - b.tier || a.n - b.n)
        expect(started).toEqual(wanted.map(({ n }) => n))
      }),
      { numRuns: 40 },
    )
  },
  PATIENCE_MS,
)

test('requests of one burst compete by priority, the first of them included', async () => {
  const started: Priority[] = []
  const executor = new QueuedExecutor((name: Priority) => void started.push(name), { concurrency: 1 })
  await Promise.all([...priorities].reverse().map((priority) => executor.execute(priority, { priority })))
  expect(started).toEqual(['urgent', 'high', 'normal', 'low'])
})

test('nothing that a caller calls runs the executor before it returns', async () => {
  const clock = new VirtualClock()
  let runs = 0
  const executor = new QueuedExecutor<number, void>(
    () => {
      runs++
      return clock.sleep(10)
    },
    { clock, concurrency: 1 },
  )
  const calls: [string, () => unknown][] = [
    ['execute', () => executor.execute(1)],
    ['pause', () => executor.pause()],
    ['submit', () => executor.submit(2)],
    ['offer', () => executor.offer(3)],
    ['resume', () => executor.resume()],
    ['concurrency', () => (executor.concurrency = 5)],
    ['setPriority', () => executor.offer(4)?.setPriority('urgent')],
    ['cancel', () => executor.offer(5)?.cancel()],
    ['close', () => executor.close()],
  ]
  for (const [name, call] of calls) {
    const before = runs
    call()
    expect(runs, name).toBe(before)
    await Promise.resolve()
  }
  await clock.advance(100)
  expect(runs).toBe(4)
})

test('setPriority keeps the place in the line of admissions', async () => {
  const clock = new VirtualClock()
  const started: string[] = []
  const executor = new QueuedExecutor(
    (name: string) => {
      started.push(name)
      return clock.sleep(1)
    },
    { clock, concurrency: 1 },
  )
  executor.pause()
  const first = executor.offer('first', { priority: 'low' })
  executor.offer('second', { priority: 'high' })
  const third = executor.offer('third', { priority: 'low' })
  executor.offer('fourth', { priority: 'high' })
  third?.setPriority('high')
  first?.setPriority('high')
  expect([first?.position(), third?.position()]).toEqual([0, 2])
  executor.resume()
  await Promise.all([executor.close(), clock.advance(10)])
  expect(started).toEqual(['first', 'second', 'third', 'fourth'])
})
