/**
 * While an asynchronous schema looks at requests: how many, who is told, and who comes in first when it lets them pass.
 */
import { type QueuedExecutorOptions, QueueFullError, type StandardSchema } from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { gated, turn, watch } from './support.ts'

/** A schema that lets each pass when it is told to, after so many microtasks; 'unfit' never fits. */
function checked(options: QueuedExecutorOptions<string> = {}) {
  const passes = new Map<string, (microtasks?: number) => void>()
  let asked = 0
  const validate: StandardSchema<string>['~standard']['validate'] = (value) => {
    asked++
    return new Promise((resolve) => {
      passes.set(value as string, async (microtasks = 0) => {
        for (let i = 0; i < microtasks; i++) await undefined
        resolve(value === 'unfit' ? { issues: [{ message: 'no' }] } : { value: value as string })
      })
    })
  }
  const made = gated({ schema: { '~standard': { version: 1, vendor: 'test', validate } }, debug: true, ...options })
  const send = (name: string, more: object = {}) => watch(made.queue.execute(name, more))
  const pass = (name: string, microtasks?: number) => passes.get(name)?.(microtasks)
  return { ...made, send, pass, asked: () => asked }
}

describe('how many are looked at', () => {
  test('is bounded, shown, and one more is refused, whatever happens to those for whom there is no room', async () => {
    for (const whenFull of ['reject', 'block', 'shed'] as const) {
      const { queue, send, pass, asked } = checked({ maxChecking: 2, whenFull })
      const all = [send('a', { priority: 'low' }), send('b'), send('c', { priority: 'urgent', id: 'mine' })]
      await turn()
      expect(all.map(({ outcome }) => outcome)).toEqual(['pending', 'pending', 'TRIAGE_QUEUE_FULL'])
      expect(all[2]?.error).toBeInstanceOf(QueueFullError)
      expect(all[2]?.error).toMatchObject({
        message: expect.stringContaining('The queue is full: 2 of at most 2 requests are being checked'),
        ...{ bound: 'checking', size: 2, maxSize: 2, requestId: 'mine' },
        explain: {
          ...{ rule: 'maxChecking', compared: { bound: 'checking', size: 2, maxSize: 2 } },
          wouldAdmit: 'fewer than 2',
        },
      })
      // It was not even asked about the third one.
      expect(asked()).toBe(2)
      expect(queue.getStatus()).toMatchObject({
        checking: 2,
        waiting: 0,
        blocked: 0,
        totals: { admitted: 0, rejected: 1 },
      })
      pass('a')
      await turn()
      expect(queue.getStatus()).toMatchObject({ checking: 1, running: 1 })
      send('d')
      expect(queue.getStatus().checking).toBe(2)
    }
  })

  test('is that of the queue where nothing else is said, and 10,000 where nothing may wait', async () => {
    const sizes: [QueuedExecutorOptions<string>, number][] = [
      [{ maxQueueSize: 3 }, 3],
      [{ maxQueueSize: { total: 2, low: 1 } }, 2],
      [{ maxQueueSize: 'none' }, 10_000],
      [{}, 10_000],
    ]
    for (const [options, most] of sizes) {
      const { queue, send } = checked(options)
      const all = Array.from({ length: most + 1 }, (_, i) => send(`${i}`))
      await turn()
      expect(queue.getStatus()).toMatchObject({ checking: most, totals: { rejected: 1 } })
      expect(all.at(-1)?.error).toMatchObject({ bound: 'checking', maxSize: most })
    }
    for (const options of [
      { maxChecking: 0, maxQueueSize: 1 },
      { maxChecking: Number.POSITIVE_INFINITY },
      { maxQueueSize: 0 },
    ]) {
      const { queue, send } = checked(options)
      for (let i = 0; i < 10_001; i++) send(`${i}`)
      expect(queue.getStatus()).toMatchObject({ checking: 10_001, totals: { rejected: 0 } })
    }
  })

  test('is bounded whatever a signal calls when it is listened to', async () => {
    for (const first of ['submits', 'closes']) {
      const { queue, send, pass } = checked({ maxChecking: 1 })
      const others: { readonly outcome: unknown }[] = []
      const does = () => void (first === 'submits' ? others.push(send('b')) : queue.close())
      const signal = { aborted: false, addEventListener: does, removeEventListener() {} }
      const end = send('a', { signal })
      expect(queue.getStatus().checking).toBe(others.length)
      for (const name of ['a', 'b']) pass(name)
      await turn()
      expect(end.outcome).toBe(first === 'submits' ? 'TRIAGE_QUEUE_FULL' : 'TRIAGE_QUEUE_CLOSED')
    }
  })

  test('offer() answers that there is no room', () => {
    const { queue, send } = checked({ maxChecking: 1 })
    expect(() => queue.offer('a')).toThrow("Option 'schema'")
    send('b')
    expect(queue.offer('c')).toBeUndefined()
  })

  test('is less by each that ends before its check: by a timeout, an abort, a close; what its check says then is nothing', async () => {
    const { clock, gate, queue, send, pass } = checked({ maxChecking: 3 })
    const stop = new AbortController()
    const all = [send('a', { waitTimeoutMs: 5 }), send('b', { signal: stop.signal }), send('c')]
    stop.abort(new Error('left'))
    await turn()
    expect(queue.getStatus().checking).toBe(2)
    // Its check has ended, and in the same go it leaves.
    pass('b')
    await clock.advance(5)
    expect(queue.getStatus().checking).toBe(1)
    const closed = watch(queue.close())
    for (const name of ['a', 'b', 'c']) pass(name)
    await turn()
    expect(closed.state).toBe('fulfilled')
    expect(all.map(({ outcome }) => outcome)).toEqual([
      'TRIAGE_WAIT_TIMEOUT',
      stop.signal.reason,
      'TRIAGE_QUEUE_CLOSED',
    ])
    expect(queue.getStatus().checking).toBe(0)
    expect(gate.started).toEqual([])
    expect(clock.timers).toBe(0)
  })

  test('one that leaves when its check has just ended does not come in', async () => {
    const { gate, queue, send, pass } = checked()
    const stop = new AbortController()
    const left = send('a', { signal: stop.signal })
    pass('a', 1)
    pass('a', 1)
    // After the check has ended, in the same run of microtasks.
    for (let i = 0; i < 4; i++) await undefined
    stop.abort(new Error('left'))
    await turn()
    expect(left.outcome).toBe(stop.signal.reason)
    expect(gate.started).toEqual([])
    expect(queue.getStatus()).toMatchObject({ checking: 0, totals: { admitted: 0, rejected: 1 } })
  })
})

