/**
 * How many slots were busy in each minute, for whoever plans how many there must be.
 */
import { join } from 'node:path'
import { QueuedExecutor } from 'triage-queue'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { BusySlots } from '../../src/sqlite/busy-slots.ts'
import { Engine } from '../../src/sqlite/engine.ts'
import { filesOf } from '../../src/sqlite/files.ts'
import { Op, type Operation } from '../../src/sqlite/wire.ts'
import { admit, attemptEnded, openEngine, temporaryFolder } from './support/engine.ts'
import { settingsFor } from './support/settings.ts'
import { open } from './support/store.ts'

vi.setConfig({ testTimeout: 60_000 })

const file = () => join(temporaryFolder(), 'a.db')
const stats = (engine: Engine) => engine.ask({ what: 'stats', queue: 'main' })

function tidyAll(engine: Engine): void {
  for (let i = 0; engine.tidy(); i++) if (i > 10_000) throw new Error('it is never tidy')
}

const minute = 1_800_000_000_000
const at = (second: number) => minute + second * 1_000
const busy = (engine: Engine) =>
  stats(engine).minutes.map(({ at: from, priority, slotsBusy, mostSlotsBusy }) => [
    ...[(from - minute) / 60_000, priority, slotsBusy, mostSlotsBusy],
  ])
const begins = (seq: number, second: number, attempt = 1): Operation => [Op.BEGIN, seq, attempt, at(second)]
const ends = (seq: number, second: number): Operation => [
  ...([Op.END, seq, 'completed', false, at(second), 1, null, 1, 2, 0, null, null, null, null] as const),
]
const clockAt = (second: number) => vi.setSystemTime(at(second))

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: minute }))
afterEach(() => void vi.useRealTimers())

test('it is the slot-ms of each minute, also of one that runs through it, and the most at a time', () => {
  const engine = openEngine(file(), { shard: 3 })
  engine.commit([admit(1), admit(2), admit(3, { tier: 0, startedAt: at(15) }), admit(4)])
  clockAt(30)
  engine.commit([begins(1, 0), begins(2, 10)])
  engine.commit([ends(2, 25), begins(4, 30)])
  clockAt(61)
  // 60 s, 15 s and 30 s of normal ones, 45 s of an urgent one.
  engine.commit([ends(3, 60), ends(4, 60)])
  clockAt(200)
  // Nothing had happened for two minutes, but one ran.
  engine.commit([ends(1, 198)])
  clockAt(245)
  tidyAll(engine)
  expect(busy(engine)).toEqual([
    ...[[0, 'urgent', 0.75, 3] as const, [0, 'normal', 105 / 60, 3] as const],
    ...[[1, 'urgent', 0, 3] as const, [1, 'normal', 1, 3] as const, [2, 'normal', 1, 1] as const],
    [3, 'normal', 18 / 60, 1],
  ])
  expect(stats(engine).minutes.every(({ shard }) => shard === 3)).toBe(true)
  clockAt(600)
  tidyAll(engine)
  expect(busy(engine)).toHaveLength(6)
  engine.close()
})

test('counts each attempt once, whatever is carried out twice, and none that did not begin', () => {
  const engine = openEngine(file())
  engine.commit([admit(1), admit(2), begins(1, 0), begins(1, 0), begins(2, 0)])
  // The beginning was refused to the one; the other has failed, and begins again.
  engine.commit([
    [Op.WITHDRAW, 2, 1],
    [Op.WITHDRAW, 2, 1],
  ])
  clockAt(6)
  engine.commit([attemptEnded(1), attemptEnded(1)])
  engine.commit([begins(1, 30, 2), ends(1, 36), ends(1, 36), ends(2, 40), admit(3, { startedAt: at(40) })])
  engine.commit([[Op.WITHDRAW, 3, undefined]])
  clockAt(60)
  tidyAll(engine)
  expect(busy(engine)).toEqual([[0, 'normal', 12 / 60, 2]])
  engine.close()
})

