/** What was missed of a request is read from Redis. */
import { expect, test } from 'vitest'
import { Awaited, type End, Outstanding } from '../../src/bullmq/outstanding.ts'

const job = { returnvalue: JSON.stringify('"done"'), processedOn: '1000', finishedOn: '1250', ats: '1', priority: '3' }

/** Of a job as Redis has it. */
function looking(seen: Record<string, string>) {
  const told: unknown[] = []
  const asked: string[][] = []
  const client = {
    pipeline: () => ({
      hmget: (_: string, ...fields: string[]) => asked.push(fields),
      exec: async () => asked.splice(0).map((fields) => [null, fields.map((field) => seen[field] ?? null)]),
    }),
  }
  const outstanding = new Outstanding({
    ...{ base: 'base:', queue: 'mine', client: client as never, isReady: true },
    started: (one, at) => {
      one.startedAt = at
      told.push(['started', one.id, at])
    },
    settled: (one, end) => {
      told.push(['settled', one.id, end])
      one.end(end)
    },
  })
  const one = new Awaited('1', 'a', 2, {}, '{}', undefined)
  one.state = 'waiting'
  outstanding.add(one)
  return { one, outstanding, told }
}

const completed: End = { state: 'completed', value: 'done', runMs: 250 }

test('one whose start was not heard is told as started, and then as it has ended', async () => {
  const { one, outstanding, told } = looking(job)
  outstanding.lookAtAll()
  expect(await one.ended).toEqual(completed)
  expect(told).toEqual([
    ['started', 'a', 1_000],
    ['settled', 'a', completed],
  ])
})

test('one whose start was heard is told as started once', async () => {
  const { one, outstanding, told } = looking(job)
  one.startedAt = 990
  outstanding.lookAtAll()
  await one.ended
  expect(told).toEqual([['settled', 'a', completed]])
})

test('one that has ended without a run is told as ended alone', async () => {
  const { one, outstanding, told } = looking({ failedReason: 'no', finishedOn: '1250' })
  outstanding.lookAtAll()
  await one.ended
  expect(told).toEqual([['settled', 'a', expect.objectContaining({ state: 'failed' })]])
})