describe('who comes in', () => {
  test('the first that has come, of those whose checks end in one go, whatever each of them takes', async () => {
    for (const microtasks of [
      [0, 0, 0],
      [9, 0, 4],
      [2, 5, 0],
      [0, 30, 60],
      [60, 30, 0],
    ] as const) {
      const { gate, send, pass } = checked({ maxQueueSize: 1, maxChecking: 3 })
      const all = ['a', 'b', 'c'].map((name) => send(name))
      for (const [i, name] of ['c', 'a', 'b'].entries()) pass(name, microtasks[i])
      await turn()
      expect(gate.started).toEqual(['a'])
      expect(all.map(({ outcome }) => outcome)).toEqual(['pending', 'pending', 'TRIAGE_QUEUE_FULL'])
    }
  })

  test('a slow check holds back nobody, and room is taken only when it has passed', async () => {
    const { gate, queue, send, pass } = checked({ maxQueueSize: 1, maxChecking: 5 })
    const all = ['slow', 'b', 'unfit', 'c', 'd'].map((name) => send(name))
    for (const name of ['b', 'unfit', 'c']) pass(name)
    await turn()
    expect(gate.started).toEqual(['b'])
    pass('slow')
    await turn()
    expect(all.map(({ outcome }) => outcome)).toEqual([
      ...['TRIAGE_QUEUE_FULL', 'pending', 'TRIAGE_INVALID_REQUEST', 'pending', 'pending'],
    ])
    expect(queue.getStatus()).toMatchObject({ waiting: 1, running: 1, checking: 1 })
  })

  test('one that is looked at displaces nobody; when it has passed, it does', async () => {
    const { queue, send, pass } = checked({ maxQueueSize: 1, whenFull: 'shed', maxChecking: 9 })
    const [, low] = ['runs', 'low'].map((name) => send(name, { priority: 'low' }))
    for (const name of ['runs', 'low']) pass(name)
    await turn()
    send('urgent', { priority: 'urgent' })
    await turn()
    expect(low?.outcome).toBe('pending')
    pass('urgent')
    await turn()
    expect(low?.outcome).toBe('TRIAGE_SHED')
    expect(queue.getStatus()).toMatchObject({ waiting: 1, running: 1, checking: 0 })
  })

  test('of two with one id that pass in one go, the second joins the first, or is refused', async () => {
    for (const onDuplicate of ['join-by-id', 'join', 'reject'] as const) {
      const { gate, send, pass } = checked({ onDuplicate })
      const all = ['a', 'b'].map((name) => send(name, { id: 'one' }))
      pass('b')
      pass('a', 7)
      await turn()
      expect(gate.started).toEqual(['a'])
      await gate.finish('a', 'answer')
      expect(all.map(({ outcome }) => outcome)).toEqual([
        'fulfilled',
        // The payloads are not equal.
        onDuplicate === 'join-by-id' ? 'fulfilled' : 'TRIAGE_DUPLICATE_REQUEST',
      ])
    }
  })

  test('what a listener submits while they come in is looked at after them', async () => {
    const { gate, queue, send, pass } = checked({ concurrency: 4 })
    queue.once('queued', () => {
      send('inside')
      pass('inside')
    })
    for (const name of ['a', 'b']) send(name)
    for (const name of ['b', 'a']) pass(name)
    await turn()
    expect(gate.started).toEqual(['a', 'b', 'inside'])
  })
})
