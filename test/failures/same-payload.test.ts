/**
 * A second request with the id of a live one: it shares the run only if it asks for the same.
 */
import { DuplicateRequestError, QueuedExecutor, type QueuedExecutorOptions, type StandardSchema } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { lost, turn, watch } from './support.ts'

type Payload = { readonly [key: string]: unknown }

/** One slot, and calls that answer with what they were given when 10 ms are over. */
function made(options: QueuedExecutorOptions<Payload> = {}) {
  const clock = new VirtualClock()
  const calls: Payload[] = []
  const executor = async (payload: Payload): Promise<Payload> => {
    calls.push(payload)
    await clock.sleep(10)
    return payload
  }
  const queue = new QueuedExecutor(executor, { clock, concurrency: 1, name: 'mine', ...options })
  return { clock, calls, queue }
}

const refusal = { code: 'TRIAGE_DUPLICATE_REQUEST', reason: 'payload', requestId: 'x', started: false, queue: 'mine' }

describe('F70: a second request with the id of a live one, and another payload', () => {
  const stages = ['blocked', 'waiting', 'running', 'delayed'] as const

  test.each(stages)('F70: is refused, and the first one does not notice: %s', async (stage) => {
    const { clock, calls, queue } = made({ maxQueueSize: 1, whenFull: 'block' })
    if (stage === 'waiting' || stage === 'blocked') watch(queue.execute({ n: 'runs' }))
    await turn()
    if (stage === 'blocked') watch(queue.execute({ n: 'waits' }))
    const first = watch(queue.execute({ n: 1 }, { id: 'x', ...(stage === 'delayed' && { delayMs: 5 }) }))
    await turn()
    const told: unknown[] = []
    queue.on('rejected', ({ id, reason, error }) => told.push([id, reason, (error as Error).message]))
    const others = [
      watch(queue.execute({ n: 2 }, { id: 'x', priority: 'urgent' })),
      watch(queue.submit({ n: 1, more: 1 }, { id: 'x' })),
    ]
    await turn()
    for (const { error } of others) {
      expect(error).toBeInstanceOf(DuplicateRequestError)
      expect(error).toMatchObject({ ...refusal, message: expect.stringContaining('another payload') })
    }
    const about = ['x', 'duplicate_request', "A request with the id 'x' is live already, with another payload"]
    expect(told).toEqual([about, about])
    expect(queue.get('x')?.priority).toBe('normal')
    await clock.run({ until: queue.idle() })
    expect(first.value).toEqual({ n: 1 })
    expect(calls.filter(({ n }) => n === 1 || n === 2)).toEqual([{ n: 1 }])
    expect(queue.getStatus().totals).toMatchObject({ joined: 0, rejected: 2 })
    expect(lost(queue.getStatus())).toBe(0)
  })

  test('F70: an offer throws it, since that is not for load', async () => {
    const { clock, queue } = made()
    watch(queue.execute({ n: 1 }, { id: 'x' }))
    expect(() => queue.offer({ n: 2 }, { id: 'x' })).toThrow(expect.objectContaining(refusal))
    expect(queue.offer({ n: 1 }, { id: 'x' })).toBeDefined()
    await clock.run({ until: queue.idle() })
  })

  test('F70: an equal one joins, whatever its metadata and its options are', async () => {
    const { clock, calls, queue } = made()
    const payload = (): Payload => ({ list: [1, { two: new Date(2) }], bytes: Buffer.from('abc') })
    const all = [1, 2, 3].map((n) => watch(queue.execute(payload(), { id: 'x', metadata: n, timeoutMs: 100 * n })))
    await clock.run({ until: queue.idle() })
    expect(all.map(({ value }) => value)).toEqual(Array(3).fill(payload()))
    expect(calls).toHaveLength(1)
  })

  test('F70: joins where that was chosen', async () => {
    const { clock, calls, queue } = made({ onDuplicate: 'join-by-id' })
    const all = [1, 2].map((n) => watch(queue.execute({ n }, { id: 'x' })))
    await clock.run({ until: queue.idle() })
    expect(all.map(({ value }) => value)).toEqual([{ n: 1 }, { n: 1 }])
    expect(calls).toHaveLength(1)
  })

  test('F70: a request may have it otherwise than its queue', async () => {
    const { clock, queue } = made({ onDuplicate: 'reject' })
    watch(queue.execute({ n: 1 }, { id: 'x' }))
    const ends = (['join', 'join-by-id', 'reject', undefined] as const).flatMap((onDuplicate) =>
      [1, 2].map((n) => watch(queue.execute({ n }, { id: 'x', ...(onDuplicate && { onDuplicate }) }))),
    )
    await clock.run({ until: queue.idle() })
    const reasons = ends.map(({ error }) => (error as DuplicateRequestError | undefined)?.reason)
    expect(reasons).toEqual([undefined, 'payload', undefined, undefined, 'live', 'live', 'live', 'live'])
  })

  test('F70: comes in when the first one has ended', async () => {
    const { clock, queue } = made()
    await clock.run({ until: queue.execute({ n: 1 }, { id: 'x' }) })
    const second = queue.execute({ n: 2 }, { id: 'x' })
    await clock.run({ until: second })
    await expect(second).resolves.toEqual({ n: 2 })
  })

  const counted: StandardSchema<Payload> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => ({ value: { of: (value as Payload).n, at: ++checks } }),
    },
  }
  let checks = 0

  test.each(['at once', 'later'])(
    'F70: is compared as it was submitted, not as a schema has made it: %s',
    async (when) => {
      const { validate } = counted['~standard']
      const schema: StandardSchema<Payload> = {
        '~standard': {
          ...counted['~standard'],
          validate: (value) => (when === 'later' ? Promise.resolve(validate(value)) : validate(value)),
        },
      }
      const { clock, calls, queue } = made({ schema })
      const all = [1, 1, 2].map((n) => watch(queue.execute({ n }, { id: 'x' })))
      const nothing = watch(queue.execute({}, { id: 'y' }))
      await turn()
      all.push(watch(queue.execute({ n: 1 }, { id: 'x' })))
      const nothingElse = watch(queue.execute({ n: undefined }, { id: 'y' }))
      await clock.run({ until: queue.idle() })
      expect(all.map(({ outcome }) => outcome)).toEqual(['fulfilled', 'fulfilled', refusal.code, 'fulfilled'])
      expect(calls.map((call) => call.of)).toEqual([1, undefined])
      expect([nothing.outcome, nothingElse.outcome]).toEqual(['fulfilled', refusal.code])
    },
  )

  test('F70: what throws while it is compared refuses the newcomer, and the first one does not notice', async () => {
    const { clock, queue } = made()
    const error = new Error('not now')
    const bad = (): Payload => ({
      get n(): number {
        throw error
      },
    })
    const first = watch(queue.execute({ n: 1 }, { id: 'x' }))
    const others = [watch(queue.execute(bad(), { id: 'x' })), watch(queue.submit(bad(), { id: 'x' }))]
    expect(() => queue.offer(bad(), { id: 'x' })).toThrow(error)
    await clock.run({ until: queue.idle() })
    expect(others.map((other) => other.error)).toEqual([error, error])
    expect(first.value).toEqual({ n: 1 })
    expect(queue.getStatus().totals).toMatchObject({ joined: 0, rejected: 3, completed: 1 })
  })

  test('F70: a getter may do anything meanwhile', async () => {
    const doing: {
      [what: string]: [(queue: QueuedExecutor<Payload, Payload>, abort: AbortController) => void, string]
    } = {
      'ends the first one': [(queue) => queue.cancel('x'), 'fulfilled'],
      'ends the first one, and throws': [
        (queue) => {
          queue.cancel('x')
          throw new Error('thrown')
        },
        'Error: thrown',
      ],
      'puts another one in its place': [
        (queue) => {
          queue.cancel('x')
          watch(queue.execute({ n: 'other' }, { id: 'x' }))
        },
        refusal.code,
      ],
      'aborts the second one': [(_, abort) => abort.abort('gone'), 'gone'],
      'aborts the second one, and throws': [
        (_, abort) => {
          abort.abort('gone')
          throw new Error('thrown')
        },
        'gone',
      ],
      'closes the queue': [(queue) => void queue.close(), 'TRIAGE_QUEUE_CLOSED'],
      'ends the first one, and closes the queue': [(queue) => void queue.close({ graceMs: 0 }), 'TRIAGE_QUEUE_CLOSED'],
    }
    for (const [what, [act, outcome]] of Object.entries(doing)) {
      const { clock, queue } = made({ debug: true })
      let acts = true
      watch(queue.execute({ n: 1 }, { id: 'x' }))
      await turn()
      const abort = new AbortController()
      const payload: Payload = {
        get n(): number {
          if (acts) {
            acts = false
            act(queue, abort)
          }
          return 1
        },
      }
      const second = watch(queue.execute(payload, { id: 'x', signal: abort.signal }))
      await clock.run({ until: queue.close() })
      expect([what, String(second.outcome)]).toEqual([what, outcome])
      expect(lost(queue.getStatus())).toBe(0)
    }
  })
})
