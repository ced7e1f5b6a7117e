/**
 * What the events of an end say, word for word; and that nothing is put together for nobody.
 */
import { type ExecutorEvents, QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test, vi } from 'vitest'
import { Timeline } from '../../../src/core/clock.ts'
import { RequestRecord } from '../../../src/core/request-record.ts'
import { State } from '../../../src/core/request-state.ts'
import { Events } from '../../../src/core/watch/events.ts'
import { Teller } from '../../../src/core/watch/teller.ts'

const ends = ['completed', 'failed', 'expired', 'cancelled', 'shed'] as const
const failed = new Error('failed')

/** Runs take as long as the request says, and fail when it is negative; it is 5 when the first comes. */
async function told(options: QueuedExecutorOptions<number> = {}) {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(
    async (ms: number) => {
      await clock.sleep(Math.abs(ms))
      if (ms < 0) throw failed
      return ms
    },
    { clock, concurrency: 1, ...options },
  )
  const heard: [event: string, said: ExecutorEvents[(typeof ends)[number]]][] = []
  for (const event of ends) queue.on(event, (said) => heard.push([event, said]))
  await clock.advance(5)
  const send = (request: number, id: string, more = {}) => void queue.execute(request, { id, ...more }).catch(() => {})
  return { clock, queue, heard, send }
}

test('completed and failed say how long it has waited, and how long it ran; failed, what it was submitted with', async () => {
  const { clock, heard, send } = await told()
  send(-3, 'a', { priority: 'high', runTimeoutMs: 9 })
  send(10, 'b', { metadata: 'mine' })
  await clock.run()
  const [a, b] = [
    { id: 'a', priority: 'high', request: -3, metadata: undefined, at: 8 },
    { id: 'b', priority: 'normal', request: 10, metadata: 'mine', at: 18 },
  ]
  expect(heard).toEqual([
    [
      'failed',
      {
        ...a,
        waitMs: 0,
        runMs: 3,
        error: failed,
        attempts: 1,
        errors: [failed],
        options: { cost: 1, runTimeoutMs: 9 },
      },
    ],
    ['completed', { ...b, result: 10, waitMs: 3, runMs: 10 }],
  ])
})

test('expired and cancelled say whether an attempt has started; expired, what it was submitted with', async () => {
  const { clock, queue, heard, send } = await told({
    retry: { name: 'once', delayMs: ({ attempt }) => (attempt === 1 ? 20 : undefined) },
  })
  const said = () => heard.splice(0).map(([event, { at, ...more }]) => [event, at, more])
  const ended = (id: string, request: number, started: boolean, code: string) => ({
    ...{ id, priority: 'normal', request, metadata: undefined, started },
    error: expect.objectContaining({ code }),
  })
  const expired = (id: string, request: number, attempts: number, code: string, options: object) => ({
    ...ended(id, request, attempts > 0, code),
    ...{ attempts, errors: [expect.objectContaining({ code })], options: { cost: 1, ...options } },
  })
  send(10, 'runs', { runTimeoutMs: 7 })
  send(1, 'waits', { waitTimeoutMs: 6 })
  send(1, 'leaves')
  await clock.advance(1)
  queue.cancel('leaves')
  await clock.advance(9)
  expect(said()).toEqual([
    ['cancelled', 6, ended('leaves', 1, false, 'TRIAGE_CANCELLED')],
    ['expired', 11, expired('waits', 1, 0, 'TRIAGE_WAIT_TIMEOUT', { waitTimeoutMs: 6 })],
    ['expired', 12, expired('runs', 10, 1, 'TRIAGE_RUN_TIMEOUT', { runTimeoutMs: 7 })],
  ])
  send(-5, 'is tried again')
  await clock.advance(10)
  send(5, 'runs')
  await clock.advance(1)
  for (const id of ['runs', 'is tried again']) queue.cancel(id)
  expect(said()).toEqual([
    ['cancelled', 26, ended('runs', 5, true, 'TRIAGE_CANCELLED')],
    ['cancelled', 26, ended('is tried again', -5, true, 'TRIAGE_CANCELLED')],
  ])
  await clock.run()
})

test('shed says for whom', async () => {
  const { clock, queue, heard, send } = await told({ maxQueueSize: 1, whenFull: 'shed' })
  queue.pause()
  send(1, 'low', { priority: 'low' })
  send(1, 'high', { priority: 'high' })
  const error = expect.objectContaining({ code: 'TRIAGE_SHED', displacedBy: 'high' })
  expect(heard).toEqual([['shed', { id: 'low', priority: 'low', request: 1, metadata: undefined, at: 5, error }]])
  queue.resume()
  await clock.run()
})

test('what nobody listens to is not put together', () => {
  const owner = {} as ConstructorParameters<typeof RequestRecord>[2]['owner']
  const events = new Events()
  const tell = vi.spyOn(events, 'tell')
  const teller = new Teller(events, new Timeline(new VirtualClock(), owner))
  const record = new RequestRecord('request', 2, { at: 0, owner })
  record.status = State.COMPLETED
  teller.of(record, 'queued', { waiting: 1 })
  teller.all('idle', {})
  teller.rejected(record, undefined, failed, 'error')
  teller.ended(record, 'answer', State.RUNNING, { startedAt: 0 })
  expect(tell).not.toHaveBeenCalled()
  for (const event of ['queued', 'idle', 'rejected', 'completed'] as const) events.on(event, () => {})
  teller.all('idle', {})
  expect(tell).toHaveBeenCalledOnce()
})
