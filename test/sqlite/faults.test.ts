/**
 * The k-th write fails, for every k of a short history, before it is done or after: nothing that was acknowledged is lost, nothing
 * that was refused is left, facts are written as soon as the disk is back, and the store recovers by itself.
 */
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { StoreUnavailableError } from '../../src/core/store-errors.ts'
import { EngineFault } from '../../src/sqlite/engine.ts'
import { Fault } from '../../src/sqlite/fault.ts'
import type { FileStore } from '../../src/sqlite/file-store.ts'
import { Op, type Operation } from '../../src/sqlite/wire.ts'
import { admit, attemptEnded, begin, change, end, fail, openEngine, temporaryFolder } from './support/engine.ts'
import { type Faults, faultsAt, faultyDatabase } from './support/faulty.ts'
import { admitted, completed, faultyThread, open } from './support/store.ts'
import { check, history, newlyTold, untilAccepted } from './support/told.ts'

// Threads and processes are started, and the disk is synced: on a machine that is busy, that takes its time.
vi.setConfig({ testTimeout: 60_000 })

/** Through the real thread some of them, from another one each day; all of them by `FAULTS=all`. */
const step = process.env.FAULTS === 'all' ? 1 : 17
const first = step === 1 ? 1 : 1 + (Math.floor(Date.now() / 86_400_000) % step)

describe.each(['before', 'after'] as const)('a write that fails %s it is done', (when) => {
  test('is survived through the thread', { timeout: 900_000 }, async () => {
    const folder = temporaryFolder()
    const problems: string[] = []
    let wasReached = true
    let refusals = 0
    for (let at = first; wasReached; at += step) {
      const path = join(folder, `${when}-${at}.db`)
      const told = newlyTold()
      let store: FileStore
      try {
        store = await open(path, {}, faultyThread({ at, when }))
      } catch (error) {
        // It is opened or not; the next one finds what is there.
        if (!(error instanceof StoreUnavailableError)) problems.push(`${at}: ${error}`)
        store = await open(path)
      }
      let faults = 0
      store.watch((event) => {
        if (event.type === 'state' && event.state === 'faulty') faults++
      })
      await history(store.queue('main'), told)
      await untilAccepted(told, () => store.flushed())
      problems.push(...(await check(store, told)).map((problem) => `${at}, at once: ${problem}`))
      refusals += told.refusals
      // Closing writes, too.
      let failedToClose = false
      await store.close().catch(() => {
        failedToClose = true
      })
      wasReached = faults > 0 || told.refusals > 0 || failedToClose || at < 60
      const again = await open(path)
      if (again.report.damage.length > 0) problems.push(`${at}: ${JSON.stringify(again.report.damage)}`)
      problems.push(...(await check(again, told)).map((problem) => `${at}, opened again: ${problem}`))
      await again.close()
    }
    expect(problems).toEqual([])
    expect(refusals).toBeGreaterThan(step === 1 ? 5 : 0)
  })
})

describe.each(['before', 'after'] as const)('a write that fails %s it is done, without a thread', (when) => {
  test('loses nothing that was committed, and leaves nothing that was refused', { timeout: 120_000 }, () => {
    const folder = temporaryFolder()
    const batches: Operation[][] = [
      ...[
        [admit(1), admit(2)],
        [begin(1), admit(3)],
        [end(1), attemptEnded(2), admit(4, { startedAt: 1 })],
      ],
      ...[
        [change(2, 0), admit(5)],
        [fail(4), begin(2, 1)],
        [end(2), admit(6)],
      ],
    ]
    const problems: string[] = []
    let at = 0
    for (let wasReached = true; wasReached; ) {
      const faults = faultsAt(++at, when)
      const path = join(folder, `${when}-${at}.db`)
      const problem = survive(path, faults, batches)
      if (problem !== undefined) problems.push(`${at}: ${problem}`)
      wasReached = faults.count >= at
    }
    expect(at).toBeGreaterThan(60)
    expect(problems).toEqual([])
  })
})

