/**
 * What holds for ten requests holds for thousands: no structure has a size at which it breaks.
 */
import { aging, earliestDeadlineFirst, fairBy, type OrderPolicy, strict, weighted } from 'triage-queue'
import { describe, expect, test, vi } from 'vitest'
import { busy, gated, lost, turn, watch } from './support.ts'

// Hundreds of thousands of promises, on a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

/** More than two blocks of a sorted line. */
const BURST = 1_300

const inner: Record<string, () => OrderPolicy> = {
  strict,
  earliestDeadlineFirst,
  fairBy: () => fairBy((name) => (name as string).at(-1) as string),
}
const pairs = Object.entries(inner).flatMap(([name, within]): [string, () => OrderPolicy][] => [
  [`aging within ${name}`, () => aging({}, { within: within() })],
  [`weighted within ${name}`, () => weighted({}, { within: within() })],
])

describe('a burst of one instant, most of which leaves', () => {
  const leaving: [string, (n: number) => boolean][] = [
    ['the first', (n) => n < BURST - 50],
    ['the last', (n) => n >= 50],
    ['those in the middle', (n) => n >= 30 && n < BURST - 30],
    ['all but a few here and there', (n) => n % 100 > 0],
  ]
  test.each(pairs)('F80: %s: those who stay have their turn, and it closes', async (_name, order) => {
    for (const [whom, leaves] of leaving) {
      for (const how of ['one by one', 'by one signal', 'in time'] as const) {
        const { clock, gate, queue } = await busy({ concurrency: 2, order: order() })
        const abort = new AbortController()
        const options = {
          'one by one': {},
          'by one signal': { signal: abort.signal },
          'in time': { waitTimeoutMs: 10 },
        }[how]
        const all = Array.from({ length: BURST }, (_, n) => queue.offer(`${n}`, leaves(n) ? options : {}))
        const ends = all.map((handle) => watch(handle?.result as Promise<unknown>))
        if (how === 'one by one') for (const [n, handle] of all.entries()) if (leaves(n)) handle?.cancel()
        if (how === 'by one signal') abort.abort('left')
        await clock.advance(10)
        const closed = watch(queue.close())
        await gate.finishAll()
        const stay = all.flatMap((_, n) => (leaves(n) ? [] : [`${n}`]))
        const started = new Set(gate.started)
        expect([stay.filter((name) => !started.has(name)), gate.started.length], `${whom}, ${how}`).toEqual([
          [],
          stay.length + 2,
        ])
        expect([closed.state, ends.filter(({ state }) => state === 'pending').length]).toEqual(['fulfilled', 0])
        expect([lost(queue.getStatus()), queue.getStatus().activeWorkers]).toEqual([0, 0])
      }
    }
  })
})

test('F81: 200,000 callers who share a run: it can ask for its deadline, and each has the answer', async () => {
  const CALLERS = 200_000
  const { gate, queue } = gated({ timeoutMs: 1_000 })
  const answers: Promise<unknown>[] = []
  for (let n = 0; n < CALLERS; n++) answers.push(queue.execute('shared', { id: 'shared', timeoutMs: 1_000 + n }))
  await turn()
  expect(gate.started).toEqual(['shared'])
  const { run } = gate.call('shared')
  // That of the last of them; a run has 300 s.
  expect(run.deadline).toBe(1_000 + CALLERS - 1)
  expect(queue.getStatus().totals.joined).toBe(CALLERS - 1)
  await gate.finish('shared', 'answer')
  expect(new Set(await Promise.all(answers))).toEqual(new Set(['answer']))
})
