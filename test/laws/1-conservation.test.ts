/**
 * Law 1, conservation: admitted = waiting + running + ended, at every instant; and each admitted request ends exactly
 * once, as one of completed, failed, expired, cancelled, shed.
 */
import { QueuedExecutor, type Totals } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { holds } from './support/holds.ts'
import { type Law, must } from './support/world.ts'

const endedOf = ({ completed, failed, expired, cancelled, shed }: Totals): number =>
  completed + failed + expired + cancelled + shed

const conservation: Law = {
  always(world) {
    const { totals, waiting, running } = world.status
    must(
      totals.admitted === waiting + running + endedOf(totals),
      () => `${totals.admitted} admitted, but ${waiting} wait, ${running} run, ${endedOf(totals)} have ended`,
    )
  },
  settled(world) {
    const { totals } = world.status
    const told = {
      admitted: world.count('queued'),
      rejected: world.count('rejected'),
      joined: world.requests.filter(({ phase }) => phase === 'joined').length,
      retries: 0,
      completed: world.count('completed'),
      failed: world.count('failed'),
      expired: world.count('expired'),
      cancelled: world.count('cancelled'),
      shed: world.count('shed'),
    }
    expect(totals).toEqual(told)
  },
  atEnd(world) {
    const { totals } = world.status
    must(totals.admitted === endedOf(totals), () => `of ${totals.admitted} admitted only ${endedOf(totals)} have ended`)
    const path =
      /^(blocked )?(rejected|queued (started )?(expired|cancelled)|queued shed|queued started (completed|failed))$/
    for (const { n, phase, history } of world.requests) {
      // A slot may be stuck with a request that has ended.
      const way = history.filter((event) => event !== 'stuck').join(' ')
      must(phase === 'joined' ? way === '' : path.test(way), () => `request ${n} went the way '${way}'`)
    }
  },
}

holds('whatever happens, each admitted request is somewhere, and ends exactly once', conservation)

test('a request that is displaced is in the books at every instant, also while its successor is announced', async () => {
  const clock = new VirtualClock()
  const executor = new QueuedExecutor(() => clock.sleep(10), {
    clock,
    concurrency: 1,
    maxQueueSize: 1,
    whenFull: 'shed',
  })
  executor.execute('running')
  await clock.settle()
  executor.offer('victim', { priority: 'low' })
  const seen: number[][] = []
  executor.on('queued', () => {
    const { totals, waiting, running } = executor.getStatus()
    seen.push([totals.admitted, waiting + running + endedOf(totals)])
  })
  executor.offer('successor', { priority: 'urgent' })
  expect(seen).toEqual([[3, 3]])
  await Promise.all([executor.close({ drain: false }), clock.advance(20)])
})

test('cancel, timeout and answer in the same instant end a request once', async () => {
  for (const first of ['cancel', 'answer'] as const) {
    const clock = new VirtualClock()
    let answer = (): void => {}
    const executor = new QueuedExecutor(
      () =>
        new Promise<void>((resolve) => {
          answer = resolve
        }),
      {
        clock,
        runTimeoutMs: 10,
      },
    )
    const told: string[] = []
    for (const event of ['completed', 'failed', 'expired', 'cancelled'] as const)
      executor.on(event, () => told.push(event))
    const request = await executor.submit('a')
    request.result.catch(() => {})
    await clock.settle()
    const cancel = (): void => void request.cancel()
    clock.setTimeout(() => {
      for (const end of first === 'cancel' ? [cancel, answer] : [answer, cancel]) end()
    }, 10)
    await clock.advance(20)
    expect(told).toHaveLength(1)
    expect(endedOf(executor.getStatus().totals)).toBe(1)
  }
})