/** Commits all batches, each again in another engine when it fails; what is a question is withdrawn. */
function survive(path: string, faults: Faults, batches: readonly Operation[][]): string | undefined {
  const open = () => {
    for (;;) {
      try {
        return openEngine(path, {}, faultyDatabase(faults))
      } catch (error) {
        if (!(error instanceof Fault) || error.report.kind !== 'unavailable') throw error
      }
    }
  }
  let engine = open()
  const refused = new Set<number>()
  for (const batch of batches) {
    let operations: readonly Operation[] = batch
    for (;;) {
      try {
        const { failures } = engine.commit(operations)
        if (failures.length > 0) return `it blames an operation: ${failures}`
        break
      } catch (error) {
        if (!(error instanceof EngineFault)) throw error
        engine.abandon()
        engine = open()
        if (engine.report.damage.length > 0) return JSON.stringify(engine.report.damage)
        const admits = operations.filter(([op]) => op === Op.ADMIT)
        for (const [, seq] of admits) refused.add(seq as number)
        const withdrawals = admits.map(([, seq]): Operation => [Op.WITHDRAW, seq as number, undefined])
        operations = [...withdrawals, ...operations.filter(([op]) => op !== Op.ADMIT)]
      }
    }
  }
  engine.abandon()
  engine = open()
  if (engine.report.damage.length > 0) return JSON.stringify(engine.report.damage)
  const { records } = engine.ask({ what: 'list', queue: undefined, query: { limit: 100 } })
  engine.abandon()
  const expected: Record<number, string> = {
    1: 'completed',
    2: 'completed',
    3: 'waiting',
    4: 'dead',
    5: 'waiting',
    6: 'waiting',
  }
  for (const seq of refused) delete expected[seq]
  const found = Object.fromEntries(records.map(({ generation, state }) => [generation, state]))
  return JSON.stringify(found) === JSON.stringify(expected) ? undefined : JSON.stringify({ found, expected })
}

test('a disk that is gone for a while refuses questions, keeps facts, and says so', async () => {
  const path = join(temporaryFolder(), 'a.db')
  // The writes of opening and of the first commits are some forty; then everything fails for a while.
  const store = await open(path, { maxPending: 2 }, faultyThread({ at: 60, times: 4, when: 'before' }))
  const states: string[] = []
  store.watch((event) => {
    if (event.type === 'state') states.push(event.state)
  })
  const queue = store.queue('main')
  const live: number[] = []
  let refusal: unknown
  for (let i = 0; refusal === undefined; i++) {
    try {
      live.push(await admitted(queue, `r${i}`))
    } catch (error) {
      refusal = error
    }
  }
  expect(refusal).toBeInstanceOf(StoreUnavailableError)
  expect(refusal).toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE', path })
  expect(store.status()).toMatchObject({
    state: 'faulty',
    error: expect.stringContaining('disk I/O error'),
    isFull: false,
  })
  const facts = live.slice(0, 3).map((seq) => queue.ended(seq, completed()))
  expect(store.status().isFull).toBe(true)
  await expect(queue.begins(live[4] as number, 1, Date.now())).rejects.toBeInstanceOf(StoreUnavailableError)
  await Promise.all(facts)
  expect(store.status()).toMatchObject({ state: 'open', error: undefined, pending: 0, isFull: false })
  expect(states).toEqual(['faulty', 'open'])
  expect((await store.stats()).completed).toBe(3)
  expect((await store.stats()).live).toBe(live.length - 3)
})

test('a thread that dies takes nothing with it, and another one takes its place', async () => {
  const path = join(temporaryFolder(), 'a.db')
  const store = await open(path, {}, faultyThread({ diesAt: 8 }))
  const queue = store.queue('main')
  const live: number[] = []
  const refused: string[] = []
  for (let i = 0; i < 20; i++) {
    try {
      live.push(await admitted(queue, `r${i}`))
    } catch (error) {
      expect(error).toMatchObject({
        code: 'TRIAGE_STORE_UNAVAILABLE',
        message: expect.stringMatching(/thread has ended with 7|not open/),
      })
      refused.push(`r${i}`)
      // A fact that waits for the next thread.
      if (refused.length === 1) await queue.ended(live[0] as number, completed('first'))
    }
  }
  expect(refused).toHaveLength(1)
  const { records } = await store.list({ state: 'live' })
  expect(records.map(({ generation }) => generation).reverse()).toEqual(live.slice(1))
  expect(await store.find('r0')).toMatchObject({ state: 'completed', result: '"first"' })
  expect(await store.find(refused[0] as string)).toBe(undefined)
})

test('a store that is closed while its disk is gone says what it could not write', async () => {
  const path = join(temporaryFolder(), 'a.db')
  const store = await open(path, {}, faultyThread({ at: 60, times: 1e9, when: 'before' }))
  const queue = store.queue('main')
  let seq = 0
  for (let i = 0; store.status().state === 'open'; i++) seq = await admitted(queue, `r${i}`).catch(() => seq)
  const fact = queue.ended(seq, completed())
  const lost = expect(fact).rejects.toBeInstanceOf(StoreUnavailableError)
  await expect(store.close({ withinMs: 20 })).rejects.toThrow(/closed before [1-9]\d* records were written/)
  await lost
  expect(store.status().state).toBe('closed')
  await expect(queue.begins(seq, 1, 0)).rejects.toThrow(/it is closed/)
  await expect(store.flushed()).resolves.toBe(undefined)
})
