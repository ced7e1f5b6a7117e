/**
 * Two requests with one id: who runs, who is told, who may leave.
 */
import { DuplicateRequestError, type StandardSchema } from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { busy, gated, lost, turn, watch } from './support.ts'

describe('F60: a second request with the id of a live one', () => {
  const stages = ['blocked', 'waiting', 'running'] as const

  async function first(stage: (typeof stages)[number], onDuplicate: 'join' | 'join-by-id' | 'reject') {
    const made =
      stage === 'running'
        ? gated({ onDuplicate })
        : await busy({ maxQueueSize: stage === 'blocked' ? 1 : 10, whenFull: 'block', onDuplicate })
    if (stage === 'blocked') watch(made.queue.execute('fills'))
    const caller = watch(made.queue.execute('x', { id: 'x' }))
    if (stage === 'running') await turn()
    expect(made.queue.get('x')?.state).toBe(stage)
    return { ...made, caller }
  }

  test.each(stages)('F60: joins it, and the executor runs once: %s', async (stage) => {
    const { gate, queue, caller } = await first(stage, 'join-by-id')
    const others = [watch(queue.execute('other payload', { id: 'x' })), watch(queue.execute('x', { id: 'x' }))]
    const submitted = watch(queue.submit('x', { id: 'x' }))
    await turn()
    expect(submitted.state).toBe(stage === 'blocked' ? 'pending' : 'fulfilled')
    expect(queue.getStatus().totals).toMatchObject({ joined: 3, rejected: 0 })
    await gate.finishAll()
    expect(gate.started.filter((name) => name === 'x' || name === 'other payload')).toEqual(['x'])
    expect([caller, ...others].map(({ value }) => value)).toEqual(['x', 'x', 'x'])
    expect(submitted.state).toBe('fulfilled')
    await expect(submitted.value?.result).resolves.toBe('x')
    expect(submitted.value).toMatchObject({ id: 'x', state: 'completed', request: 'x' })
    expect(lost(queue.getStatus())).toBe(0)
  })

  test.each(['execute', 'submit'] as const)(
    'F60: a submit() that joins a blocked %s() is told when it is admitted',
    async (how) => {
      const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
      watch(queue.execute('fills'))
      watch<unknown>(queue[how]('x', { id: 'x' }))
      const submitted = watch(queue.submit('x', { id: 'x' }))
      await turn()
      expect(submitted.state).toBe('pending')
      await gate.finish('busy 0')
      expect(queue.get('x')?.state).toBe('waiting')
      expect(submitted.state).toBe('fulfilled')
    },
  )

  test.each(stages)('F60: is refused when that was chosen, and the first one does not notice: %s', async (stage) => {
    const { gate, queue, caller } = await first(stage, 'reject')
    const others = [watch(queue.execute('x', { id: 'x' })), watch(queue.submit('x', { id: 'x' }))]
    expect(queue.offer('x', { id: 'x' })).toBeUndefined()
    await turn()
    for (const { error } of others) {
      expect(error).toBeInstanceOf(DuplicateRequestError)
      expect(error).toMatchObject({ code: 'TRIAGE_DUPLICATE_REQUEST', requestId: 'x' })
    }
    expect(queue.get('x')?.state).toBe(stage)
    await gate.finishAll()
    expect(caller.value).toBe('x')
    expect(gate.started.filter((name) => name === 'x')).toEqual(['x'])
  })

  test('F60: joins it also when there is no room for anyone else', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1 })
    watch(queue.execute('x', { id: 'x' }))
    const joined = watch(queue.execute('x', { id: 'x' }))
    const offered = queue.offer('x', { id: 'x' })
    expect(offered?.state).toBe('waiting')
    await gate.finishAll()
    expect(joined.value).toBe('x')
    await expect(offered?.result).resolves.toBe('x')
  })

  test('F60: shares its failure, its timeout and its cancellation', async () => {
    for (const end of ['fails', 'expires', 'is cancelled by id'] as const) {
      const { clock, gate, queue } = gated({ runTimeoutMs: 100 })
      const callers = [1, 2, 3].map(() => watch(queue.execute('x', { id: 'x' })))
      await turn()
      if (end === 'fails') await gate.fail('x', new Error('failed'))
      if (end === 'expires') await clock.advance(100)
      if (end === 'is cancelled by id') queue.cancel('x')
      await turn()
      expect(callers[0]?.state).toBe('rejected')
      expect(new Set(callers.map((caller) => caller.error)).size).toBe(1)
      expect(queue.getStatus().totals).toMatchObject({ admitted: 1, joined: 2 })
      expect(lost(queue.getStatus())).toBe(0)
    }
  })

  test('F60: after its end is a request of its own', async () => {
    const { gate, queue } = gated()
    for (let i = 0; i < 3; i++) {
      const caller = watch(queue.execute('x', { id: 'x' }))
      await turn()
      expect(queue.get('x')?.state).toBe('running')
      await gate.finish('x', i)
      expect(caller.value).toBe(i)
      expect(queue.get('x')).toBeUndefined()
    }
    expect(queue.getStatus().totals).toMatchObject({ admitted: 3, joined: 0 })
  })

  const orders = [
    ['a', 'b', 'c'],
    ['a', 'c', 'b'],
    ['b', 'a', 'c'],
    ['b', 'c', 'a'],
    ['c', 'a', 'b'],
    ['c', 'b', 'a'],
  ] as const

  test.each(orders)(
    'F60: while asynchronous schemas look at them, in whatever order they end: %s, %s, %s',
    async (...order) => {
      // The third may come before the first check has ended, or after it.
      for (const lateThird of [false, true]) {
        const passes = new Map<string, () => void>()
        const schema: StandardSchema<string> = {
          '~standard': {
            version: 1,
            vendor: 'test',
            validate: (value) =>
              new Promise((resolve) => passes.set(value as string, () => resolve({ value: value as string }))),
          },
        }
        const { gate, queue } = gated({ schema, onDuplicate: 'join-by-id' })
        const callers = ['a', 'b'].map((name) => watch(queue.execute(name, { id: 'x' })))
        const third = () => callers.push(watch(queue.execute('c', { id: 'x' })))
        if (!lateThird || order[0] === 'c') third()
        for (const name of order) {
          passes.get(name)?.()
          await turn()
          if (callers.length === 2) third()
        }
        await gate.finishAll()
        const closed = watch(queue.close())
        await gate.finishAll()
        // One run for all of them, and all are answered.
        expect(gate.started).toHaveLength(1)
        expect(callers.map((caller) => caller.value)).toEqual(Array(3).fill(gate.started[0]))
        expect(closed.state).toBe('fulfilled')
        expect(queue.get('x')).toBeUndefined()
        expect(lost(queue.getStatus())).toBe(0)
      }
    },
  )

  test('F60: while asynchronous schemas look at them, one that does not fit is refused alone', async () => {
    const passes = new Map<string, () => void>()
    const schema: StandardSchema<string> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => {
          return new Promise((resolve) => {
            const result = value === 'bad' ? { issues: [{ message: 'bad' }] } : { value: value as string }
            passes.set(value as string, () => resolve(result))
          })
        },
      },
    }
    const { gate, queue } = gated({ schema })
    const callers = ['bad', 'good'].map((name) => watch(queue.execute(name, { id: 'x' })))
    for (const name of ['good', 'bad']) {
      passes.get(name)?.()
      await turn()
    }
    await gate.finishAll()
    expect(callers.map((caller) => caller.outcome)).toEqual(['TRIAGE_INVALID_REQUEST', 'fulfilled'])
    expect(gate.started).toEqual(['good'])
  })

  test('F60: an offer that is answered with undefined has joined nothing', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    watch(queue.execute('fills'))
    const abort = new AbortController()
    const blocked = watch(queue.execute('x', { id: 'x', signal: abort.signal }))
    // Now or not at all: the request that it could share is not admitted yet.
    expect(queue.offer('x', { id: 'x', priority: 'urgent' })).toBeUndefined()
    expect(queue.getStatus()).toMatchObject({ blockedByPriority: { urgent: 0, normal: 1 }, totals: { joined: 0 } })
    abort.abort('gone')
    await turn()
    expect(blocked.error).toBe('gone')
    expect(queue.getStatus().blocked).toBe(0)
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'fills'])
  })
})

