import { DeadLetters, OptionsError, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { gated, turn, watch } from '../../failures/support.ts'

function failing() {
  const clock = new VirtualClock()
  const works = new Set<number>()
  const queue = new QueuedExecutor(
    async (n: number) => {
      await clock.sleep(10)
      if (!works.has(n)) throw new Error(`${n} failed`)
      return n
    },
    { clock, concurrency: 2, maxQueueSize: 5 },
  )
  return { clock, queue, works }
}

test('requests that have failed for good are kept, the youngest of them, and can be submitted again', async () => {
  const { clock, queue, works } = failing()
  const letters = new DeadLetters(queue, { max: 3 })
  works.add(2)
  const ends = [1, 2, 3, 4, 5].map((n) => queue.execute(n, { id: `r${n}`, priority: 'high', metadata: { n } }))
  await clock.run({ until: Promise.allSettled(ends) })
  expect([...letters].map(({ id }) => id)).toEqual(['r3', 'r4', 'r5'])
  expect(letters).toMatchObject({ size: 3, dropped: 1 })
  expect(letters.get('r4')).toEqual({
    id: 'r4',
    request: 4,
    priority: 'high',
    metadata: { n: 4 },
    error: expect.objectContaining({ message: '4 failed' }),
    attempts: 1,
    errors: [expect.objectContaining({ message: '4 failed' })],
    options: { cost: 1 },
    generation: 1,
    at: 20,
  })
  works.add(4)
  const again = await letters.requeue('r4')
  expect(again).toMatchObject({ id: 'r4', request: 4, priority: 'high', metadata: { n: 4 } })
  expect([...letters].map(({ id }) => id)).toEqual(['r3', 'r5'])
  await clock.run({ until: (again as NonNullable<typeof again>).result })
  expect(await again?.result).toBe(4)
  expect(await letters.requeue('r4')).toBeUndefined()
  expect(letters.delete('r3')).toBe(true)
  expect(letters.delete('r3')).toBe(false)
})

test('one that is refused when it is submitted again stays', async () => {
  const { clock, queue } = failing()
  const letters = new DeadLetters(queue)
  const end = queue.execute(1, { id: 'a' }).catch(() => {})
  await clock.run({ until: end })
  await queue.close()
  await expect(letters.requeue('a')).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
  expect(letters.size).toBe(1)
})

test('expiries are kept when asked for; after dispose, nothing more is', async () => {
  const { clock, queue } = failing()
  const letters = new DeadLetters(queue, { of: ['expired'] })
  const ends = [1, 2, 3].map((n) => queue.execute(n, { waitTimeoutMs: 5 }).catch(() => {}))
  await clock.run({ until: Promise.all(ends) })
  expect([...letters].map(({ request }) => request)).toEqual([3])
  letters[Symbol.dispose]()
  await clock.run({ until: Promise.all([1, 2, 3].map((n) => queue.execute(n, { waitTimeoutMs: 5 }).catch(() => {}))) })
  expect(letters.size).toBe(1)
})

test('a second one with the same id is the youngest', async () => {
  const { clock, queue } = failing()
  const letters = new DeadLetters(queue, { max: 2 })
  for (const id of ['a', 'b', 'a', 'c']) {
    const end = queue.execute(1, { id }).catch(() => {})
    await clock.run({ until: end })
  }
  expect([...letters].map(({ id, at }) => [id, at])).toEqual([
    ['a', 30],
    ['c', 40],
  ])
  expect(letters.dropped).toBe(1)
})

test.each([
  [{ max: 0 }, "Option 'deadLetters.max': expected an integer of at least 1, got 0"],
  [{ max: 1.5 }, "Option 'deadLetters.max': expected an integer of at least 1, got 1.5"],
  [{ of: ['shed'] }, `Option 'deadLetters.of': expected an array of 'failed' and 'expired', got ["shed"]`],
  [
    { of: ['failed', 'shed'] },
    `Option 'deadLetters.of': expected an array of 'failed' and 'expired', got ["failed","shed"]`,
  ],
  [{ size: 5 }, "Unknown option 'deadLetters.size'"],
  [null, "Option 'deadLetters': expected an object, got null"],
  [[], "Option 'deadLetters': expected an object, got []"],
  [{ of: 'failed' }, "Option 'deadLetters.of': expected an array of 'failed' and 'expired', got 'failed'"],
])('%j is refused', (options, message) => {
  expect(() => new DeadLetters(failing().queue, options as never)).toThrow(OptionsError)
  expect(() => new DeadLetters(failing().queue, options as never)).toThrow(message)
})

test('one is not submitted again while a younger request with its id is live, whose letter then takes its place', async () => {
  const { gate, queue } = gated()
  const letters = new DeadLetters(queue)
  watch(queue.execute('older', { id: 'a' }))
  await turn()
  await gate.fail('older', new Error('failed'))
  watch(queue.execute('younger', { id: 'a' }))
  const again = watch(letters.requeue('a'))
  await turn()
  expect([again.outcome, letters.get('a')?.request]).toEqual(['TRIAGE_DUPLICATE_REQUEST', 'older'])
  await gate.fail('younger', new Error('failed'))
  expect([...letters].map(({ request }) => request)).toEqual(['younger'])
})

test('one is enough to keep', () => {
  expect(new DeadLetters(failing().queue, { max: 1 }).size).toBe(0)
})
