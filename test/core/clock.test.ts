/**
 * A clock that becomes another one while something is live: time goes on from where it was, whatever the new one says; and
 * whether its timer keeps the process alive.
 */
import { type Clock, QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { Gate, JumpingClock, turn, watch } from '../failures/support.ts'

class Exchanged extends JumpingClock {
  source = 'first'
}

function exchanged(options: QueuedExecutorOptions<string> = {}) {
  const clock = new Exchanged(100)
  const gate = new Gate()
  const queue = new QueuedExecutor(gate.executor, { concurrency: 1, clock, ...options })
  const now = async () => {
    const request = await queue.submit('asks')
    watch(request.result)
    await turn()
    return request.enqueuedAt
  }
  return { clock, gate, queue, now }
}

test('one that counts from elsewhere: durations go on, and what was due is due after as long', async () => {
  const { clock, gate, queue, now } = exchanged()
  watch(queue.execute('runs'))
  const waits = watch(queue.execute('waits', { waitTimeoutMs: 50 }))
  await turn()
  clock.time = 110
  expect(await now()).toBe(110)
  Object.assign(clock, { source: 'second', time: 5_000 })
  expect(await now()).toBe(110)
  await clock.advanceTo(5_039)
  expect(waits.state).toBe('pending')
  await clock.advanceTo(5_041)
  expect(waits.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', waitedMs: 50 })
  await gate.finishAll()
  expect(clock.timers).toBe(0)
})

test('one that does not know the time yet: it stands still, and goes on as soon as it does', async () => {
  const { clock, gate, queue, now } = exchanged()
  watch(queue.execute('runs'))
  expect(await now()).toBe(100)
  Object.assign(clock, { source: 'second', time: Number.NaN })
  expect(await now()).toBe(100)
  clock.time = 7
  expect(await now()).toBe(100)
  clock.time = 19
  expect(await now()).toBe(112)
  await gate.finishAll()
})

test('where nothing is live any more, no timer is set for its sake', async () => {
  const { clock, gate, queue } = exchanged({ runTimeoutMs: 10 })
  const stuck = watch(queue.execute('stuck'))
  await turn()
  await clock.advanceTo(110)
  expect([stuck.outcome, queue.getStatus().activeWorkers, clock.timers]).toEqual(['TRIAGE_RUN_TIMEOUT', 1, 0])
  Object.assign(clock, { source: 'second', time: 5_000 })
  let pausedAt: number | undefined
  queue.on('paused', ({ at }) => {
    pausedAt = at
  })
  queue.pause()
  expect([pausedAt, clock.timers]).toEqual([110, 0])
  await gate.finishAll()
})

test('the timer keeps the process alive for those who wait, and not for a call that nobody waits for', async () => {
  const clock = new VirtualClock()
  const armed = new Set<{ alive: boolean }>()
  const counted: Clock = {
    now: () => clock.now(),
    setTimeout(callback, delayMs) {
      const timer = {
        alive: true,
        own: clock.setTimeout(callback, delayMs),
        ref: () => {
          timer.alive = true
        },
        unref: () => {
          timer.alive = false
        },
      }
      armed.add(timer)
      return timer
    },
    clearTimeout(timer) {
      armed.delete(timer as { alive: boolean })
      clock.clearTimeout((timer as { own: never }).own)
    },
  }
  const keepsAlive = (): boolean => [...armed].some(({ alive }) => alive)
  const queue = new QueuedExecutor(() => new Promise<never>(() => {}), { clock: counted, concurrency: 1 })
  const first = await queue.submit(1)
  await clock.settle()
  expect(keepsAlive()).toBe(true)
  first.cancel()
  expect(keepsAlive()).toBe(false)
  const second = await queue.submit(2)
  await clock.settle()
  expect(keepsAlive()).toBe(true)
  second.cancel()
  expect(keepsAlive()).toBe(false)
})