describe('F61: one of several callers who leaves', () => {
  const ways = ['signal', 'handle', 'timeout'] as const

  async function shared(stage: 'waiting' | 'running') {
    const made = stage === 'running' ? gated() : await busy()
    const { clock, queue } = made
    const callers = await Promise.all(
      ways.map(async (way) => {
        const abort = new AbortController()
        const options = {
          id: 'x',
          ...(way === 'signal' && { signal: abort.signal }),
          ...(way === 'timeout' && { timeoutMs: 50 }),
        }
        const handle = await queue.submit('x', options)
        const result = watch(handle.result)
        const leave = async (): Promise<void> => {
          if (way === 'signal') abort.abort('gone')
          if (way === 'handle') expect(handle.cancel('gone')).toBe(true)
          if (way === 'timeout') await clock.advance(50)
          await turn()
        }
        return { way, handle, result, leave }
      }),
    )
    await turn()
    return { ...made, callers }
  }

  test.each(ways.flatMap((way) => (['waiting', 'running'] as const).map((stage) => [way, stage] as const)))(
    'F61: by his %s does not hurt the others (%s)',
    async (way, stage) => {
      const { gate, queue, callers } = await shared(stage)
      const ends: string[] = []
      for (const event of ['cancelled', 'expired', 'completed'] as const) {
        queue.on(event, ({ id }) => id === 'x' && ends.push(event))
      }
      const leaving = callers.find((caller) => caller.way === way) as (typeof callers)[0]
      await leaving.leave()
      const staying = callers.filter((caller) => caller !== leaving)
      const timeout = stage === 'running' ? 'TRIAGE_RUN_TIMEOUT' : 'TRIAGE_WAIT_TIMEOUT'
      expect(leaving.result.outcome).toBe({ signal: 'gone', handle: 'TRIAGE_CANCELLED', timeout }[way])
      expect(leaving.handle.state).toBe(way === 'timeout' ? 'expired' : 'cancelled')
      expect(leaving.handle.cancel()).toBe(false)
      expect(leaving.handle.position()).toBeUndefined()
      expect(staying.map(({ handle }) => handle.state)).toEqual([stage, stage])
      if (stage === 'running') expect(gate.call('x').run.signal.aborted).toBe(false)
      await gate.finishAll()
      expect(staying.map(({ result }) => result.value)).toEqual(['x', 'x'])
      expect(ends).toEqual(['completed'])
      expect(gate.started.filter((name) => name === 'x')).toEqual(['x'])
      expect(lost(queue.getStatus())).toBe(0)
    },
  )

  test.each(['waiting', 'running'] as const)(
    'F61: when all have left, in whatever order, it is cancelled (%s)',
    async (stage) => {
      const orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
      ]
      for (const order of orders) {
        const { clock, gate, queue, callers } = await shared(stage)
        const ends: unknown[] = []
        for (const event of ['cancelled', 'expired'] as const)
          queue.on(event, ({ id, started }) => id === 'x' && ends.push(started))
        const signal = stage === 'running' ? gate.call('x').run.signal : undefined
        for (const [i, at] of order.entries()) {
          expect(queue.get('x')).toBeDefined()
          await callers[at]?.leave()
          expect(ends).toEqual(i < 2 ? [] : [stage === 'running'])
        }
        expect(queue.get('x')).toBeUndefined()
        expect(signal?.aborted).toBe(stage === 'running' ? true : undefined)
        await gate.finishAll()
        if (stage === 'waiting') expect(gate.started).toEqual(['busy 0'])
        expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, activeWorkers: 0 })
        expect(lost(queue.getStatus())).toBe(0)
        expect(clock.timers).toBe(0)
      }
    },
  )

  test('F61: while it is blocked: the others stay, and when all have left it is refused', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    watch(queue.execute('fills'))
    const aborts = [0, 1, 2].map(() => new AbortController())
    const callers = aborts.map(({ signal }, i) => {
      return i === 1 ? watch(queue.submit('x', { id: 'x', signal })) : watch(queue.execute('x', { id: 'x', signal }))
    })
    aborts[0]?.abort('first')
    aborts[1]?.abort('second')
    await turn()
    expect(callers.map((caller) => caller.outcome)).toEqual(['first', 'second', 'pending'])
    expect(queue.getStatus().blocked).toBe(1)
    aborts[2]?.abort('third')
    await turn()
    expect(callers[2]?.outcome).toBe('third')
    expect(queue.getStatus()).toMatchObject({ blocked: 0, totals: { admitted: 2, cancelled: 0 } })
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'fills'])
  })

  test('F61: when the one who came first has left, get() still answers with the live request', async () => {
    const { gate, queue } = gated()
    const abort = new AbortController()
    watch(queue.execute('x', { id: 'x', signal: abort.signal }))
    const second = watch(queue.execute('x', { id: 'x' }))
    await turn()
    abort.abort('gone')
    const handle = queue.get('x')
    const result = watch((handle as NonNullable<typeof handle>).result)
    expect([handle?.state, handle?.endedAt]).toEqual(['running', undefined])
    await gate.finish('x', 'answer')
    expect([second.value, result.value]).toEqual(['answer', 'answer'])
  })

  test('F61: and the handle that get() gives can end it for all', async () => {
    const { queue } = gated()
    const abort = new AbortController()
    watch(queue.execute('x', { id: 'x', signal: abort.signal }))
    const second = watch(queue.execute('x', { id: 'x' }))
    await turn()
    abort.abort('gone')
    await turn()
    // Nobody but the second one is left, so whoever ends it by id or by its handle ends it.
    expect(queue.cancel('x')).toBe(true)
    await turn()
    expect(second.outcome).toBe('TRIAGE_CANCELLED')
    expect(queue.getStatus().running).toBe(0)
  })

  test('F61: a wait timeout of one who joined a running request ends nothing', async () => {
    const { clock, gate, queue } = gated()
    watch(queue.execute('x', { id: 'x' }))
    await turn()
    const joined = watch(queue.execute('x', { id: 'x', waitTimeoutMs: 10 }))
    await clock.advance(1_000)
    expect(joined.state).toBe('pending')
    await gate.finish('x')
    expect(joined.value).toBe('x')
    expect(clock.timers).toBe(0)
  })
})

