/**
 * Who is told, when, and what becomes of an error of theirs.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { QueuedExecutor } from 'triage-queue'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Events, type ExecutorEvent } from '../../../src/core/watch/events.ts'
import { turn } from '../../failures/support.ts'
import { unhandledIn } from '../../laws/support/unhandled.ts'

afterEach(() => void vi.restoreAllMocks())

const idle = (at: number) => ({ at })

describe('listening', () => {
  test('on() hears each, once() the next, off() none', () => {
    const events = new Events()
    const heard: string[] = []
    const always = ({ at }: { at: number }) => heard.push(`always ${at}`)
    const once = ({ at }: { at: number }) => heard.push(`once ${at}`)
    events.on('idle', always)
    events.once('idle', once)
    events.tell(undefined, 'idle', idle(1))
    events.tell(undefined, 'idle', idle(2))
    events.off('idle', always)
    events.tell(undefined, 'idle', idle(3))
    expect(heard).toEqual(['always 1', 'once 1', 'always 2'])
  })

  test('whether anyone listens is known at each moment, of each event', () => {
    const events = new Events()
    const names = Object.keys(events.listened) as ExecutorEvent[]
    expect(names).toHaveLength(23)
    const [one, other] = [() => {}, () => {}]
    for (const event of names) {
      expect(events.listened[event]).toBe(false)
      events.on(event, one)
      expect(events.listened[event]).toBe(true)
      events.off(event, one)
      expect(events.listened[event]).toBe(false)
      events.once(event, one)
      expect(events.listened[event]).toBe(true)
      events.tell(undefined, event, idle(1) as never)
      expect(events.listened[event]).toBe(false)
    }
    events.on('full', one)
    events.on('full', other)
    events.off('full', one)
    expect(events.listened.full).toBe(true)
    events.tell(undefined, 'full', {} as never)
    expect(events.listened.full).toBe(true)
  })

  test('off() for who never listened is no error, and takes nobody else', () => {
    const events = new Events()
    const heard = vi.fn()
    events.off('idle', () => {})
    events.on('idle', heard)
    events.off('idle', () => {})
    events.off('full', heard)
    events.tell(undefined, 'idle', idle(1))
    expect(heard).toHaveBeenCalledOnce()
  })

  test('one listener of two events, added twice, is found again each time', () => {
    const events = new Events()
    const heard = vi.fn()
    for (const event of ['idle', 'paused', 'idle'] as const) events.on(event, heard)
    events.off('idle', heard)
    events.tell(undefined, 'idle', idle(1))
    events.tell(undefined, 'paused', idle(2))
    expect(heard.mock.calls).toEqual([[idle(2)]])
  })

  test.each([['on'], ['once']] as const)('%s() refuses what is no event and what is no function', (how) => {
    const events = new Events()
    expect(() => events[how]('done' as never, () => {})).toThrow(
      new TypeError(`There is no event 'done'; the events are ${Object.keys(events.listened).join(', ')}`),
    )
    expect(() => events[how]('toString' as never, () => {})).toThrow(TypeError)
    expect(() => events[how]('idle', 5 as never)).toThrow(
      new TypeError("The listener of 'idle': expected a function, got 5"),
    )
    expect(events.listened.idle).toBe(false)
  })
})

describe('telling', () => {
  test('what a listener makes happen is told after what it was told of, in order', () => {
    const events = new Events()
    const heard: string[] = []
    events.on('idle', ({ at }) => {
      heard.push(`first ${at}`)
      if (at < 3) events.tell(undefined, 'idle', idle(at + 1))
    })
    events.on('idle', ({ at }) => heard.push(`second ${at}`))
    events.tell(undefined, 'idle', idle(1))
    expect(heard).toEqual(['first 1', 'second 1', 'first 2', 'second 2', 'first 3', 'second 3'])
  })

  test('what is held is told at the last release, once', () => {
    const events = new Events()
    const heard: number[] = []
    events.on('idle', ({ at }) => heard.push(at))
    events.hold()
    events.hold()
    events.tell(undefined, 'idle', idle(1))
    events.release()
    events.tell(undefined, 'idle', idle(2))
    expect(heard).toEqual([])
    events.release()
    expect(heard).toEqual([1, 2])
    events.hold()
    events.release()
    events.tell(undefined, 'idle', idle(3))
    expect(heard).toEqual([1, 2, 3])
  })

  test('happens in the context that it is about, if there is one', () => {
    const context = new AsyncLocalStorage<string>()
    const scope = context.run('submitter', () => new AsyncResource('test'))
    const events = new Events()
    const heard: unknown[] = []
    events.on('idle', () => heard.push(context.getStore()))
    context.run('teller', () => {
      events.tell(scope, 'idle', idle(1))
      events.tell(undefined, 'idle', idle(2))
    })
    expect(heard).toEqual(['submitter', 'teller'])
  })
})

describe('a listener that throws', () => {
  const thrown = new Error('thrown')

  test('is reported with its event, and the others hear all the same', async () => {
    const warn = vi.spyOn(process, 'emitWarning')
    const reported: unknown[] = []
    const events = new Events((error, event) => reported.push([error, event]))
    const heard = vi.fn()
    events.on('idle', () => {
      throw thrown
    })
    events.on('idle', () => Promise.reject('later'))
    events.on('idle', heard)
    events.tell(undefined, 'idle', idle(1))
    await new Promise(setImmediate)
    expect(heard).toHaveBeenCalledOnce()
    expect(reported).toEqual([
      [thrown, 'idle'],
      ['later', 'idle'],
    ])
    expect(events.errors).toBe(2)
    expect(warn).not.toHaveBeenCalled()
  })

  test.each([[5], [null], [undefined], ['then'], [{}], [Object.fromEntries([['then', 5]])]])(
    'what it answers is no error: %j',
    (answer) => {
      const events = new Events()
      events.on('idle', () => answer)
      events.tell(undefined, 'idle', idle(1))
      expect(events.errors).toBe(0)
    },
  )

  test('without a handler is a warning of Node: the 1st, 2nd, 4th, 8th …', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const events = new Events()
    for (let n = 1; n <= 9; n++) {
      events.guard(() => {
        throw thrown
      }, 'started')
    }
    expect(warn.mock.calls.map(([message]) => message)).toEqual(
      [1, 2, 4, 8].map((n) => `A listener of 'started' has thrown Error: thrown (${n} such errors so far)`),
    )
    expect(warn.mock.calls[0]?.[1]).toEqual({
      type: 'TriageQueueWarning',
      code: 'TRIAGE_LISTENER_ERROR',
      detail: thrown.stack,
    })
    expect(events.errors).toBe(9)
  })

  test('whose handler throws or rejects is a warning of what that has thrown', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const throws = new Events(() => {
      throw new Error('handler')
    })
    throws.reportOf('idle', thrown)
    const rejects = new Events(async () => {
      throw new Error('async handler')
    })
    rejects.reportOf('full', thrown)
    const well = new Events(async () => 'well')
    well.reportOf('full', thrown)
    await new Promise(setImmediate)
    expect(warn.mock.calls.map(([message]) => message)).toEqual([
      "A listener of 'idle' has thrown Error: handler (1 such errors so far)",
      "A listener of 'full' has thrown Error: async handler (1 such errors so far)",
    ])
  })

  test('guard() calls what it is given, and counts nothing when it does not throw', () => {
    const events = new Events()
    const policy = vi.fn()
    events.guard(policy, 'started')
    expect(policy).toHaveBeenCalledOnce()
    expect(events.errors).toBe(0)
  })
})

test('of an executor too, off() of one who never listened takes nobody else away', async () => {
  const queue = new QueuedExecutor((n: number) => n)
  const [listens, other] = [vi.fn(), vi.fn()]
  queue.on('completed', listens).on('failed', other)
  // One never listened to anything, the other to something else.
  queue.off('completed', () => {}).off('completed', other)
  queue.off('started', listens)
  await queue.execute(1)
  expect(listens).toHaveBeenCalledTimes(1)
  queue.off('completed', listens)
  await queue.execute(2)
  expect(listens).toHaveBeenCalledTimes(1)
})

test('an `onListenerError` whose promise rejects is warned of, with its own error, and is no unhandled rejection', async () => {
  const warnings: string[] = []
  const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(`${warning}`))
  const onListenerError = async () => {
    throw new Error('the log is full')
  }
  const queue = new QueuedExecutor((n: number) => n, { onListenerError })
  queue.on('completed', () => {
    throw new Error('broken')
  })
  const unheard = await unhandledIn(async () => {
    await queue.execute(1)
    await turn()
  })
  emitWarning.mockRestore()
  expect(unheard).toEqual([])
  expect(warnings).toEqual(["A listener of 'completed' has thrown Error: the log is full (1 such errors so far)"])
  expect(queue.getStatus().listenerErrors).toBe(1)
})

test('`full` is not told when a listener of `queued` has made room meanwhile', async () => {
  const queue = new QueuedExecutor(() => new Promise<never>(() => {}), { concurrency: 1, maxQueueSize: 1 })
  const told: string[] = []
  let leaves = true
  queue.on('queued', ({ id, waiting }) => waiting === 1 && leaves && queue.cancel(id))
  queue.on('full', ({ waiting }) => told.push(`full of ${waiting}`))
  queue.execute(1).catch(() => {})
  await turn()
  await expect(queue.execute(2)).rejects.toMatchObject({ code: 'TRIAGE_CANCELLED' })
  expect(told).toEqual([])
  leaves = false
  queue.execute(3).catch(() => {})
  expect(told).toEqual(['full of 1'])
  await queue.close({ drain: false, graceMs: 0 })
})
