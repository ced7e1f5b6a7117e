/**
 * The files grow no further than what is kept, what is too old goes, and minutes are counted.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import type { Engine } from '../../src/sqlite/engine.ts'
import { admit, begin, end, fail, openEngine, temporaryFolder } from './support/engine.ts'

// Threads and processes are started, and the disk is synced: on a machine that is busy, that takes its time.
vi.setConfig({ testTimeout: 60_000 })

const file = () => join(temporaryFolder(), 'a.db')
const size = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0
const stats = (engine: Engine) => engine.ask({ what: 'stats', queue: 'main' })

afterEach(() => {
  vi.useRealTimers()
})

function tidyAll(engine: Engine): void {
  for (let i = 0; engine.tidy(); i++) if (i > 10_000) throw new Error('it is never tidy')
}

test('what has gone through leaves room behind, and the -wal file is empty when there is nothing to do', () => {
  const path = file()
  const keep = { count: 20, ageMs: 1e12 }
  const engine = openEngine(path, { keep: { completed: keep, dead: keep, metrics: keep }, pageBytes: 4_096 })
  const payload = JSON.stringify('x'.repeat(2_000))
  let greatest = 0
  for (let round = 0; round < 20; round++) {
    const seqs = Array.from({ length: 100 }, (_, i) => round * 100 + i + 1)
    engine.commit(seqs.map((seq) => admit(seq, { payload })))
    engine.commit(seqs.map((seq) => (seq % 10 === 0 ? fail(seq) : end(seq))))
    tidyAll(engine)
    expect(size(`${path}-wal`)).toBe(0)
    greatest = Math.max(greatest, size(path))
  }
  // 2,000 requests of 2 kB have gone through.
  expect(greatest).toBeLessThan(1_600_000)
  expect(stats(engine)).toMatchObject({ live: 0, completed: 20, dead: 20 })
  engine.close()
  expect(size(`${path}-wal`)).toBe(0)
  expect(size(path)).toBeLessThan(1_600_000)
  expect(openEngine(path).report).toMatchObject({ damage: [], live: 0, dead: 20 })
})

test('a large -wal file is brought in while there is work', () => {
  const path = file()
  const engine = openEngine(path, { pageBytes: 4_096 })
  const payload = JSON.stringify('x'.repeat(1_000_000))
  let greatest = 0
  for (let seq = 1; seq <= 60; seq++) {
    engine.commit([admit(seq, { payload })])
    greatest = Math.max(greatest, size(`${path}-wal`))
    engine.commit([end(seq)])
  }
  expect(greatest).toBeGreaterThan(10_000_000)
  expect(greatest).toBeLessThan(40_000_000)
  engine.abandon()
})

test('what is too old goes, in batches', () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_050_000 })
  const path = file()
  const keep = { count: 1e9, ageMs: 60_000 }
  const engine = openEngine(path, { keep: { completed: keep, dead: { ...keep, ageMs: 300_000 }, metrics: keep } })
  const seqs = Array.from({ length: 600 }, (_, i) => i + 1)
  engine.commit(seqs.map((seq) => admit(seq)))
  engine.commit(seqs.map((seq) => (seq % 2 === 0 ? end(seq) : fail(seq))))
  tidyAll(engine)
  expect(stats(engine)).toMatchObject({ completed: 300, dead: 300 })
  vi.setSystemTime(1_800_000_130_000)
  tidyAll(engine)
  expect(stats(engine)).toMatchObject({ completed: 0, dead: 300 })
  vi.setSystemTime(1_800_001_000_000)
  tidyAll(engine)
  expect(stats(engine)).toMatchObject({ completed: 0, dead: 0 })
  engine.close()
  expect(openEngine(path).report.damage).toEqual([])
})

test('each minute has a row for each priority in which something happened', () => {
  const minute = 1_800_000_000_000
  vi.useFakeTimers({ toFake: ['Date'], now: minute + 5_000 })
  const path = file()
  const engine = openEngine(path)
  engine.commit([
    admit(1, { tier: 0 }),
    admit(2, { tier: 0 }),
    admit(3, { tier: 3 }),
    admit(4, { tier: 0, startedAt: 1 }),
  ])
  engine.commit([begin(1), end(1), begin(2), fail(2)])
  vi.setSystemTime(minute + 61_000)
  tidyAll(engine)
  vi.setSystemTime(minute + 3 * 60_000)
  engine.commit([end(3)])
  engine.close()
  const again = openEngine(path)
  expect(stats(again).minutes).toMatchObject([
    {
      at: minute,
      priority: 'urgent',
      submitted: 3,
      completed: 1,
      failed: 1,
      waitP50Ms: 1,
      waitP99Ms: 1,
      mostWaiting: 2,
    },
    { at: minute, priority: 'low', submitted: 1, completed: 0, waitP50Ms: undefined, mostWaiting: 1 },
    // In these minutes nothing else had happened, but one ran, and the other waited.
    { at: minute + 60_000, priority: 'urgent', submitted: 0, slotsBusy: 1 },
    { at: minute + 60_000, priority: 'low', submitted: 0, completed: 1, mostWaiting: 1 },
    { at: minute + 120_000, priority: 'urgent', slotsBusy: 1 },
    { at: minute + 180_000, priority: 'urgent', slotsBusy: 0 },
  ])
  again.close()
})

test('the first that is due is told, so that a thread can sleep until then', () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 })
  const engine = openEngine(file())
  tidyAll(engine)
  expect(engine.tidyInMs).toBe(60_000)
  vi.setSystemTime(1_800_000_050_000)
  expect(engine.tidyInMs).toBe(10_000)
  engine.close()
})

test('an operation that can’t be done is left out, and the others are committed', () => {
  const engine = openEngine(file())
  const { answers, failures } = engine.commit([
    admit(1),
    admit(1, { id: 'another' }),
    admit(2),
    admit(1, { id: 'third' }),
  ])
  expect(answers).toEqual([])
  expect(failures).toMatchObject([
    [1, expect.stringContaining('UNIQUE constraint failed: live.seq')],
    [3, expect.stringContaining('UNIQUE')],
  ])
  expect(stats(engine)).toMatchObject({ live: 2 })
  engine.close()
})