test('what has its end written late is taken from the next minute, and never leaves less than none', () => {
  const path = file()
  const engine = openEngine(path)
  engine.commit([admit(1), admit(2), begins(1, 0), begins(2, 0)])
  clockAt(120)
  // Both ended at 30 s already: the disk was gone.
  engine.commit([ends(1, 30), ends(2, 30), admit(3), begins(3, 120)])
  clockAt(300)
  engine.commit([ends(3, 300)])
  clockAt(301)
  engine.close()
  const again = openEngine(path)
  expect(busy(again).map(([, , mean]) => mean)).toEqual([2, 2, 0, 0, 0, 0])
  again.close()
})

test('a part of a minute is added to what another process has written of it', () => {
  const path = file()
  const first = openEngine(path, { shard: 1 })
  first.commit([admit(1), begins(1, 0)])
  clockAt(6)
  first.commit([ends(1, 6)])
  first.close()
  clockAt(10)
  const second = openEngine(path, { shard: 2 })
  second.commit([admit(2), admit(3), begins(2, 10), begins(3, 10)])
  clockAt(22)
  second.close()
  const third = openEngine(path)
  expect(busy(third)).toEqual([[0, 'normal', 30 / 60, 2]])
  expect(stats(third).minutes).toMatchObject([{ shard: 2 }])
  third.close()
})

test('goes on counting when the file has failed, and is opened anew', () => {
  const path = file()
  const slots = new BusySlots()
  const openWith = () => new Engine(filesOf(path), settingsFor(path), undefined, undefined, slots)
  const first = openWith()
  first.commit([admit(1), begins(1, 0)])
  first.abandon()
  clockAt(150)
  const second = openWith()
  second.commit([ends(1, 150)])
  clockAt(180)
  tidyAll(second)
  expect(busy(second)).toEqual([...[0, 1].map((each) => [each, 'normal', 1, 1]), [2, 'normal', 0.5, 1]])
  second.close()
})

test('a clock that is set does not make minutes of what was not', () => {
  const path = file()
  const engine = openEngine(path)
  engine.commit([admit(1), begins(1, 0)])
  clockAt(30)
  for (const second of [-3_600 + 30, 86_400 * 30 + 30]) {
    clockAt(second)
    tidyAll(engine)
  }
  engine.commit([ends(1, 86_400 * 30 + 45)])
  engine.close()
  const again = openEngine(path)
  expect(busy(again)).toEqual([[(86_400 * 30) / 60, 'normal', 15 / 60, 1]])
  again.close()
})

test('an executor with a file has never more of them than slots, and the file says which shard it is', async () => {
  vi.useRealTimers()
  const path = file()
  const store = await open(path, { shard: 1 })
  let [running, most, ran] = [0, 0, 0]
  const work = async (n: number) => {
    most = Math.max(most, ++running)
    for (let i = 0; i < 3; i++) await new Promise(setImmediate)
    running--
    ran++
    if (n % 7 === 0) throw new Error('no')
  }
  const queue = new QueuedExecutor(work, { store, name: 'main', concurrency: 4 })
  const all = Array.from({ length: 300 }, (_, n) => queue.execute(n, { priority: n % 2 === 0 ? 'urgent' : 'low' }))
  await Promise.allSettled(all)
  await queue.close()
  await store.close()
  expect({ most, ran }).toEqual({ most: 4, ran: 300 })
  const { minutes } = await (await open(path)).stats('main')
  // It may have begun in the minute before.
  expect(Math.max(...minutes.map(({ mostSlotsBusy }) => mostSlotsBusy ?? 0))).toBe(4)
  const sum = minutes.reduce((before, { slotsBusy = 0 }) => before + slotsBusy, 0)
  expect(sum).toBeGreaterThan(0)
  expect(sum).toBeLessThanOrEqual(4 * minutes.length)
  expect(minutes.every(({ shard }) => shard === 1)).toBe(true)
})
