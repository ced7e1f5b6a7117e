/**
 * Do the tables say what happened, and only that?
 */
import { describe, expect, test } from 'vitest'
import { discrepancies } from '../../examples/demo/conservation.ts'
import { percent } from '../../examples/demo/format.ts'
import { report } from '../../examples/demo/report.ts'
import { newTally, observe, type Tally } from '../../examples/demo/tally.ts'
import { verdict } from '../../examples/demo/verdict.ts'
import type { Results } from '../../examples/demo/ways.ts'
import { type ExecutorStatus, type Priority, QueuedExecutor, QueueFullError, RunTimeoutError } from '../../src/index.ts'

const outcomes = {
  answered: () => Promise.resolve(),
  refused: () => Promise.reject(new QueueFullError('total', 9, 9, { priority: 'low' }, 300)),
  overdue: () => Promise.reject(new RunTimeoutError(250, 250)),
  givenUp: () => Promise.reject(new DOMException('too late', 'TimeoutError')),
  broken: () => Promise.reject(Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNRESET' } })),
}

async function tallyOf(...all: [Priority, keyof typeof outcomes][]): Promise<Tally> {
  const tally = newTally()
  for (const [priority, outcome] of all) await observe(tally, { atMs: 0, bytes: 1, priority }, outcomes[outcome])
  return tally
}

const way = (tally: Tally, status?: ExecutorStatus) => ({ tally, behindMs: 0, wastedShare: 0.25, status })

async function results(directly: Tally, queued: Tally, status?: ExecutorStatus): Promise<Results> {
  return { tiers: ['urgent', 'low'], directly: way(directly), queued: way(queued, status) }
}

describe('each ending has its place', () => {
  test.each([
    ['answered', 1, 0, 0, 0],
    ['overdue', 0, 1, 0, 0],
    ['givenUp', 0, 1, 0, 0],
    ['refused', 0, 0, 1, 0],
    ['broken', 0, 0, 0, 1],
  ] as const)('%s', async (outcome, ...expected) => {
    const { urgent } = await tallyOf(['urgent', outcome])
    expect([urgent.inTime, urgent.late, urgent.refusedCount, urgent.failedCount]).toEqual(expected)
    expect(urgent.settled).toBe(urgent.sent)
  })
})

test('each tier has a table with both ways, why it was refused, and quantiles that do not hide who gave up', async () => {
  const text = report(
    await results(
      await tallyOf(['urgent', 'givenUp'], ['low', 'broken']),
      await tallyOf(['urgent', 'answered'], ['low', 'refused']),
    ),
  )
  const line = (start: string) => text.split('\n').find((line) => line.trim().startsWith(start))
  expect(line('URGENT, wanted')).toMatch(/within 250 ms +directly +queued$/)
  expect(line('answered within')).toMatch(/0 +0 % +1 +100 %$/)
  expect(line('p50')).toMatch(/> 250 ms +\d+ ms$/)
  expect(line('TRIAGE_QUEUE_FULL')).toMatch(/: retry in 300 ms +0 +1$/)
  expect(line('failed: ECONNRESET')).toMatch(/1 +0$/)
  expect(line('wasted work')).toContain('25.0 % of what the service did')
  expect(line('queued ')).toBe('queued    sent 2 = 1 in time + 0 late + 1 refused + 0 failed')
})

describe('totals that do not add up are told', () => {
  async function run(): Promise<[Tally, ExecutorStatus]> {
    const executor = new QueuedExecutor(async () => {})
    const tally = newTally()
    await observe(tally, { atMs: 0, bytes: 1, priority: 'urgent' }, () => executor.execute(1, { priority: 'urgent' }))
    return [tally, executor.getStatus()]
  }

  test('nothing is wrong with a real run', async () => {
    const [tally, status] = await run()
    expect(discrepancies(await results(tally, tally, status))).toEqual([])
  })

  test('a lost request, and a different load', async () => {
    const [tally, status] = await run()
    tally.urgent.sent++
    const wrong = discrepancies(await results(newTally(), tally, status))
    expect(wrong).toContain('urgent queued: not everything sent has settled')
    expect(wrong).toContain('urgent: the two ways were not sent the same')
    expect(wrong).toContain('urgent: sent is not admitted + rejected')
  })
})

describe('the verdict follows the numbers', () => {
  const good = () => tallyOf(['urgent', 'answered'], ['urgent', 'answered'], ['low', 'refused'])
  const bad = () => tallyOf(['urgent', 'givenUp'], ['urgent', 'answered'], ['low', 'givenUp'])

  test('when the queue is better', async () => {
    const text = verdict(await results(await bad(), await good()))
    expect(text).toContain('2 of 3 were answered in time, 2.0 times the 1 without it')
    expect(text).toMatch(/URGENT: 100 % in time instead of 50.0 %, p99 \d+ ms;/)
    expect(text).toContain('LOW: 0 % in time instead of 0 % and 100 % refused with a reason')
  })

  test('when it is not', async () => {
    expect(verdict(await results(await good(), await bad()))).toContain(
      '1 of 3 were answered in time, fewer than the 2',
    )
    expect(verdict(await results(await good(), await good()))).toContain('as many as without it')
  })

  test('there is none when the sender could not keep up', async () => {
    const late = await results(await bad(), await good())
    expect(verdict({ ...late, directly: { ...late.directly, behindMs: 1_000 } })).toMatch(/^No verdict: .* 1,000 ms/)
  })
})

test('a share is 0 % or 100 % only when it is', () => {
  expect([percent(0, 5), percent(1, 5_000), percent(4_999, 5_000), percent(5, 5), percent(0, 0)]).toEqual([
    '0 %',
    '0.1 %',
    '99.9 %',
    '100 %',
    '–',
  ])
})
