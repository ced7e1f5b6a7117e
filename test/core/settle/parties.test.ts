/**
 * Who waits for a request: each is told of its own end, and when one has left, nothing of it is kept.
 */
import { getEventListeners } from 'node:events'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Alarm, Timeline } from '../../../src/core/clock.ts'
import { TimeLimits } from '../../../src/core/queue/time-limits.ts'
import { RequestRecord } from '../../../src/core/request-record.ts'
import { Parties } from '../../../src/core/settle/parties.ts'
import { busy, gated, turn, watch } from '../../failures/support.ts'
import { collectBroken } from '../../support/broken.ts'

// All here with the second set of books: at rest, no deadline, signal or id may be left.
const broken = collectBroken()
afterEach(() => {
  vi.restoreAllMocks()
  expect(broken).toEqual([])
})

const debug = true
const listenersOf = ({ signal }: AbortController) => getEventListeners(signal, 'abort').length

describe('one who shares a run leaves', () => {
  test('the first: its handle tells that it has left, also after the others have their answer', async () => {
    const { clock, gate, queue } = await busy({ debug })
    const caller = new AbortController()
    const first = await queue.submit('shared', { id: 'shared', signal: caller.signal, waitTimeoutMs: 50 })
    const joined = watch(queue.execute('shared', { id: 'shared' }))
    await clock.advance(5)
    expect([first.cancel('enough'), listenersOf(caller)]).toEqual([true, 0])
    await clock.advance(5)
    await gate.finish('busy 0')
    await gate.finish('shared', 'answer')
    const end = watch(first.result)
    await turn()
    expect([joined.value, first.state, first.endedAt]).toEqual(['answer', 'cancelled', 5])
    expect(end.error).toMatchObject({ code: 'TRIAGE_CANCELLED', reason: 'enough' })
  })

  test('one who joined: it is let go of at once; after the end it can leave no more', async () => {
    const { gate, queue } = await busy({ debug })
    const callers = [1, 2].map(() => new AbortController()) as [AbortController, AbortController]
    watch(queue.execute('shared', { id: 'shared' }))
    const [one, other] = await Promise.all(
      callers.map(({ signal }) => queue.submit('shared', { id: 'shared', signal, waitTimeoutMs: 50 })),
    )
    const ends = [one, other].map((each) => watch(each?.result as Promise<unknown>))
    expect([one?.cancel(), ...callers.map(listenersOf)]).toEqual([true, 0, 1])
    await gate.finishAll()
    expect([other?.cancel(), ...callers.map(listenersOf)]).toEqual([false, 0, 0])
    expect(ends.map(({ outcome }) => outcome)).toEqual(['TRIAGE_CANCELLED', 'fulfilled'])
  })

  test('before it is admitted: its `submit()` rejects, and those who are left come in', async () => {
    const { gate, queue } = await busy({ debug, maxQueueSize: 1, whenFull: 'block' })
    const callers = [1, 2].map(() => new AbortController()) as [AbortController, AbortController]
    watch(queue.execute('waits'))
    const [first, second, third] = [...callers, new AbortController()].map(({ signal }) =>
      watch(queue.submit('shared', { id: 'shared', signal })),
    )
    for (const [i, caller] of callers.entries()) caller.abort(`gone ${i}`)
    await turn()
    expect([first?.error, second?.error, third?.state]).toEqual(['gone 0', 'gone 1', 'pending'])
    await gate.finishAll()
    expect(third?.value).toMatchObject({ id: 'shared', state: 'completed' })
  })

  test('refused with all who share it: each `submit()` rejects', async () => {
    const { gate, queue } = await busy({ debug, maxQueueSize: 1, whenFull: 'block' })
    watch(queue.execute('waits'))
    const all = [1, 2].map(() => watch(queue.submit('shared', { id: 'shared' })))
    watch(queue.close())
    await gate.finishAll()
    expect(all.map(({ outcome }) => outcome)).toEqual(Array(2).fill('TRIAGE_QUEUE_CLOSED'))
  })

  test('all of them, by signals that have not told of it yet: it does not come in', async () => {
    const { gate, queue } = await busy({ debug, maxQueueSize: 1, whenFull: 'block' })
    const signals = [1, 2].map((n) => ({
      ...{ aborted: false, reason: `gone ${n}` },
      ...{ addEventListener: () => {}, removeEventListener: () => {} },
    }))
    watch(queue.execute('waits'))
    const ends = signals.map((signal) =>
      watch(queue.execute('shared', { id: 'shared', signal: signal as unknown as AbortSignal })),
    )
    for (const signal of signals) signal.aborted = true
    await gate.finishAll()
    expect([ends.map(({ outcome }) => outcome), gate.started]).toEqual([
      ['gone 1', 'gone 2'],
      ['busy 0', 'waits'],
    ])
  })
})