describe('F62: outcomes are not remembered', () => {
  test.each(['failure', 'timeout', 'cancellation', 'refusal', 'shedding'])(
    'F62: a %s is not taken for an answer: the id is free again',
    async (how) => {
      const { clock, gate, queue } = await busy({
        maxQueueSize: 1,
        whenFull: how === 'shedding' ? 'shed' : 'reject',
        runTimeoutMs: 100,
      })
      if (how === 'failure' || how === 'timeout') await gate.finish('busy 0')
      if (how === 'refusal') watch(queue.execute('fills', { id: 'fills' }))
      const bad = watch(queue.execute('x', { id: 'x', priority: 'low' }))
      await turn()
      if (how === 'failure') await gate.fail('x', new Error('failed'))
      if (how === 'timeout') await clock.advance(100)
      if (how === 'cancellation') queue.cancel('x')
      if (how === 'shedding') watch(queue.execute('higher', { id: 'higher' }))
      await turn()
      expect(bad.state).toBe('rejected')
      expect(queue.get('x')).toBeUndefined()
      queue.cancel('fills')
      queue.cancel('higher')
      await gate.finishAll()
      const before = gate.started.length
      const good = watch(queue.execute('x', { id: 'x' }))
      await gate.finishAll()
      expect(good.value).toBe('x')
      expect(gate.started.slice(before)).toEqual(['x'])
    },
  )

  test('F62: nor is a success: the same id runs again', async () => {
    const { gate, queue } = gated()
    for (let i = 0; i < 2; i++) {
      const caller = watch(queue.execute('x', { id: 'x' }))
      await turn()
      await gate.finish('x', i)
      expect(caller.value).toBe(i)
    }
    expect(gate.started).toEqual(['x', 'x'])
  })
})

describe('F63: ids that are names of objects’ own machinery', () => {
  const ids = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', '\u0000', ' ', '\ud800', 'ı', 'i̇']

  test('F63: are ids like any other', async () => {
    const { gate, queue } = await busy()
    for (const id of ids) {
      expect([queue.get(id), queue.position(id), queue.cancel(id)]).toEqual([undefined, undefined, false])
    }
    const callers = ids.map((id) => watch(queue.execute(id, { id })))
    for (const [i, id] of ids.entries()) expect([queue.get(id)?.request, queue.position(id)]).toEqual([id, i])
    const joined = watch(queue.execute('__proto__', { id: '__proto__' }))
    expect(queue.cancel('constructor')).toBe(true)
    await gate.finishAll()
    expect(callers.map((caller) => caller.outcome)).toEqual(
      ids.map((id) => (id === 'constructor' ? 'TRIAGE_CANCELLED' : 'fulfilled')),
    )
    expect(joined.value).toBe('__proto__')
    for (const id of ids) expect(queue.get(id)).toBeUndefined()
    expect(Object.keys({})).toEqual([])
    expect(({} as { id?: unknown }).id).toBeUndefined()
  })
})
