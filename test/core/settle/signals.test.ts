/**
 * The signals of callers: one listener each, whoever shares it; and whatever make it is, it can’t hurt.
 */
import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { Signals } from '../../../src/core/settle/signals.ts'
import { busy, turn, watch } from '../../failures/support.ts'

const listenersOf = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

function made() {
  const told: unknown[] = []
  const signals = new Signals<string>(
    (party, reason) => told.push([party, reason]),
    (error) => told.push(error),
  )
  return { told, signals, abort: new AbortController() }
}

test('one listener for all parties of a signal; each is told once, in the order in which they came', () => {
  const { told, signals, abort } = made()
  for (const party of ['a', 'b', 'a', 'c']) signals.add(abort.signal, party)
  expect(listenersOf(abort.signal)).toBe(1)
  expect(signals.size).toBe(1)
  abort.abort('enough')
  expect(told).toEqual([
    ['a', 'enough'],
    ['b', 'enough'],
    ['c', 'enough'],
  ])
})

test('one that has left is not told, and the last one takes the listener along', () => {
  const { told, signals, abort } = made()
  for (const party of ['a', 'b']) signals.add(abort.signal, party)
  signals.delete(abort.signal, 'a')
  expect(listenersOf(abort.signal)).toBe(1)
  signals.delete(abort.signal, 'b')
  signals.delete(abort.signal, 'b')
  expect(listenersOf(abort.signal)).toBe(0)
  expect(signals.size).toBe(0)
  signals.add(abort.signal, 'c')
  abort.abort('enough')
  expect(told).toEqual([['c', 'enough']])
})

test('those of another signal hear nothing', () => {
  const { told, signals, abort } = made()
  const other = new AbortController()
  signals.add(abort.signal, 'a')
  signals.add(other.signal, 'b')
  signals.delete(other.signal, 'a')
  expect(signals.size).toBe(2)
  other.abort('enough')
  expect(told).toEqual([['b', 'enough']])
})

test('an aborted signal is let go of', () => {
  const { signals, abort } = made()
  signals.add(abort.signal, 'a')
  abort.abort()
  expect(signals.size).toBe(0)
  expect(listenersOf(abort.signal)).toBe(0)
})

test('whoever ends another one while it is told does not keep it from being told', () => {
  const told: string[] = []
  const abort = new AbortController()
  const signals: Signals<string> = new Signals(
    (party) => {
      told.push(party)
      signals.delete(abort.signal, 'b')
    },
    () => {},
  )
  for (const party of ['a', 'b']) signals.add(abort.signal, party)
  abort.abort()
  expect(told).toEqual(['a', 'b'])
})

test('a signal need not be Node’s own: one, which takes no listener away and tells twice, ends its request once', async () => {
  const { gate, queue } = await busy()
  const listeners: (() => void)[] = []
  const signal = {
    aborted: false,
    reason: 'gone',
    addEventListener: (_event: string, listener: () => void) => void listeners.push(listener),
    removeEventListener: () => {},
  }
  const end = watch(queue.execute('a', { signal: signal as unknown as AbortSignal }))
  const tell = (): void => {
    signal.aborted = true
    for (const listener of listeners) listener()
  }
  expect(listeners).toHaveLength(1)
  tell()
  expect(tell).not.toThrow()
  await turn()
  expect(end.error).toBe('gone')
  expect(queue.getStatus()).toMatchObject({ waiting: 0, totals: { admitted: 2, cancelled: 1 } })
  await gate.finishAll()
})