test('what is held is counted, until it is let go of', () => {
  const owner = {}
  const clock = new VirtualClock()
  const timeline = new Timeline(clock, owner)
  const record = new RequestRecord('', 2, timeline.instant())
  const ends = new Array(4).fill(Number.POSITIVE_INFINITY)
  const alarm = new Alarm(clock, timeline, () => {})
  const limits = new TimeLimits({ waitTimeoutMs: ends, runTimeoutMs: ends, timeoutMs: ends }, timeline, alarm)
  const quiet = { abandon: () => {}, startedAt: () => undefined, report: () => {} }
  const host = { ...quiet, finish: () => true, retryAfterMs: () => 1 }
  const parties = new Parties(host, limits, timeline)
  const { signal } = new AbortController()
  const extras = Object.assign(record.more(), { id: 'a', signal })
  parties.lives(record, extras)
  parties.hears(record, signal)
  expect(parties.held()).toEqual({ signals: 1, ids: 1, staying: 0 })
  parties.unlink(record)
  expect(parties.held()).toEqual({ signals: 0, ids: 0, staying: 0 })
})

describe('the time of each', () => {
  test('counts from when it came, on any clock: how long it waited, and until when it waits again', async () => {
    const { clock, gate, queue } = gated({ debug, retry: { name: 'again', delayMs: () => 10 } })
    await clock.advance(1_000)
    const again = watch(queue.execute('again', { waitTimeoutMs: 30 }))
    await turn()
    await gate.fail('again', new Error('first'))
    queue.pause()
    await clock.advance(29)
    expect(again.state).toBe('pending')
    await clock.advance(1)
    expect(again.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', waitedMs: 30, timeoutMs: 30 })
  })

  test('is over while it is blocked, though it has nothing of its own', async () => {
    const { clock, gate, queue } = await busy({ debug, maxQueueSize: 1, whenFull: 'block', waitTimeoutMs: 10 })
    watch(queue.execute('waits', { waitTimeoutMs: 50 }))
    const blocked = watch(queue.execute('blocked'))
    await clock.advance(10)
    expect(blocked.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
    await gate.finishAll()
  })

  test('would be over in the very moment of another attempt: there is none', async () => {
    const { clock, gate, queue } = gated({ debug, retry: { name: 'again', delayMs: () => 10 } })
    const late = watch(queue.execute('late', { timeoutMs: 10 }))
    await turn()
    await gate.fail('late', 'failed')
    expect([late.error, queue.getStatus().retrying, clock.now()]).toEqual(['failed', 0, 0])
  })

  test('who joins while it is given its slot has no wait before it any more', async () => {
    const { clock, gate, queue } = gated({ debug })
    let joined: ReturnType<typeof watch> | undefined
    queue.once('started', () => {
      joined = watch(queue.execute('shared', { id: 'shared', waitTimeoutMs: 5 }))
    })
    watch(queue.execute('shared', { id: 'shared' }))
    await clock.advance(20)
    await gate.finish('shared', 'answer')
    expect([joined?.state, joined?.value]).toEqual(['fulfilled', 'answer'])
  })
})
