/**
 * Queues inside of queues: which one has said no?
 */
import {
  fairBy,
  type Guard,
  QueuedExecutor,
  RequestQueue,
  type StandardSchema,
  type TriageError,
  tokenBucket,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { busy, gated, turn, watch } from './support.ts'

const name = 'mine'
const guard = (answers: Partial<Guard>): Guard => ({ name: 'guard', ...answers })
const refusal = { rule: 'guard', compared: { load: 2 }, wouldAdmit: 'less' }
const unfit: StandardSchema<string> = {
  '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'bad' }] }) },
}
const slow: StandardSchema<string> = { '~standard': { ...unfit['~standard'], validate: () => new Promise(() => {}) } }

/** Each way to be refused or ended, by its code. */
const ways: { readonly [code: string]: () => Promise<unknown> } = {
  async TRIAGE_QUEUE_FULL() {
    const { queue } = await busy({ name, maxQueueSize: 1 })
    watch(queue.execute('waits'))
    return queue.execute('x')
  },
  TRIAGE_RATE_LIMITED: async () => {
    const { queue } = gated({ name, rateLimit: guard({ admit: () => refusal }) })
    return queue.execute('x')
  },
  TRIAGE_OVERLOADED: async () => gated({ name, overload: guard({ admit: () => refusal }) }).queue.submit('x'),
  'TRIAGE_OVERLOADED at its turn': async () => {
    const { queue } = gated({ name, overload: guard({ drop: () => refusal }) })
    return queue.execute('x')
  },
  TRIAGE_INVALID_REQUEST: async () => gated({ name, schema: unfit }).queue.execute('x'),
  async TRIAGE_QUEUE_CLOSED() {
    const { queue } = gated({ name })
    void queue.close()
    return queue.execute('x')
  },
  async 'TRIAGE_QUEUE_CLOSED by ready()'() {
    const { queue } = await busy({ name, maxQueueSize: 1 })
    watch(queue.execute('waits'))
    const ready = queue.ready()
    void queue.close()
    return ready
  },
  async 'TRIAGE_QUEUE_CLOSED by ready() afterwards'() {
    const { queue } = gated({ name })
    void queue.close()
    return queue.ready()
  },
  async 'TRIAGE_QUEUE_CLOSED by map()'() {
    const { queue } = gated({ name })
    void queue.close()
    return queue.map(['x']).next()
  },
  async 'TRIAGE_QUEUE_CLOSED by map() while its source is quiet'() {
    const { queue } = gated({ name })
    const quiet = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
    const next = queue.map(quiet).next()
    await turn()
    void queue.close()
    return next
  },
  async 'TRIAGE_QUEUE_CLOSED while it is checked'() {
    const { queue } = gated({ name, schema: slow })
    const answer = queue.execute('x')
    void queue.close()
    return answer
  },
  async TRIAGE_DUPLICATE_REQUEST() {
    const { queue } = await busy({ name, onDuplicate: 'reject' })
    watch(queue.execute('x', { id: 'x' }))
    return queue.execute('x', { id: 'x' })
  },
  async TRIAGE_WAIT_TIMEOUT() {
    const { clock, queue } = await busy({ name })
    const answer = queue.execute('x', { waitTimeoutMs: 5 })
    watch(answer)
    await clock.advance(5)
    return answer
  },
  async TRIAGE_RUN_TIMEOUT() {
    const { clock, queue } = gated({ name, runTimeoutMs: 5 })
    const answer = queue.execute('x')
    watch(answer)
    await clock.advance(5)
    return answer
  },
  async TRIAGE_SHED() {
    const { queue } = await busy({ name, maxQueueSize: 1, whenFull: 'shed' })
    const answer = queue.execute('x', { priority: 'low' })
    watch(queue.execute('higher'))
    return answer
  },
  async TRIAGE_CANCELLED() {
    const { queue } = await busy({ name })
    const handle = await queue.submit('x')
    const { result } = handle
    handle.cancel()
    return result
  },
  async 'TRIAGE_CANCELLED by close()'() {
    const { queue } = await busy({ name })
    const answer = queue.execute('x')
    void queue.close({ drain: false })
    return answer
  },
  async 'TRIAGE_CANCELLED since another has failed'() {
    const { queue } = gated({ name })
    const answer = queue.execute('x', { after: [Promise.reject(new Error('failed'))] })
    watch(answer)
    await turn()
    return answer
  },
  'TRIAGE_INVALID_OPTIONS of a request': async () => gated({ name }).queue.execute('x', { timeoutMs: -1 }),
  'TRIAGE_INVALID_OPTIONS of its cost': async () => gated({ name }).queue.execute('x', { cost: 2 }),
  'TRIAGE_INVALID_OPTIONS of its key': async () => {
    const order = fairBy(() => 5 as never)
    return gated({ name, order }).queue.execute('x')
  },
  'TRIAGE_INVALID_OPTIONS of its rate': async () => {
    const rateLimit = tokenBucket({ perSecond: 1, per: () => 5 as never })
    return gated({ name, rateLimit }).queue.execute('x')
  },
  'TRIAGE_INVALID_OPTIONS of an offer': async () => {
    const { queue } = gated({ name, schema: slow })
    return new Promise(() => queue.offer('x'))
  },
}

test.each(Object.entries(ways))('F71: %s names the queue that it comes from', async (way, act) => {
  const [code] = way.split(' ')
  await expect(act()).rejects.toMatchObject({ code, queue: name })
})

test('F71: the refusal by a queue inside a queue can be told apart', async () => {
  const clock = new VirtualClock()
  const inner = new QueuedExecutor(() => clock.sleep(10), { clock, name: 'inner', concurrency: 1, maxQueueSize: 1 })
  const outer = new QueuedExecutor((n: number) => inner.execute(n), {
    clock,
    name: 'outer',
    concurrency: 3,
    maxQueueSize: 1,
  })
  const ends = [1, 2, 3, 4, 5].map((n) => watch(outer.execute(n)))
  await clock.run({ until: outer.close() })
  const errors = ends.map((end) => end.error as TriageError | undefined)
  expect(errors.map((error) => [error?.code, error?.queue, error?.started])).toEqual([
    [undefined, undefined, undefined],
    [undefined, undefined, undefined],
    // It was started by the outer one, but `started` is about the inner one: it has not run there.
    ['TRIAGE_QUEUE_FULL', 'inner', false],
    ['TRIAGE_QUEUE_FULL', 'inner', false],
    ['TRIAGE_QUEUE_FULL', 'outer', false],
  ])
  await inner.close()
})

test('F71: what a queue says of an option that a schema hands to it stays its own', async () => {
  const inner = gated({ name: 'inner' }).queue
  const validate = (value: unknown) => {
    inner.offer('x', { timeoutMs: -1 })
    return { value: value as string }
  }
  const outer = gated({ name: 'outer', schema: { '~standard': { version: 1, vendor: 'test', validate } } }).queue
  await expect(outer.execute('x')).rejects.toMatchObject({ path: 'timeoutMs', queue: 'inner' })
})

test('F71: what comes from no executor names none', () => {
  const queue = new RequestQueue<string>({ maxQueueSize: 1 })
  queue.enqueue('x')
  const thrownBy = (act: () => unknown): TriageError | undefined => {
    try {
      act()
      return undefined
    } catch (error) {
      return error as TriageError
    }
  }
  expect(thrownBy(() => queue.enqueue('y'))).toMatchObject({ code: 'TRIAGE_QUEUE_FULL', queue: undefined })
  expect(thrownBy(() => new QueuedExecutor(() => {}, { name, concurrency: 0 }))).toMatchObject({ queue: undefined })
})
