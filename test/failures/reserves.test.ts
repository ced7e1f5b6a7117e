/**
 * Slots that are kept for a priority, and fewer slots than before: by hand, learned, or stuck. Nobody is kept out for ever.
 */
import { type LimitPolicy, type Priority, priorities, QueuedExecutor } from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { Gate, gated, turn, watch } from './support.ts'

/** A limit that learns, from the first answer on, that there are fewer. */
const learning = (initial: number, learned: number): LimitPolicy => ({
  name: 'learning',
  initial,
  sample: () => learned,
})

const reserve = { urgent: 2, low: 1 }

describe('when there are fewer slots than are reserved', () => {
  test.each([1, 2, 3])('each priority runs with %i slots of 4, set by hand', async (slots) => {
    for (const priority of priorities) {
      const { gate, queue } = gated({ concurrency: 4, reserve })
      queue.concurrency = slots
      queue.execute('alone', { priority })
      await turn()
      expect(gate.started, priority).toEqual(['alone'])
      await gate.finishAll()
    }
  })

  test.each([1, 2, 3])('each priority runs with %i slots of 4 that a limit has learned', async (learned) => {
    for (const priority of priorities) {
      const gate = new Gate()
      const queue = new QueuedExecutor(gate.executor, { reserve, limit: learning(4, learned) })
      queue.execute('first', { priority: 'urgent' })
      await gate.finishAll()
      expect(queue.concurrency).toBe(learned)
      queue.execute('alone', { priority })
      await turn()
      expect(gate.started, priority).toEqual(['first', 'alone'])
      await gate.finishAll()
    }
  })

  test('the least urgent reserve gives way first, and comes back with the slots', async () => {
    const { gate, queue } = gated({ concurrency: 4, reserve })
    const send = (name: string, priority: Priority) => void queue.execute(name, { priority })
    queue.concurrency = 3
    for (const name of ['a', 'b', 'c']) send(name, 'normal')
    await turn()
    expect(gate.started).toEqual(['a'])
    // Two are kept for urgent, none for low.
    send('low', 'low')
    for (const name of ['u', 'v']) send(name, 'urgent')
    await turn()
    expect(gate.started).toEqual(['a', 'u', 'v'])
    queue.concurrency = 4
    await turn()
    expect(gate.started).toEqual(['a', 'u', 'v', 'low'])
    await gate.finishAll()
  })

  test('a full partition stays one, and with a slot less nobody is kept out', async () => {
    const all = { urgent: 1, high: 1, normal: 1, low: 1 }
    const { gate, queue } = gated({ concurrency: 4, reserve: all })
    for (const priority of priorities) for (const n of [1, 2]) queue.execute(`${priority} ${n}`, { priority })
    await turn()
    expect(gate.started).toEqual(priorities.map((priority) => `${priority} 1`))
    await gate.finishAll()
    queue.concurrency = 3
    queue.execute('low 3', { priority: 'low' })
    queue.execute('low 4', { priority: 'low' })
    await turn()
    expect(gate.started.slice(8)).toEqual(['low 3'])
    await gate.finishAll()
  })

  test('what costs more than there is runs alone', async () => {
    const { gate, queue } = gated({ concurrency: 4, reserve: { urgent: 1 } })
    queue.execute('wide', { cost: 3, priority: 'low' })
    queue.concurrency = 2
    queue.execute('next', { priority: 'low' })
    await turn()
    expect(gate.started).toEqual(['wide'])
    await gate.finish('wide')
    expect(gate.started).toEqual(['wide', 'next'])
    await gate.finish('next')
  })
})

describe('when a slot is stuck', () => {
  test('the slot that is left is open to all, and kept again when the call has settled', async () => {
    const { clock, gate, queue } = gated({ concurrency: 2, reserve: { urgent: 1 }, runTimeoutMs: 10 })
    const stuck = watch(queue.execute('stuck', { priority: 'low' }))
    const next = watch(queue.execute('next', { priority: 'low', runTimeoutMs: 1_000 }))
    await clock.advance(9)
    expect(gate.started).toEqual(['stuck'])
    await clock.advance(1)
    expect([stuck.outcome, gate.started]).toEqual(['TRIAGE_RUN_TIMEOUT', ['stuck', 'next']])
    await gate.finish('stuck')
    queue.execute('third', { priority: 'low' })
    await gate.finish('next')
    queue.execute('fourth', { priority: 'low' })
    await turn()
    expect([next.state, gate.started]).toEqual(['fulfilled', ['stuck', 'next', 'third']])
    await gate.finishAll()
  })

  test('a priority whose own slot is stuck has another, and its substitute is kept for it', async () => {
    const all = { urgent: 1, high: 1, normal: 1, low: 1 }
    const held = gated({ concurrency: 4, reserve: all, runTimeoutMs: 10 })
    const first = watch(held.queue.execute('stuck', { priority: 'urgent' }))
    await held.clock.advance(10)
    expect(first.outcome).toBe('TRIAGE_RUN_TIMEOUT')
    held.queue.execute('second', { priority: 'urgent' })
    await turn()
    expect(held.gate.started).toEqual(['stuck', 'second'])
    await held.gate.finishAll()

    const replaced = gated({ concurrency: 2, reserve: { urgent: 1 }, onStuck: 'replace', runTimeoutMs: 10 })
    watch(replaced.queue.execute('stuck', { priority: 'urgent' }))
    await replaced.clock.advance(10)
    for (const name of ['a', 'b']) replaced.queue.execute(name, { priority: 'low' })
    await turn()
    replaced.queue.execute('urgent', { priority: 'urgent' })
    await turn()
    expect(replaced.gate.started).toEqual(['stuck', 'a', 'urgent'])
    await replaced.gate.finishAll()
  })

  test('one that takes several runs in what is left, though some of that was reserved', async () => {
    const { clock, gate, queue } = gated({ concurrency: 3, reserve: { urgent: 1 }, runTimeoutMs: 10 })
    watch(queue.execute('stuck'))
    await clock.advance(10)
    queue.execute('wide', { cost: 2 })
    await turn()
    expect(queue.getStatus()).toMatchObject({ stuckWorkers: 1, activeWorkers: 3 })
    expect(gate.started.at(-1)).toBe('wide')
    await gate.finishAll()
  })
})
