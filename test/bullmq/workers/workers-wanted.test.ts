/** How many workers a queue wants: beside an oracle, on virtual time, and as a metric. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { QueuedExecutor } from 'triage-queue'
import { WorkersWanted, workersWanted } from 'triage-queue/bullmq'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { play } from './play.ts'
import { generate, generated, recorded } from './traces.ts'

describe.each(Array.from({ length: generated }, (_, n) => n))('generated trace %i', (n) => {
  test('it stays within one worker of the oracle, and does not flap', { timeout: 60_000 }, async () => {
    const { farthest, flaps, samples, hours, oracleHours } = await play(generate(n, n + 1))
    expect(samples).toBeGreaterThan(600)
    expect([farthest <= 1, flaps]).toEqual([true, 0])
    expect(hours / oracleHours).toBeLessThan(1.3)
  })
})

test('a recorded trace is read, and played', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'triage-traces-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'recorded.csv')
  const line = (i: number) =>
    `2026-01-01 10:${String(Math.floor(i / 60)).padStart(2, '0')}:${String(i % 60).padStart(2, '0')}.5,100,50`
  writeFileSync(
    path,
    ['TIMESTAMP,ContextTokens,GeneratedTokens', ...Array.from({ length: 900 }, (_, i) => line(i))].join('\n'),
  )
  const trace = recorded(path)
  expect([trace.arrivals.length, trace.endMs, trace.arrivals[0]]).toEqual([900, 899_000, { at: 0, runMs: 1_020 }])
  expect((await play(trace)).farthest).toBeLessThanOrEqual(1)
  writeFileSync(path, 'a,b\n1,2')
  expect(() => recorded(path)).toThrow('expected the columns TIMESTAMP, and run_ms or GeneratedTokens, got a,b')
})

const quiet = {
  waiting: 0,
  running: 0,
  maxWorkers: 8,
  oldestWaitMsByPriority: { urgent: 0 },
  run: { count: 0, averageMs: 0 },
}

test('nothing to do wants the least, much wants the most, and no more than that', () => {
  const policy = new WorkersWanted({ concurrency: 8, min: 2, max: 5 })
  expect(policy.see(quiet, 0)).toBe(2)
  for (let at = 5_000; at <= 60_000; at += 5_000) {
    const run = { count: at / 100, averageMs: 1_000 }
    policy.see({ ...quiet, waiting: at, running: 8, run, oldestWaitMsByPriority: { low: at } }, at)
  }
  expect(policy.wanted).toBe(5)
  // And goes down when it has been quiet for long enough.
  for (let at = 65_000; at <= 300_000; at += 5_000) policy.see(quiet, at)
  expect(policy.wanted).toBe(5)
  for (let at = 305_000; at <= 430_000; at += 5_000) policy.see(quiet, at)
  expect(policy.wanted).toBe(2)
})

test('it wants its options', () => {
  expect(() => new WorkersWanted({} as never)).toThrow("Option 'concurrency': expected an integer of at least 1")
  expect(() => new WorkersWanted({ concurrency: 8, min: 3, max: 2 })).toThrow(
    "Option 'min': expected at most 2 (max), got 3",
  )
  expect(() => workersWanted({} as never, { concurrency: 8 })).toThrow("Option 'executor'")
})

test('it is a metric for Prometheus, of any executor', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const queue = new QueuedExecutor(() => new Promise(() => {}), { name: 'a "b"', concurrency: 40 })
  for (let i = 0; i < 40; i++) queue.offer(i)
  using scaling = workersWanted(queue, { concurrency: 8, everyMs: 1_000 })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(scaling.wanted).toBe(6)
  expect(scaling.metric()).toContain('# TYPE triage_workers_wanted gauge\ntriage_workers_wanted{queue="a \\"b\\""} 6\n')
  scaling.stop()
  void queue.close({ drain: false, graceMs: 0 })
})
